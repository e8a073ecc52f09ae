//! The gate on a real desk: who reviews, what a review binds to, and what happens at once.

#![allow(clippy::allow_attributes, reason = "which of them occur differs by test")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod support;

use std::sync::Arc;

use shuyu_enclave::{Release, ReleaseStatus, Verdict};
use shuyu_kernel::{Actor, ContentHash, ReleaseId};
use shuyu_store::{ActError, StreamId};
use shuyu_testkit::actor;
use support::world::{OPERATOR, World, analyst, reviewer, rule};

const SQL: &str = "SELECT district, count(*) AS n FROM persons GROUP BY district";

/// A release in review.
async fn put_forward(world: &World) -> ReleaseId {
    let job = world.produced(SQL).await;
    world.enclave.request_release(&analyst(), job.id, "planning", "data_package").await.unwrap()
}

async fn release(world: &World, id: ReleaseId) -> Release {
    world.desk().find::<Release>(id).await.unwrap().unwrap().1
}

async fn approve(world: &World, who: Actor, id: ReleaseId) -> Result<Release, ActError> {
    let content = release(world, id).await.proposal.hash();
    world.enclave.approve(&who, id, content).await
}

#[tokio::test]
async fn an_output_comes_again_under_the_thresholds_as_long_as_its_data_stand() {
    let world = World::new("changchun").await;
    let verdict = async |id| {
        let findings = release(&world, id).await.proposal.record.findings;
        findings.iter().find(|it| it.check == "minimum-subjects").unwrap().verdict
    };
    let job = world.produced(SQL).await;
    let put_forward = async || {
        let form = "data_package";
        world.enclave.request_release(&analyst(), job.id, "planning", form).await.unwrap()
    };
    assert_eq!(verdict(put_forward().await).await, Verdict::Pass);
    world.supply_persons_again().await;
    assert_eq!(verdict(put_forward().await).await, Verdict::Review);
    world.finish().await;
}

#[tokio::test]
async fn two_people_who_are_not_the_author_release_and_nobody_else_does() {
    let world = World::new("changchun").await;
    let id = put_forward(&world).await;
    // The author, also where they have a reviewer's role, their colleagues, and the wrong roles.
    let author = actor(1, OPERATOR, &["operator", "expert"]);
    assert_eq!(rule(approve(&world, author, id).await), "not-permitted");
    let elsewhere = actor(1, 8, &["authority"]);
    assert_eq!(rule(approve(&world, elsewhere, id).await), "reviewer-independent");
    let colleague = actor(2, OPERATOR, &["expert"]);
    assert_eq!(rule(approve(&world, colleague, id).await), "reviewer-independent");
    for role in ["operator", "product_user", "auditor", "administrator"] {
        assert_eq!(
            rule(approve(&world, actor(5, 8, &[role]), id).await),
            "not-permitted",
            "{role}"
        );
    }
    let once = approve(&world, reviewer(3), id).await.unwrap();
    assert_eq!((once.status, once.approvals.len()), (ReleaseStatus::InReview, 1));
    assert_eq!(rule(approve(&world, reviewer(3), id).await), "reviewer-once");
    let other = world.enclave.approve(&reviewer(4), id, ContentHash::of(b"another")).await;
    assert_eq!(rule(other), "review-binds-content");
    assert_eq!(rule(world.enclave.read_released(&analyst(), id).await), "released-only");
    let twice = approve(&world, reviewer(4), id).await.unwrap();
    assert!(matches!(twice.status, ReleaseStatus::Released { .. }));
    assert_eq!(rule(approve(&world, reviewer(5), id).await), "release-state");
    assert!(world.enclave.read_released(&analyst(), id).await.is_ok());
    let log = world.log_of(StreamId::of::<Release>(id)).await;
    assert_eq!(log.iter().filter(|entry| *entry == "Approved").count(), 2, "{log:?}");
    assert_eq!(log.iter().filter(|entry| entry.contains("refused")).count(), 11, "{log:?}");
    world.finish().await;
}

/// Whose data an output was made from looks at it and decides; another provider does not.
#[tokio::test]
async fn a_provider_reviews_what_was_made_of_its_own_data_and_nothing_else() {
    let world = World::new("hangzhou").await;
    let id = put_forward(&world).await;
    let owner = release(&world, id).await.providers;
    let [owner] = owner.iter().collect::<Vec<_>>()[..] else { panic!("one provider: {owner:?}") };
    let of = |organisation: u128| actor(7, organisation, &["provider"]);
    let own = Actor { organisation: *owner, ..of(1) };
    let other = of(99);
    assert_eq!(rule(world.enclave.inspect(&other, id).await), "not-permitted");
    assert_eq!(rule(world.enclave.findings(&other, id).await), "not-permitted");
    assert_eq!(rule(approve(&world, other, id).await), "not-permitted");
    assert!(world.enclave.inspect(&own, id).await.is_ok());
    let record = world.enclave.findings(&own, id).await.unwrap();
    assert_eq!(record.rows, 3);
    assert_eq!(rule(world.enclave.findings(&analyst(), id).await), "not-permitted");
    assert_eq!(approve(&world, own, id).await.unwrap().approvals.len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn any_change_resets_the_review_and_a_stale_hash_approves_nothing() {
    let world = World::new("hangzhou").await;
    let id = put_forward(&world).await;
    let stale = release(&world, id).await.proposal.hash();
    approve(&world, reviewer(3), id).await.unwrap();
    for (purpose, form) in [("prices", "data_package"), ("prices", "api")] {
        let before = release(&world, id).await.proposal.hash();
        let amended = world.enclave.amend_release(&analyst(), id, purpose, form).await.unwrap();
        assert!(amended.approvals.is_empty() && amended.status == ReleaseStatus::InReview);
        assert_ne!(amended.proposal.hash(), before);
    }
    assert_eq!(rule(world.enclave.approve(&reviewer(4), id, stale).await), "review-binds-content");
    let reject = world.enclave.reject(&reviewer(4), id, stale, "small cells").await;
    assert_eq!(rule(reject), "review-binds-content");
    let other = actor(6, 9, &["operator"]);
    let amend = world.enclave.amend_release(&other, id, "theirs", "api").await;
    assert_eq!(rule(amend), "release-of-job");
    // The first reviewer's approval fell away: it takes two again, and they may be the same.
    approve(&world, reviewer(3), id).await.unwrap();
    let released = approve(&world, reviewer(4), id).await.unwrap();
    assert!(matches!(released.status, ReleaseStatus::Released { .. }));
    let amend = world.enclave.amend_release(&analyst(), id, "more", "api").await;
    assert_eq!(rule(amend), "release-state");
    world.finish().await;
}

#[tokio::test]
async fn a_rejection_is_final_and_an_output_of_others_is_not_put_forward() {
    let world = World::new("hangzhou").await;
    let job = world.produced(SQL).await;
    let other = actor(6, 9, &["operator"]);
    let request = world.enclave.request_release(&other, job.id, "theirs", "api").await;
    assert_eq!(rule(request), "release-of-job");
    let request = world.enclave.request_release(&reviewer(3), job.id, "planning", "api").await;
    assert_eq!(rule(request), "release-of-job");
    let id = put_forward(&world).await;
    let content = release(&world, id).await.proposal.hash();
    world.enclave.reject(&reviewer(3), id, content, "the purpose is another").await.unwrap();
    assert_eq!(rule(approve(&world, reviewer(4), id).await), "release-state");
    assert_eq!(rule(world.enclave.read_released(&analyst(), id).await), "released-only");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn approvals_at_once_count_each_person_once() {
    let world = Arc::new(World::new("hangzhou").await);
    for _ in 0..8 {
        let id = put_forward(&world).await;
        // Each of three reviewers approves three times at once: two are needed.
        let tasks: Vec<_> = [3, 4, 5, 3, 4, 5, 3, 4, 5]
            .map(|number| {
                let world = Arc::clone(&world);
                tokio::spawn(async move { (number, approve(&world, reviewer(number), id).await) })
            })
            .into_iter()
            .collect();
        let mut approved = Vec::new();
        for task in tasks {
            let (number, outcome) = task.await.unwrap();
            match outcome {
                Ok(_) => approved.push(number),
                Err(ActError::Refused(refusal)) => {
                    let known = ["reviewer-once", "release-state"];
                    assert!(known.contains(&refusal.rule.as_str()), "{}", refusal.rule);
                }
                Err(other) => panic!("{other}"),
            }
        }
        let found = release(&world, id).await;
        assert!(matches!(found.status, ReleaseStatus::Released { .. }));
        assert_eq!((approved.len(), found.approvals.len()), (2, 2));
        assert_ne!(approved[0], approved[1], "two people, not one twice");
        let log = world.log_of(StreamId::of::<Release>(id)).await;
        let events: Vec<_> = log.iter().filter(|entry| !entry.contains("refused")).collect();
        assert_eq!(events, ["Submitted", "Approved", "Approved", "Released"]);
    }
    Arc::try_unwrap(world).ok().unwrap().finish().await;
}
