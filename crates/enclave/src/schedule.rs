//! Schedules: a job that is submitted again and again, frozen anew each time.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{Actor, GrantId, JobId, OrganisationId, PersonId};
use shuyu_law::{Attribute, Attributes, PackVersion, Refusal};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::{Grant, Operation, Priority, Program, rules::SCHEDULE_STATE};

shuyu_kernel::id!(
    /// A schedule.
    ScheduleId,
    "sch"
);

/// The shortest time between two runs, in minutes.
pub const SHORTEST_MINUTES: u32 = 60;

/// What runs again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurrence {
    /// The code and its parameters.
    pub program: Program,
    /// What it is for.
    pub purpose: String,
    /// How urgent it is among the operator's own.
    pub priority: Priority,
    /// When it runs first.
    pub first_at: DateTime<Utc>,
    /// How many minutes lie between two runs.
    pub every_minutes: u32,
}

impl Recurrence {
    /// The first of its instants after `now`. What was missed while nothing ran is not made up for.
    pub fn next_after(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        if now < self.first_at {
            return self.first_at;
        }
        let step = TimeDelta::minutes(i64::from(self.every_minutes.max(1)));
        let missed = (now - self.first_at).num_minutes() / i64::from(self.every_minutes.max(1));
        let next = self.first_at + step * i32::try_from(missed + 1).unwrap_or(i32::MAX);
        // Minutes were rounded down, so it can be no earlier.
        next.max(self.first_at)
    }
}

/// Where a schedule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleStatus {
    /// It runs when its time comes.
    Active,
    /// It does not run until it is resumed.
    Paused,
    /// It runs no more.
    Ended,
}

impl ScheduleStatus {
    /// The name, as filters write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Ended => "ended",
        }
    }
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Which schedule.
    pub id: ScheduleId,
    /// Under which grant.
    pub grant: GrantId,
    /// What runs, and when.
    pub recurrence: Recurrence,
    /// Who ordered it, in whose name its jobs are submitted.
    pub author: PersonId,
    /// For whom.
    pub operator: OrganisationId,
    /// The law under which it was ordered.
    pub pack: PackVersion,
    /// When it runs next.
    pub next_at: DateTime<Utc>,
    /// Its last job.
    pub last: Option<JobId>,
    /// Where it stands.
    pub status: ScheduleStatus,
}

impl Schedule {
    /// In whose name its jobs are submitted: its author's, without any role.
    pub fn author(&self) -> Actor {
        Actor { person: self.author, organisation: self.operator, roles: [].into() }
    }
}

/// What can be wanted of a schedule.
#[derive(Debug, Clone)]
pub enum ScheduleCommand {
    /// Order it.
    Order {
        /// Which schedule.
        id: ScheduleId,
        /// The grant, as it stands in the same unit of work.
        grant: Box<Grant>,
        /// What runs, and when.
        recurrence: Box<Recurrence>,
    },
    /// Note that its time has come, and which job was submitted; none: it was refused.
    Fire {
        /// Which job.
        job: Option<JobId>,
    },
    /// Let it rest.
    Pause,
    /// Let it run again.
    Resume,
    /// End it.
    End,
}

impl Command for ScheduleCommand {
    shuyu_store::names! {
        Self::Order { .. } => "order",
        Self::Fire { .. } => "fire",
        Self::Pause => "pause",
        Self::Resume => "resume",
        Self::End => "end",
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::Order { grant, .. } => grant.attributes(),
            Self::Fire { .. } | Self::Pause | Self::Resume | Self::End => Attributes::new(),
        }
    }
}

/// What can happen to a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum ScheduleEvent {
    /// It was ordered.
    Ordered {
        /// Which schedule.
        id: ScheduleId,
        /// Under which grant.
        grant: GrantId,
        /// What runs, and when.
        recurrence: Box<Recurrence>,
        /// Who ordered it.
        author: PersonId,
        /// For whom.
        operator: OrganisationId,
        /// The law under which it was ordered.
        pack: PackVersion,
    },
    /// Its time came.
    Fired {
        /// Which job was submitted; none: it was refused.
        job: Option<JobId>,
        /// When it runs next.
        next_at: DateTime<Utc>,
    },
    /// It rests.
    Paused,
    /// It runs again.
    Resumed {
        /// When it runs next.
        next_at: DateTime<Utc>,
    },
    /// It runs no more.
    Ended,
}

impl Entity for Schedule {
    const KIND: &'static str = "schedule";
    const ATTRIBUTES: &'static [&'static str] =
        &["operator", "author", "grant", "status", "agreement", "people", "operations"];
    type Id = ScheduleId;
    type Command = ScheduleCommand;
    type Event = ScheduleEvent;

    fn decide(
        state: Option<&Self>,
        command: ScheduleCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<ScheduleEvent>, Refusal> {
        let name = command.name();
        match (state, command) {
            (None, ScheduleCommand::Order { id, grant, recurrence }) => {
                grant.check_use(ctx.actor, Operation::Produce, ctx.now, ctx.law)?;
                if recurrence.every_minutes < SHORTEST_MINUTES {
                    return Err(ctx.refuse(SCHEDULE_STATE).because(format!(
                        "at least {SHORTEST_MINUTES} minutes lie between two runs"
                    )));
                }
                Ok(vec![ScheduleEvent::Ordered {
                    id,
                    grant: grant.id,
                    recurrence,
                    author: ctx.actor.person,
                    operator: ctx.actor.organisation,
                    pack: grant.pack.clone(),
                }])
            }
            (
                Some(it @ Self { status: ScheduleStatus::Active, .. }),
                ScheduleCommand::Fire { job },
            ) if it.next_at <= ctx.now => {
                let next_at = it.recurrence.next_after(ctx.now);
                Ok(vec![ScheduleEvent::Fired { job, next_at }])
            }
            (Some(Self { status: ScheduleStatus::Active, .. }), ScheduleCommand::Pause) => {
                Ok(vec![ScheduleEvent::Paused])
            }
            (Some(it @ Self { status: ScheduleStatus::Paused, .. }), ScheduleCommand::Resume) => {
                Ok(vec![ScheduleEvent::Resumed { next_at: it.recurrence.next_after(ctx.now) }])
            }
            (
                Some(Self { status: ScheduleStatus::Active | ScheduleStatus::Paused, .. }),
                ScheduleCommand::End,
            ) => Ok(vec![ScheduleEvent::Ended]),
            (state, _) => Err(ctx.refuse(SCHEDULE_STATE).because(format!(
                "`{name}` does not apply to a schedule that is {}",
                state.map_or("not there", |it| it.status.name())
            ))),
        }
    }

    fn evolve(state: Option<Self>, event: &ScheduleEvent) -> Option<Self> {
        match event {
            ScheduleEvent::Ordered { id, grant, recurrence, author, operator, pack } => {
                Some(Self {
                    id: *id,
                    grant: *grant,
                    recurrence: (**recurrence).clone(),
                    author: *author,
                    operator: *operator,
                    pack: pack.clone(),
                    next_at: recurrence.first_at,
                    last: None,
                    status: ScheduleStatus::Active,
                })
            }
            ScheduleEvent::Fired { job, next_at } => {
                state.map(|it| Self { last: job.or(it.last), next_at: *next_at, ..it })
            }
            ScheduleEvent::Paused => state.map(|it| Self { status: ScheduleStatus::Paused, ..it }),
            ScheduleEvent::Resumed { next_at } => {
                state.map(|it| Self { status: ScheduleStatus::Active, next_at: *next_at, ..it })
            }
            ScheduleEvent::Ended => state.map(|it| Self { status: ScheduleStatus::Ended, ..it }),
        }
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.status.name().to_owned(),
            owner: Some(self.operator.to_string()),
            parent: Some(self.grant.to_string()),
            name: None,
            due_at: (self.status == ScheduleStatus::Active).then_some(self.next_at),
        }
    }

    fn attributes(&self) -> Attributes {
        Attributes::from([
            ("operator".to_owned(), Attribute::Text(self.operator.to_string())),
            ("author".to_owned(), Attribute::Text(self.author.to_string())),
            ("grant".to_owned(), Attribute::Text(self.grant.to_string())),
            ("status".to_owned(), Attribute::Text(self.status.name().to_owned())),
        ])
    }

    fn pack(&self) -> Option<&PackVersion> {
        Some(&self.pack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_is_not_made_up_for() {
        let at = |minutes: i64| DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes);
        let recurrence = Recurrence {
            program: Program::sql("SELECT 1"),
            purpose: String::new(),
            priority: Priority::Normal,
            first_at: at(30),
            every_minutes: 60,
        };
        for (now, next) in [(0, 30), (29, 30), (30, 90), (89, 90), (90, 150), (600, 630)] {
            assert_eq!(recurrence.next_after(at(now)), at(next), "{now}");
        }
        let late = at(90) + TimeDelta::seconds(59);
        assert_eq!(recurrence.next_after(late), at(150));
    }
}
