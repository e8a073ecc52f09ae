//! Events, state and the unit of work, on SQLite and PostgreSQL.

mod entity;

pub use entity::{Command, Context, Entity, Keys};
