//! The plan checker: over the resolved logical plan, before optimisation.
//!
//! **Invariant:** every `match` over plans and expressions is exhaustive, without a wildcard: a
//! node that the engine gains does not compile here until somebody decides.

pub(crate) mod ask;
pub(crate) mod produce;
