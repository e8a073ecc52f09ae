//! The gate: who reviews, what reviews bind to, what can be read out; and the switch.

#![allow(clippy::allow_attributes, reason = "which of them occur differs by test")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use shuyu_enclave::{
    Begin, Cost, Cuts, Finding, Job, JobCommand, JobStatus, Priority, Program, Proposal, Record,
    Release, ReleaseCommand, ReleaseStatus, Specification, Verdict,
};
use shuyu_kernel::{Actor, ContentHash, GrantId, Id, JobId, OrganisationId, PersonId, ReleaseId};
use shuyu_law::{Law, PackVersion, Refusal};
use shuyu_store::{Context, Entity};

fn law() -> Law {
    Law::load("hangzhou").expect("an embedded pack")
}

fn actor(person: u128, organisation: u128) -> Actor {
    Actor {
        person: PersonId::from_u128(person),
        organisation: OrganisationId::from_u128(organisation),
        roles: BTreeSet::new(),
    }
}

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;
const OPERATOR: u128 = 7;

/// Decides and evolves.
fn act<E: Entity>(state: Option<E>, who: &Actor, command: E::Command) -> Result<E, Refusal> {
    let law = law();
    let ctx = Context { now: NOW, actor: who, law: &law };
    let events = E::decide(state.as_ref(), command, &ctx)?;
    Ok(events.iter().fold(state, |state, event| E::evolve(state, event)).expect("a state"))
}

fn specification(sql: &str) -> Specification {
    Specification {
        grant: GrantId::from_u128(1),
        program: Program::sql(sql),
        purpose: "statistics".to_owned(),
        versions: Vec::new(),
        pack: PackVersion("p".to_owned()),
    }
}

fn job(package: ContentHash) -> Job {
    let specification = specification("SELECT 1");
    Job {
        id: JobId::from_u128(1),
        frozen: specification.hash(),
        specification,
        author: PersonId::from_u128(1),
        operator: OrganisationId::from_u128(OPERATOR),
        priority: Priority::Normal,
        begin: Begin::ByHand,
        attempts: 0,
        cost: Cost::default(),
        status: JobStatus::Succeeded { package, rows: 1 },
    }
}

fn proposal(package: ContentHash, verdict: Verdict, purpose: &str) -> Box<Proposal> {
    let finding = Finding { check: "c".to_owned(), verdict, reason: String::new() };
    Box::new(Proposal {
        package,
        purpose: purpose.to_owned(),
        form: "data_package".to_owned(),
        record: Record { package, rows: 1, findings: vec![finding] },
        salt: "00".to_owned(),
    })
}

fn submitted(package: ContentHash, verdict: Verdict) -> Release {
    let command = ReleaseCommand::Submit {
        id: ReleaseId::from_u128(1),
        job: Box::new(job(package)),
        providers: BTreeSet::new(),
        proposal: proposal(package, verdict, "statistics"),
    };
    act::<Release>(None, &actor(1, OPERATOR), command).unwrap()
}

fn approve(release: &Release, who: &Actor) -> Result<Release, Refusal> {
    let content = release.proposal.hash();
    act(Some(release.clone()), who, ReleaseCommand::Approve { content })
}

fn rule<T: std::fmt::Debug>(outcome: Result<T, Refusal>) -> String {
    outcome.expect_err("refused").rule
}

#[test]
fn two_independent_reviewers_release_and_nobody_else() {
    let release = submitted(ContentHash::of(b"x"), Verdict::Pass);
    assert_eq!(rule(approve(&release, &actor(1, 9))), "reviewer-independent");
    assert_eq!(rule(approve(&release, &actor(2, OPERATOR))), "reviewer-independent");
    let once = approve(&release, &actor(3, 8)).unwrap();
    assert_eq!(once.status, ReleaseStatus::InReview);
    assert_eq!(rule(approve(&once, &actor(3, 8))), "reviewer-once");
    let twice = approve(&once, &actor(4, 8)).unwrap();
    assert_eq!(twice.status, ReleaseStatus::Released { at: NOW });
    assert_eq!(rule(approve(&twice, &actor(5, 8))), "release-state");
}

#[test]
fn a_change_resets_reviews_and_an_approval_binds_what_was_read() {
    let package = ContentHash::of(b"x");
    let release = submitted(package, Verdict::Pass);
    let once = approve(&release, &actor(3, 8)).unwrap();
    let read = once.proposal.hash();
    let amend = ReleaseCommand::Amend { proposal: proposal(package, Verdict::Pass, "another") };
    let amended = act(Some(once), &actor(1, OPERATOR), amend).unwrap();
    assert!(amended.approvals.is_empty());
    let stale = ReleaseCommand::Approve { content: read };
    assert_eq!(rule(act(Some(amended.clone()), &actor(4, 8), stale)), "review-binds-content");
    let other = ReleaseCommand::Amend {
        proposal: proposal(ContentHash::of(b"y"), Verdict::Pass, "another"),
    };
    assert_eq!(rule(act(Some(amended), &actor(1, OPERATOR), other)), "release-of-job");
}

#[test]
fn a_failed_check_is_not_approved_nor_told_and_a_rejection_stays() {
    let failed = submitted(ContentHash::of(b"x"), Verdict::Fail);
    assert_eq!(failed.status, ReleaseStatus::InReview, "its author does not see it by this");
    assert_eq!(rule(approve(&failed, &actor(3, 8))), "release-checks");
    let release = submitted(ContentHash::of(b"x"), Verdict::Review);
    let reject = ReleaseCommand::Reject {
        content: release.proposal.hash(),
        reason: "small cells in column 3".to_owned(),
    };
    let rejected = act(Some(release), &actor(3, 8), reject).unwrap();
    assert_eq!(rule(approve(&rejected, &actor(4, 8))), "release-state");
}

#[test]
fn what_is_put_forward_is_not_told_from_its_digest_by_trying() {
    let package = ContentHash::of(b"n\r\n876543\r\n");
    let plain = proposal(package, Verdict::Pass, "statistics");
    let salted = Proposal { salt: "01".to_owned(), ..(*plain).clone() };
    assert_ne!(plain.hash(), salted.hash());
}

#[test]
fn only_what_is_released_is_read_out_and_only_as_it_was_reviewed() {
    let package = ContentHash::of(b"district,n\r\nXIHU,12\r\n");
    let release = submitted(package, Verdict::Pass);
    let law = law();
    assert_eq!(rule(release.check_released(&law)), "released-only");
    let once = approve(&release, &actor(3, 8)).unwrap();
    assert_eq!(rule(once.check_released(&law)), "released-only");
    let released = approve(&once, &actor(4, 8)).unwrap();
    assert_eq!(released.check_released(&law), Ok(package), "what is read out must have this hash");
}

#[test]
fn a_job_runs_only_as_it_was_frozen_and_again_after_an_interruption() {
    let mut frozen = job(ContentHash::of(b"x"));
    frozen.status = JobStatus::Submitted;
    let start = |sql: &str| JobCommand::Start {
        specification: Box::new(specification(sql)),
        most_attempts: 2,
    };
    let who = actor(1, OPERATOR);
    assert_eq!(rule(act(Some(frozen.clone()), &who, start("SELECT 2"))), "job-frozen");
    let running = act(Some(frozen), &who, start("SELECT 1")).unwrap();
    assert_eq!(rule(act(Some(running.clone()), &who, start("SELECT 1"))), "job-state");
    let interrupted = act(Some(running), &who, JobCommand::Interrupt).unwrap();
    let again = act(Some(interrupted), &who, start("SELECT 1")).unwrap();
    let interrupted = act(Some(again), &who, JobCommand::Interrupt).unwrap();
    assert_eq!(rule(act(Some(interrupted), &who, start("SELECT 1"))), "job-limits");
}

#[tokio::test]
async fn what_runs_stops_within_a_second_of_the_cut() {
    let (cuts, grant) = (Cuts::new(), GrantId::from_u128(1));
    let token = cuts.token(grant);
    let running = tokio::spawn(async move { token.cancelled_owned().await });
    tokio::task::yield_now().await;
    cuts.cut(GrantId::from_u128(2));
    assert!(!running.is_finished(), "another grant was cut");
    cuts.cut(grant);
    tokio::time::timeout(Duration::from_secs(1), running).await.unwrap().unwrap();
    assert!(!cuts.token(grant).is_cancelled(), "a grant that is restored can be used again");
}
