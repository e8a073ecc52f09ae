//! The grant: the one object from which everything in the domain takes its limits.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{
    Actor, AgreementId, DatasetId, GrantId, OrganisationId, PersonId, ResourceId, ScenarioId,
};
use shuyu_law::{Attribute, Attributes, Law, PackVersion, Refusal};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::{
    Label, SubjectKind,
    rules::{
        GRANT_ACTIVE, GRANT_OPERATION, GRANT_PERSON, GRANT_STATE, GRANT_TERM, GRANT_WELL_FORMED,
    },
};

/// What may be done under a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Look at a desensitised sample.
    Develop,
    /// Ask immediate questions of the closed class.
    Ask,
    /// Run frozen jobs on the full data.
    Produce,
}

impl Operation {
    /// The name, as packs and requests write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Develop => "develop",
            Self::Ask => "ask",
            Self::Produce => "produce",
        }
    }
}

/// A granted table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The resource in the catalogue.
    pub resource: ResourceId,
    /// The dataset in the vault.
    pub dataset: DatasetId,
    /// What queries call it.
    pub table: String,
    /// Its granted columns.
    pub columns: BTreeMap<String, Label>,
    /// The column that says whom a row is about; none: the table is about nobody.
    pub subject_key: Option<String>,
    /// Whom the table is about.
    pub subject_kind: Option<SubjectKind>,
}

impl Item {
    /// Whether the rows are about somebody.
    pub fn is_protected(&self) -> bool {
        self.subject_kind.is_some()
    }
}

/// The figures that bind every answer, resolved when the grant is issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// The least number of persons behind a figure.
    pub persons: u32,
    /// The least number of enterprises behind a figure.
    pub enterprises: u32,
    /// The greatest share of a sum, in percent, that one subject may have.
    pub dominance_percent: u32,
    /// The greatest share of a table, in percent, that a sample may show; none: the platform's.
    pub sample_max_percent: Option<u32>,
    /// The most rows that a sample may show; none: the platform's.
    #[serde(default)]
    pub sample_max_rows: Option<u32>,
}

/// No pack and no grant goes below: with two subjects, each knows the other.
pub const SMALLEST_CELL: u32 = 3;
const DEFAULT_CELL: u32 = 10;
const DEFAULT_DOMINANCE_PERCENT: u32 = 40;

impl Thresholds {
    /// What the law sets, or else the platform's own, which are stricter.
    pub fn of_law(law: &Law) -> Self {
        let figure = |name: &str| law.integer(name).and_then(|figure| u32::try_from(figure).ok());
        let persons = figure("small_cell_min").unwrap_or(DEFAULT_CELL).max(SMALLEST_CELL);
        Self {
            persons,
            enterprises: figure("small_cell_min_enterprises").unwrap_or(persons).max(SMALLEST_CELL),
            dominance_percent: figure("dominance_max_percent")
                .unwrap_or(DEFAULT_DOMINANCE_PERCENT)
                .clamp(1, 49),
            sample_max_percent: figure("sample_max_percent").map(|percent| percent.min(100)),
            sample_max_rows: figure("sample_max_rows"),
        }
    }

    /// The least number of subjects of this kind.
    pub fn of(&self, kind: SubjectKind) -> u32 {
        match kind {
            SubjectKind::Person => self.persons,
            SubjectKind::Enterprise => self.enterprises,
        }
    }
}

/// What a grant is issued for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// The agreement that it rests on.
    pub agreement: AgreementId,
    /// The scenario that it serves.
    pub scenario: ScenarioId,
    /// The operator that holds it.
    pub operator: OrganisationId,
    /// The tables.
    pub items: Vec<Item>,
    /// What may be done.
    pub operations: BTreeSet<Operation>,
    /// By whom.
    pub people: BTreeSet<PersonId>,
    /// From this instant.
    pub from: DateTime<Utc>,
    /// Until this instant, which is no longer within.
    pub to: DateTime<Utc>,
}

/// Where a grant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantStatus {
    /// It can be used.
    Active,
    /// It cannot be used until it is restored.
    Suspended,
    /// It cannot be used any more.
    Ended,
}

impl GrantStatus {
    /// The name, as policies and filters write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Ended => "ended",
        }
    }
}

/// The one object from which sessions, queries, jobs, the gate and products take their limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// Which grant.
    pub id: GrantId,
    /// For what.
    pub terms: Terms,
    /// The figures that bind its answers.
    pub thresholds: Thresholds,
    /// The law under which it was issued.
    pub pack: PackVersion,
    /// Why it is suspended, while it is.
    #[serde(default)]
    pub suspended_for: Option<String>,
    /// Where it stands.
    pub status: GrantStatus,
}

/// What can be wanted of a grant.
#[derive(Debug, Clone)]
pub enum GrantCommand {
    /// Issue it.
    Issue {
        /// Which grant.
        id: GrantId,
        /// For what.
        terms: Box<Terms>,
        /// Whether the agreement that it rests on is in operation.
        agreement_is_active: bool,
    },
    /// Stop its use for a time.
    Suspend {
        /// Why.
        reason: String,
    },
    /// Allow its use again.
    Restore {
        /// Whether the agreement that it rests on is in operation.
        agreement_is_active: bool,
    },
    /// Stop its use for good.
    End {
        /// Why.
        reason: String,
    },
}

impl Command for GrantCommand {
    shuyu_store::names! {
        Self::Issue { .. } => "issue",
        Self::Suspend { .. } => "suspend",
        Self::Restore { .. } => "restore",
        Self::End { .. } => "end",
    }
}

/// What can happen to a grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum GrantEvent {
    /// It was issued.
    Issued {
        /// Which grant.
        id: GrantId,
        /// For what.
        terms: Box<Terms>,
        /// The figures that bind its answers.
        thresholds: Thresholds,
        /// The law under which it was issued.
        pack: PackVersion,
    },
    /// Its use was stopped for a time.
    Suspended {
        /// Why.
        reason: String,
    },
    /// Its use was allowed again.
    Restored,
    /// Its use was stopped for good.
    Ended {
        /// Why.
        reason: String,
    },
}

/// Refuses use under an agreement that is not in operation: what cut the agreement cut its grants.
fn check_agreement(is_active: bool, ctx: &Context<'_>) -> Result<(), Refusal> {
    if is_active {
        return Ok(());
    }
    Err(ctx.refuse(GRANT_STATE).because("the agreement that it rests on is not in operation"))
}

/// Refuses terms that contradict themselves, and puts each subject key among the join columns.
fn check_terms(mut terms: Terms, ctx: &Context<'_>) -> Result<Terms, Refusal> {
    let wrong = |detail: String| Err(ctx.refuse(GRANT_WELL_FORMED).because(detail));
    if terms.from >= terms.to {
        return wrong("the term ends before it begins".to_owned());
    }
    if terms.people.is_empty() || terms.operations.is_empty() || terms.items.is_empty() {
        return wrong("a grant names at least one person, one operation and one table".to_owned());
    }
    let mut tables = BTreeSet::new();
    for item in &mut terms.items {
        let usable = item.table.starts_with(|first: char| first.is_ascii_lowercase())
            && item.table.len() <= 63
            && item
                .table
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !usable || !tables.insert(item.table.clone()) {
            return wrong(format!(
                "`{}`: a table has a name of its own, of small letters, digits and underscores",
                item.table
            ));
        }
        if item.subject_key.is_some() != item.subject_kind.is_some() {
            return wrong(format!(
                "`{}`: a subject key comes with the kind of subject",
                item.table
            ));
        }
        if let Some(key) = item.subject_key.clone() {
            item.columns.insert(key, Label::Join);
        }
        if item.columns.values().all(|label| *label == Label::Blocked) {
            return wrong(format!("`{}`: no column is granted", item.table));
        }
    }
    Ok(terms)
}

impl Grant {
    /// Refuses a use that the grant does not cover: wrong state, time, person or operation.
    pub fn check_use(
        &self,
        actor: &Actor,
        operation: Operation,
        now: DateTime<Utc>,
        law: &Law,
    ) -> Result<(), Refusal> {
        self.check_standing(now, law)?;
        if actor.organisation != self.terms.operator || !self.terms.people.contains(&actor.person) {
            return Err(law.refuse(GRANT_PERSON, &[]));
        }
        if !self.terms.operations.contains(&operation) {
            return Err(law.refuse(GRANT_OPERATION, &[("operation", operation.name())]));
        }
        Ok(())
    }

    /// Refuses what rests on a grant that is not active or not within its term.
    pub fn check_standing(&self, now: DateTime<Utc>, law: &Law) -> Result<(), Refusal> {
        if self.status != GrantStatus::Active {
            return Err(law.refuse(GRANT_ACTIVE, &[("status", self.status.name())]));
        }
        if now < self.terms.from || now >= self.terms.to {
            return Err(law.refuse(GRANT_TERM, &[]));
        }
        Ok(())
    }

    /// The granted table of this name.
    pub fn item(&self, table: &str) -> Option<&Item> {
        self.terms.items.iter().find(|item| item.table == table)
    }
}

impl Entity for Grant {
    const KIND: &'static str = "grant";
    const ATTRIBUTES: &'static [&'static str] =
        &["operator", "agreement", "status", "people", "operations"];
    type Id = GrantId;
    type Command = GrantCommand;
    type Event = GrantEvent;

    fn decide(
        state: Option<&Self>,
        command: GrantCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<GrantEvent>, Refusal> {
        let status = state.map(|grant| grant.status);
        match (status, command) {
            (None, GrantCommand::Issue { id, terms, agreement_is_active }) => {
                check_agreement(agreement_is_active, ctx)?;
                Ok(vec![GrantEvent::Issued {
                    id,
                    terms: Box::new(check_terms(*terms, ctx)?),
                    thresholds: Thresholds::of_law(ctx.law),
                    pack: ctx.law.version.clone(),
                }])
            }
            (Some(GrantStatus::Active), GrantCommand::Suspend { reason }) => {
                Ok(vec![GrantEvent::Suspended { reason }])
            }
            (Some(GrantStatus::Suspended), GrantCommand::Restore { agreement_is_active }) => {
                check_agreement(agreement_is_active, ctx)?;
                Ok(vec![GrantEvent::Restored])
            }
            (Some(GrantStatus::Active | GrantStatus::Suspended), GrantCommand::End { reason }) => {
                Ok(vec![GrantEvent::Ended { reason }])
            }
            (status, command) => Err(ctx.refuse(GRANT_STATE).because(format!(
                "`{}` does not apply to a grant that is {}",
                command.name(),
                status.map_or("not there", GrantStatus::name)
            ))),
        }
    }

    fn evolve(state: Option<Self>, event: &GrantEvent) -> Option<Self> {
        match event {
            GrantEvent::Issued { id, terms, thresholds, pack } => Some(Self {
                id: *id,
                terms: (**terms).clone(),
                thresholds: *thresholds,
                pack: pack.clone(),
                suspended_for: None,
                status: GrantStatus::Active,
            }),
            GrantEvent::Suspended { reason } => state.map(|grant| Self {
                suspended_for: Some(reason.clone()),
                status: GrantStatus::Suspended,
                ..grant
            }),
            GrantEvent::Restored => state.map(|grant| Self {
                suspended_for: None,
                status: GrantStatus::Active,
                ..grant
            }),
            GrantEvent::Ended { .. } => {
                state.map(|grant| Self { status: GrantStatus::Ended, ..grant })
            }
        }
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.status.name().to_owned(),
            owner: Some(self.terms.operator.to_string()),
            parent: Some(self.terms.agreement.to_string()),
            name: None,
            due_at: (self.status != GrantStatus::Ended).then_some(self.terms.to),
        }
    }

    fn attributes(&self) -> Attributes {
        let set = |values: BTreeSet<String>| Attribute::Set(values);
        Attributes::from([
            ("operator".to_owned(), Attribute::Text(self.terms.operator.to_string())),
            ("agreement".to_owned(), Attribute::Text(self.terms.agreement.to_string())),
            ("status".to_owned(), Attribute::Text(self.status.name().to_owned())),
            ("people".to_owned(), set(self.terms.people.iter().map(ToString::to_string).collect())),
            (
                "operations".to_owned(),
                set(self
                    .terms
                    .operations
                    .iter()
                    .map(|operation| operation.name().to_owned())
                    .collect()),
            ),
        ])
    }

    fn pack(&self) -> Option<&PackVersion> {
        Some(&self.pack)
    }
}
