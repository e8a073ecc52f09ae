//! Whole lives through the application, in one process: what is metered and billed, objected to,
//! erased, tried and ended, as a deployment would see it.

#![expect(clippy::expect_used, clippy::panic, reason = "what cannot be set up fails the test")]

mod agreements;
mod bounds;
mod erasure;
mod metering;
mod objections;
mod packs;
mod town;
mod trial;
mod watch;
