use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn floating(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

/// Two columns: a place by prefix and an age by range.
fn columns(rows: &[(usize, usize)]) -> Vec<Column> {
    let places = ["3301", "3302", "3205", "3206", "3207"];
    let ages: Vec<i64> = (0..20).collect();
    vec![
        Column {
            hierarchy: Hierarchy::of_prefixes("place", &places, &[2]).unwrap(),
            codes: rows.iter().map(|(place, _)| u32::try_from(*place).unwrap()).collect(),
        },
        Column {
            hierarchy: Hierarchy::of_ranges("age", &ages, &[5, 10]).unwrap(),
            codes: rows.iter().map(|(_, age)| u32::try_from(*age).unwrap()).collect(),
        },
    ]
}

type Class = (BTreeSet<u32>, BTreeSet<u32>);

/// The classes of what is shown: who is in them, and what is sensitive of them.
fn classes(
    it: &Generalised,
    columns: &[Column],
    subjects: &[u32],
    sensitive: &[u32],
) -> BTreeMap<Vec<String>, Class> {
    let values: Vec<StringArray> =
        (0..columns.len()).map(|at| it.values(columns, at).unwrap()).collect();
    let mut classes: BTreeMap<Vec<String>, Class> = BTreeMap::new();
    for (row, shown) in it.shown.iter().enumerate() {
        if *shown {
            let class = values.iter().map(|column| column.value(row).to_owned()).collect();
            let class = classes.entry(class).or_default();
            class.0.insert(subjects[row]);
            class.1.insert(sensitive[row]);
        }
    }
    classes
}

/// Every choice of levels, tried one by one.
fn least_loss(columns: &[Column], subjects: &[u32], demand: Demand) -> Option<f64> {
    let rows = subjects.len();
    let mut best: Option<f64> = None;
    for place in 0..3 {
        for age in 0..4 {
            let levels = [place, age];
            let of_row = |row: usize| -> Vec<u32> {
                columns
                    .iter()
                    .zip(levels)
                    .map(|(it, level)| it.hierarchy.at(level, it.codes[row]).unwrap().0)
                    .collect()
            };
            let mut whose: BTreeMap<Vec<u32>, BTreeSet<u32>> = BTreeMap::new();
            for (row, subject) in subjects.iter().enumerate() {
                whose.entry(of_row(row)).or_default().insert(*subject);
            }
            let is_small = |row: usize| whose[&of_row(row)].len() < demand.k as usize;
            let small = (0..rows).filter(|row| is_small(*row)).count();
            if floating(small) > demand.limit * floating(rows) {
                continue;
            }
            let sums = columns.iter().zip(levels).map(|(it, level)| {
                let stands = |row: usize| {
                    let code = it.hierarchy.at(level, it.codes[row]).unwrap().0;
                    if is_small(row) { 1.0 } else { it.hierarchy.share(level)[code as usize] }
                };
                ((0..rows).map(stands).sum(), it.hierarchy.leaves())
            });
            let lost = Loss::of(sums, floating(rows)).total;
            best = Some(best.map_or(lost, |best| best.min(lost)));
        }
    }
    best
}

proptest! {
    #[test]
    fn every_class_has_k_subjects_and_no_levels_lose_less(
        rows in prop::collection::vec((0_usize..5, 0_usize..20), 1..120),
        share in 1_usize..4, k in 1_u32..8, limit in 0.0_f64..0.3,
    ) {
        let columns = columns(&rows);
        // Every subject has up to `share` rows.
        let subjects: Vec<u32> =
            (0..rows.len()).map(|row| u32::try_from(row / share).unwrap()).collect();
        let demand = Demand { k, diversity: 1, limit };
        let of = Rows { subjects: Some(&subjects), sensitive: None };
        let it = generalise(&columns, of, demand).unwrap();
        let found = classes(&it, &columns, &subjects, &subjects);
        prop_assert!(found.values().all(|(whose, _)| whose.len() >= k as usize), "{:?}", found);
        prop_assert_eq!(found.len(), it.classes);
        match least_loss(&columns, &subjects, demand) {
            Some(least) => {
                prop_assert!((it.loss.total - least).abs() < 1e-9, "{} {}", it.loss.total, least);
                let left_out = it.shown.iter().filter(|shown| !**shown).count();
                prop_assert!(floating(left_out) <= limit * floating(rows.len()));
            }
            None => prop_assert!(it.shown.iter().all(|shown| !shown)),
        }
        prop_assert!(it.is_best);
    }

    #[test]
    fn every_class_has_as_many_sensitive_values_as_demanded(
        rows in prop::collection::vec(((0_usize..5, 0_usize..20), 0_u32..5), 30..100),
    ) {
        let (places, sensitive): (Vec<_>, Vec<u32>) = rows.into_iter().unzip();
        let columns = columns(&places);
        let subjects: Vec<u32> = (0..sensitive.len()).map(|row| u32::try_from(row).unwrap()).collect();
        let of = Rows { subjects: None, sensitive: Some(&sensitive) };
        let it = generalise(&columns, of, Demand { k: 2, diversity: 3, limit: 0.1 }).unwrap();
        let found = classes(&it, &columns, &subjects, &sensitive);
        prop_assert!(found.values().all(|(whose, what)| whose.len() >= 2 && what.len() >= 3));
    }
}

#[test]
fn rows_of_one_subject_count_once_and_rows_of_nobody_not_at_all() {
    let columns = columns(&[(0, 0); 6]);
    let it = |subjects: &[u32]| {
        let of = Rows { subjects: Some(subjects), sensitive: None };
        generalise(&columns, of, Demand { k: 3, diversity: 1, limit: 0.0 }).unwrap().shown[0]
    };
    assert!(!it(&[1, 1, 1, 1, 2, 2]));
    assert!(it(&[1, 1, 1, 3, 2, 2]));
    assert!(!it(&[1, 1, 2, 2, NOBODY, NOBODY]));
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let mut it = columns(&[(0, 0), (1, 1)]);
    let demand = Demand::of(2);
    let of = Rows { subjects: Some(&[1]), sensitive: None };
    assert_eq!(generalise(&it, of, demand), Err(MaskingError::Length));
    it[0].codes[0] = 99;
    let error = generalise(&it, Rows::default(), demand).unwrap_err();
    assert_eq!(error.to_string(), "the hierarchy of `place` lacks a value");
    let many = vec![columns(&[(0, 0)]).remove(0); 17];
    assert_eq!(generalise(&many, Rows::default(), demand), Err(MaskingError::TooWide));
    assert!(generalise(&[], Rows::default(), demand).unwrap().shown.is_empty());
}
