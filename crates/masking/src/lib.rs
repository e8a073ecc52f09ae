#![doc = include_str!("../README.md")]

mod anonymity;
mod coded;
mod distance;
mod error;
mod hierarchy;
mod key;
mod mask;
mod synthetic;

pub use anonymity::{Column, Demand, Generalised, Loss, NOBODY, Rows, generalise};
pub use distance::{ColumnDistance, Distances, PairDistance, distances};
pub use error::MaskingError;
pub use hierarchy::{ANY, Hierarchy};
pub use key::{Kind, MaskingKey, Scope, Token, Tokens};
pub use mask::{Blur, Bounds, Days, Mask, Masks, Part, Treatment, ends};
pub use synthetic::synthesise;
