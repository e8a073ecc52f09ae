//! What an immediate question asks, in one form for all texts that mean the same.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shuyu_kernel::ContentHash;

use crate::{Band, DatasetVersion, Mark, Mask};

/// A column of a dataset version, whatever a grant calls its table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ColumnOf {
    /// The dataset version.
    pub source: DatasetVersion,
    /// The column.
    pub column: String,
}

/// A value of a dimension; `None` is the absent value.
pub type Code = Option<String>;

/// A figure of the closed class.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "figure", content = "of", rename_all = "snake_case")]
pub enum Figure {
    /// The number of rows.
    Rows,
    /// The number of distinct subjects.
    Subjects(ColumnOf),
    /// The number of rows in which a measure is present.
    Present(ColumnOf),
    /// The sum of a measure.
    Sum(ColumnOf),
    /// The mean of a measure.
    Mean(ColumnOf),
    /// How many values of a dimension have enough subjects to be shown by themselves: small ones
    /// count no more than empty ones.
    Distinct(ColumnOf),
    /// The sample variance of a measure.
    Variance(ColumnOf),
    /// The sample standard deviation of a measure.
    Deviation(ColumnOf),
}

impl Figure {
    /// The measure that it is made of.
    pub(crate) fn measure(&self) -> Option<&ColumnOf> {
        match self {
            Self::Rows | Self::Subjects(_) | Self::Distinct(_) => None,
            Self::Present(of)
            | Self::Sum(of)
            | Self::Mean(of)
            | Self::Variance(of)
            | Self::Deviation(of) => Some(of),
        }
    }

    /// The measure of which it tells the sum of squares.
    pub(crate) fn squared(&self) -> Option<&ColumnOf> {
        match self {
            Self::Variance(of) | Self::Deviation(of) => Some(of),
            Self::Rows
            | Self::Subjects(_)
            | Self::Distinct(_)
            | Self::Present(_)
            | Self::Sum(_)
            | Self::Mean(_) => None,
        }
    }
}

/// The rows that a question speaks of, before any filter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Relation {
    /// The dataset versions.
    pub sources: BTreeSet<DatasetVersion>,
    /// Which columns are equal, each pair in order.
    pub joins: BTreeSet<(ColumnOf, ColumnOf)>,
}

/// A conjunction of conditions on dimensions: each is one of some values.
pub type Region = BTreeMap<ColumnOf, BTreeSet<Code>>;

/// A question of the closed class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Over which rows.
    pub relation: Relation,
    /// Under which conditions.
    #[serde(with = "pairs")]
    pub filter: Region,
    /// By which dimensions.
    pub groups: BTreeSet<ColumnOf>,
    /// Which figures.
    pub figures: BTreeSet<Figure>,
    /// The bands through which the grant sees columns of the filter and of the groups. Under other
    /// bands it is another question.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "pairs")]
    pub bands: BTreeMap<ColumnOf, Vec<Band>>,
    /// The masks through which it sees them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "pairs")]
    pub masks: BTreeMap<ColumnOf, Mask>,
    /// The rows within the grant's scope, by values as they lie in the vault. Over other rows it is
    /// another question.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "pairs")]
    pub scope: BTreeMap<ColumnOf, BTreeSet<String>>,
    /// As of which consents rows are seen, where a grant asks for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "pairs")]
    pub consents: BTreeMap<DatasetVersion, Mark>,
}

impl Question {
    /// The digest that equal questions share.
    pub fn hash(&self) -> ContentHash {
        ContentHash::of_json(&serde_json::to_value(self).unwrap_or_default())
    }
}

/// A map whose keys are objects, as a list of pairs.
pub(crate) mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(crate) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// What a column of the answer shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A dimension.
    Group(ColumnOf),
    /// A figure.
    Figure(Figure),
}

/// How the asker wants the answer laid out. It chooses among what is shown and adds nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// The columns, each with the name that the asker gave it.
    pub columns: Vec<(String, Shown)>,
    /// By which columns to sort, and whether downwards.
    pub order: Vec<(usize, bool)>,
    /// How many rows to leave out at the start.
    pub skip: usize,
    /// How many rows to show at most.
    pub limit: Option<usize>,
}
