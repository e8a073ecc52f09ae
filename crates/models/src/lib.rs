#![doc = include_str!("../README.md")]

mod attribute;
mod boost;
mod card;
mod check;
mod design;
mod encode;
mod fit;
mod membership;
mod metrics;
mod model;
mod number;
mod onnx;
mod reversal;
mod rules;
mod serve;
mod specification;
mod spread;
mod structure;
mod table;
mod train;

pub use card::{Card, Counts};
pub use check::{Check, Verdict, gravest};
pub use metrics::{Importance, Metrics, Series};
pub use model::{Body, Input, Model, Node, Output, SCHEMA, Tree};
pub use rules::Rules;
pub use serve::{Given, ServeError, Served};
pub use specification::{Feature, Kind, Specification, SpecificationError, Target};
pub use table::{Column, Table, TableError, Values};
pub use train::{TrainError, Trained, train, train_until};
