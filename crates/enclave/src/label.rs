//! What a column may do.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Whom a table is about: the protected unit is the subject, not the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// Natural persons.
    Person,
    /// Enterprises and other organisations.
    Enterprise,
}

/// A published range of values, from `from` (included) to `below` (excluded).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Band {
    /// How the range is called.
    pub label: String,
    /// The least value; none: no lower end.
    #[serde(default)]
    pub from: Option<String>,
    /// The first value beyond it; none: no upper end.
    #[serde(default)]
    pub below: Option<String>,
}

/// What a measure may be aggregated by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// In how many rows it is present.
    Count,
    /// Its sum.
    Sum,
    /// Its mean.
    Mean,
    /// Its variance, and the root of it.
    Variance,
}

impl Aggregate {
    /// All of them: what a measure allows unless its grant says less.
    pub const ALL: [Self; 4] = [Self::Count, Self::Sum, Self::Mean, Self::Variance];

    /// How a query writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "COUNT",
            Self::Sum => "SUM",
            Self::Mean => "AVG",
            Self::Variance => "VAR and STDDEV",
        }
    }
}

fn all_aggregates() -> BTreeSet<Aggregate> {
    Aggregate::ALL.into()
}

fn is_all(aggregates: &BTreeSet<Aggregate>) -> bool {
    aggregates.len() == Aggregate::ALL.len()
}

/// What a column may do in a query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "label", rename_all = "snake_case")]
pub enum Label {
    /// Groups and filters. Only declared codes are shown where there are any; a column with
    /// bands is seen as the name of the band, never as the value.
    Dimension {
        /// The published codes.
        #[serde(default)]
        codes: Vec<String>,
        /// The published ranges.
        #[serde(default)]
        bands: Vec<Band>,
    },
    /// Is aggregated.
    Measure {
        /// The least value that is possible.
        #[serde(default)]
        lower: Option<f64>,
        /// The greatest value that is possible.
        #[serde(default)]
        upper: Option<f64>,
        /// By what.
        #[serde(default = "all_aggregates", skip_serializing_if = "is_all")]
        aggregates: BTreeSet<Aggregate>,
    },
    /// Joins tables and counts subjects; is never shown, compared or computed with.
    Join,
    /// Is not there.
    Blocked,
}

impl Label {
    /// A dimension without published codes.
    pub fn dimension() -> Self {
        Self::Dimension { codes: Vec::new(), bands: Vec::new() }
    }

    /// A measure without declared bounds, for every aggregate.
    pub fn measure() -> Self {
        Self::Measure { lower: None, upper: None, aggregates: all_aggregates() }
    }

    /// What a column of this label is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dimension { .. } => "dimension",
            Self::Measure { .. } => "measure",
            Self::Join => "join column",
            Self::Blocked => "blocked column",
        }
    }
}

/// What is known of a column when its label is chosen.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each named where it is set")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnFacts {
    /// Whether it is the subject key of its table.
    pub subject_key: bool,
    /// Whether it identifies somebody directly: an identity number, a name, a phone.
    pub identifier: bool,
    /// Whether it is a number to be summed.
    pub quantity: bool,
    /// Whether it takes few published values.
    pub categorical: bool,
    /// Its level, 1 to 4.
    pub level: u8,
}

/// At this level nothing of a column is shown, not even figures.
pub const HIGHEST_LEVEL: u8 = 4;

/// The label that a column has unless a reviewer chooses a stricter one. Deny by default: what
/// is none of the known things is blocked, and so is what stands at the highest level.
pub fn default_label(facts: ColumnFacts) -> Label {
    if facts.subject_key {
        Label::Join
    } else if facts.identifier || facts.level >= HIGHEST_LEVEL {
        Label::Blocked
    } else if facts.categorical {
        Label::dimension()
    } else if facts.quantity {
        Label::measure()
    } else {
        Label::Blocked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_be_harmless_is_blocked() {
        let facts = ColumnFacts {
            subject_key: false,
            identifier: false,
            quantity: false,
            categorical: false,
            level: 1,
        };
        assert_eq!(default_label(facts), Label::Blocked);
        assert_eq!(
            default_label(ColumnFacts { subject_key: true, identifier: true, ..facts }),
            Label::Join
        );
        assert_eq!(
            default_label(ColumnFacts { identifier: true, categorical: true, ..facts }),
            Label::Blocked
        );
        assert_eq!(
            default_label(ColumnFacts { categorical: true, level: 4, ..facts }),
            Label::Blocked
        );
        assert_eq!(default_label(ColumnFacts { categorical: true, ..facts }), Label::dimension());
        assert_eq!(default_label(ColumnFacts { quantity: true, ..facts }), Label::measure());
    }
}
