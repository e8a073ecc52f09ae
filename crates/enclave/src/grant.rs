//! The grant: the one object from which everything in the domain takes its limits.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{
    Actor, AgreementId, ContentHash, DatasetId, GrantId, OrganisationId, PersonId, ResourceId,
    ScenarioId,
};
use shuyu_law::{Attribute, Attributes, Law, PackVersion, Refusal};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::{
    Barrier, ColumnFacts, Label, SubjectKind,
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
    /// What was known of its columns when their labels were chosen, where that was noted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, ColumnFacts>,
    /// Which of its rows are there, and which columns are masked.
    #[serde(default, skip_serializing_if = "Barrier::is_open")]
    pub barrier: Barrier,
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
    /// p of the p% rule (Handbook on SDC, ch. 4): what the two largest contributions to a sum leave
    /// of it is at least so many percent of the largest. A secret: no answer, refusal, plan or
    /// explanation tells it.
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
/// No pack asks for less: the second largest contributor would know the largest more closely.
const LEAST_DOMINANCE_PERCENT: u32 = 10;
const DEFAULT_DOMINANCE_PERCENT: u32 = 25;

impl Thresholds {
    /// What the law sets, or else the platform's own, which are stricter.
    pub fn of_law(law: &Law) -> Self {
        let figure = |name: &str| law.integer(name).and_then(|figure| u32::try_from(figure).ok());
        let persons = figure("small_cell_min").unwrap_or(DEFAULT_CELL).max(SMALLEST_CELL);
        Self {
            persons,
            enterprises: figure("small_cell_min_enterprises").unwrap_or(persons).max(SMALLEST_CELL),
            dominance_percent: figure("dominance_p_percent")
                .unwrap_or(DEFAULT_DOMINANCE_PERCENT)
                .clamp(LEAST_DOMINANCE_PERCENT, 100),
            sample_max_percent: figure("sample_max_percent").map(|percent| percent.min(100)),
            sample_max_rows: figure("sample_max_rows"),
        }
    }

    /// The same, with p raised by what `secret` says, up to its half: a pack is public, and who
    /// knows p exactly knows more of what is withheld (Handbook on SDC, ch. 4).
    #[must_use]
    pub(crate) fn with_margin(self, secret: &[u8; 32]) -> Self {
        let digest = ContentHash::of_parts(&[b"dominance", secret]);
        let number = digest.as_bytes().iter().take(4).fold(0_u32, |n, it| n << 8 | u32::from(*it));
        let most = self.dominance_percent / 2;
        Self { dominance_percent: self.dominance_percent + number % (most + 1), ..self }
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
        if let Some(what) = check_barrier(item, terms.scenario) {
            return wrong(format!("`{}`: {what}", item.table));
        }
    }
    Ok(terms)
}

/// What is wrong with the barrier before a table.
fn check_barrier(item: &Item, scenario: ScenarioId) -> Option<String> {
    let Barrier { scope, consent, masks } = &item.barrier;
    if let Some((column, _)) = scope.iter().find(|(_, values)| values.is_empty()) {
        return Some(format!("its scope has no value of `{column}`"));
    }
    if consent.is_some_and(|to| to != scenario) {
        return Some("consents are asked for to the scenario of the grant and no other".to_owned());
    }
    if consent.is_some() && item.subject_key.is_none() {
        return Some("consents are asked for where rows are about somebody".to_owned());
    }
    let unmasked = masks.keys().find(|column| match item.columns.get(*column) {
        Some(Label::Dimension { codes, bands }) => !codes.is_empty() || !bands.is_empty(),
        Some(Label::Measure { .. } | Label::Join | Label::Blocked) | None => true,
    });
    unmasked.map(|column| {
        format!("`{column}` is masked, which is for dimensions without codes or bands of their own")
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_of_p_is_a_secret_that_stays_the_same() {
        let thresholds = Thresholds {
            persons: 5,
            enterprises: 3,
            dominance_percent: 20,
            sample_max_percent: None,
            sample_max_rows: None,
        };
        let of = |secret: u8| thresholds.with_margin(&[secret; 32]).dominance_percent;
        assert_eq!(of(1), of(1));
        let all: BTreeSet<u32> = (0..200).map(of).collect();
        assert_eq!(all, (20..=30).collect(), "from p to half as much again");
        assert_eq!(thresholds.with_margin(&[1; 32]).persons, 5);
    }
}
