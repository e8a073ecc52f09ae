//! What holds of every model, whatever the data.

use std::collections::HashSet;

use proptest::prelude::*;
use shuyu_models::{Body, Input, Kind, Node, Rules, Table, Verdict, train};

use crate::cases::{check, code, codes, number, numbers, specified, told};

const LETTERS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// A subject, a skewed number, a letter and a target.
type Row = (u64, u32, usize, i16);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row =
        (0..150u64, prop_oneof![0..5u32, 0..1000u32, 0..4_000_000u32], 0..36usize, -500..500i16);
    let row = row.prop_map(|(subject, number, letter, target)| {
        // Some letters are rare: the sixth root of the draw, nearly.
        let letter = [20, 29, 33, 34, 35].iter().filter(|bar| letter > **bar).count();
        (subject, number, letter, target)
    });
    prop::collection::vec(row, 120..400)
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Linear),
        (1..6u32, 1..5u32).prop_map(|(rounds, depth)| Kind::Trees {
            rounds,
            depth,
            rate_percent: 30,
            leaf_subjects: None
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_figure_parts_fewer_than_k(rows in rows(), kind in kinds(), k in 3..12u64) {
        let table = Table::new(
            rows.iter().map(|row| row.0).collect(),
            vec![
                numbers("n", rows.iter().map(|row| f64::from(row.1))),
                codes("l", rows.iter().map(|row| LETTERS[row.2])),
                numbers("t", rows.iter().map(|row| f64::from(row.3))),
            ],
        ).unwrap();
        let specification =
            specified(kind, vec![number("n"), code("l", &LETTERS)], told("t"));
        let rules = Rules { least_subjects: k, shadow_models: 0, ..Rules::default() };
        let Ok(trained) = train(&specification, &table, &rules) else { return Ok(()) };
        let people = |is_in: &dyn Fn(&Row) -> bool| {
            let within: HashSet<u64> = rows.iter().filter(|row| is_in(row)).map(|row| row.0).collect();
            within.len() >= usize::try_from(k).unwrap()
        };
        for input in &trained.model.inputs {
            match input {
                Input::Number { low, high, .. } => {
                    prop_assert!(people(&|row| f64::from(row.1) <= *low));
                    prop_assert!(people(&|row| f64::from(row.1) >= *high));
                }
                Input::Code { code, .. } => {
                    prop_assert!(people(&|row| LETTERS[row.2] == code));
                    prop_assert!(people(&|row| LETTERS[row.2] != code));
                }
                Input::Rest { but, .. } => {
                    prop_assert!(people(&|row| !but.iter().any(|code| code == LETTERS[row.2])));
                }
            }
        }
        if let Body::Trees { trees, .. } = &trained.model.body {
            for node in trees.iter().flat_map(|tree| &tree.nodes) {
                let Node::Split { input, threshold, .. } = node else { continue };
                if let Input::Number { .. } = &trained.model.inputs[*input] {
                    prop_assert!(people(&|row| f64::from(row.1) < *threshold));
                    prop_assert!(people(&|row| f64::from(row.1) >= *threshold));
                }
            }
            prop_assert_eq!(check(&trained, "leaves").verdict, Verdict::Pass);
            prop_assert_eq!(check(&trained, "thresholds").verdict, Verdict::Pass);
        }
        prop_assert_eq!(check(&trained, "inputs").verdict, Verdict::Pass);
        prop_assert_eq!(check(&trained, "content of the artefact").verdict, Verdict::Pass);
    }
}
