//! Events, state and the unit of work, on SQLite and PostgreSQL.
//!
//! Whatever happens is an entry of one log; state is what the entries say. An act loads an
//! entity, asks the law, lets the entity decide, and appends the events, the new state, the
//! leaves of the Merkle tree and a signed checkpoint in one durable transaction.
//!
//! **Invariant:** what has been acknowledged is on the disk. Refusals are, before they are
//! returned.
//!
//! **Invariant:** every version that a decision read, whether it was permitted or refused, is
//! unchanged at the moment of writing, or nothing is written.
//!
//! **Invariant:** time in the log never runs backwards.
//!
//! **Invariant:** this crate knows no kind of entity and no rule; they are handed in as a
//! [`Registry`] and [`Laws`].

mod cache;
mod database;
mod desk;
mod entity;
mod error;
mod filter;
mod laws;
mod postgres;
mod record;
mod registry;
mod rows;
mod sqlite;
mod stream;
mod tally;
mod unit;
mod verify;
mod writer;

pub use database::{Place, StoreConfig};
pub use desk::{Acted, Desk, Entry};
pub use entity::{Command, Context, Entity, Keys};
pub use error::{ActError, StoreError};
pub use filter::{Filter, Trail};
pub use laws::Laws;
pub use record::Recorded;
pub use registry::{Kind, Registry};
pub use stream::{StreamId, Version};
pub use unit::{AtMost, Decided, Unit};
pub use verify::{Fault, verify};
pub use writer::{Committed, Receipt};
