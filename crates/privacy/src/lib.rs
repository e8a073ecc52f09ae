#![doc = include_str!("../README.md")]

mod account;
mod aggregate;
mod codes;
mod cost;
mod design;
mod mechanism;
mod release;
mod subjects;
mod words;

pub use account::{Account, ChargeId, Refused};
pub use aggregate::{Aggregation, Layout, Totals};
pub use codes::Code;
pub use cost::{Cost, Guarantee};
pub use design::{Bound, Design, Drawn, Keys, Measure, Part, Shape};
pub use release::{Cell, mean};
pub use words::{Words, explain};

/// What kept an answer from being made. It never says anything of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrivacyError {
    /// A bound, a budget or a measure cannot be worked with.
    #[error("the bounds of the question are not usable")]
    Bounds,
    /// The budget is too small for noise that can be drawn.
    #[error("the budget of the question is too small")]
    TooLittle,
    /// The batch is not laid out as declared.
    #[error("the rows are not laid out as declared")]
    Layout,
    /// There are more groups or subjects than can be numbered.
    #[error("there are too many groups or subjects")]
    TooMany,
    /// The mechanism library failed, for instance for lack of entropy.
    #[error("the noise could not be drawn")]
    Mechanism,
}
