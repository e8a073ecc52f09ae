//! Proofs of clauses as they stand beside the packs, in `regulations/<pack>/proofs/*.toml`.
//!
//! A proof walks a case of `procedure` to `stage` and tries there what must be refused; that the
//! same act without the fault is accepted is always tried too. What it does not say is filled in
//! as the forms ask.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use shuyu_law::Text;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) proof: Vec<Proof>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proof {
    pub(crate) name: String,
    /// The clauses that it proves: each is cited by a refusal, or by the act where none is.
    pub(crate) clauses: Vec<String>,
    /// What is shown.
    pub(crate) shows: Text,
    pub(crate) procedure: Option<String>,
    /// Without it, the first.
    pub(crate) stage: Option<String>,
    /// The day on which the case is opened.
    #[serde(default = "some_day")]
    pub(crate) on: String,
    /// Fields of forms, in every stage whose form has them.
    #[serde(default)]
    pub(crate) given: Map<String, Value>,
    /// Facts about other entities, over those under which every guard holds.
    #[serde(default)]
    pub(crate) facts: Map<String, Value>,
    /// Outcomes on the way, by stage, where not the first that says yes.
    #[serde(default)]
    pub(crate) way: BTreeMap<String, String>,
    /// Roles that may not act here.
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    /// Fields (with dots, into objects and lists) or documents, each of which may not be missing.
    #[serde(default)]
    pub(crate) lacks: Vec<String>,
    /// Later stages, which cannot be acted in yet even by those who act there.
    #[serde(default)]
    pub(crate) ahead: Vec<String>,
    /// Stages whose actors may not act here.
    #[serde(default)]
    pub(crate) unlike: Vec<String>,
    /// Stages that come later: nobody acts there yet.
    #[serde(default)]
    pub(crate) early: Vec<String>,
    /// Outcomes that need a reason.
    #[serde(default)]
    pub(crate) silent: Vec<String>,
    /// Whether an act on content that has changed since it was read is refused.
    #[serde(default)]
    pub(crate) stale: bool,
    /// Whether an objection must be answered before the stage ends.
    #[serde(default)]
    pub(crate) objection: bool,
    #[serde(default)]
    pub(crate) refused: Vec<Attempt>,
    #[serde(default)]
    pub(crate) accepted: Vec<Attempt>,
    /// How many voices the stage needs; without it, however many the engine asks for.
    pub(crate) voices: Option<usize>,
    /// Where the good act leads: a stage, or `end:<end>`.
    pub(crate) to: Option<String>,
    /// What the good act does.
    #[serde(default)]
    pub(crate) effects: Vec<String>,
    /// By when the stage must be done.
    pub(crate) due: Option<Time>,
    /// How long the stage must stand open.
    pub(crate) open_until: Option<Time>,
    #[serde(default)]
    pub(crate) absent: Absent,
    /// What policies permit and refuse.
    #[serde(default)]
    pub(crate) may: Vec<Ask>,
    #[serde(default)]
    pub(crate) may_not: Vec<Ask>,
}

fn some_day() -> String {
    "2026-03-02".to_owned()
}

/// The good act with something changed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attempt {
    #[serde(default)]
    pub(crate) with: Map<String, Value>,
    #[serde(default)]
    pub(crate) facts: Map<String, Value>,
    #[serde(default)]
    pub(crate) lacks: Vec<String>,
    /// The day of the act.
    pub(crate) on: Option<String>,
    pub(crate) outcome: Option<String>,
    /// The rule that refuses it.
    #[serde(default = "form_valid")]
    pub(crate) rule: String,
    /// The city's own code of the refusal.
    pub(crate) code: Option<String>,
    pub(crate) to: Option<String>,
    #[serde(default)]
    pub(crate) effects: Vec<String>,
}

fn form_valid() -> String {
    "form-valid".to_owned()
}

/// The day on which a stage is entered, and the last day of its time.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Time {
    /// A day, or a local time of a day.
    pub(crate) entered: String,
    /// A day, whose last second counts, or a local time.
    pub(crate) last: String,
    /// What follows when it passes.
    pub(crate) effect: Option<String>,
}

/// What the city does not have: silence is absence.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Absent {
    #[serde(default)]
    pub(crate) procedures: Vec<String>,
    /// `<procedure>/<stage>`.
    #[serde(default)]
    pub(crate) stages: Vec<String>,
    #[serde(default)]
    pub(crate) deadlines: Vec<String>,
    #[serde(default)]
    pub(crate) parameters: Vec<String>,
}

impl Absent {
    pub(crate) fn is_empty(&self) -> bool {
        [&self.procedures, &self.stages, &self.deadlines, &self.parameters]
            .iter()
            .all(|names| names.is_empty())
    }
}

/// May this role do this?
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    pub(crate) role: String,
    pub(crate) action: String,
    #[serde(default)]
    pub(crate) attributes: shuyu_law::Attributes,
    #[serde(default)]
    pub(crate) context: shuyu_law::Attributes,
}
