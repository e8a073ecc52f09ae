//! The HTTP interface, as its callers meet it: a real server on a real port, over a store of its
//! own, with a clock that the test moves.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: what is not as it must be ends the test"
)]

mod access;
mod acts;
mod app;
mod document;
mod main_job;
mod problems;
mod sign_in;
mod slow;
mod walk;
