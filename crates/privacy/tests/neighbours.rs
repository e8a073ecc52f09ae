//! Tables that differ in one subject: their totals differ by no more than the noise is for, in
//! whatever order rows come.

#![allow(clippy::allow_attributes, reason = "which of them occur differs by test")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, Int64Array, StringArray},
    datatypes::{DataType, Field, Schema},
    record_batch::RecordBatch,
};
use proptest::prelude::*;
use shuyu_privacy::{
    Aggregation, Bound, Code, Cost, Design, Keys, Layout, Measure, Part, Shape, Totals,
};

#[derive(Debug, Clone)]
struct Row {
    whose: u8,
    district: u8,
    year: i64,
    income: Option<i64>,
}

const MEASURE: Measure = Measure { lower: -40, upper: 300 };
const PARTS: [Part; 4] = [Part::Subjects, Part::Rows, Part::Present(0), Part::Sum(0)];
const BUDGET: Cost = Cost { rho_nano: 50_000_000, delta_atto: 1_000_000_000 };

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (0..9_u8, 0..5_u8, 0..4_i64, prop::option::of(-500..500_i64))
        .prop_map(|(whose, district, year, income)| Row { whose, district, year, income });
    prop::collection::vec(row, 0..60)
}

fn batch(rows: &[Row]) -> RecordBatch {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let whole = |name: &str| Field::new(name, DataType::Int64, true);
    let schema = Schema::new(vec![text("district"), whole("year"), text("whose"), whole("income")]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|it| Some(format!("d{}", it.district))).collect::<StringArray>()),
        Arc::new(rows.iter().map(|it| Some(it.year)).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|it| Some(format!("p{}", it.whose))).collect::<StringArray>()),
        Arc::new(rows.iter().map(|it| it.income).collect::<Int64Array>()),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn declared() -> Vec<Vec<Code>> {
    let some = |text: String| Some(text);
    (0..4)
        .flat_map(|d| (0..3).map(move |y| vec![some(format!("d{d}")), some(y.to_string())]))
        .collect()
}

fn totals(rows: &[Row], bound: Bound, keys: Keys, batches: usize) -> Totals {
    let shape = Shape { parts: PARTS.to_vec(), measures: vec![MEASURE], bound, keys };
    let design = Design::new(shape, BUDGET).unwrap();
    let layout = Layout { keys: 2, has_subject: true };
    let published = declared();
    let published = (keys == Keys::Declared).then_some(published.as_slice());
    let mut aggregation = Aggregation::new(&design, layout, published, &[7; 32]).unwrap();
    for part in rows.chunks(rows.len().div_ceil(batches).max(1)) {
        aggregation.push(&batch(part)).unwrap();
    }
    aggregation.finish()
}

/// The totals by key, zeros left out.
fn by_key(totals: &Totals) -> BTreeMap<(Vec<Code>, usize), i128> {
    let mut all = BTreeMap::new();
    for (place, part) in PARTS.into_iter().enumerate() {
        let part =
            if part == Part::Rows && totals.column(part).is_none() { Part::Subjects } else { part };
        for (key, total) in totals.keys().iter().zip(totals.column(part).unwrap()) {
            if *total != 0 {
                all.insert((key.clone(), place), *total);
            }
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn without_one_subject_totals_change_within_the_bounds(
        rows in rows(), gone in 0..9_u8, groups in 1..4_u32, most in 1..4_u32, is_found in any::<bool>()
    ) {
        let bound = Bound { groups, rows: most };
        let keys = if is_found { Keys::Found } else { Keys::Declared };
        let without: Vec<Row> = rows.iter().filter(|row| row.whose != gone).cloned().collect();
        let (with, less) =
            (by_key(&totals(&rows, bound, keys, 3)), by_key(&totals(&without, bound, keys, 2)));
        let each = i128::from(most);
        let largest = [1, each, each, 300 * each];
        for (place, largest) in largest.into_iter().enumerate() {
            let at: BTreeSet<_> = with.keys().chain(less.keys()).filter(|key| key.1 == place).collect();
            let mut changed = 0;
            for key in at {
                let (before, after) =
                    (with.get(key).copied().unwrap_or(0), less.get(key).copied().unwrap_or(0));
                changed += u32::from(before != after);
                prop_assert!((before - after).abs() <= largest, "{key:?}: {before} and {after}");
            }
            prop_assert!(changed <= groups, "{changed} groups changed in {place}");
        }
    }

    #[test]
    fn the_order_of_rows_does_not_matter(
        (rows, other) in rows().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        groups in 1..4_u32, most in 1..4_u32
    ) {
        let bound = Bound { groups, rows: most };
        for keys in [Keys::Found, Keys::Declared] {
            let (one, two) = (totals(&rows, bound, keys, 1), totals(&other, bound, keys, 4));
            prop_assert_eq!(by_key(&one), by_key(&two));
        }
    }

    #[test]
    fn where_no_bound_is_reached_totals_are_those_of_the_table(rows in rows()) {
        let found = by_key(&totals(&rows, Bound { groups: 20, rows: 60 }, Keys::Found, 2));
        let mut expected: BTreeMap<(Vec<Code>, usize), i128> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for row in &rows {
            let key = vec![Some(format!("d{}", row.district)), Some(row.year.to_string())];
            let mut add = |place: usize, value: i128| {
                *expected.entry((key.clone(), place)).or_default() += value;
            };
            add(0, i128::from(seen.insert((row.whose, row.district, row.year))));
            add(1, 1);
            add(2, i128::from(row.income.is_some()));
            add(3, i128::from(row.income.unwrap_or(0).clamp(-40, 300)));
        }
        expected.retain(|_, total| *total != 0);
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn declared_keys_are_all_shown_and_no_others() {
    let rows = [Row { whose: 1, district: 4, year: 0, income: None }];
    let shape = Shape {
        parts: vec![Part::Subjects],
        measures: Vec::new(),
        bound: Bound { groups: 1, rows: 1 },
        keys: Keys::Declared,
    };
    let design = Design::new(shape, BUDGET).unwrap();
    let published = declared();
    let layout = Layout { keys: 2, has_subject: true };
    let mut aggregation = Aggregation::new(&design, layout, Some(&published), &[7; 32]).unwrap();
    aggregation.push(&batch(&rows).project(&[0, 1, 2]).unwrap()).unwrap();
    let totals = aggregation.finish();
    assert_eq!(totals.column(Part::Subjects).unwrap(), [0; 12]);
    let cells = design.release(&totals).unwrap();
    let keys: Vec<_> = cells.into_iter().map(|cell| cell.key).collect();
    assert_eq!(keys, published);
}

#[test]
fn a_key_of_few_is_not_shown_and_a_key_of_many_is_nearly_right() {
    let row = |whose: u8, district: u8| Row { whose, district, year: 0, income: Some(100) };
    let mut rows: Vec<Row> = (0..200).map(|whose| row(whose, 0)).collect();
    rows.extend((200..203).map(|whose| row(whose, 1)));
    let shape = Shape {
        parts: vec![Part::Rows, Part::Sum(0)],
        measures: vec![MEASURE],
        bound: Bound::ONE_ROW,
        keys: Keys::Found,
    };
    let design = Design::new(shape, BUDGET).unwrap();
    let layout = Layout { keys: 2, has_subject: true };
    let mut aggregation = Aggregation::new(&design, layout, None, &[7; 32]).unwrap();
    aggregation.push(&batch(&rows)).unwrap();
    let totals = aggregation.finish();
    assert_eq!(totals.keys().len(), 2);
    let cells = design.release(&totals).unwrap();
    assert_eq!(cells.len(), 1, "{cells:?}");
    assert_eq!(cells[0].key, [Some("d0".to_owned()), Some("0".to_owned())]);
    let far = |part, exact: i128| {
        let place = design.place(part).unwrap();
        let drawn = design.drawn()[place];
        let away = f64::from(i32::try_from(cells[0].figures[place] - exact).unwrap()).abs();
        // Seven standard deviations: by chance, less than once in 10¹¹.
        assert!(away <= drawn.scale * 7.0 + 1.0, "{part:?}: {away}");
    };
    far(Part::Rows, 200);
    far(Part::Sum(0), 20_000);
}

#[test]
fn a_layout_that_does_not_hold_is_refused() {
    let several = Shape {
        parts: vec![Part::Rows],
        measures: Vec::new(),
        bound: Bound { groups: 2, rows: 1 },
        keys: Keys::Found,
    };
    let design = Design::new(several, BUDGET).unwrap();
    let new = |has_subject, declared: Option<&[Vec<Code>]>| {
        Aggregation::new(&design, Layout { keys: 1, has_subject }, declared, &[7; 32]).is_ok()
    };
    assert!(new(true, None));
    assert!(!new(false, None), "rows without a subject are not bounded");
    assert!(!new(true, Some(&[])), "keys are found, not declared");
    let mut aggregation =
        Aggregation::new(&design, Layout { keys: 1, has_subject: true }, None, &[7; 32]).unwrap();
    assert!(aggregation.push(&batch(&[])).is_err());
}
