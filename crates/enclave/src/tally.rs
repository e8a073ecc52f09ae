//! How many answers were given about a dataset, at whatever version. An answer is compared with those
//! before it and noted under the counts of all its datasets, so that of two that are compared at the
//! same time one is compared anew.

use serde::{Deserialize, Serialize};
use shuyu_kernel::{DatasetId, Id};
use shuyu_law::{Attributes, Refusal};
use shuyu_store::{Command, Context, Entity, Keys};

shuyu_kernel::id!(
    /// The count of answers about a dataset; its id follows from the dataset's.
    TallyId,
    "tal"
);

impl TallyId {
    /// The id of the count for a dataset.
    pub fn of(dataset: DatasetId) -> Self {
        Self::from_u128(dataset.to_u128())
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
