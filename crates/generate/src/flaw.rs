//! Rows spoilt on purpose.

use serde::{Deserialize, Serialize};
use shuyu_kernel::identifier::resident_check;

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// The check character of an identifier is another.
    WrongCheck,
    /// A day that no calendar has.
    ImpossibleDate,
    /// An identity number with a right check character and a day of birth that no calendar has.
    ImpossibleBirth,
    /// A required cell is empty.
    MissingCell,
    /// Words where a number should be.
    WrongType,
    /// A mobile number without its last digit.
    ShortMobile,
    /// A land line where a mobile number should be.
    LandLine,
    /// A division code of no province.
    UnknownDivision,
    /// A cell was left out: what follows stands one column to the left, the last is missing.
    ColumnLost,
    /// A cell was left out and an empty one added at the end: as many cells, one to the left.
    ColumnShifted,
    /// An empty cell was added: what follows stands one column to the right.
    ColumnAdded,
}

/// A row spoilt on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirtyRow {
    /// The line of the file on which it begins; the header's is 1.
    pub line: u64,
    /// Which row of data it is; the first is 1.
    pub row: u64,
    /// What is wrong with it.
    pub flaw: Flaw,
    /// The column concerned, or the first that is shifted.
    pub column: String,
}

impl Flaw {
    /// Spoils a row at a column.
    pub(crate) fn spoil(self, cells: &mut Vec<String>, column: usize) {
        let Some(cell) = cells.get_mut(column) else { return };
        match self {
            Self::WrongCheck => {
                let last = cell.pop();
                cell.push(if last == Some('0') { '1' } else { '0' });
            }
            Self::ImpossibleDate => {
                cell.truncate(4);
                cell.push_str("-02-30");
            }
            Self::ImpossibleBirth => {
                cell.replace_range(10..14, "0230");
                cell.truncate(17);
                cell.extend(resident_check(cell.as_bytes()).map(char::from));
            }
            Self::MissingCell => cell.clear(),
            Self::WrongType => "不详".clone_into(cell),
            Self::ShortMobile => "1540000000".clone_into(cell),
            Self::LandLine => "0998-7654321".clone_into(cell),
            Self::UnknownDivision => "999999".clone_into(cell),
            Self::ColumnLost => {
                cells.remove(column);
            }
            Self::ColumnShifted => {
                cells.remove(column);
                cells.push(String::new());
            }
            Self::ColumnAdded => cells.insert(column, String::new()),
        }
    }
}
