//! The ledger against oracles that share nothing with it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use shuyu_disclosure::{
    Answer, AnswerId, Atom, AtomId, Cell, Empty, Ledger, Magnitude, Measure, Order, Quantity,
    Reason, Rules, Subjects, Verdict,
};

type Matrix = Vec<Vec<i128>>;

/// The rank over the rationals: elimination without fractions (Bareiss, 1968), exact.
fn rank(mut rows: Matrix) -> usize {
    let width = rows.first().map_or(0, Vec::len);
    let (mut rank, mut last) = (0, 1);
    for column in 0..width {
        let Some(pivot) = (rank..rows.len()).find(|row| rows[*row][column] != 0) else {
            continue;
        };
        rows.swap(rank, pivot);
        for row in rank + 1..rows.len() {
            for other in (0..width).rev() {
                rows[row][other] = (rows[row][other] * rows[rank][column]
                    - rows[row][column] * rows[rank][other])
                    / last;
            }
        }
        last = rows[rank][column];
        rank += 1;
    }
    rank
}

fn without(rows: &Matrix, drop: impl Fn(usize) -> bool) -> Matrix {
    rows.iter()
        .map(|row| {
            let kept = row.iter().enumerate().filter(|(column, _)| !drop(*column));
            kept.map(|(_, value)| *value).collect()
        })
        .collect()
}

/// The dimension of the vectors of the row space that are zero outside of some columns.
fn within(rows: &Matrix, columns: u32) -> usize {
    rank(rows.clone()) - rank(without(rows, |column| columns & (1 << column) != 0))
}

fn subsets(width: usize) -> impl Iterator<Item = u32> {
    1..1_u32 << width
}

fn members(set: u32, width: usize) -> impl Iterator<Item = usize> {
    (0..width).filter(move |column| set & (1 << column) != 0)
}

fn rules(least_subjects: u64, empty: Empty, dominance_percent: u32) -> Rules {
    Rules { least_subjects, empty, dominance_percent, least_range: None, ..Rules::default() }
}

fn question(quantity: Quantity, set: u32, width: usize) -> Answer {
    let atoms = members(set, width).map(|column| AtomId(u32::try_from(column).unwrap()));
    Answer { cells: vec![Cell::of(quantity, atoms)] }
}

fn row(set: u32, width: usize) -> Vec<i128> {
    (0..width).map(|column| i128::from(set >> column & 1)).collect()
}

/// Whether a set of columns with fewer than k subjects holds a vector of the row space.
fn singles_out(rows: &Matrix, counts: &[u64], k: u64, empty: Empty) -> bool {
    let is_known = |column: usize| empty == Empty::IsKnown && counts[column] == 0;
    let rows = without(rows, is_known);
    let counts: Vec<u64> = (0..counts.len())
        .filter(|column| !is_known(*column))
        .map(|column| counts[column])
        .collect();
    subsets(counts.len()).any(|set| {
        members(set, counts.len()).map(|column| counts[column]).sum::<u64>() < k
            && within(&rows, set) > 0
    })
}

/// Whether the sum over the support of a vector of the row space is dominated.
fn is_dominated(rows: &Matrix, contributions: &[Vec<u128>], percent: u128) -> bool {
    let width = contributions.len();
    subsets(width).any(|set| {
        // A set is the support of a vector just where no smaller set holds as many.
        let held = within(rows, set);
        let is_support =
            held > 0 && members(set, width).all(|column| within(rows, set & !(1 << column)) < held);
        let mut all: Vec<u128> =
            members(set, width).flat_map(|column| contributions[column].clone()).collect();
        all.sort_unstable_by(|left, right| right.cmp(left));
        let remainder: u128 = all.iter().skip(2).sum();
        is_support && 100 * remainder < percent * all.first().copied().unwrap_or(0)
    })
}

fn magnitude(contributions: &[u128]) -> Magnitude {
    let mut sorted = contributions.to_vec();
    sorted.sort_unstable_by(|left, right| right.cmp(left));
    let at = |index: usize| sorted.get(index).copied().unwrap_or(0);
    Magnitude {
        contributors: Subjects::Apart(sorted.len() as u64),
        sum: sorted.iter().sum(),
        largest: [at(0), at(1)],
        least: sorted.last().copied().unwrap_or(0),
        has_negative: false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Random subset questions about a small population: the ledger permits exactly those that
    /// single nobody out, by the rank of every set of columns.
    #[test]
    fn counts_are_permitted_just_where_nobody_is_singled_out(
        counts in prop::collection::vec(0_u64..5, 3..8),
        questions in prop::collection::vec(any::<u32>(), 1..14),
        k in 1_u64..7,
        is_known: bool,
        secret: [u64; 3],
    ) {
        let empty = if is_known { Empty::IsKnown } else { Empty::Discloses };
        let width = counts.len();
        let mut ledger = Ledger::new(rules(k, empty, 0), secret);
        for count in &counts {
            ledger.add_atom(Atom::of(*count)).unwrap();
        }
        let mut standing: Matrix = Vec::new();
        for (id, set) in questions.into_iter().map(|set| set % (1 << width)).enumerate() {
            let mut rows = standing.clone();
            rows.push(row(set, width));
            let expected = !singles_out(&rows, &counts, k, empty)
                && (set != 0 || empty == Empty::IsKnown);
            let answer = question(Quantity::Rows, set, width);
            let judged = ledger.judge(&answer).unwrap();
            let verdict = ledger.admit(AnswerId(id as u128), &answer).unwrap();
            prop_assert_eq!(&judged, &verdict, "judging leaves no trace");
            prop_assert_eq!(verdict == Verdict::Permitted, expected, "{:?} {:b}", verdict, set);
            if expected {
                standing = rows;
            }
        }
    }

    /// What is shown may stand, and nothing that is withheld could be added.
    #[test]
    fn suppression_withholds_no_more_than_it_must(
        counts in prop::collection::vec(0_u64..9, 4..9),
        before in prop::collection::vec(any::<u32>(), 0..3),
        cells in prop::collection::vec(any::<u32>(), 1..14),
        preferences in prop::option::of(prop::collection::vec(0_u64..5, 14)),
        k in 1_u64..9,
        secret: [u64; 3],
    ) {
        let width = counts.len();
        let mut ledger = Ledger::new(rules(k, Empty::Discloses, 0), secret);
        for count in &counts {
            ledger.add_atom(Atom::of(*count)).unwrap();
        }
        let ask = |set: u32| question(Quantity::Rows, set % (1 << width), width);
        for (id, set) in before.into_iter().enumerate() {
            ledger.admit(AnswerId(id as u128), &ask(set)).unwrap();
        }
        let table =
            Answer { cells: cells.iter().flat_map(|set| ask(*set).cells).collect() };
        let order = preferences.map_or(Order::Declared, Order::Preferred);
        let suppression = ledger.suppress(&table, &order).unwrap();
        prop_assert_eq!(suppression.shown.len() + suppression.withheld.len(), cells.len());
        let shown = suppression.apply(&table);
        prop_assert_eq!(ledger.admit(AnswerId(99), &shown).unwrap(), Verdict::Permitted);
        for withheld in suppression.withheld {
            let verdict = ledger.judge(&ask(cells[withheld.cell])).unwrap();
            prop_assert_ne!(verdict, Verdict::Permitted);
        }
    }

    /// The same for sums: fewer than k contributors, or a dominated sum over a support.
    #[test]
    fn sums_are_permitted_just_where_none_is_dominated(
        contributions in prop::collection::vec(prop::collection::vec(1_u128..200, 0..5), 3..7),
        questions in prop::collection::vec(any::<u32>(), 1..12),
        k in 1_u64..4,
        percent in 1_u32..60,
        secret: [u64; 3],
    ) {
        let width = contributions.len();
        let counts: Vec<u64> = contributions.iter().map(|it| it.len() as u64).collect();
        let measure = Measure(7);
        let mut ledger = Ledger::new(rules(k, Empty::Discloses, percent), secret);
        for contributions in &contributions {
            let magnitudes = BTreeMap::from([(measure, magnitude(contributions))]);
            let subjects = Subjects::Apart(contributions.len() as u64);
            ledger.add_atom(Atom { subjects, magnitudes }).unwrap();
        }
        let mut standing: Matrix = Vec::new();
        for (id, set) in questions.into_iter().map(|set| set % (1 << width)).enumerate() {
            let mut rows = standing.clone();
            rows.push(row(set, width));
            let answer = question(Quantity::Sum(measure), set, width);
            let verdict = ledger.admit(AnswerId(id as u128), &answer).unwrap();
            if let Verdict::Refused(refusal) = &verdict
                && refusal.reason == Reason::AllEqual
            {
                continue;
            }
            let expected = set != 0
                && !singles_out(&rows, &counts, k, Empty::Discloses)
                && !is_dominated(&rows, &contributions, percent.into());
            prop_assert_eq!(verdict == Verdict::Permitted, expected, "{:?} {:b}", verdict, set);
            if expected {
                standing = rows;
            }
        }
    }

    /// Subjects who are in several atoms: nothing is permitted that singles out fewer than k.
    #[test]
    fn subjects_in_several_atoms_are_counted_once(
        tags in prop::collection::vec(prop::collection::btree_set(0_u64..9, 0..4), 3..7),
        questions in prop::collection::vec(any::<u32>(), 1..12),
        k in 2_u64..6,
        secret: [u64; 3],
    ) {
        let width = tags.len();
        let mut ledger = Ledger::new(rules(k, Empty::Discloses, 0), secret);
        for tags in &tags {
            let subjects = Subjects::Tagged(tags.iter().copied().collect());
            ledger.add_atom(Atom { subjects, magnitudes: BTreeMap::new() }).unwrap();
        }
        let mut standing: Matrix = Vec::new();
        for (id, set) in questions.into_iter().map(|set| set % (1 << width)).enumerate() {
            let answer = question(Quantity::Rows, set, width);
            if ledger.admit(AnswerId(id as u128), &answer).unwrap() == Verdict::Permitted {
                standing.push(row(set, width));
            }
        }
        let subjects = |set: u32| {
            let all = members(set, width).flat_map(|column| tags[column].iter());
            all.collect::<std::collections::BTreeSet<_>>().len() as u64
        };
        for set in subsets(width).filter(|set| subjects(*set) < k) {
            prop_assert_eq!(within(&standing, set), 0, "{:b}", set);
        }
    }

    /// Atoms that are divided as late as they are needed give the verdicts of atoms that were
    /// divided from the beginning.
    #[test]
    fn late_division_changes_no_verdict(
        counts in prop::collection::vec(0_u64..5, 6),
        questions in prop::collection::vec(any::<u32>(), 2..12),
        k in 1_u64..7,
        secret: [u64; 3],
    ) {
        let mut early = Ledger::new(rules(k, Empty::Discloses, 0), secret);
        for count in &counts {
            early.add_atom(Atom::of(*count)).unwrap();
        }
        // Pairs of atoms are one atom each at first, and asked for as a whole.
        let mut late = Ledger::new(rules(k, Empty::Discloses, 0), secret);
        for pair in counts.chunks(2) {
            late.add_atom(Atom::of(pair.iter().sum())).unwrap();
        }
        let half = questions.len() / 2;
        for (id, set) in questions[..half].iter().map(|set| set % 8).enumerate() {
            let whole = members(set, 3).fold(0, |sum, pair| sum | 0b11 << (2 * pair));
            let id = AnswerId(id as u128);
            let left = early.admit(id, &question(Quantity::Rows, whole, 6)).unwrap();
            let right = late.admit(id, &question(Quantity::Rows, set, 3)).unwrap();
            prop_assert_eq!(left == Verdict::Permitted, right == Verdict::Permitted);
        }
        let mut ids = Vec::new();
        for (pair, counts) in (0_u32..).zip(counts.chunks(2)) {
            let parts = counts.iter().map(|count| Atom::of(*count)).collect();
            ids.extend(late.split(AtomId(pair), parts).unwrap());
        }
        for (id, set) in questions[half..].iter().map(|set| set % 64).enumerate() {
            let id = AnswerId(1_000 + id as u128);
            let left = early.admit(id, &question(Quantity::Rows, set, 6)).unwrap();
            let atoms = members(set, 6).map(|column| ids[column]);
            let answer = Answer { cells: vec![Cell::of(Quantity::Rows, atoms)] };
            let right = late.admit(id, &answer).unwrap();
            prop_assert_eq!(left == Verdict::Permitted, right == Verdict::Permitted, "{:b}", set);
        }
    }
}
