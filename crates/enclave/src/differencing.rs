//! What two answers tell together: the first form of the release ledger.
//!
//! Exact for conjunctions of dimension conditions: where the cells of one answer lie within a
//! cell of another, the rest of that cell must be empty or hold enough subjects.

use std::collections::BTreeSet;

use crate::{
    Answer, Domain, Objection, Thresholds,
    answer::{Cell, subjects_between},
    checker::ask::Checked,
    question::{Figure, Question, Region},
    rules::NO_DIFFERENCING,
};

/// The region of a cell: the question's filter, and one code for each group.
fn region(question: &Question, cell: &Cell) -> Region {
    let mut region = question.filter.clone();
    for (of, code) in question.groups.iter().zip(&cell.codes) {
        region.insert(of.clone(), BTreeSet::from([code.clone()]));
    }
    region
}

/// Whether every row of `inner` lies in `outer`, by their conditions.
fn lies_within(inner: &Region, outer: &Region) -> bool {
    outer.iter().all(|(of, codes)| inner.get(of).is_some_and(|narrower| narrower.is_subset(codes)))
}

/// Whether two questions show a figure that can be subtracted.
fn comparable(left: &Question, right: &Question) -> bool {
    if left.relation != right.relation {
        return false;
    }
    let counts = |question: &Question| {
        question.figures.iter().any(|figure| match figure {
            Figure::Rows | Figure::Subjects(_) | Figure::Present(_) | Figure::Mean(_) => true,
            Figure::Sum(_) => false,
        })
    };
    let measures = |question: &Question| -> BTreeSet<_> {
        question.figures.iter().filter_map(Figure::measure).cloned().collect()
    };
    (counts(left) && counts(right)) || !measures(left).is_disjoint(&measures(right))
}

/// A cell of one answer with the cells of another that lie within it.
fn remainders(outer: &Answer, inner: &Answer) -> Vec<(Region, Vec<Region>)> {
    let inner_cells: Vec<(Region, u64)> =
        inner.cells.iter().map(|cell| (region(&inner.question, cell), cell.rows)).collect();
    outer
        .cells
        .iter()
        .filter_map(|cell| {
            let whole = region(&outer.question, cell);
            let within: Vec<&(Region, u64)> =
                inner_cells.iter().filter(|(part, _)| lies_within(part, &whole)).collect();
            let rows: u64 = within.iter().map(|(_, rows)| rows).sum();
            // Cells of one answer do not overlap: equal sums leave nothing between them.
            (!within.is_empty() && rows != cell.rows)
                .then(|| (whole, within.into_iter().map(|(part, _)| part.clone()).collect()))
        })
        .collect()
}

/// Refuses an answer that, with an earlier one, would single out fewer subjects than the
/// threshold. `earlier` holds every answer over the same dataset versions, to any operator.
pub(crate) async fn check(
    domain: &Domain,
    checked: &Checked,
    answer: &Answer,
    earlier: &[Answer],
    thresholds: &Thresholds,
) -> Result<(), Objection> {
    const MOST: usize = 2_000;
    let refused = || {
        Objection::new(
            NO_DIFFERENCING,
            "with an answer given before, this answer would single out too few subjects",
        )
    };
    let mut seen: BTreeSet<(Region, Vec<Region>)> = BTreeSet::new();
    for other in earlier {
        if !comparable(&answer.question, &other.question) {
            continue;
        }
        for remainder in remainders(other, answer).into_iter().chain(remainders(answer, other)) {
            if !seen.insert(remainder.clone()) {
                continue;
            }
            if seen.len() > MOST {
                return Err(refused());
            }
            let (outer, minus) = remainder;
            let minus: Vec<&Region> = minus.iter().collect();
            let checked = with_columns(domain, checked, &outer, &minus)?;
            for (kind, subjects) in subjects_between(domain, &checked, &outer, &minus).await? {
                if subjects > 0 && subjects < u64::from(thresholds.of(kind)) {
                    return Err(refused());
                }
            }
        }
    }
    Ok(())
}

/// The checked question with the columns of earlier regions, found by table.
fn with_columns(
    domain: &Domain,
    checked: &Checked,
    outer: &Region,
    minus: &[&Region],
) -> Result<Checked, Objection> {
    let mut checked = checked.clone();
    for of in minus.iter().flat_map(|region| region.keys()).chain(outer.keys()) {
        if checked.columns.contains_key(of) {
            continue;
        }
        let relation = checked
            .columns
            .iter()
            .find(|(known, _)| known.source == of.source)
            .and_then(|(_, column)| column.relation.clone());
        let granted = domain
            .tables
            .values()
            .any(|table| table.version == of.source && table.item.columns.contains_key(&of.column));
        // An earlier answer by a column that this grant does not see cannot be compared, so the
        // answer is refused: a limit of this first form, on the safe side.
        let (Some(relation), true) = (relation, granted) else {
            return Err(Objection::new(
                NO_DIFFERENCING,
                "with an answer given before, this answer could single out too few subjects",
            ));
        };
        let column = datafusion::common::Column::new(Some(relation), &of.column);
        checked.columns.insert(of.clone(), column);
    }
    Ok(checked)
}
