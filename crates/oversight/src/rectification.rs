//! Rectification: an order to put right, with a deadline, and access meanwhile.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{AgreementId, ContentHash, OrganisationId};
use shuyu_law::{Attribute, Attributes, Refusal, Rule};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::pack;

pub(crate) const GROUND_KNOWN: Rule = Rule::new("rectification-ground-known");
pub(crate) const STEP_IN_ORDER: Rule = Rule::new("rectification-step-in-order");
pub(crate) const CORRECTED_DOES_NOT_ASSESS: Rule =
    Rule::new("rectification-corrected-does-not-assess");
pub(crate) const CONSENT_BY_THIRD: Rule = Rule::new("rectification-consent-by-third");

shuyu_kernel::id!(
    /// A rectification.
    RectificationId,
    "rec"
);

/// What becomes of access during a rectification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessDuring {
    /// It is closed at once.
    CloseNow,
    /// It stays open until a consent closes it.
    ConsentFirst,
    /// It stays as it is.
    Unchanged,
}

/// Where a rectification stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RectificationStatus {
    /// Ordered; a plan may be due.
    Ordered,
    /// The operator corrects, by its plan.
    Correcting,
    /// The operator says that it is done.
    Reported,
    /// Assessed and put right.
    Closed,
    /// Assessed and not put right, or not in time.
    Failed,
}

impl RectificationStatus {
    /// The name, as policies and filters know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ordered => "ordered",
            Self::Correcting => "correcting",
            Self::Reported => "reported",
            Self::Closed => "closed",
            Self::Failed => "failed",
        }
    }
}

/// An order to put right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rectification {
    /// The agreement.
    pub agreement: AgreementId,
    /// Who has to put right.
    pub operator: OrganisationId,
    /// Who ordered it.
    pub ordered_by: OrganisationId,
    /// The ground, as the pack names it.
    pub ground: String,
    /// What was found.
    pub finding: String,
    /// What becomes of access.
    pub access: AccessDuring,
    /// Whether access is closed on its account.
    pub is_access_closed: bool,
    /// Until when a plan is due, where one is.
    pub plan_due_at: Option<DateTime<Utc>>,
    /// The plan.
    pub plan: Option<ContentHash>,
    /// Until when it has to be put right, where there is a deadline.
    pub due_at: Option<DateTime<Utc>>,
    /// What the operator says was done.
    pub report: Option<String>,
    /// What the assessment found.
    pub assessment: Option<String>,
    /// Where it stands.
    pub status: RectificationStatus,
}

/// What can be wanted of a rectification.
#[derive(Debug, Clone)]
pub enum RectificationCommand {
    /// Order it.
    Order {
        /// The agreement.
        agreement: AgreementId,
        /// Who operates under it.
        operator: OrganisationId,
        /// The ground, as the pack names it.
        ground: String,
        /// What was found.
        finding: String,
        /// How many days the agreement gives; `None`: as the pack says.
        days: Option<u32>,
    },
    /// Consent to the closing of access.
    Consent,
    /// File the plan.
    FilePlan {
        /// Its digest.
        plan: ContentHash,
    },
    /// Say what was done.
    Report {
        /// What.
        report: String,
    },
    /// Say whether it is put right.
    Assess {
        /// Whether it is.
        passed: bool,
        /// What was found.
        assessment: String,
    },
    /// Note that the deadline has passed; the platform does.
    Lapse,
}

impl Command for RectificationCommand {
    shuyu_store::names! {
        Self::Order { .. } => "order",
        Self::Consent => "consent",
        Self::FilePlan { .. } => "file_plan",
        Self::Report { .. } => "report",
        Self::Assess { .. } => "assess",
        Self::Lapse => "lapse",
    }
}

/// What can happen to a rectification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum RectificationEvent {
    /// It was ordered.
    Ordered {
        /// The order.
        rectification: Box<Rectification>,
    },
    /// Access was closed by a consent.
    AccessClosed,
    /// The plan was filed.
    PlanFiled {
        /// Its digest.
        plan: ContentHash,
    },
    /// The operator said what was done.
    Reported {
        /// What.
        report: String,
    },
    /// It is put right.
    Passed {
        /// What was found.
        assessment: String,
    },
    /// It is not put right.
    Failed {
        /// What was found.
        assessment: String,
    },
}

impl Entity for Rectification {
    const KIND: &'static str = "rectification";
    const ATTRIBUTES: &'static [&'static str] = &["status", "operator", "agreement", "ground"];
    type Id = RectificationId;
    type Command = RectificationCommand;
    type Event = RectificationEvent;

    fn decide(
        state: Option<&Self>,
        command: RectificationCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<RectificationEvent>, Refusal> {
        let event = match (state, command) {
            (None, RectificationCommand::Order { agreement, operator, ground, finding, days }) => {
                check_ground(&ground, &finding, ctx)?;
                let rectification = ordered(agreement, operator, ground, finding, days, ctx);
                RectificationEvent::Ordered { rectification: Box::new(rectification) }
            }
            (None, _) => return Err(ctx.refuse(STEP_IN_ORDER).because("nothing was ordered")),
            (Some(rectification), command) => rectification.next(command, ctx)?,
        };
        Ok(vec![event])
    }

    fn evolve(state: Option<Self>, event: &RectificationEvent) -> Option<Self> {
        if let RectificationEvent::Ordered { rectification } = event {
            return Some((**rectification).clone());
        }
        let mut state = state?;
        match event {
            RectificationEvent::Ordered { .. } => {}
            RectificationEvent::AccessClosed => state.is_access_closed = true,
            RectificationEvent::PlanFiled { plan } => {
                state.plan = Some(*plan);
                state.status = RectificationStatus::Correcting;
            }
            RectificationEvent::Reported { report } => {
                state.report = Some(report.clone());
                state.status = RectificationStatus::Reported;
            }
            RectificationEvent::Passed { assessment } => {
                state.assessment = Some(assessment.clone());
                state.is_access_closed = false;
                state.status = RectificationStatus::Closed;
            }
            RectificationEvent::Failed { assessment } => {
                state.assessment = Some(assessment.clone());
                state.status = RectificationStatus::Failed;
            }
        }
        Some(state)
    }

    fn keys(&self) -> Keys {
        let is_open =
            matches!(self.status, RectificationStatus::Ordered | RectificationStatus::Correcting);
        Keys {
            status: self.status.name().to_owned(),
            owner: Some(self.operator.to_string()),
            parent: Some(self.agreement.to_string()),
            due_at: self.due_at.filter(|_| is_open),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        [
            ("status".to_owned(), Attribute::Text(self.status.name().to_owned())),
            ("operator".to_owned(), Attribute::Text(self.operator.to_string())),
            ("agreement".to_owned(), Attribute::Text(self.agreement.to_string())),
            ("ground".to_owned(), Attribute::Text(self.ground.clone())),
        ]
        .into()
    }
}

impl Rectification {
    fn next(
        &self,
        command: RectificationCommand,
        ctx: &Context<'_>,
    ) -> Result<RectificationEvent, Refusal> {
        use RectificationStatus::{Closed, Correcting, Failed, Ordered, Reported};
        let order = |why: &str| {
            ctx.refuse(STEP_IN_ORDER)
                .because(format!("the rectification is {}; {why}", self.status.name()))
        };
        match (command, self.status) {
            (RectificationCommand::Consent, Ordered | Correcting | Reported) => {
                self.check_consent(ctx)?;
                Ok(RectificationEvent::AccessClosed)
            }
            (RectificationCommand::FilePlan { plan }, Ordered | Correcting) => {
                Ok(RectificationEvent::PlanFiled { plan })
            }
            (RectificationCommand::Report { .. }, Ordered) if self.plan_due_at.is_some() => {
                Err(order("a plan is filed first"))
            }
            (RectificationCommand::Report { report }, Ordered | Correcting) => {
                Ok(RectificationEvent::Reported { report })
            }
            (RectificationCommand::Assess { passed, assessment }, Reported) => {
                if ctx.actor.organisation == self.operator {
                    return Err(ctx.refuse(CORRECTED_DOES_NOT_ASSESS));
                }
                if assessment.trim().is_empty() {
                    return Err(order("an assessment says what was found"));
                }
                Ok(if passed {
                    RectificationEvent::Passed { assessment }
                } else {
                    RectificationEvent::Failed { assessment }
                })
            }
            (RectificationCommand::Lapse, Ordered | Correcting)
                if self.due_at.is_some_and(|due_at| ctx.now >= due_at) =>
            {
                Ok(RectificationEvent::Failed {
                    assessment: "not put right by the deadline".to_owned(),
                })
            }
            (
                RectificationCommand::Order { .. }
                | RectificationCommand::Consent
                | RectificationCommand::FilePlan { .. }
                | RectificationCommand::Report { .. }
                | RectificationCommand::Assess { .. }
                | RectificationCommand::Lapse,
                Ordered | Correcting | Reported | Closed | Failed,
            ) => Err(order("this step is not the next")),
        }
    }

    /// Refuses a consent that is not called for, or by who ordered or who is corrected.
    fn check_consent(&self, ctx: &Context<'_>) -> Result<(), Refusal> {
        if self.access != AccessDuring::ConsentFirst || self.is_access_closed {
            return Err(ctx.refuse(STEP_IN_ORDER).because("no consent is called for"));
        }
        if [self.operator, self.ordered_by].contains(&ctx.actor.organisation) {
            return Err(ctx.refuse(CONSENT_BY_THIRD));
        }
        Ok(())
    }
}

/// Refuses a ground that the pack does not list, where it lists grounds; or no finding.
fn check_ground(ground: &str, finding: &str, ctx: &Context<'_>) -> Result<(), Refusal> {
    if let Some(grounds) = pack::ids(ctx.law, "rectification_grounds")
        && !grounds.contains(&ground)
    {
        return Err(ctx
            .refuse(GROUND_KNOWN)
            .because(format!("{ground} is none of: {}", grounds.join(", "))));
    }
    if ground.trim().is_empty() || finding.trim().is_empty() {
        return Err(ctx.refuse(GROUND_KNOWN).because("name the ground and what was found"));
    }
    Ok(())
}

/// The rectification as it stands when it is ordered.
fn ordered(
    agreement: AgreementId,
    operator: OrganisationId,
    ground: String,
    finding: String,
    days: Option<u32>,
    ctx: &Context<'_>,
) -> Rectification {
    let access = match pack::choice(ctx.law, "rectification_access") {
        Some("close_now") => AccessDuring::CloseNow,
        Some("consent_first") => AccessDuring::ConsentFirst,
        _ => AccessDuring::Unchanged,
    };
    let due = |days: u32| pack::end_of(ctx.law, pack::after_days(ctx.today(), days));
    Rectification {
        agreement,
        operator,
        ordered_by: ctx.actor.organisation,
        ground,
        finding,
        access,
        is_access_closed: access == AccessDuring::CloseNow,
        plan_due_at: pack::count(ctx.law, "rectification_plan_days").map(due),
        plan: None,
        due_at: days.or_else(|| pack::count(ctx.law, "rectification_days")).map(due),
        report: None,
        assessment: None,
        status: RectificationStatus::Ordered,
    }
}
