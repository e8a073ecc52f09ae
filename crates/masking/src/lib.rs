#![doc = include_str!("../README.md")]

mod anonymity;
mod coded;
mod distance;
mod draw;
mod error;
mod hierarchy;
mod key;
mod ladder;
mod mask;
mod synthetic;

pub use anonymity::{Column, Demand, Generalised, Loss, NOBODY, Rows, generalise};
pub use distance::{ColumnDistance, Distances, PairDistance, distances};
pub use draw::{Draw, Drawn};
pub use error::MaskingError;
pub use hierarchy::{ABSENT, ANY, Hierarchy};
pub use key::{Kind, MaskingKey, Scope, Token, Tokens};
pub use ladder::Ladder;
pub use mask::{Blur, Bounds, Days, Mask, Masks, Part, Treatment, ends};
pub use synthetic::synthesise;
