//! What somebody did, and what came of it.

use shuyu_law::Refusal;
use shuyu_server::app::{DocumentError, GateError, SignInError, SupplyError, TradeError};
use shuyu_store::{ActError, StoreError};

/// What came of an act.
#[derive(Debug)]
pub enum Outcome {
    /// It happened.
    Accepted,
    /// The law refused.
    Refused(Refusal),
    /// There is nothing of that id.
    Absent(String),
    /// What was handed in is not what it must be.
    Invalid(String),
    /// What must never come of an act.
    Broken(String),
}

/// One act of a walk.
#[derive(Debug)]
pub struct Step {
    /// What was tried, `<kind>.<verb>`.
    pub act: String,
    /// Who tried it on what, in words: for whoever looks for the fault.
    pub what: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Whether it is several acts with a life of their own, such as a job that starts and fails.
    pub is_composite: bool,
}

impl Step {
    /// The act, with what came of it.
    pub fn new(
        act: impl Into<String>,
        what: impl Into<String>,
        outcome: impl Into<Outcome>,
    ) -> Self {
        Self { act: act.into(), what: what.into(), outcome: outcome.into(), is_composite: false }
    }

    /// The same, as an act of several parts.
    pub fn composite(self) -> Self {
        Self { is_composite: true, ..self }
    }

    /// A line for whoever looks for the fault.
    pub fn line(&self) -> String {
        let came = match &self.outcome {
            Outcome::Accepted => "accepted".to_owned(),
            Outcome::Refused(refusal) => format!(
                "refused by {} ({})",
                refusal.rule,
                refusal.detail.as_deref().unwrap_or_default()
            ),
            Outcome::Absent(what) => format!("absent: {what}"),
            Outcome::Invalid(why) => format!("invalid: {why}"),
            Outcome::Broken(why) => format!("BROKEN: {why}"),
        };
        format!("{}: {} -> {came}", self.act, self.what)
    }
}

impl<T, E: Into<Outcome>> From<Result<T, E>> for Outcome {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Accepted,
            Err(error) => error.into(),
        }
    }
}

impl From<ActError> for Outcome {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Refused(refusal) => Self::Refused(refusal),
            ActError::NotFound(stream) => Self::Absent(stream.to_string()),
            // Steps are taken one after another: nobody else can have changed anything.
            ActError::Conflict(stream) => Self::Broken(format!("a conflict on {stream}")),
            ActError::Store(error @ StoreError::NameTaken { .. }) => {
                Self::Invalid(error.to_string())
            }
            ActError::Store(error) => Self::Broken(error.to_string()),
        }
    }
}

impl From<SupplyError> for Outcome {
    fn from(error: SupplyError) -> Self {
        match error {
            SupplyError::Act(error) => error.into(),
            SupplyError::Vault(error) => Self::Invalid(error.to_string()),
            error @ SupplyError::Type(..) => Self::Invalid(error.to_string()),
        }
    }
}

impl From<GateError> for Outcome {
    fn from(error: GateError) -> Self {
        match error {
            GateError::Act(error) => error.into(),
            GateError::Table(error) => Self::Invalid(error.to_string()),
        }
    }
}

impl From<TradeError> for Outcome {
    fn from(error: TradeError) -> Self {
        match error {
            TradeError::Act(error) => error.into(),
            TradeError::Gate(error) => error.into(),
            error @ (TradeError::Query(_) | TradeError::OtherDelivery) => {
                Self::Invalid(error.to_string())
            }
        }
    }
}

impl From<DocumentError> for Outcome {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Act(error) => error.into(),
            error @ (DocumentError::Size(_) | DocumentError::Absent(_)) => {
                Self::Invalid(error.to_string())
            }
            error @ (DocumentError::Altered(_) | DocumentError::Io(_)) => {
                Self::Broken(error.to_string())
            }
        }
    }
}

impl From<SignInError> for Outcome {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Act(error) => error.into(),
            SignInError::Store(error) => Self::Broken(error.to_string()),
            error @ (SignInError::Wrong
            | SignInError::Locked
            | SignInError::Token(_)
            | SignInError::Password(_)) => Self::Invalid(error.to_string()),
        }
    }
}
