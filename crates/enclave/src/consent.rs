//! Consents of subjects to scenarios. In the log a subject is a keyed digest, for each scenario
//! another: who consented cannot be read from it, nor that the same person consented twice.
//!
//! **Invariant:** the changes of a scenario's consents are numbered, so that which rows an answer
//! was about can be told afterwards, and two answers before and after a withdrawal be compared.

use std::{collections::HashMap, sync::Arc};

use ring::hmac;
use serde::{Deserialize, Serialize};
use shuyu_kernel::{Actor, ContentHash, Id, ScenarioId};
use shuyu_law::{Attribute, Attributes, Refusal};
use shuyu_store::{ActError, Command, Context, Desk, Entity, Filter, Keys, StoreError};

use crate::{Enclave, rules::CONSENT_STATE};

shuyu_kernel::id!(
    /// The consent of a subject to a scenario; its id is the keyed digest of both.
    ConsentId,
    "con"
);

shuyu_kernel::id!(
    /// The count of changes of a scenario's consents; its id follows from the scenario's.
    ConsentsId,
    "cns"
);

impl ConsentsId {
    /// The id of the count for a scenario.
    pub fn of(scenario: ScenarioId) -> Self {
        Self::from_u128(scenario.to_u128())
    }
}

/// A change of a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its number among the changes of the scenario's consents, from 1.
    pub number: u64,
    /// Whether the subject consents from then on.
    pub given: bool,
}

/// The consent of a subject to a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// To what.
    pub scenario: ScenarioId,
    /// How it came about and went, in order.
    pub changes: Vec<Change>,
}

impl Consent {
    /// Whether it stood after so many changes of the scenario's consents.
    fn stood(&self, number: u64) -> bool {
        let changes = self.changes.iter().rev();
        changes.into_iter().find(|change| change.number <= number).is_some_and(|it| it.given)
    }

    fn is_given(&self) -> bool {
        self.stood(u64::MAX)
    }
}

/// What can be wanted of a consent.
#[derive(Debug, Clone, Copy)]
pub enum ConsentCommand {
    /// Give it.
    Give {
        /// To what.
        scenario: ScenarioId,
        /// The number of this change.
        number: u64,
    },
    /// Withdraw it, at once.
    Withdraw {
        /// The number of this change.
        number: u64,
    },
}

impl Command for ConsentCommand {
    shuyu_store::names! {
        Self::Give { .. } => "give",
        Self::Withdraw { .. } => "withdraw",
    }
}

/// What can happen to a consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum ConsentEvent {
    /// It was given.
    Given {
        /// To what.
        scenario: ScenarioId,
        /// The number of this change.
        number: u64,
    },
    /// It was withdrawn.
    Withdrawn {
        /// The number of this change.
        number: u64,
    },
}

impl Entity for Consent {
    const KIND: &'static str = "consent";
    const ATTRIBUTES: &'static [&'static str] = &["scenario", "status"];
    type Id = ConsentId;
    type Command = ConsentCommand;
    type Event = ConsentEvent;

    fn decide(
        state: Option<&Self>,
        command: ConsentCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<ConsentEvent>, Refusal> {
        match (state.is_some_and(Self::is_given), command) {
            (false, ConsentCommand::Give { scenario, number }) => {
                Ok(vec![ConsentEvent::Given { scenario, number }])
            }
            (true, ConsentCommand::Withdraw { number }) => {
                Ok(vec![ConsentEvent::Withdrawn { number }])
            }
            (true, ConsentCommand::Give { .. }) => {
                Err(ctx.refuse(CONSENT_STATE).because("it has been given"))
            }
            (false, ConsentCommand::Withdraw { .. }) => {
                Err(ctx.refuse(CONSENT_STATE).because("there is none to withdraw"))
            }
        }
    }

    fn evolve(state: Option<Self>, event: &ConsentEvent) -> Option<Self> {
        let with = |consent: Self, number, given| {
            let mut consent = consent;
            consent.changes.push(Change { number, given });
            consent
        };
        match event {
            ConsentEvent::Given { scenario, number } => {
                let consent =
                    state.unwrap_or_else(|| Self { scenario: *scenario, changes: Vec::new() });
                Some(with(consent, *number, true))
            }
            ConsentEvent::Withdrawn { number } => {
                state.map(|consent| with(consent, *number, false))
            }
        }
    }

    fn keys(&self) -> Keys {
        let status = if self.is_given() { "given" } else { "withdrawn" };
        Keys {
            status: status.to_owned(),
            parent: Some(self.scenario.to_string()),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        Attributes::from([
            ("scenario".to_owned(), Attribute::Text(self.scenario.to_string())),
            ("status".to_owned(), Attribute::Text(self.keys().status)),
        ])
    }
}

/// How many changes a scenario's consents have seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consents {
    /// How many.
    pub changes: u64,
    /// The number of the last one that was a withdrawal; 0: there was none.
    pub last_withdrawal: u64,
}

impl Consents {
    /// Whether nobody has withdrawn since there were so many changes.
    pub(crate) fn stand_since(&self, number: u64) -> bool {
        self.last_withdrawal <= number
    }
}

/// What can be wanted of the count.
#[derive(Debug, Clone, Copy)]
pub enum ConsentsCommand {
    /// Count a consent that was given.
    Gain,
    /// Count one that was withdrawn.
    Lose,
}

impl Command for ConsentsCommand {
    shuyu_store::names! {
        Self::Gain => "gain",
        Self::Lose => "lose",
    }
}

/// What can happen to the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum ConsentsEvent {
    /// There is one consent more.
    Gained,
    /// There is one less: what runs on rows that rest on it ends.
    Lost,
}

impl Entity for Consents {
    const KIND: &'static str = "consents";
    const ATTRIBUTES: &'static [&'static str] = &[];
    type Id = ConsentsId;
    type Command = ConsentsCommand;
    type Event = ConsentsEvent;

    fn decide(
        _state: Option<&Self>,
        command: ConsentsCommand,
        _ctx: &Context<'_>,
    ) -> Result<Vec<ConsentsEvent>, Refusal> {
        Ok(vec![match command {
            ConsentsCommand::Gain => ConsentsEvent::Gained,
            ConsentsCommand::Lose => ConsentsEvent::Lost,
        }])
    }

    fn evolve(state: Option<Self>, event: &ConsentsEvent) -> Option<Self> {
        let before = state.unwrap_or(Self { changes: 0, last_withdrawal: 0 });
        let changes = before.changes + 1;
        Some(match event {
            ConsentsEvent::Gained => Self { changes, ..before },
            ConsentsEvent::Lost => Self { changes, last_withdrawal: changes },
        })
    }

    fn keys(&self) -> Keys {
        Keys { status: "counting".to_owned(), ..Keys::default() }
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
    }
}

/// As of which consents the rows of a table are seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mark {
    /// To what subjects consent.
    pub scenario: ScenarioId,
    /// After so many changes of the scenario's consents.
    pub number: u64,
    /// The column that says whose a row is.
    pub key: String,
}

/// Under which ids the consents of subjects are kept.
#[derive(Clone)]
pub(crate) struct Pseudonyms(hmac::Key);

impl Pseudonyms {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let key = ContentHash::of_parts(&[b"consents", secret]);
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()))
    }

    fn of(&self, scenario: ScenarioId, subject: &str) -> ConsentId {
        let mut text = scenario.to_u128().to_be_bytes().to_vec();
        text.extend_from_slice(subject.as_bytes());
        let digest = hmac::sign(&self.0, &text);
        let first = digest.as_ref().iter().take(16);
        ConsentId::from_u128(first.fold(0, |number, byte| number << 8 | u128::from(*byte)))
    }
}

/// All consents to a scenario, with how they came about and went.
pub(crate) struct History {
    pseudonyms: Pseudonyms,
    scenario: ScenarioId,
    consents: HashMap<ConsentId, Consent>,
    /// How many changes there had been when it was read.
    pub(crate) number: u64,
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").field("number", &self.number).finish_non_exhaustive()
    }
}

impl History {
    /// Whether a subject consented after so many changes.
    pub(crate) fn stood(&self, subject: &str, number: u64) -> bool {
        let consent = self.consents.get(&self.pseudonyms.of(self.scenario, subject));
        consent.is_some_and(|consent| consent.stood(number))
    }
}

/// Where consents are looked up.
#[derive(Clone)]
pub(crate) struct Book {
    pub(crate) desk: Desk,
    pub(crate) pseudonyms: Pseudonyms,
}

impl Book {
    /// Whether nobody has withdrawn a consent to a scenario since there were so many changes.
    pub(crate) async fn stands(&self, scenario: ScenarioId, number: u64) -> bool {
        match self.desk.find::<Consents>(ConsentsId::of(scenario)).await {
            Ok(found) => found.is_none_or(|(_, consents)| consents.stand_since(number)),
            // What cannot be asked is taken for withdrawn.
            Err(_) => false,
        }
    }

    /// The consents to a scenario as they stand now.
    pub(crate) async fn history(&self, scenario: ScenarioId) -> Result<History, StoreError> {
        let found = self.desk.find::<Consents>(ConsentsId::of(scenario)).await?;
        let number = found.map_or(0, |(_, consents)| consents.changes);
        let consents = self.desk.list::<Consent>(&Filter::parent(scenario)).await?;
        let pseudonyms = self.pseudonyms.clone();
        // What changed since the count was read has a greater number, and is not looked at.
        Ok(History { pseudonyms, scenario, consents: consents.into_iter().collect(), number })
    }
}

impl Enclave {
    /// Notes that a subject consents to a scenario. Of their identifier only a keyed digest is
    /// kept.
    ///
    /// # Errors
    ///
    /// [`ActError::Refused`] where it has been given, or the actor may not say so.
    pub async fn give_consent(
        &self,
        actor: &Actor,
        scenario: ScenarioId,
        subject: &str,
    ) -> Result<ConsentId, ActError> {
        self.change_consent(actor, scenario, subject, true).await
    }

    /// Notes that a subject withdraws their consent. From now on their rows are not there, and
    /// what runs on them ends.
    ///
    /// # Errors
    ///
    /// [`ActError::Refused`] where there is none, or the actor may not say so.
    pub async fn withdraw_consent(
        &self,
        actor: &Actor,
        scenario: ScenarioId,
        subject: &str,
    ) -> Result<ConsentId, ActError> {
        self.change_consent(actor, scenario, subject, false).await
    }

    async fn change_consent(
        &self,
        actor: &Actor,
        scenario: ScenarioId,
        subject: &str,
        given: bool,
    ) -> Result<ConsentId, ActError> {
        let id = self.pseudonyms.of(scenario, subject);
        let counter = ConsentsId::of(scenario);
        self.desk
            .run(actor, |unit| async move {
                let before = unit.find::<Consents>(counter).await?;
                let number = before.map_or(0, |(_, consents)| consents.changes) + 1;
                let (command, count) = if given {
                    (ConsentCommand::Give { scenario, number }, ConsentsCommand::Gain)
                } else {
                    (ConsentCommand::Withdraw { number }, ConsentsCommand::Lose)
                };
                unit.act::<Consent>(id, command).await?;
                unit.follow::<Consents>(counter, count, &[]).await.map(drop)
            })
            .await?;
        Ok(id)
    }
}

/// The consents by which the rows of a table are chosen.
#[derive(Debug, Clone)]
pub(crate) struct Consented {
    pub(crate) history: Arc<History>,
    pub(crate) mark: Mark,
}

impl Consented {
    /// Whether the rows of a subject are there.
    pub(crate) fn holds(&self, subject: &str) -> bool {
        self.history.stood(subject, self.mark.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consent_stood_as_of_its_last_change_before() {
        let scenario = ScenarioId::from_u128(1);
        let change = |number, given| Change { number, given };
        let changes = vec![change(2, true), change(5, false), change(7, true)];
        let consent = Consent { scenario, changes };
        let stood: Vec<u64> = (0..9).filter(|number| consent.stood(*number)).collect();
        assert_eq!(stood, [2, 3, 4, 7, 8]);
    }

    #[test]
    fn a_subject_has_another_pseudonym_in_each_scenario_and_deployment() {
        let of = |secret: u8, scenario| {
            let pseudonyms = Pseudonyms::new(&[secret; 32]);
            pseudonyms.of(ScenarioId::from_u128(scenario), "330106199003070011")
        };
        assert_eq!(of(1, 1), of(1, 1));
        assert_ne!(of(1, 1), of(1, 2));
        assert_ne!(of(1, 1), of(2, 1));
    }
}
