//! What can be wrong with a desensitisation. No error carries a value of the data.

/// Why a table could not be desensitised.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaskingError {
    /// A column that is to be treated is not there.
    #[error("there is no column `{0}`")]
    NoColumn(String),
    /// A column is of a type that its treatment cannot be applied to.
    #[error("column `{column}` of type {found} cannot be treated as {wanted}")]
    WrongType {
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// What it was to be treated as.
        wanted: &'static str,
    },
    /// A figure of a treatment makes no sense.
    #[error("column `{column}`: {reason}")]
    Parameter {
        /// The column.
        column: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A hierarchy does not give every value one other value at each level.
    #[error("the hierarchy of `{column}` {reason}")]
    Hierarchy {
        /// The column.
        column: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// Columns that belong together have not the same length.
    #[error("columns of one table differ in length")]
    Length,
    /// More columns, or values of them, than can be generalised together.
    #[error("at most 16 columns are generalised together, and their values fit into 64 bits")]
    TooWide,
    /// A column is larger than 2 GiB of text.
    #[error("a batch is too large: divide it")]
    TooLarge,
}
