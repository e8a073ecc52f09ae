//! Answers that were given: equal questions get the same answer, and later ones are compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shuyu_kernel::{ContentHash, DatasetId, Id};
use shuyu_law::{Attributes, Refusal};
use shuyu_store::{Command, Context, Entity, Filter, Keys};

use crate::{Answer, Question};

/// What answers about several datasets belong to.
const SEVERAL: &str = "several";

shuyu_kernel::id!(
    /// An answer that was given; its id follows from the question.
    GivenId,
    "giv"
);

impl GivenId {
    /// The id of the answer to a question.
    pub fn of(question: &Question) -> Self {
        Self::from_u128(number_of(question.hash()))
    }
}

/// An answer that was given. It holds what was shown, and nothing of what was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// What was asked, and what was shown, under whatever thresholds.
    pub answer: Answer,
    /// The answer under each thresholds, by their keyed digest: who asks again gets it as it is.
    #[serde(default)]
    pub stored: BTreeMap<ContentHash, Answer>,
}

impl Given {
    /// Under what answers about a dataset are found, at whatever version: those about it alone, and
    /// those about several datasets, which may be others.
    pub fn about(dataset: DatasetId) -> [Filter; 2] {
        [Filter::parent(dataset), Filter::parent(SEVERAL)]
    }

    /// Whether it is about a dataset.
    pub fn is_about(&self, dataset: DatasetId) -> bool {
        self.answer.question.relation.sources.iter().any(|source| source.dataset == dataset)
    }

    /// Whether everything that an answer shows was shown before.
    pub fn covers(&self, answer: &Answer) -> bool {
        answer.cells.iter().all(|cell| self.answer.cells.contains(cell))
    }

    /// With what another answer to the same question shows: under other thresholds other cells.
    fn with(mut self, answer: &Answer, under: ContentHash) -> Self {
        self.stored.insert(under, answer.clone());
        for cell in &answer.cells {
            if !self.answer.cells.contains(cell) {
                self.answer.cells.push(cell.clone());
            }
        }
        self.answer.cells.sort_by(|left, right| left.codes.cmp(&right.codes));
        self
    }
}

pub(crate) fn number_of(digest: ContentHash) -> u128 {
    digest.as_bytes().iter().take(16).fold(0_u128, |n, byte| n << 8 | u128::from(*byte))
}

/// What can be wanted of an answer.
#[derive(Debug, Clone)]
pub enum GivenCommand {
    /// Give it.
    Give {
        /// The answer.
        answer: Box<Answer>,
        /// Under which thresholds, by their keyed digest.
        under: ContentHash,
    },
}

impl Command for GivenCommand {
    shuyu_store::names! {
        Self::Give { .. } => "give",
    }
}

/// What can happen to an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum GivenEvent {
    /// It was given.
    Given {
        /// The answer.
        answer: Box<Answer>,
        /// Under which thresholds, by their keyed digest.
        under: ContentHash,
    },
}

impl Entity for Given {
    const KIND: &'static str = "given";
    const ATTRIBUTES: &'static [&'static str] = &[];
    type Id = GivenId;
    type Command = GivenCommand;
    type Event = GivenEvent;

    fn decide(
        state: Option<&Self>,
        command: GivenCommand,
        _ctx: &Context<'_>,
    ) -> Result<Vec<GivenEvent>, Refusal> {
        match (state, command) {
            (Some(given), GivenCommand::Give { answer, .. }) if given.covers(&answer) => {
                Ok(Vec::new())
            }
            (Some(_) | None, GivenCommand::Give { answer, under }) => {
                Ok(vec![GivenEvent::Given { answer, under }])
            }
        }
    }

    fn evolve(state: Option<Self>, event: &GivenEvent) -> Option<Self> {
        match (state, event) {
            (None, GivenEvent::Given { answer, under }) => {
                let answer = (**answer).clone();
                Some(Self { stored: BTreeMap::from([(*under, answer.clone())]), answer })
            }
            (Some(given), GivenEvent::Given { answer, under }) => Some(given.with(answer, *under)),
        }
    }

    fn keys(&self) -> Keys {
        let mut sources = self.answer.question.relation.sources.iter();
        let parent = match (sources.next(), sources.next()) {
            (Some(only), None) => only.dataset.to_string(),
            _ => SEVERAL.to_owned(),
        };
        Keys { status: "given".to_owned(), parent: Some(parent), ..Keys::default() }
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use shuyu_kernel::Actor;

    use super::*;
    use crate::{Cell, Relation};

    fn answer(districts: &[&str]) -> Answer {
        let relation = Relation { sources: BTreeSet::new(), joins: BTreeSet::new() };
        let cell = |district: &&str| Cell {
            codes: vec![Some((*district).to_owned())],
            figures: vec!["12".to_owned()],
            rows: 12,
            subjects: 12,
        };
        Answer {
            question: Question {
                relation,
                filter: BTreeMap::new(),
                groups: BTreeSet::new(),
                figures: BTreeSet::new(),
                bands: BTreeMap::new(),
                masks: BTreeMap::new(),
                scope: BTreeMap::new(),
                consents: BTreeMap::new(),
            },
            cells: districts.iter().map(cell).collect(),
            withheld: None,
        }
    }

    #[test]
    fn all_cells_that_were_ever_shown_are_remembered() {
        let (law, actor) = (shuyu_testkit::permissive_law(&["given.give"]), Actor::system());
        let now = chrono::DateTime::UNIX_EPOCH;
        let ctx = Context { now, actor: &actor, law: &law };
        let give = |state: Option<Given>, districts: &[&str]| {
            let under = ContentHash::of(districts.concat().as_bytes());
            let command = GivenCommand::Give { answer: Box::new(answer(districts)), under };
            let events = Given::decide(state.as_ref(), command, &ctx).expect("permitted");
            let count = events.len();
            (events.iter().fold(state, Given::evolve), count)
        };
        let (strict, _) = give(None, &["b"]);
        let (same, events) = give(strict.clone(), &["b"]);
        assert_eq!((same, events), (strict.clone(), 0));
        // Under looser thresholds there are more cells, under others other ones.
        let (loose, events) = give(strict, &["a", "b", "c"]);
        assert_eq!(
            (loose.clone().map(|it| it.answer), events),
            (Some(answer(&["a", "b", "c"])), 1)
        );
        let stored = loose.as_ref().map_or(0, |given| given.stored.len());
        assert_eq!(stored, 2, "each is kept as it was given");
        let (again, events) = give(loose.clone(), &["b", "d"]);
        assert_eq!((again.map(|it| it.answer), events), (Some(answer(&["a", "b", "c", "d"])), 1));
        let (less, events) = give(loose.clone(), &["c"]);
        assert_eq!((less, events), (loose, 0), "less than was shown is not forgotten");
    }
}
