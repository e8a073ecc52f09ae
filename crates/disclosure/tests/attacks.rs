//! Attacks by several questions, and publications that must go through.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::collections::{BTreeMap, BTreeSet};

use shuyu_disclosure::{
    Answer, AnswerId, Atom, AtomId, Cell, Empty, Figure, Ledger, LedgerError, Magnitude, Measure,
    Order, Quantity, Reason, Refusal, Rules, Subjects, Verdict,
};

const K: u64 = 10;

fn ledger(counts: &[u64]) -> Ledger {
    let rules = Rules { least_subjects: K, ..Rules::default() };
    let mut ledger = Ledger::new(rules, [0x5eed_0f7e_575e_ed00, 1, 2]);
    for count in counts {
        ledger.add_atom(Atom::of(*count)).unwrap();
    }
    ledger
}

fn cell(atoms: &[u32]) -> Cell {
    Cell::of(Quantity::Rows, atoms.iter().copied().map(AtomId))
}

fn answer(cells: &[&[u32]]) -> Answer {
    Answer { cells: cells.iter().map(|atoms| cell(atoms)).collect() }
}

/// Admits answers, all but the last of which must be permitted; the last one's refusal.
fn refused_at_last(ledger: &mut Ledger, answers: &[Answer]) -> Refusal {
    let (last, before) = answers.split_last().unwrap();
    for (id, answer) in before.iter().enumerate() {
        let verdict = ledger.admit(AnswerId(id as u128), answer).unwrap();
        assert_eq!(verdict, Verdict::Permitted, "answer {id}");
    }
    match ledger.admit(AnswerId(before.len() as u128), last).unwrap() {
        Verdict::Refused(refusal) => refusal,
        Verdict::Permitted => panic!("the last answer is permitted"),
    }
}

fn too_few(cells: &[usize], with: &[u128]) -> Refusal {
    Refusal {
        reason: Reason::TooFew,
        quantity: Quantity::Rows,
        cells: cells.iter().copied().collect(),
        with: with.iter().copied().map(AnswerId).collect(),
    }
}

#[test]
fn nested_answers_do_not_tell_the_difference() {
    // A district, and the district without one street of four.
    let refusal = refused_at_last(
        &mut ledger(&[40, 4, 60]),
        &[answer(&[&[2]]), answer(&[&[0, 1]]), answer(&[&[0]])],
    );
    assert_eq!(refusal, too_few(&[0], &[1]), "the answer about others takes no part");
}

#[test]
fn three_overlapping_answers_do_not_tell_their_common_part() {
    // (ab + ac − bc) / 2 = a; no two of the three are nested.
    let refusal = refused_at_last(
        &mut ledger(&[4, 50, 60]),
        &[answer(&[&[0, 1]]), answer(&[&[0, 2]]), answer(&[&[1, 2]])],
    );
    assert_eq!(refusal, too_few(&[0], &[0, 1]));
}

#[test]
fn a_tracker_is_refused_at_its_last_question() {
    // Schlörer's individual tracker: C = A and B is too few, so ask for A and for A without B; the
    // general tracker: C or T, C or not T, and all. Atoms: C∩T, C∖T, T∖C, the rest.
    let counts = [3, 4, 300, 500];
    let general = refused_at_last(
        &mut ledger(&counts),
        &[answer(&[&[0, 1, 2, 3]]), answer(&[&[0, 1, 2]]), answer(&[&[0, 1, 3]])],
    );
    assert_eq!(general, too_few(&[0], &[0, 1]));
    let individual =
        refused_at_last(&mut ledger(&[7, 200, 600]), &[answer(&[&[0, 1]]), answer(&[&[1]])]);
    assert_eq!(individual, too_few(&[0], &[0]));
}

#[test]
fn margins_of_one_answer_tell_what_is_missing_in_it() {
    let mut ledger = ledger(&[30, 3, 40, 50]);
    // Cells 0, 2, 3 and both margins of the first row, with the small cell left out.
    let table = answer(&[&[0], &[2], &[3], &[0, 1], &[2, 3]]);
    let verdict = ledger.judge(&table).unwrap();
    assert_eq!(verdict, Verdict::Refused(too_few(&[0, 3], &[])));
}

#[test]
fn versions_of_a_dataset_are_compared() {
    // Twelve stay, five come with the second version.
    let mut ledger = ledger(&[12]);
    ledger.admit(AnswerId(1), &answer(&[&[0]])).unwrap();
    let new = ledger.add_atom(Atom::of(5)).unwrap();
    let second = answer(&[&[0, new.0]]);
    assert_eq!(ledger.judge(&second).unwrap(), Verdict::Refused(too_few(&[0], &[1])));

    // Ten come: both counts may stand, but not where four of the old ones have left.
    let mut versions = self::ledger(&[12]);
    versions.admit(AnswerId(1), &answer(&[&[0]])).unwrap();
    let new = versions.add_atom(Atom::of(10)).unwrap();
    let second = answer(&[&[0, new.0]]);
    assert_eq!(versions.judge(&second).unwrap(), Verdict::Permitted);
    let parts = versions.split(AtomId(0), vec![Atom::of(8), Atom::of(4)]).unwrap();
    assert_eq!(parts, [AtomId(0), AtomId(2)]);
    let without = answer(&[&[0, new.0]]);
    assert_eq!(
        versions.judge(&without).unwrap(),
        Verdict::Permitted,
        "ten came and four went: only their difference is known",
    );
    versions.admit(AnswerId(2), &without).unwrap();
    // With those who came by themselves, both eight who stayed and four who went would be known.
    match versions.judge(&answer(&[&[new.0]])).unwrap() {
        Verdict::Refused(refusal) => assert!(refusal.with.contains(&AnswerId(2))),
        Verdict::Permitted => panic!("who stayed and who went are told"),
    }
}

#[test]
fn a_joined_table_divides_atoms_that_stand() {
    // Of forty persons of a district, 34 are in the joined table.
    let mut ledger = ledger(&[40, 80]);
    ledger.admit(AnswerId(1), &answer(&[&[0], &[1]])).unwrap();
    let inside = ledger.split(AtomId(0), vec![Atom::of(34), Atom::of(6)]).unwrap();
    let joined = answer(&[&[inside[0].0]]);
    assert_eq!(ledger.judge(&joined).unwrap(), Verdict::Refused(too_few(&[0], &[1])));
    let wrong = ledger.split(AtomId(1), vec![Atom::of(70), Atom::of(9)]);
    assert!(wrong.is_err(), "parts that are not the whole");
}

#[test]
fn colluding_operators_share_one_ledger() {
    // Each alone learns nothing; whoever asks last is refused, and told of none of the others.
    let answers = [answer(&[&[0, 1, 2]]), answer(&[&[1, 3]]), answer(&[&[2, 4]])];
    let mut ledger = ledger(&[6, 20, 30, 25, 35]);
    for (id, answer) in answers.iter().enumerate() {
        assert_eq!(ledger.admit(AnswerId(id as u128), answer).unwrap(), Verdict::Permitted);
    }
    let last = answer(&[&[3, 4]]);
    assert_eq!(ledger.judge(&last).unwrap(), Verdict::Refused(too_few(&[0], &[0, 1, 2])));
}

#[test]
fn counts_that_are_whole_and_not_negative_are_bounded_too_well() {
    // With k = 5: 2·b + 3·d = 13 is about five subjects, and has two solutions in whole numbers.
    let told = |least_range| {
        let rules = Rules { least_subjects: 5, least_range, ..Rules::default() };
        let mut ledger = Ledger::new(rules, [1, 2, 3]);
        for count in [3, 2, 10, 3, 11] {
            ledger.add_atom(Atom::of(count)).unwrap();
        }
        let cells = answer(&[&[0, 1, 3], &[1, 2, 3], &[1, 3, 4], &[0, 1, 2, 4]]);
        match ledger.judge(&cells).unwrap() {
            Verdict::Refused(refusal) => Some(refusal.reason),
            Verdict::Permitted => None,
        }
    };
    assert_eq!(told(None), None, "no group of fewer than five is determined");
    assert_eq!(told(Some(0)), Some(Reason::Bounded), "but it is seen that there are fewer");
}

fn firms(contributions: &[u128]) -> Atom {
    let mut sorted = contributions.to_vec();
    sorted.sort_unstable_by(|left, right| right.cmp(left));
    let subjects = Subjects::Apart(sorted.len() as u64);
    let magnitude = Magnitude {
        contributors: subjects.clone(),
        sum: sorted.iter().sum(),
        largest: [sorted[0], sorted[1]],
        least: sorted[sorted.len() - 1],
        has_negative: false,
    };
    Atom { subjects, magnitudes: BTreeMap::from([(Measure(1), magnitude)]) }
}

#[test]
fn counts_and_sums_are_equations_over_different_unknowns() {
    let mut ledger = ledger(&[]);
    let many: Vec<u128> = (100..140).collect();
    // Twenty firms, one of which has almost everything.
    let mut dominated: Vec<u128> = (1..20).collect();
    dominated.push(100_000);
    for contributions in [&many, &dominated] {
        ledger.add_atom(firms(contributions)).unwrap();
    }
    let sum = |atoms: &[u32]| {
        let atoms = atoms.iter().copied().map(AtomId);
        Answer { cells: vec![Cell::of(Quantity::Sum(Measure(1)), atoms)] }
    };
    let both = |atoms: &[u32]| {
        let atoms: Vec<AtomId> = atoms.iter().copied().map(AtomId).collect();
        let figure = |quantity| Figure { quantity, atoms: atoms.clone().into() };
        let figures = vec![figure(Quantity::Rows), figure(Quantity::Sum(Measure(1)))];
        Answer { cells: vec![Cell { figures }] }
    };
    // The count of all and of the first group, the sum of the first: no sum of the second.
    assert_eq!(ledger.admit(AnswerId(1), &answer(&[&[0, 1]])).unwrap(), Verdict::Permitted);
    assert_eq!(ledger.admit(AnswerId(2), &both(&[0])).unwrap(), Verdict::Permitted);
    let refused = |ledger: &mut Ledger, answer: &Answer| match ledger.judge(answer).unwrap() {
        Verdict::Refused(refusal) => Some((refusal.reason, refusal.with)),
        Verdict::Permitted => None,
    };
    let alone = Some((Reason::Dominated, BTreeSet::new()));
    assert_eq!(refused(&mut ledger, &sum(&[1])), alone);
    assert_eq!(refused(&mut ledger, &sum(&[0, 1])), alone, "4,780 beside 100,000 are below 10%");
}

#[test]
fn a_dominated_difference_of_sums_is_refused() {
    let mut ledger = ledger(&[]);
    let broad: Vec<u128> = (1_000..1_100).collect();
    let mut dominated: Vec<u128> = (1..20).collect();
    dominated.push(50_000);
    for contributions in [&broad, &dominated] {
        ledger.add_atom(firms(contributions)).unwrap();
    }
    let sum = |atoms: &[u32]| {
        let atoms = atoms.iter().copied().map(AtomId);
        Answer { cells: vec![Cell::of(Quantity::Sum(Measure(1)), atoms)] }
    };
    assert_eq!(ledger.admit(AnswerId(1), &sum(&[0, 1])).unwrap(), Verdict::Permitted);
    let Verdict::Refused(refusal) = ledger.judge(&sum(&[0])).unwrap() else {
        panic!("the difference is permitted");
    };
    assert_eq!(refusal.reason, Reason::Dominated);
    assert_eq!(refusal.with, BTreeSet::from([AnswerId(1)]));
}

#[test]
fn sums_of_equal_or_negative_contributions_do_not_pass() {
    let mut ledger = ledger(&[]);
    ledger.add_atom(firms(&[7; 30])).unwrap();
    let mut negative = firms(&(1..40).collect::<Vec<_>>());
    negative.magnitudes.get_mut(&Measure(1)).unwrap().has_negative = true;
    ledger.add_atom(negative).unwrap();
    let reason = |ledger: &mut Ledger, atom: u32| {
        let answer = Answer { cells: vec![Cell::of(Quantity::Sum(Measure(1)), [AtomId(atom)])] };
        match ledger.judge(&answer).unwrap() {
            Verdict::Refused(refusal) => Some(refusal.reason),
            Verdict::Permitted => None,
        }
    };
    assert_eq!(reason(&mut ledger, 0), Some(Reason::AllEqual));
    assert_eq!(reason(&mut ledger, 1), Some(Reason::Negative));
}

#[test]
fn that_a_whole_group_has_a_property_is_told_by_what_is_left() {
    // All of a district's fifty are insured: nobody is not.
    let tell = |empty| {
        let rules = Rules { least_subjects: K, empty, ..Rules::default() };
        let mut ledger = Ledger::new(rules, [1, 2, 3]);
        ledger.add_atom(Atom::of(50)).unwrap();
        ledger.add_atom(Atom::of(0)).unwrap();
        ledger.admit(AnswerId(1), &answer(&[&[0, 1]])).unwrap();
        ledger.judge(&answer(&[&[0]])).unwrap()
    };
    assert_eq!(tell(Empty::Discloses), Verdict::Refused(too_few(&[0], &[1])));
    assert_eq!(tell(Empty::IsKnown), Verdict::Permitted);
}

/// A cube of 5 × 5 × 4 whose codes are unevenly common.
fn publication(scale: u64) -> (Vec<u64>, Answer) {
    let (rows, columns, layers) = ([9, 7, 5, 3, 1], [8, 6, 4, 2, 1], [6, 3, 2, 1]);
    let sizes = [5_usize, 5, 4];
    let mut counts = Vec::new();
    for row in rows {
        for column in columns {
            for layer in layers {
                counts.push(scale * row * column * layer / 100);
            }
        }
    }
    let codes = |atom: usize| [atom / 20, atom / 4 % 5, atom % 4];
    let mut cells: Vec<Vec<u32>> = vec![(0..100).collect()];
    for by in [&[0_usize][..], &[1], &[2], &[0, 1], &[0, 2], &[1, 2]] {
        let width: usize = by.iter().map(|it| sizes[*it]).product();
        let mut table = vec![Vec::new(); width];
        for atom in 0..100 {
            let at = by.iter().fold(0, |at, it| at * sizes[*it] + codes(atom)[*it]);
            table[at].push(u32::try_from(atom).unwrap());
        }
        cells.extend(table);
    }
    let cells = cells.iter().map(|atoms| cell(atoms)).collect();
    (counts, Answer { cells })
}

/// What can be shown of all margins of one and two dimensions: the total, 14 and 65 cells.
fn check_publication(scale: u64, small: usize, withheld: usize) {
    let (counts, tables) = publication(scale);
    let mut ledger = ledger(&counts);
    let suppression = ledger.suppress(&tables, &Order::Declared).unwrap();
    let alone = suppression.withheld.iter().filter(|it| it.beside.is_empty() && it.with.is_empty());
    assert_eq!((alone.count(), suppression.withheld.len()), (small, withheld), "scale {scale}");
    let shown = suppression.apply(&tables);
    assert_eq!(shown.cells.len() + withheld, 80);
    assert_eq!(ledger.admit(AnswerId(1), &shown).unwrap(), Verdict::Permitted);
    for withheld in &suppression.withheld {
        let one = Answer { cells: vec![tables.cells[withheld.cell].clone()] };
        assert_ne!(ledger.judge(&one).unwrap(), Verdict::Permitted, "it could be shown");
    }
}

#[test]
fn common_publications_pass_in_full_or_nearly() {
    check_publication(2_000, 0, 0);
    check_publication(500, 0, 0);
    check_publication(100, 0, 0);
    check_publication(50, 1, 4);
}

#[test]
fn complementary_cells_are_withheld_and_no_more() {
    // Rows of a table of 3 × 3 with its margins; one cell is small.
    let mut ledger = ledger(&[20, 30, 40, 50, 4, 60, 70, 80, 90]);
    let table = answer(&[
        &[0, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0, 1, 2],
        &[3, 4, 5],
        &[6, 7, 8],
        &[0, 3, 6],
        &[1, 4, 7],
        &[2, 5, 8],
        &[0],
        &[1],
        &[2],
        &[3],
        &[4],
        &[5],
        &[6],
        &[7],
        &[8],
    ]);
    let withheld = |ledger: &mut Ledger, order: &Order| -> Vec<usize> {
        let suppression = ledger.suppress(&table, order).unwrap();
        suppression.withheld.iter().map(|withheld| withheld.cell).collect()
    };
    // The small cell, one in its row, one in its column, and the one that closes the square.
    assert_eq!(withheld(&mut ledger, &Order::Declared), [11, 12, 14, 15]);
    // Where the greatest are shown first, the smallest square is withheld.
    let sizes = [444, 90, 114, 240, 140, 114, 190, 20, 30, 40, 50, 4, 60, 70, 80, 90];
    let preferred = Order::Preferred(sizes.to_vec());
    assert_eq!(withheld(&mut ledger, &preferred), [7, 8, 10, 11]);
}

#[test]
fn what_left_before_is_counted_against_what_comes() {
    let mut ledger = ledger(&[3, 50, 60]);
    // A file that left by a decision of people holds what a question would not get.
    ledger.stand(AnswerId(9), &answer(&[&[0, 1]])).unwrap();
    ledger.stand(AnswerId(10), &answer(&[&[1]])).unwrap();
    let verdict = ledger.judge(&answer(&[&[0, 2]])).unwrap();
    assert_eq!(verdict, Verdict::Permitted, "sixty-three are enough");
    let verdict = ledger.judge(&answer(&[&[2]])).unwrap();
    assert_eq!(verdict, Verdict::Permitted);
    ledger.admit(AnswerId(11), &answer(&[&[2]])).unwrap();
    let size = ledger.size();
    assert_eq!((size.atoms, size.answers), (3, 3));
}

/// Rows in echelon form modulo 2^61 − 1, by the plainest elimination.
struct Rank {
    rows: Vec<(usize, Vec<u64>)>,
}

impl Rank {
    const PRIME: u128 = (1 << 61) - 1;

    fn multiply(left: u64, right: u64) -> u64 {
        u64::try_from(u128::from(left) * u128::from(right) % Self::PRIME).unwrap()
    }

    fn inverse(value: u64) -> u64 {
        let (mut result, mut base, mut exponent) = (1, value, Self::PRIME - 2);
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = Self::multiply(result, base);
            }
            base = Self::multiply(base, base);
            exponent >>= 1;
        }
        result
    }

    /// Adds a row; whether it is independent.
    fn add(&mut self, mut row: Vec<u64>) -> bool {
        let prime = u64::try_from(Self::PRIME).unwrap();
        for (pivot, other) in &self.rows {
            let factor = row[*pivot];
            for (value, other) in row.iter_mut().zip(other) {
                *value = (*value + prime - Self::multiply(factor, *other)) % prime;
            }
        }
        let Some(pivot) = row.iter().position(|value| *value != 0) else {
            return false;
        };
        let inverse = Self::inverse(row[pivot]);
        for value in &mut row {
            *value = Self::multiply(*value, inverse);
        }
        self.rows.push((pivot, row));
        true
    }
}

/// The rank of sets of atoms, where some atoms are left out.
fn rank(sets: &[Vec<u32>], width: usize, without: &[u32]) -> usize {
    let mut rank = Rank { rows: Vec::new() };
    for set in sets {
        let mut row = vec![0; width];
        for atom in set.iter().filter(|atom| !without.contains(atom)) {
            row[*atom as usize] = 1;
        }
        rank.add(row);
    }
    rank.rows.len()
}

#[test]
fn ten_thousand_random_subsets_recover_no_small_group() {
    let rules = Rules { effort: 30_000, ..Rules::default() };
    let mut ledger = Ledger::new(rules, [41, 42, 43]);
    let mut seed = 7_u64;
    let mut roll = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let counts: Vec<u64> = (0..24).map(|_| roll(14)).collect();
    for count in &counts {
        ledger.add_atom(Atom::of(*count)).unwrap();
    }
    let mut standing: Vec<Vec<u32>> = Vec::new();
    for id in 0..10_000 {
        let set: Vec<u32> = (0..24).filter(|_| roll(2) == 1).collect();
        if ledger.admit(AnswerId(id), &answer(&[&set])).unwrap() == Verdict::Permitted {
            standing.push(set);
        }
    }
    let all = rank(&standing, 24, &[]);
    // Every atom and every pair of fewer than ten: leaving them out loses no rank.
    for left in 0..24_u32 {
        for right in 0..=left {
            let pair = if left == right { vec![left] } else { vec![left, right] };
            if pair.iter().map(|atom| counts[*atom as usize]).sum::<u64>() < K {
                assert_eq!(rank(&standing, 24, &pair), all, "{pair:?} of {counts:?}");
            }
        }
    }
    assert!(all > 12, "{} stand, of rank {all}", standing.len());
}

#[test]
fn mistakes_change_nothing() {
    let mut ledger = ledger(&[20, 30]);
    let twice = ledger.judge(&answer(&[&[1, 0, 1]]));
    assert_eq!(twice, Err(LedgerError::AtomTwice(AtomId(1))));
    let unknown = ledger.admit(AnswerId(1), &answer(&[&[0, 2]]));
    assert_eq!(unknown, Err(LedgerError::NoSuchAtom(AtomId(2))));
    let parts = ledger.split(AtomId(0), vec![Atom::of(12), Atom::of(9)]);
    assert_eq!(parts, Err(LedgerError::NotTheWhole(AtomId(0))));
    assert_eq!((ledger.size().atoms, ledger.size().answers), (2, 0));
}
