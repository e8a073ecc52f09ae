//! Destruction: ordered, approved, witnessed, and shown by a certificate.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{AgreementId, ContentHash, OrganisationId, PersonId, add_months};
use shuyu_law::{Attribute, Attributes, Refusal, Rule};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::pack;

pub(crate) const OBJECTS_NAMED: Rule = Rule::new("destruction-objects-named");
pub(crate) const CONDITIONS_DETERMINED: Rule = Rule::new("destruction-conditions-determined");
pub(crate) const ORDERER_DOES_NOT_APPROVE: Rule = Rule::new("destruction-orderer-does-not-approve");
pub(crate) const APPROVALS_COMPLETE: Rule = Rule::new("destruction-approvals-complete");
pub(crate) const WITNESSED: Rule = Rule::new("destruction-witnessed");
pub(crate) const SHOWN_UNREADABLE: Rule = Rule::new("destruction-shown-unreadable");
pub(crate) const STEP_IN_ORDER: Rule = Rule::new("destruction-step-in-order");

shuyu_kernel::id!(
    /// A destruction.
    DestructionId,
    "des"
);

/// An approval of a destruction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// By whom.
    pub by: PersonId,
    /// When.
    pub at: DateTime<Utc>,
}

/// What an attempt to read an object showed after its destruction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The object, by id.
    pub object: String,
    /// Whether it could still be read.
    pub is_readable: bool,
    /// What the attempt answered.
    pub detail: String,
}

/// What certifies a destruction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The objects, and what the attempt to read each answered.
    pub objects: BTreeMap<String, String>,
    /// How they were destroyed.
    pub method: String,
    /// Who destroyed them.
    pub destroyed_by: PersonId,
    /// Who witnessed it.
    pub witness: PersonId,
    /// Who approved it.
    pub approved_by: Vec<PersonId>,
    /// When it was shown.
    pub at: DateTime<Utc>,
    /// Until when logs are kept, where the pack says so.
    pub logs_held_until: Option<DateTime<Utc>>,
    /// The digest of all of the above.
    pub content: ContentHash,
}

/// Where a destruction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DestructionStatus {
    /// Waiting for approvals.
    Ordered,
    /// To be carried out.
    Approved,
    /// Carried out, to be verified.
    Destroyed,
    /// Shown and certified.
    Verified,
    /// Refused.
    Refused,
}

impl DestructionStatus {
    /// The name, as policies and filters know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ordered => "ordered",
            Self::Approved => "approved",
            Self::Destroyed => "destroyed",
            Self::Verified => "verified",
            Self::Refused => "refused",
        }
    }
}

/// A destruction of data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destruction {
    /// The agreement on whose end it follows, where there is one.
    pub agreement: Option<AgreementId>,
    /// What is destroyed, by id.
    pub objects: BTreeSet<String>,
    /// Why.
    pub ground: String,
    /// Who ordered it.
    pub ordered_by: PersonId,
    /// For which organisation.
    pub organisation: OrganisationId,
    /// How many approvals it needs.
    pub approvals_needed: u32,
    /// The approvals.
    pub approvals: Vec<Approval>,
    /// How, by whom and before whom it was carried out.
    pub carried_out: Option<(String, PersonId, PersonId)>,
    /// The certificate.
    pub certificate: Option<Certificate>,
    /// Where it stands.
    pub status: DestructionStatus,
}

/// What can be wanted of a destruction.
#[derive(Debug, Clone)]
pub enum DestructionCommand {
    /// Order it.
    Order {
        /// The agreement on whose end it follows.
        agreement: Option<AgreementId>,
        /// What is destroyed, by id.
        objects: BTreeSet<String>,
        /// Why.
        ground: String,
        /// The conditions that are formally determined to be met, as the pack names them.
        conditions: BTreeSet<String>,
    },
    /// Approve it.
    Approve,
    /// Refuse it.
    Refuse {
        /// Why.
        reason: String,
    },
    /// Record that it was carried out.
    Destroy {
        /// How.
        method: String,
        /// Before whom.
        witness: PersonId,
    },
    /// Verify it by what attempts to read each object showed.
    Verify {
        /// What they showed.
        shown: Vec<Shown>,
    },
}

impl Command for DestructionCommand {
    shuyu_store::names! {
        Self::Order { .. } => "order",
        Self::Approve => "approve",
        Self::Refuse { .. } => "refuse",
        Self::Destroy { .. } => "destroy",
        Self::Verify { .. } => "verify",
    }
}

/// What can happen to a destruction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum DestructionEvent {
    /// It was ordered.
    Ordered {
        /// The order.
        destruction: Box<Destruction>,
    },
    /// Somebody approved it.
    Approved {
        /// The approval.
        approval: Approval,
        /// Whether it was the last one needed.
        complete: bool,
    },
    /// It was refused.
    Refused {
        /// Why.
        reason: String,
    },
    /// It was carried out.
    Destroyed {
        /// How.
        method: String,
        /// By whom.
        by: PersonId,
        /// Before whom.
        witness: PersonId,
    },
    /// It was shown and certified.
    Verified {
        /// The certificate.
        certificate: Box<Certificate>,
    },
}

impl Entity for Destruction {
    const KIND: &'static str = "destruction";
    const ATTRIBUTES: &'static [&'static str] = &["status", "ordered_by"];
    type Id = DestructionId;
    type Command = DestructionCommand;
    type Event = DestructionEvent;

    fn decide(
        state: Option<&Self>,
        command: DestructionCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<DestructionEvent>, Refusal> {
        let event = match (state, command) {
            (None, DestructionCommand::Order { agreement, objects, ground, conditions }) => {
                check_order(&objects, &ground, &conditions, ctx)?;
                // Who orders does not approve, so there is always one other who does.
                let needed = pack::count(ctx.law, "destruction_min_approvers").unwrap_or(0).max(1);
                DestructionEvent::Ordered {
                    destruction: Box::new(Self {
                        agreement,
                        objects,
                        ground,
                        ordered_by: ctx.actor.person,
                        organisation: ctx.actor.organisation,
                        approvals_needed: needed,
                        approvals: Vec::new(),
                        carried_out: None,
                        certificate: None,
                        status: DestructionStatus::Ordered,
                    }),
                }
            }
            (None, _) => return Err(ctx.refuse(STEP_IN_ORDER).because("nothing was ordered")),
            (Some(destruction), command) => destruction.next(command, ctx)?,
        };
        Ok(vec![event])
    }

    fn evolve(state: Option<Self>, event: &DestructionEvent) -> Option<Self> {
        if let DestructionEvent::Ordered { destruction } = event {
            return Some((**destruction).clone());
        }
        let mut state = state?;
        match event {
            DestructionEvent::Ordered { .. } => {}
            DestructionEvent::Approved { approval, complete } => {
                state.approvals.push(approval.clone());
                if *complete {
                    state.status = DestructionStatus::Approved;
                }
            }
            DestructionEvent::Refused { .. } => state.status = DestructionStatus::Refused,
            DestructionEvent::Destroyed { method, by, witness } => {
                state.carried_out = Some((method.clone(), *by, *witness));
                state.status = DestructionStatus::Destroyed;
            }
            DestructionEvent::Verified { certificate } => {
                state.certificate = Some((**certificate).clone());
                state.status = DestructionStatus::Verified;
            }
        }
        Some(state)
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.status.name().to_owned(),
            owner: Some(self.organisation.to_string()),
            parent: self.agreement.map(|agreement| agreement.to_string()),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        [
            ("status".to_owned(), Attribute::Text(self.status.name().to_owned())),
            ("ordered_by".to_owned(), Attribute::Text(self.ordered_by.to_string())),
        ]
        .into()
    }
}

impl Destruction {
    fn next(
        &self,
        command: DestructionCommand,
        ctx: &Context<'_>,
    ) -> Result<DestructionEvent, Refusal> {
        use DestructionStatus::{Approved, Destroyed, Ordered, Refused, Verified};
        let by = ctx.actor.person;
        match (command, self.status) {
            (DestructionCommand::Approve, Ordered) => {
                if by == self.ordered_by {
                    return Err(ctx.refuse(ORDERER_DOES_NOT_APPROVE));
                }
                if self.approvals.iter().any(|approval| approval.by == by) {
                    return Err(ctx.refuse(APPROVALS_COMPLETE).because("one person approves once"));
                }
                let count = u32::try_from(self.approvals.len()).unwrap_or(u32::MAX);
                Ok(DestructionEvent::Approved {
                    approval: Approval { by, at: ctx.now },
                    complete: count.saturating_add(1) >= self.approvals_needed,
                })
            }
            (DestructionCommand::Refuse { reason }, Ordered | Approved) => {
                Ok(DestructionEvent::Refused { reason })
            }
            (DestructionCommand::Destroy { .. }, Ordered) => Err(ctx
                .refuse(APPROVALS_COMPLETE)
                .because(format!("{} of {}", self.approvals.len(), self.approvals_needed))),
            (DestructionCommand::Destroy { method, witness }, Approved) => {
                if witness == by || witness == self.ordered_by || method.trim().is_empty() {
                    return Err(ctx
                        .refuse(WITNESSED)
                        .because("somebody else than who orders or destroys watches, and the method is named"));
                }
                Ok(DestructionEvent::Destroyed { method, by, witness })
            }
            (DestructionCommand::Verify { shown }, Destroyed) => {
                let certificate = Box::new(self.certified(shown, ctx)?);
                Ok(DestructionEvent::Verified { certificate })
            }
            (
                DestructionCommand::Order { .. }
                | DestructionCommand::Approve
                | DestructionCommand::Refuse { .. }
                | DestructionCommand::Destroy { .. }
                | DestructionCommand::Verify { .. },
                Ordered | Approved | Destroyed | Verified | Refused,
            ) => Err(ctx
                .refuse(STEP_IN_ORDER)
                .because(format!("the destruction is {}", self.status.name()))),
        }
    }

    /// The certificate, or the refusal if an object was not shown to be unreadable.
    fn certified(&self, shown: Vec<Shown>, ctx: &Context<'_>) -> Result<Certificate, Refusal> {
        if let Some(readable) = shown.iter().find(|shown| shown.is_readable) {
            return Err(ctx
                .refuse(SHOWN_UNREADABLE)
                .because(format!("{} can still be read", readable.object)));
        }
        let objects: BTreeMap<String, String> =
            shown.into_iter().map(|shown| (shown.object, shown.detail)).collect();
        if let Some(missing) = self.objects.iter().find(|object| !objects.contains_key(*object)) {
            return Err(ctx
                .refuse(SHOWN_UNREADABLE)
                .because(format!("nothing is shown of {missing}")));
        }
        let Some((method, destroyed_by, witness)) = self.carried_out.clone() else {
            return Err(ctx.refuse(STEP_IN_ORDER).because("it was not carried out"));
        };
        let logs_held_until = ctx
            .law
            .integer("log_retention_months")
            .and_then(|months| i32::try_from(months).ok())
            .and_then(|months| add_months(ctx.today(), months).ok())
            .map(|day| pack::end_of(ctx.law, day));
        let approved_by = self.approvals.iter().map(|approval| approval.by).collect();
        let content = ContentHash::of_json(&serde_json::json!({
            "objects": objects,
            "method": method,
            "destroyed_by": destroyed_by,
            "witness": witness,
            "approved_by": approved_by,
            "at": ctx.now,
            "logs_held_until": logs_held_until,
        }));
        Ok(Certificate {
            objects,
            method,
            destroyed_by,
            witness,
            approved_by,
            at: ctx.now,
            logs_held_until,
            content,
        })
    }
}

/// Refuses an order that names nothing or no ground, or lacks a condition that the pack sets.
fn check_order(
    objects: &BTreeSet<String>,
    ground: &str,
    conditions: &BTreeSet<String>,
    ctx: &Context<'_>,
) -> Result<(), Refusal> {
    if objects.is_empty() || ground.trim().is_empty() {
        return Err(ctx.refuse(OBJECTS_NAMED));
    }
    let missing: Vec<&str> = ctx
        .law
        .parameter("destruction_conditions")
        .and_then(|parameter| parameter.field("all_of"))
        .and_then(serde_json::Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_str)
        .filter(|condition| !conditions.contains(*condition))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(ctx
        .refuse(CONDITIONS_DETERMINED)
        .because(format!("not determined: {}", missing.join(", "))))
}
