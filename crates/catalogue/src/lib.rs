//! The catalogue of public data: resources, their fields, classification, grading and review.
//!
//! **Invariant:** what is published is what was reviewed: publication names the digest of the
//! description, and a description that changed since is not published by it.
//!
//! **Invariant:** one provider has one resource of a name.
//!
//! Levels, classes and identifiers are the pack's; a city that sets none has no such check.

pub mod resource;
pub mod rules;

pub use resource::{
    Command, Description, Event, Field, FieldRole, Resource, Status, Subject, SubjectKind,
};
pub use rules::RULES;
