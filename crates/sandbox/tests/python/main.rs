//! Programs that really run, on hosts where they can: where they cannot, each test says why.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot be set up fails"
)]

mod endings;
mod jobs;
mod limits;
mod outputs;
mod support;
mod walls;
