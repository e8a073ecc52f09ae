//! Procedures: the stages that a case runs through, as the pack writes them.

use serde::{Deserialize, Serialize};

use crate::{ClauseId, Text};

/// A procedure: what every case of one kind runs through, from its first stage to an end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Procedure {
    /// Its name in the pack, such as `admission`.
    pub id: String,
    /// What people call it.
    pub title: Text,
    /// The clauses that it rests on as a whole.
    #[serde(default)]
    pub clauses: Vec<ClauseId>,
    /// Its stages; a case begins in the first.
    #[serde(rename = "stage")]
    pub stages: Vec<Stage>,
}

impl Procedure {
    /// The stage of this id.
    pub fn stage(&self, id: &str) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.id == id)
    }
}

/// A stage: who acts, on what, until when, and with which results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Its name in the procedure.
    pub id: String,
    /// What people call it.
    pub title: Text,
    /// The roles that may act; with `every` set, each of them must.
    pub actors: Vec<String>,
    /// Whether each of `actors` must act, not just one.
    #[serde(default)]
    pub every: bool,
    /// How many different persons must agree before the outcome stands.
    #[serde(default = "one")]
    pub persons: u32,
    /// A parameter that says how many, instead of `persons`.
    #[serde(default)]
    pub persons_from: Option<String>,
    /// Stages whose actors may not act here: who submits does not approve.
    #[serde(default)]
    pub unlike: Vec<String>,
    /// The clauses that it rests on.
    #[serde(default)]
    pub clauses: Vec<ClauseId>,
    /// JSON Schema of what the actor fills in, or nothing to fill in. `{"$parameter": "name"}`
    /// inside it stands for the value of a parameter, or for the ids of a list.
    #[serde(default)]
    pub form: Option<serde_json::Value>,
    /// The documents that must be attached.
    #[serde(default)]
    pub documents: Vec<Document>,
    /// A parameter whose entries are documents that must be attached, besides `documents`.
    #[serde(default)]
    pub documents_from: Option<String>,
    /// By when it must be done, counted from the moment it is entered.
    #[serde(default)]
    pub deadline: Option<Deadline>,
    /// How long it must at least stand open, such as a time for objections.
    #[serde(default)]
    pub at_least: Option<Period>,
    /// Whether anyone of the public may object while it is open. Objections must be answered
    /// before the stage ends.
    #[serde(default)]
    pub objections: bool,
    /// A condition on the case's data, as `field` or `field=value`: where it does not hold, the
    /// stage is passed over with its first outcome.
    #[serde(default)]
    pub when: Option<String>,
    /// Named checks in code that must hold for any outcome but a negative one.
    #[serde(default)]
    pub guards: Vec<String>,
    /// What may come of it. The first is the one that leads on.
    #[serde(rename = "outcome")]
    pub outcomes: Vec<Outcome>,
}

const fn one() -> u32 {
    1
}

impl Stage {
    /// The outcome of this id.
    pub fn outcome(&self, id: &str) -> Option<&Outcome> {
        self.outcomes.iter().find(|outcome| outcome.id == id)
    }
}

/// A document that must be attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Its id, such as `data_security_pledge`.
    pub id: String,
    /// What people call it.
    pub title: Text,
    /// The clauses that ask for it.
    #[serde(default)]
    pub clauses: Vec<ClauseId>,
}

/// What may come of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Its id, such as `approved`.
    pub id: String,
    /// What people call it.
    pub title: Text,
    /// Where the case goes.
    pub next: Next,
    /// Whether it says no: guards, documents and waiting times do not apply to it, and the
    /// actor must give a reason.
    #[serde(default)]
    pub negative: bool,
    /// What it does, by names that code knows, such as `agreement.activate`.
    #[serde(default)]
    pub effects: Vec<String>,
    /// The clauses that it rests on.
    #[serde(default)]
    pub clauses: Vec<ClauseId>,
}

/// Where a case goes from a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Next {
    /// To another stage (or back to one).
    Stage(String),
    /// To the end, in this state.
    End(String),
}

/// A unit of time that a law counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodUnit {
    /// Working days of the pack's calendar.
    WorkingDays,
    /// Calendar days.
    Days,
    /// Calendar months.
    Months,
    /// Calendar years.
    Years,
    /// Hours.
    Hours,
    /// Minutes.
    Minutes,
}

/// A length of time: a figure of a parameter, never a figure in code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// The parameter that holds the figure. Where it is absent, there is no period.
    pub parameter: String,
    /// The field of the parameter, where it is a table.
    #[serde(default)]
    pub field: Option<String>,
    /// The unit of the figure.
    pub unit: PeriodUnit,
}

/// When something must be done, and what follows if it is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deadline {
    /// How long it may take.
    #[serde(flatten)]
    pub period: Period,
    /// What happens when it passes: an effect's name, or just an alert.
    #[serde(default)]
    pub on_overdue: Option<String>,
}
