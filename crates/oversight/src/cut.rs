//! Cuts: access closed in one act, and what it takes to open it again.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{AgreementId, PersonId, ProductId, ScenarioId};
use shuyu_law::{Attribute, Attributes, ClauseId, Refusal, Rule};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::pack;

pub(crate) const TRIGGER_KNOWN: Rule = Rule::new("cut-trigger-known");
pub(crate) const STEP_IN_ORDER: Rule = Rule::new("cut-step-in-order");
pub(crate) const CAUSE_CLOSED: Rule = Rule::new("cut-cause-closed");

shuyu_kernel::id!(
    /// A cut of access.
    CutId,
    "cut"
);

/// How much is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scope", rename_all = "snake_case")]
pub enum CutScope {
    /// All that the agreement gives.
    Agreement,
    /// One scenario.
    Scenario {
        /// Which.
        scenario: ScenarioId,
    },
    /// One product.
    Product {
        /// Which.
        product: ProductId,
    },
}

/// What is to be applied, in one unit of work, to everything that the agreement gives: the
/// agreement itself, its grants, sessions, jobs and keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuspensionOrder {
    /// The agreement.
    pub agreement: AgreementId,
    /// How much of it.
    pub scope: CutScope,
    /// The trigger, as the pack names it.
    pub trigger: String,
    /// Why.
    pub reason: String,
    /// The clauses on which it rests.
    pub clauses: Vec<ClauseId>,
    /// Who ordered it.
    pub by: PersonId,
    /// When.
    pub at: DateTime<Utc>,
}

/// Where a cut stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutStatus {
    /// Access is closed.
    Closed,
    /// Access is open again.
    Restored,
    /// Access is closed for good.
    Ended,
}

impl CutStatus {
    /// The name, as policies and filters know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Restored => "restored",
            Self::Ended => "ended",
        }
    }
}

/// A cut of access.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// What was ordered.
    pub order: SuspensionOrder,
    /// When the last session, job and key was found to be closed.
    pub effected_at: Option<DateTime<Utc>>,
    /// Why access was opened again, or closed for good.
    pub outcome: Option<String>,
    /// Where it stands.
    pub status: CutStatus,
}

/// What can be wanted of a cut.
#[derive(Debug, Clone)]
pub enum CutCommand {
    /// Close access.
    Pull {
        /// The agreement.
        agreement: AgreementId,
        /// How much of it.
        scope: CutScope,
        /// The trigger, as the pack names it.
        trigger: String,
        /// Why.
        reason: String,
    },
    /// Record when the cut had taken effect everywhere.
    Effect {
        /// When.
        at: DateTime<Utc>,
    },
    /// Open access again.
    Restore {
        /// Why: how the cause was found to be gone.
        finding: String,
        /// Whether what caused it, such as a rectification, is closed.
        cause_is_closed: bool,
    },
    /// Close access for good.
    End {
        /// Why.
        reason: String,
    },
}

impl Command for CutCommand {
    shuyu_store::names! {
        Self::Pull { .. } => "pull",
        Self::Effect { .. } => "effect",
        Self::Restore { .. } => "restore",
        Self::End { .. } => "end",
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::Pull { trigger, .. } => {
                [("trigger".to_owned(), Attribute::Text(trigger.clone()))].into()
            }
            Self::Effect { .. } | Self::Restore { .. } | Self::End { .. } => Attributes::new(),
        }
    }
}

/// What can happen to a cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum CutEvent {
    /// Access was closed.
    Pulled {
        /// What was ordered.
        order: SuspensionOrder,
    },
    /// It had taken effect everywhere.
    Effected {
        /// When.
        at: DateTime<Utc>,
        /// How long it took, in milliseconds.
        millis: i64,
    },
    /// Access was opened again.
    Restored {
        /// Why.
        finding: String,
    },
    /// Access was closed for good.
    Ended {
        /// Why.
        reason: String,
    },
}

impl Entity for Cut {
    const KIND: &'static str = "cut";
    const ATTRIBUTES: &'static [&'static str] = &["status", "agreement", "trigger"];
    type Id = CutId;
    type Command = CutCommand;
    type Event = CutEvent;

    fn decide(
        state: Option<&Self>,
        command: CutCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<CutEvent>, Refusal> {
        let order = |why: &str| ctx.refuse(STEP_IN_ORDER).because(why);
        let event = match (state, command) {
            (None, CutCommand::Pull { agreement, scope, trigger, reason }) => {
                let clauses = check_trigger(&trigger, &reason, ctx)?;
                let by = ctx.actor.person;
                CutEvent::Pulled {
                    order: SuspensionOrder {
                        agreement,
                        scope,
                        trigger,
                        reason,
                        clauses,
                        by,
                        at: ctx.now,
                    },
                }
            }
            (None, _) => return Err(order("nothing was cut")),
            (Some(cut), command) => match (command, cut.status) {
                (CutCommand::Effect { at }, CutStatus::Closed) if cut.effected_at.is_none() => {
                    CutEvent::Effected { at, millis: (at - cut.order.at).num_milliseconds() }
                }
                (CutCommand::Restore { finding, cause_is_closed }, CutStatus::Closed) => {
                    if !cause_is_closed || finding.trim().is_empty() {
                        return Err(ctx.refuse(CAUSE_CLOSED));
                    }
                    CutEvent::Restored { finding }
                }
                (CutCommand::End { reason }, CutStatus::Closed) => CutEvent::Ended { reason },
                (
                    CutCommand::Pull { .. }
                    | CutCommand::Effect { .. }
                    | CutCommand::Restore { .. }
                    | CutCommand::End { .. },
                    CutStatus::Closed | CutStatus::Restored | CutStatus::Ended,
                ) => return Err(order(&format!("the cut is {}", cut.status.name()))),
            },
        };
        Ok(vec![event])
    }

    fn evolve(state: Option<Self>, event: &CutEvent) -> Option<Self> {
        match event {
            CutEvent::Pulled { order } => Some(Self {
                order: order.clone(),
                effected_at: None,
                outcome: None,
                status: CutStatus::Closed,
            }),
            CutEvent::Effected { at, .. } => {
                state.map(|cut| Self { effected_at: Some(*at), ..cut })
            }
            CutEvent::Restored { finding } => state.map(|cut| Self {
                outcome: Some(finding.clone()),
                status: CutStatus::Restored,
                ..cut
            }),
            CutEvent::Ended { reason } => state.map(|cut| Self {
                outcome: Some(reason.clone()),
                status: CutStatus::Ended,
                ..cut
            }),
        }
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.status.name().to_owned(),
            parent: Some(self.order.agreement.to_string()),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        [
            ("status".to_owned(), Attribute::Text(self.status.name().to_owned())),
            ("agreement".to_owned(), Attribute::Text(self.order.agreement.to_string())),
            ("trigger".to_owned(), Attribute::Text(self.order.trigger.clone())),
        ]
        .into()
    }

    fn clauses(event: &CutEvent) -> Vec<ClauseId> {
        match event {
            CutEvent::Pulled { order } => order.clauses.clone(),
            CutEvent::Effected { .. } | CutEvent::Restored { .. } | CutEvent::Ended { .. } => {
                Vec::new()
            }
        }
    }
}

/// Refuses a trigger that neither the city's pack lists nor every deployment has; answers with
/// the clauses that list it.
fn check_trigger(trigger: &str, reason: &str, ctx: &Context<'_>) -> Result<Vec<ClauseId>, Refusal> {
    let lists = ["killswitch_triggers", "platform_killswitch_triggers"];
    let Some(list) = lists
        .into_iter()
        .find(|list| pack::ids(ctx.law, list).is_some_and(|ids| ids.contains(&trigger)))
    else {
        return Err(ctx
            .refuse(TRIGGER_KNOWN)
            .because(format!("{trigger} is no ground to close access at once")));
    };
    if reason.trim().is_empty() {
        return Err(ctx.refuse(TRIGGER_KNOWN).because("state the reason"));
    }
    Ok(ctx
        .law
        .clauses
        .iter()
        .filter(|clause| clause.params.iter().any(|name| name == list))
        .map(|clause| clause.id.clone())
        .collect())
}
