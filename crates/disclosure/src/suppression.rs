//! Which cells to withhold so that the rest of an answer may stand.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    Answer, AnswerId, Ledger, LedgerError, Quantity, Reason,
    ledger::{Points, Row},
    search::Effort,
};

/// Which cells are tried first, and so are shown where not all can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// As the answer has them. What is withheld then follows from which groups are small, and
    /// from nothing finer.
    Declared,
    /// By these preferences, one for each cell, the greatest first; cells without one come last.
    /// Preferences that follow the figures make tables fuller, and tell more by their gaps.
    Preferred(Vec<u64>),
}

/// A cell that is withheld.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// Its place in the answer.
    pub cell: usize,
    /// Why: by itself if there is nothing that it collides with.
    pub reason: Reason,
    /// Other cells of the same answer that it would have told too much with.
    pub beside: BTreeSet<usize>,
    /// Standing answers that it would have told too much with.
    pub with: BTreeSet<AnswerId>,
}

/// What can be shown of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// The cells that can be shown, by their place in the answer, in order.
    pub shown: Vec<usize>,
    /// The others, in order.
    pub withheld: Vec<Withheld>,
}

impl Suppression {
    /// The answer without what is withheld: the ledger permits it.
    pub fn apply(&self, answer: &Answer) -> Answer {
        let cells = self.shown.iter().filter_map(|cell| answer.cells.get(*cell).cloned());
        Answer { cells: cells.collect() }
    }
}

impl Ledger {
    /// Which cells of an answer to withhold so that the others may stand.
    ///
    /// Cells are tried one after the other, and each that may stand beside those shown already is
    /// shown. What a set of answers determines only grows with it, so nothing that is withheld
    /// could be added in the end: no smaller set of gaps within this one would do.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] if the answer names atoms wrongly.
    pub fn suppress(&mut self, answer: &Answer, order: &Order) -> Result<Suppression, LedgerError> {
        let rows = self.rows(answer)?;
        let points = self.prepare(&rows);
        let mut by_cell: Vec<Vec<Row>> = answer.cells.iter().map(|_| Vec::new()).collect();
        for row in rows {
            if let Some(cell) = by_cell.get_mut(row.cell as usize) {
                cell.push(row);
            }
        }
        let mut cells: Vec<usize> = (0..by_cell.len()).collect();
        if let Order::Preferred(preferences) = order {
            cells.sort_by_key(|cell| std::cmp::Reverse(preferences.get(*cell)));
        }
        let mut suppression = Suppression { shown: Vec::new(), withheld: Vec::new() };
        cells.retain(|cell| {
            let alone = by_cell.get(*cell).and_then(|rows| self.examine_all(*cell, rows));
            let is_open = alone.is_none();
            suppression.withheld.extend(alone);
            is_open
        });
        self.try_cells(&cells, &by_cell, &mut suppression);
        self.rewind(&points);
        suppression.shown.sort_unstable();
        suppression.withheld.sort_by_key(|withheld| withheld.cell);
        Ok(suppression)
    }

    /// What a cell tells by itself.
    fn examine_all(&self, cell: usize, rows: &[Row]) -> Option<Withheld> {
        let reason = rows.iter().find_map(|row| self.examine(row))?.reason;
        Some(Withheld { cell, reason, beside: BTreeSet::new(), with: BTreeSet::new() })
    }

    /// Adds cells one after the other, each unless it cannot be. Where all of them can be together,
    /// each could be in its turn; so halves are tried as wholes.
    fn try_cells(&mut self, cells: &[usize], rows: &[Vec<Row>], into: &mut Suppression) {
        let of = |cell: &usize| rows.get(*cell).into_iter().flatten();
        let quantities: BTreeSet<Quantity> =
            cells.iter().flat_map(of).map(|row| row.quantity).collect();
        let points: Points = quantities
            .into_iter()
            .filter_map(|quantity| Some((quantity, self.point(quantity)?)))
            .collect();
        self.add(&cells.iter().flat_map(of));
        let mut effort = Effort(self.rules.effort);
        let Some(refusal) = self.check(&points, &mut effort) else {
            into.shown.extend(cells);
            return;
        };
        self.rewind(&points);
        if let [cell] = cells {
            let mut beside = refusal.cells;
            beside.remove(cell);
            let (cell, reason, with) = (*cell, refusal.reason, refusal.with);
            into.withheld.push(Withheld { cell, reason, beside, with });
            return;
        }
        let (left, right) = cells.split_at(cells.len() / 2);
        self.try_cells(left, rows, into);
        self.try_cells(right, rows, into);
    }
}
