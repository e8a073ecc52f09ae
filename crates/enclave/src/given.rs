//! Answers that were given: equal questions get the same answer, and later ones are compared.

use serde::{Deserialize, Serialize};
use shuyu_kernel::{ContentHash, Id};
use shuyu_law::{Attributes, Refusal};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::{Answer, Question, Relation};

shuyu_kernel::id!(
    /// An answer that was given; its id follows from the question.
    GivenId,
    "giv"
);

impl GivenId {
    /// The id of the answer to a question.
    pub fn of(question: &Question) -> Self {
        let digest = question.hash();
        let number =
            digest.as_bytes().iter().take(16).fold(0_u128, |n, byte| n << 8 | u128::from(*byte));
        Self::from_u128(number)
    }
}

/// An answer that was given. It holds what was shown, and nothing of what was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// What was asked, and what was shown.
    pub answer: Answer,
}

impl Given {
    /// What answers over the same rows share.
    pub fn relation_key(relation: &Relation) -> String {
        ContentHash::of_json(&serde_json::to_value(relation).unwrap_or_default()).to_string()
    }
}

/// What can be wanted of an answer.
#[derive(Debug, Clone)]
pub enum GivenCommand {
    /// Give it.
    Give {
        /// The answer.
        answer: Box<Answer>,
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
            (Some(_), GivenCommand::Give { .. }) => Ok(Vec::new()),
            (None, GivenCommand::Give { answer }) => Ok(vec![GivenEvent::Given { answer }]),
        }
    }

    fn evolve(_state: Option<Self>, event: &GivenEvent) -> Option<Self> {
        match event {
            GivenEvent::Given { answer } => Some(Self { answer: (**answer).clone() }),
        }
    }

    fn keys(&self) -> Keys {
        Keys {
            status: "given".to_owned(),
            parent: Some(Self::relation_key(&self.answer.question.relation)),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
    }
}
