//! Generalisation of a public table with its published hierarchies, which others have been
//! measured on.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of a test")]

use std::path::{Path, PathBuf};

use shuyu_masking::{Column, Demand, Generalised, Hierarchy, Rows, generalise};

/// Columns by which somebody could be found; the ninth is sensitive.
const COLUMNS: usize = 8;

fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/population");
    beside.is_dir().then_some(beside)
}

fn read(folder: &Path, file: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    text.lines().map(|line| line.split(';').map(str::to_owned).collect()).collect()
}

/// The columns, and the number of each row's sensitive value.
fn adult(folder: &Path) -> (Vec<Column>, Vec<u32>) {
    let mut rows = read(folder, "adult.csv");
    let header = rows.remove(0);
    let columns = header.iter().take(COLUMNS).enumerate().map(|(at, name)| {
        let levels = read(folder, &format!("adult_hierarchy_{name}.csv"));
        let hierarchy = Hierarchy::declared(name, &levels).unwrap();
        let index = hierarchy.index();
        let codes = rows.iter().map(|row| index[row[at].as_str()]).collect();
        Column { codes, hierarchy: hierarchy.clone() }
    });
    let columns = columns.collect();
    (columns, rows.iter().map(|row| u32::from(row[COLUMNS] == ">50K")).collect())
}

fn smallest(it: &Generalised, columns: &[Column]) -> usize {
    let values: Vec<_> = (0..columns.len()).map(|at| it.values(columns, at).unwrap()).collect();
    let mut classes = std::collections::HashMap::<Vec<&str>, usize>::new();
    for row in (0..it.shown.len()).filter(|row| it.shown[*row]) {
        *classes.entry(values.iter().map(|column| column.value(row)).collect()).or_default() += 1;
    }
    classes.into_values().min().unwrap_or(0)
}

#[test]
fn adult_at_k_5_loses_what_arx_loses_and_every_class_has_five() {
    let Some(folder) = folder() else {
        eprintln!("skipped: the shared data are not here");
        return;
    };
    let (columns, salary) = adult(&folder);
    let it = generalise(&columns, Rows::default(), Demand::of(5)).unwrap();
    // ARX 3.9, k = 5, at most 5 % suppressed, its measure *Loss*: 0.252.
    assert!((it.loss.total - 0.25185).abs() < 5e-5, "{}", it.loss.total);
    assert_eq!(it.levels, [0, 3, 0, 0, 1, 1, 1, 2]);
    assert!(it.is_best);
    let left_out = it.shown.iter().filter(|shown| !**shown).count();
    assert_eq!((it.shown.len(), left_out), (30_162, 1_458));
    assert!(smallest(&it, &columns) >= 5 && it.smallest >= 5);

    let rows = Rows { subjects: None, sensitive: Some(&salary) };
    let diverse = generalise(&columns, rows, Demand { diversity: 2, ..Demand::of(5) }).unwrap();
    assert!(diverse.loss.total > it.loss.total, "two salary classes in each class cost something");
    assert!(smallest(&diverse, &columns) >= 5);
}
