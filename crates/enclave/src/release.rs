//! The one gate: what leaves the domain, decided by reviews bound to its digest.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{Actor, ContentHash, GrantId, JobId, OrganisationId, PersonId, ReleaseId};
use shuyu_law::{Attribute, Attributes, Law, PackVersion, Refusal};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::{
    Job, JobStatus, Record, Verdict,
    rules::{
        RELEASE_CHECKS, RELEASE_OF_JOB, RELEASE_STATE, RELEASED_ONLY, REVIEW_BINDS_CONTENT,
        REVIEWER_INDEPENDENT, REVIEWER_ONCE,
    },
};

/// No pack asks for fewer reviewers than one; without a figure of the pack there are two.
const DEFAULT_REVIEWERS: u32 = 2;

/// The number of reviewers that the law asks for.
fn reviewers(law: &Law) -> u32 {
    law.integer("release_reviewers")
        .and_then(|figure| u32::try_from(figure).ok())
        .unwrap_or(DEFAULT_REVIEWERS)
        .max(1)
}

/// A reviewer's approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub by: PersonId,
    /// For whom.
    pub organisation: OrganisationId,
    /// What was read.
    pub content: ContentHash,
    /// When.
    pub at: DateTime<Utc>,
}

/// Where a release stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum ReleaseStatus {
    /// Reviewers decide. What the automatic checks found is theirs to read: whoever could try
    /// outputs out on the checks would learn from them what the data hold.
    InReview,
    /// It may be read out.
    Released {
        /// Since when.
        at: DateTime<Utc>,
    },
    /// A reviewer turned it down.
    Rejected {
        /// Who.
        by: PersonId,
        /// Why.
        reason: String,
    },
    /// It may no longer be read out, or is not reviewed any more.
    Withdrawn {
        /// Why.
        reason: String,
    },
}

impl ReleaseStatus {
    /// The name, as filters write it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::InReview => "in_review",
            Self::Released { .. } => "released",
            Self::Rejected { .. } => "rejected",
            Self::Withdrawn { .. } => "withdrawn",
        }
    }
}

/// What is put forward to be released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The digest of the output in quarantine.
    pub package: ContentHash,
    /// What it is for.
    pub purpose: String,
    /// The form in which it is to be used.
    pub form: String,
    /// What the automatic checks found, bound to the same digest.
    pub record: Record,
    /// Chance, so that what is put forward is not told from its digest by trying: hexadecimal.
    #[serde(default)]
    pub salt: String,
}

impl Proposal {
    /// What reviews bind to: the output, its purpose, its form and the record of checks.
    pub fn hash(&self) -> ContentHash {
        ContentHash::of_json(&serde_json::to_value(self).unwrap_or_default())
    }
}

/// A release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Which release.
    pub id: ReleaseId,
    /// Of which job.
    pub job: JobId,
    /// Under which grant.
    pub grant: GrantId,
    /// Who wrote the job.
    pub author: PersonId,
    /// For whom.
    pub operator: OrganisationId,
    /// Whose data it was made from.
    pub providers: BTreeSet<OrganisationId>,
    /// What is put forward.
    pub proposal: Proposal,
    /// How many reviewers must approve.
    pub needed: u32,
    /// Who has approved what stands now.
    pub approvals: Vec<Approval>,
    /// The law under which it began.
    pub pack: PackVersion,
    /// Where it stands.
    pub status: ReleaseStatus,
}

impl Release {
    /// Whether it was put forward by the actor, or for their organisation.
    pub(crate) fn is_own(&self, actor: &Actor) -> bool {
        actor.person == self.author || actor.organisation == self.operator
    }

    /// The digest of what may be read out.
    pub fn check_released(&self, law: &Law) -> Result<ContentHash, Refusal> {
        match self.status {
            ReleaseStatus::Released { .. } => Ok(self.proposal.package),
            ReleaseStatus::InReview
            | ReleaseStatus::Rejected { .. }
            | ReleaseStatus::Withdrawn { .. } => {
                Err(law.refuse(RELEASED_ONLY, &[("status", self.status.name())]))
            }
        }
    }
}

/// What can be wanted of a release.
#[derive(Debug, Clone)]
pub enum ReleaseCommand {
    /// Put the output of a job forward.
    Submit {
        /// Which release.
        id: ReleaseId,
        /// The job, as it stands in the same unit of work.
        job: Box<Job>,
        /// Whose data it was made from.
        providers: BTreeSet<OrganisationId>,
        /// What is put forward.
        proposal: Box<Proposal>,
    },
    /// Change what is put forward. Reviews begin anew.
    Amend {
        /// What is put forward now.
        proposal: Box<Proposal>,
    },
    /// Approve what was read.
    Approve {
        /// The digest of the proposal that was read.
        content: ContentHash,
    },
    /// Turn it down.
    Reject {
        /// The digest of the proposal that was read.
        content: ContentHash,
        /// Why.
        reason: String,
    },
    /// Stop its use.
    Withdraw {
        /// Why.
        reason: String,
    },
}

impl Command for ReleaseCommand {
    shuyu_store::names! {
        Self::Submit { .. } => "submit",
        Self::Amend { .. } => "amend",
        Self::Approve { .. } => "approve",
        Self::Reject { .. } => "reject",
        Self::Withdraw { .. } => "withdraw",
    }
}

/// What can happen to a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum ReleaseEvent {
    /// The output of a job was put forward.
    Submitted {
        /// Which release.
        id: ReleaseId,
        /// Of which job.
        job: JobId,
        /// Under which grant.
        grant: GrantId,
        /// Who wrote the job.
        author: PersonId,
        /// For whom.
        operator: OrganisationId,
        /// Whose data it was made from.
        #[serde(default)]
        providers: BTreeSet<OrganisationId>,
        /// What is put forward.
        proposal: Box<Proposal>,
        /// How many reviewers must approve.
        needed: u32,
        /// The law under which it began.
        pack: PackVersion,
    },
    /// What is put forward was changed, and every approval fell away.
    Amended {
        /// What is put forward now.
        proposal: Box<Proposal>,
    },
    /// A reviewer approved.
    Approved {
        /// Their approval.
        approval: Approval,
    },
    /// Enough reviewers have approved.
    Released {
        /// When.
        at: DateTime<Utc>,
    },
    /// A reviewer turned it down.
    Rejected {
        /// Who.
        by: PersonId,
        /// Why.
        reason: String,
    },
    /// Its use was stopped.
    Withdrawn {
        /// Why.
        reason: String,
    },
}

/// Refuses a proposal that is not of the output of this finished job of the actor's organisation.
fn check_proposal(
    proposal: &Proposal,
    package: ContentHash,
    operator: OrganisationId,
    ctx: &Context<'_>,
) -> Result<(), Refusal> {
    if proposal.package != package || proposal.record.package != package {
        return Err(ctx.refuse(RELEASE_OF_JOB).because("it is not the output of the job"));
    }
    if ctx.actor.organisation != operator {
        return Err(ctx.refuse(RELEASE_OF_JOB).because("it is the job of another organisation"));
    }
    Ok(())
}

/// Refuses a reviewer who is not independent, reviews twice, or has read something else.
fn check_reviewer(
    release: &Release,
    content: ContentHash,
    ctx: &Context<'_>,
) -> Result<(), Refusal> {
    if release.is_own(ctx.actor) {
        return Err(ctx.refuse(REVIEWER_INDEPENDENT));
    }
    if content != release.proposal.hash() {
        return Err(ctx.refuse(REVIEW_BINDS_CONTENT));
    }
    if release.approvals.iter().any(|approval| approval.by == ctx.actor.person) {
        return Err(ctx.refuse(REVIEWER_ONCE));
    }
    Ok(())
}

fn in_review<'a>(state: Option<&'a Release>, ctx: &Context<'_>) -> Result<&'a Release, Refusal> {
    let release = state.ok_or_else(|| ctx.refuse(RELEASE_STATE))?;
    match release.status {
        ReleaseStatus::InReview => Ok(release),
        ReleaseStatus::Released { .. }
        | ReleaseStatus::Rejected { .. }
        | ReleaseStatus::Withdrawn { .. } => Err(ctx
            .refuse(RELEASE_STATE)
            .because(format!("the release is {}", release.status.name()))),
    }
}

impl Entity for Release {
    const KIND: &'static str = "release";
    const ATTRIBUTES: &'static [&'static str] =
        &["operator", "author", "grant", "providers", "status"];
    type Id = ReleaseId;
    type Command = ReleaseCommand;
    type Event = ReleaseEvent;

    fn decide(
        state: Option<&Self>,
        command: ReleaseCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<ReleaseEvent>, Refusal> {
        match command {
            ReleaseCommand::Submit { id, job, providers, proposal } => {
                if state.is_some() {
                    return Err(ctx.refuse(RELEASE_STATE));
                }
                let JobStatus::Succeeded { package, .. } = job.status else {
                    return Err(ctx.refuse(RELEASE_OF_JOB).because("the job has no output"));
                };
                check_proposal(&proposal, package, job.operator, ctx)?;
                Ok(vec![ReleaseEvent::Submitted {
                    id,
                    job: job.id,
                    grant: job.specification.grant,
                    author: job.author,
                    operator: job.operator,
                    providers,
                    proposal,
                    needed: reviewers(ctx.law),
                    pack: ctx.law.version.clone(),
                }])
            }
            ReleaseCommand::Amend { proposal } => {
                let release = in_review(state, ctx)?;
                check_proposal(&proposal, release.proposal.package, release.operator, ctx)?;
                Ok(vec![ReleaseEvent::Amended { proposal }])
            }
            ReleaseCommand::Approve { content } => {
                let release = in_review(state, ctx)?;
                check_reviewer(release, content, ctx)?;
                if release.proposal.record.verdict() == Verdict::Fail {
                    return Err(ctx.refuse(RELEASE_CHECKS));
                }
                let approval = Approval {
                    by: ctx.actor.person,
                    organisation: ctx.actor.organisation,
                    content,
                    at: ctx.now,
                };
                let enough = release.approvals.len() + 1 >= release.needed as usize;
                let mut events = vec![ReleaseEvent::Approved { approval }];
                if enough {
                    events.push(ReleaseEvent::Released { at: ctx.now });
                }
                Ok(events)
            }
            ReleaseCommand::Reject { content, reason } => {
                let release = in_review(state, ctx)?;
                check_reviewer(release, content, ctx)?;
                Ok(vec![ReleaseEvent::Rejected { by: ctx.actor.person, reason }])
            }
            ReleaseCommand::Withdraw { reason } => match state.map(|release| &release.status) {
                Some(ReleaseStatus::InReview | ReleaseStatus::Released { .. }) => {
                    Ok(vec![ReleaseEvent::Withdrawn { reason }])
                }
                Some(ReleaseStatus::Rejected { .. } | ReleaseStatus::Withdrawn { .. }) | None => {
                    Err(ctx.refuse(RELEASE_STATE))
                }
            },
        }
    }

    fn evolve(state: Option<Self>, event: &ReleaseEvent) -> Option<Self> {
        let moved = |state: Option<Self>, status| state.map(|release| Self { status, ..release });
        match event {
            ReleaseEvent::Submitted {
                id,
                job,
                grant,
                author,
                operator,
                providers,
                proposal,
                needed,
                pack,
            } => Some(Self {
                id: *id,
                job: *job,
                grant: *grant,
                author: *author,
                operator: *operator,
                providers: providers.clone(),
                status: ReleaseStatus::InReview,
                proposal: (**proposal).clone(),
                needed: *needed,
                approvals: Vec::new(),
                pack: pack.clone(),
            }),
            ReleaseEvent::Amended { proposal } => state.map(|release| Self {
                proposal: (**proposal).clone(),
                approvals: Vec::new(),
                ..release
            }),
            ReleaseEvent::Approved { approval } => state.map(|mut release| {
                release.approvals.push(approval.clone());
                release
            }),
            ReleaseEvent::Released { at } => moved(state, ReleaseStatus::Released { at: *at }),
            ReleaseEvent::Rejected { by, reason } => {
                moved(state, ReleaseStatus::Rejected { by: *by, reason: reason.clone() })
            }
            ReleaseEvent::Withdrawn { reason } => {
                moved(state, ReleaseStatus::Withdrawn { reason: reason.clone() })
            }
        }
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.status.name().to_owned(),
            owner: Some(self.operator.to_string()),
            parent: Some(self.job.to_string()),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        Attributes::from([
            ("operator".to_owned(), Attribute::Text(self.operator.to_string())),
            ("author".to_owned(), Attribute::Text(self.author.to_string())),
            ("grant".to_owned(), Attribute::Text(self.grant.to_string())),
            (
                "providers".to_owned(),
                Attribute::Set(self.providers.iter().map(ToString::to_string).collect()),
            ),
            ("status".to_owned(), Attribute::Text(self.status.name().to_owned())),
        ])
    }

    fn pack(&self) -> Option<&PackVersion> {
        Some(&self.pack)
    }
}
