//! Jobs: frozen by hash, run on the full data, their output unseen until it is released.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{ContentHash, GrantId, JobId, OrganisationId, PersonId};
use shuyu_law::{Attribute, Attributes, PackVersion, Refusal};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::{
    DatasetVersion, Grant, Operation,
    rules::{JOB_FROZEN, JOB_STATE},
};

/// What a job is: everything that its result depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Specification {
    /// Under which grant.
    pub grant: GrantId,
    /// The query.
    pub sql: String,
    /// What it is for.
    pub purpose: String,
    /// The dataset versions that it reads.
    pub versions: Vec<DatasetVersion>,
    /// The law under which it is checked.
    pub pack: PackVersion,
}

impl Specification {
    /// The digest by which the job is frozen.
    pub fn hash(&self) -> ContentHash {
        ContentHash::of_json(&serde_json::to_value(self).unwrap_or_default())
    }
}

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum JobStatus {
    /// It waits.
    Submitted,
    /// It runs.
    Running {
        /// Since when.
        since: DateTime<Utc>,
    },
    /// Its output lies in quarantine.
    Succeeded {
        /// The digest of the output.
        package: ContentHash,
        /// How many rows the output has.
        rows: u64,
    },
    /// It was refused or could not be completed; what is said of it is constant.
    Failed {
        /// The rule.
        rule: String,
    },
    /// It was stopped.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// The program ended while it ran. It may be run again.
    Interrupted,
}

impl JobStatus {
    /// The name, as filters write it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Running { .. } => "running",
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Cancelled { .. } => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Which job.
    pub id: JobId,
    /// What it is.
    pub specification: Specification,
    /// The digest by which it is frozen.
    pub frozen: ContentHash,
    /// Who submitted it.
    pub author: PersonId,
    /// For whom.
    pub operator: OrganisationId,
    /// Where it stands.
    pub status: JobStatus,
}

/// What can be wanted of a job.
#[derive(Debug, Clone)]
pub enum JobCommand {
    /// Submit it.
    Submit {
        /// Which job.
        id: JobId,
        /// What it is.
        specification: Box<Specification>,
        /// The grant, as it stands in the same unit of work.
        grant: Box<Grant>,
    },
    /// Run it, or run it again after an interruption.
    Start {
        /// What is about to run.
        specification: Box<Specification>,
    },
    /// Note its output.
    Succeed {
        /// The digest of the output.
        package: ContentHash,
        /// How many rows the output has.
        rows: u64,
    },
    /// Note that it could not be completed.
    Fail {
        /// The rule.
        rule: String,
    },
    /// Stop it.
    Cancel {
        /// Why.
        reason: String,
    },
    /// Note that the program ended while it ran.
    Interrupt,
}

impl Command for JobCommand {
    shuyu_store::names! {
        Self::Submit { .. } => "submit",
        Self::Start { .. } => "start",
        Self::Succeed { .. } => "succeed",
        Self::Fail { .. } => "fail",
        Self::Cancel { .. } => "cancel",
        Self::Interrupt => "interrupt",
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::Submit { grant, .. } => grant.attributes(),
            Self::Start { .. }
            | Self::Succeed { .. }
            | Self::Fail { .. }
            | Self::Cancel { .. }
            | Self::Interrupt => Attributes::new(),
        }
    }
}

/// What can happen to a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum JobEvent {
    /// It was submitted, and frozen.
    Submitted {
        /// Which job.
        id: JobId,
        /// What it is.
        specification: Box<Specification>,
        /// The digest by which it is frozen.
        frozen: ContentHash,
        /// Who submitted it.
        author: PersonId,
        /// For whom.
        operator: OrganisationId,
    },
    /// It began to run.
    Started {
        /// When.
        at: DateTime<Utc>,
    },
    /// Its output lies in quarantine.
    Succeeded {
        /// The digest of the output.
        package: ContentHash,
        /// How many rows the output has.
        rows: u64,
    },
    /// It could not be completed.
    Failed {
        /// The rule.
        rule: String,
    },
    /// It was stopped.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// The program ended while it ran.
    Interrupted,
}

impl Entity for Job {
    const KIND: &'static str = "job";
    const ATTRIBUTES: &'static [&'static str] =
        &["operator", "author", "grant", "status", "agreement", "people", "operations"];
    type Id = JobId;
    type Command = JobCommand;
    type Event = JobEvent;

    fn decide(
        state: Option<&Self>,
        command: JobCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<JobEvent>, Refusal> {
        let name = command.name();
        let misplaced = || {
            let status = state.map_or("not there", |job| job.status.name());
            Err(ctx
                .refuse(JOB_STATE)
                .because(format!("`{name}` does not apply to a job that is {status}")))
        };
        match (state, command) {
            (None, JobCommand::Submit { id, specification, grant }) => {
                grant.check_use(ctx.actor, Operation::Produce, ctx.now, ctx.law)?;
                if specification.grant != grant.id || specification.pack != grant.pack {
                    return Err(ctx.refuse(JOB_FROZEN).because("it names another grant or law"));
                }
                Ok(vec![JobEvent::Submitted {
                    id,
                    frozen: specification.hash(),
                    specification,
                    author: ctx.actor.person,
                    operator: ctx.actor.organisation,
                }])
            }
            (Some(job), JobCommand::Start { specification }) => match job.status {
                JobStatus::Submitted | JobStatus::Interrupted => {
                    if specification.hash() != job.frozen {
                        return Err(ctx.refuse(JOB_FROZEN));
                    }
                    Ok(vec![JobEvent::Started { at: ctx.now }])
                }
                JobStatus::Running { .. }
                | JobStatus::Succeeded { .. }
                | JobStatus::Failed { .. }
                | JobStatus::Cancelled { .. } => misplaced(),
            },
            (Some(Self { status: JobStatus::Running { .. }, .. }), command) => match command {
                JobCommand::Succeed { package, rows } => {
                    Ok(vec![JobEvent::Succeeded { package, rows }])
                }
                JobCommand::Fail { rule } => Ok(vec![JobEvent::Failed { rule }]),
                JobCommand::Cancel { reason } => Ok(vec![JobEvent::Cancelled { reason }]),
                JobCommand::Interrupt => Ok(vec![JobEvent::Interrupted]),
                JobCommand::Submit { .. } | JobCommand::Start { .. } => misplaced(),
            },
            (
                Some(Self { status: JobStatus::Submitted | JobStatus::Interrupted, .. }),
                JobCommand::Cancel { reason },
            ) => Ok(vec![JobEvent::Cancelled { reason }]),
            (
                Some(_) | None,
                JobCommand::Submit { .. }
                | JobCommand::Start { .. }
                | JobCommand::Succeed { .. }
                | JobCommand::Fail { .. }
                | JobCommand::Cancel { .. }
                | JobCommand::Interrupt,
            ) => misplaced(),
        }
    }

    fn evolve(state: Option<Self>, event: &JobEvent) -> Option<Self> {
        let moved = |state: Option<Self>, status| state.map(|job| Self { status, ..job });
        match event {
            JobEvent::Submitted { id, specification, frozen, author, operator } => Some(Self {
                id: *id,
                specification: (**specification).clone(),
                frozen: *frozen,
                author: *author,
                operator: *operator,
                status: JobStatus::Submitted,
            }),
            JobEvent::Started { at } => moved(state, JobStatus::Running { since: *at }),
            JobEvent::Succeeded { package, rows } => {
                moved(state, JobStatus::Succeeded { package: *package, rows: *rows })
            }
            JobEvent::Failed { rule } => moved(state, JobStatus::Failed { rule: rule.clone() }),
            JobEvent::Cancelled { reason } => {
                moved(state, JobStatus::Cancelled { reason: reason.clone() })
            }
            JobEvent::Interrupted => moved(state, JobStatus::Interrupted),
        }
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.status.name().to_owned(),
            owner: Some(self.operator.to_string()),
            parent: Some(self.specification.grant.to_string()),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        Attributes::from([
            ("operator".to_owned(), Attribute::Text(self.operator.to_string())),
            ("author".to_owned(), Attribute::Text(self.author.to_string())),
            ("grant".to_owned(), Attribute::Text(self.specification.grant.to_string())),
            ("status".to_owned(), Attribute::Text(self.status.name().to_owned())),
        ])
    }

    fn pack(&self) -> Option<&PackVersion> {
        Some(&self.specification.pack)
    }
}
