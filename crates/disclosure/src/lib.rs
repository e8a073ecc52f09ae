#![doc = include_str!("../README.md")]

mod bounds;
mod echelon;
mod facts;
mod field;
mod ledger;
mod partition;
mod search;
mod suppression;
mod system;

pub use facts::{Atom, Empty, Magnitude, Measure, Rules, Subjects, percent_of_two_dominators};
pub use ledger::{
    Answer, AnswerId, AtomId, Cell, Figure, Ledger, LedgerError, Quantity, Reason, Refusal, Size,
    Verdict,
};
pub use suppression::{Order, Suppression, Withheld};
