//! Entities: what changes by events, and only by events.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Serialize, de::DeserializeOwned};
use shuyu_kernel::{Actor, Id};
use shuyu_law::{Attributes, ClauseId, Law, PackVersion, Refusal, Rule};

/// What `decide` may know besides the state and the command. It reads no clock and no store.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The instant of the act.
    pub now: DateTime<Utc>,
    /// Who acts.
    pub actor: &'a Actor,
    /// The law in force for the entity: the pack that it began with, else the current one.
    pub law: &'a Law,
}

impl Context<'_> {
    /// The refusal that `rule` gives under this law.
    pub fn refuse(&self, rule: Rule) -> Refusal {
        self.law.refuse(rule, &[])
    }

    /// The calendar day where the law applies.
    pub fn today(&self) -> NaiveDate {
        self.law.local_date(self.now)
    }
}

/// A command: what somebody wants to be done to an entity.
pub trait Command: Clone + Send + Sync {
    /// Every name that [`Command::name`] can answer. Write both at once with [`names!`](crate::names).
    const NAMES: &'static [&'static str];

    /// Its name, in lower case with underscores. Policies know it as `<kind>.<name>`.
    fn name(&self) -> &'static str;

    /// What a policy can see of it.
    fn attributes(&self) -> Attributes {
        Attributes::new()
    }
}

/// The names of a kind of commands, inside its `impl Command`: gives `NAMES` and `name`, so that
/// neither can know a command that the other does not.
///
/// ```ignore
/// shuyu_store::names! {
///     Self::Open { .. } => "open",
///     Self::Close => "close",
/// }
/// ```
#[macro_export]
macro_rules! names {
    ($($command:pat => $name:literal),+ $(,)?) => {
        const NAMES: &'static [&'static str] = &[$($name),+];

        fn name(&self) -> &'static str {
            match self {
                $($command => $name,)+
            }
        }
    };
}

/// By what an entity can be found without being read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// Where it stands.
    pub status: String,
    /// Whose it is: an organisation or a person, by id.
    pub owner: Option<String>,
    /// What it belongs to, by id: an agreement, a dataset, a case.
    pub parent: Option<String>,
    /// A name that is unique among entities of the kind, such as a sign-in name.
    pub name: Option<String>,
    /// When it wants to be looked at again.
    pub due_at: Option<DateTime<Utc>>,
}

/// Something with a life of its own: a case, a dataset, a grant.
///
/// `decide` and `evolve` are pure. An event serialises as an object with its name in the field
/// `event` (`#[serde(tag = "event")]`).
pub trait Entity: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The name of the kind, in lower case, such as `case`. Streams are `<kind>/<id>`.
    const KIND: &'static str;

    /// Every name that [`Entity::attributes`] and the attributes of the commands can have.
    const ATTRIBUTES: &'static [&'static str];

    /// Fields of events that hold personal data. They are kept outside the ledger's leaf, which
    /// commits to them with a salt, so that they can be erased while every proof still verifies.
    /// After erasure they are absent, so they deserialise with a default.
    const PERSONAL: &'static [&'static str] = &[];

    /// Its id.
    type Id: Id + Send + Sync;
    /// What can be wanted of it.
    type Command: Command;
    /// What can happen to it.
    type Event: Serialize + DeserializeOwned + Send + Sync;

    /// The events that `command` causes, or why it is refused. `state` is `None` before the
    /// first event.
    fn decide(
        state: Option<&Self>,
        command: Self::Command,
        ctx: &Context<'_>,
    ) -> Result<Vec<Self::Event>, Refusal>;

    /// The state after `event`. It cannot refuse: the event has happened.
    fn evolve(state: Option<Self>, event: &Self::Event) -> Option<Self>;

    /// By what it is found.
    fn keys(&self) -> Keys;

    /// What a policy can see of it.
    fn attributes(&self) -> Attributes;

    /// The pack version that it began with and keeps; `None`: whatever is in force.
    fn pack(&self) -> Option<&PackVersion> {
        None
    }

    /// The clauses that an event rests on, besides those of the policy that permitted the act.
    fn clauses(event: &Self::Event) -> Vec<ClauseId> {
        let _ = event;
        Vec::new()
    }
}
