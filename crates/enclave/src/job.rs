//! Jobs: frozen by hash, run on the full data, their output unseen until it is released.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{ContentHash, GrantId, JobId, OrganisationId, PersonId};
use shuyu_law::{Attribute, Attributes, PackVersion, Refusal};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::{
    Cost, DatasetVersion, Grant, Operation, Priority, Program,
    rules::{JOB_FROZEN, JOB_LIMITS, JOB_STATE, QUERY_COMPLETED},
};

/// What a job is: everything that its result depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Specification {
    /// Under which grant.
    pub grant: GrantId,
    /// The code and its parameters.
    pub program: Program,
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

/// When a job begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Begin {
    /// When somebody begins it.
    #[default]
    ByHand,
    /// As soon as it is its turn, and again, some times, if it was interrupted or failed by chance.
    InTurn,
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
    /// How urgent it is among the operator's own.
    pub priority: Priority,
    /// When it begins.
    pub begin: Begin,
    /// How often it was begun.
    pub attempts: u32,
    /// What all its attempts cost.
    pub cost: Cost,
    /// Where it stands.
    pub status: JobStatus,
}

impl Job {
    /// Whether it can be begun, if the attempts that are left allow it: it waits, was interrupted,
    /// or failed in a way that another time may not.
    pub fn can_begin(&self) -> bool {
        match &self.status {
            JobStatus::Submitted | JobStatus::Interrupted => true,
            JobStatus::Failed { rule } => {
                [QUERY_COMPLETED, JOB_LIMITS].iter().any(|chance| chance.name() == rule)
            }
            JobStatus::Running { .. }
            | JobStatus::Succeeded { .. }
            | JobStatus::Cancelled { .. } => false,
        }
    }
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
        /// How urgent it is among the operator's own.
        priority: Priority,
        /// When it begins.
        begin: Begin,
    },
    /// Run it, or run it again after an interruption or a failure by chance.
    Start {
        /// What is about to run.
        specification: Box<Specification>,
        /// How often it may be begun.
        most_attempts: u32,
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
    /// Note what an attempt cost, however it ended.
    Charge {
        /// What it cost.
        cost: Cost,
    },
}

impl Command for JobCommand {
    shuyu_store::names! {
        Self::Submit { .. } => "submit",
        Self::Start { .. } => "start",
        Self::Succeed { .. } => "succeed",
        Self::Fail { .. } => "fail",
        Self::Cancel { .. } => "cancel",
        Self::Interrupt => "interrupt",
        Self::Charge { .. } => "charge",
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::Submit { grant, .. } => grant.attributes(),
            Self::Start { .. }
            | Self::Succeed { .. }
            | Self::Fail { .. }
            | Self::Cancel { .. }
            | Self::Interrupt
            | Self::Charge { .. } => Attributes::new(),
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
        /// How urgent it is among the operator's own.
        priority: Priority,
        /// When it begins.
        begin: Begin,
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
    /// An attempt was charged to the operator.
    Charged {
        /// What it cost.
        cost: Cost,
    },
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
            (None, JobCommand::Submit { id, specification, grant, priority, begin }) => {
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
                    priority,
                    begin,
                }])
            }
            (Some(job), JobCommand::Start { specification, most_attempts }) => {
                if !job.can_begin() {
                    return misplaced();
                }
                if specification.hash() != job.frozen {
                    return Err(ctx.refuse(JOB_FROZEN));
                }
                if job.attempts >= most_attempts {
                    return Err(ctx.refuse(JOB_LIMITS).because(format!(
                        "it was begun {} times, and may not be begun again",
                        job.attempts
                    )));
                }
                Ok(vec![JobEvent::Started { at: ctx.now }])
            }
            (Some(_), JobCommand::Charge { cost }) => Ok(vec![JobEvent::Charged { cost }]),
            (Some(Self { status: JobStatus::Running { .. }, .. }), command) => match command {
                JobCommand::Succeed { package, rows } => {
                    Ok(vec![JobEvent::Succeeded { package, rows }])
                }
                JobCommand::Fail { rule } => Ok(vec![JobEvent::Failed { rule }]),
                JobCommand::Cancel { reason } => Ok(vec![JobEvent::Cancelled { reason }]),
                JobCommand::Interrupt => Ok(vec![JobEvent::Interrupted]),
                JobCommand::Submit { .. }
                | JobCommand::Start { .. }
                | JobCommand::Charge { .. } => misplaced(),
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
                | JobCommand::Interrupt
                | JobCommand::Charge { .. },
            ) => misplaced(),
        }
    }

    fn evolve(state: Option<Self>, event: &JobEvent) -> Option<Self> {
        let moved = |state: Option<Self>, status| state.map(|job| Self { status, ..job });
        match event {
            JobEvent::Submitted {
                id,
                specification,
                frozen,
                author,
                operator,
                priority,
                begin,
            } => Some(Self {
                id: *id,
                specification: (**specification).clone(),
                frozen: *frozen,
                author: *author,
                operator: *operator,
                priority: *priority,
                begin: *begin,
                attempts: 0,
                cost: Cost::default(),
                status: JobStatus::Submitted,
            }),
            JobEvent::Started { at } => state.map(|job| Self {
                attempts: job.attempts + 1,
                status: JobStatus::Running { since: *at },
                ..job
            }),
            JobEvent::Succeeded { package, rows } => {
                moved(state, JobStatus::Succeeded { package: *package, rows: *rows })
            }
            JobEvent::Failed { rule } => moved(state, JobStatus::Failed { rule: rule.clone() }),
            JobEvent::Cancelled { reason } => {
                moved(state, JobStatus::Cancelled { reason: reason.clone() })
            }
            JobEvent::Interrupted => moved(state, JobStatus::Interrupted),
            JobEvent::Charged { cost } => state.map(|job| Self { cost: job.cost + *cost, ..job }),
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
