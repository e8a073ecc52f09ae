//! Cases that run through the procedures of a regulation pack, and what they decide:
//! agreements, scenarios, plans; and the organisations and persons who take part.
//!
//! **Invariant:** who submits does not approve, neither the same person nor, in another role,
//! the same organisation.
//!
//! **Invariant:** an approval is of the content that was read: it names the digest of the
//! dossier, and what changed since is not approved.
//!
//! **Invariant:** a case keeps the pack that it began with. Which stages there are, who acts, on
//! what and until when, is that pack's; no procedure is known here.
//!
//! Effects are not applied here: they stand in the events of a case, and the composition applies
//! them in the same unit of work.

pub mod agreement;
pub mod case;
mod deciding;
mod dossier;
pub mod guard;
pub mod instrument;
pub mod organisation;
pub mod person;
pub mod rules;
pub mod scenario;
pub mod simulate;
pub mod view;

use std::collections::BTreeMap;

pub use agreement::Agreement;
pub use case::Case;
pub use deciding::PARTIES;
pub use dossier::{Act, Dossier, Objection, Reading};
pub use guard::{EFFECTS, GUARDS};
pub use instrument::{Instrument, InstrumentId, InstrumentKind};
pub use organisation::Organisation;
pub use person::Person;
pub use rules::RULES;
pub use scenario::Scenario;

/// Facts about other entities, by name, gathered by the composition for the guards of a stage.
pub type Facts = BTreeMap<String, serde_json::Value>;
