//! Models by their public names: what is learnt, what is refused, what leaves.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot be set up fails"
)]

mod cases;
mod kinds;
mod onnx;
mod properties;
mod real;
mod refused;
mod served;
