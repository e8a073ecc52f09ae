//! How many answers were given over the same rows. An answer is compared with those before it and
//! noted under this count, so that of two that are compared at the same time one is compared anew.

use serde::{Deserialize, Serialize};
use shuyu_kernel::Id;
use shuyu_law::{Attributes, Refusal};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::{Relation, given::relation_number};

shuyu_kernel::id!(
    /// The count of answers over the same rows; its id follows from the rows.
    TallyId,
    "tal"
);

impl TallyId {
    /// The id of the count for a relation.
    pub fn of(relation: &Relation) -> Self {
        Self::from_u128(relation_number(relation))
    }
}

/// A count of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many answers were noted.
    pub answers: u64,
}

/// What can be wanted of a count.
#[derive(Debug, Clone, Copy)]
pub enum TallyCommand {
    /// Count one more.
    Count,
}

impl Command for TallyCommand {
    shuyu_store::names! {
        Self::Count => "count",
    }
}

/// What can happen to a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum TallyEvent {
    /// There is one more.
    Counted,
}

impl Entity for Tally {
    const KIND: &'static str = "tally";
    const ATTRIBUTES: &'static [&'static str] = &[];
    type Id = TallyId;
    type Command = TallyCommand;
    type Event = TallyEvent;

    fn decide(
        _state: Option<&Self>,
        command: TallyCommand,
        _ctx: &Context<'_>,
    ) -> Result<Vec<TallyEvent>, Refusal> {
        match command {
            TallyCommand::Count => Ok(vec![TallyEvent::Counted]),
        }
    }

    fn evolve(state: Option<Self>, event: &TallyEvent) -> Option<Self> {
        match event {
            TallyEvent::Counted => Some(Self { answers: state.map_or(0, |it| it.answers) + 1 }),
        }
    }

    fn keys(&self) -> Keys {
        Keys { status: "counting".to_owned(), ..Keys::default() }
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
    }
}
