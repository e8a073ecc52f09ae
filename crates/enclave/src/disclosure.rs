//! Automatic checks of an output before people review it, and the record of what they found.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use shuyu_kernel::{
    ContentHash, ReleaseId,
    identifier::{is_credit_code, is_mobile, is_resident_id},
};

use crate::{Output, SubjectKind};

/// What a check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing was found.
    Pass,
    /// A reviewer must look at it.
    Review,
    /// It cannot leave.
    Fail,
}

/// What one check found. It names places, never values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which check.
    pub check: String,
    /// What it says.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
}

/// What the automatic checks found of one output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The digest of the output.
    pub package: ContentHash,
    /// How many rows it has.
    pub rows: u64,
    /// What each check found.
    pub findings: Vec<Finding>,
}

impl Record {
    /// The strictest of the verdicts.
    pub fn verdict(&self) -> Verdict {
        self.findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Fail)
    }
}

/// The digest of a row, to compare an output with its sources without keeping either.
pub fn row_digest(values: &[&str]) -> ContentHash {
    let parts: Vec<Vec<u8>> = values
        .iter()
        .map(|value| {
            let mut part = (value.len() as u64).to_be_bytes().to_vec();
            part.extend_from_slice(value.as_bytes());
            part
        })
        .collect();
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    ContentHash::of_parts(&parts)
}

/// What an output has in common with a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlap {
    /// The columns of the output that the source has, too.
    pub columns: Vec<usize>,
    /// Digests of rows of the source under these columns ([`row_digest`]).
    pub rows: BTreeSet<ContentHash>,
}

/// What reviewers must look at an output for, beyond the output itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grounds {
    /// What it has in common with its sources.
    pub overlaps: Vec<Overlap>,
    /// Why its figures may have to be compared with one another.
    pub comparison: Option<String>,
    /// What was released before from the same data about somebody, to any operator.
    pub earlier: Vec<ReleaseId>,
    /// The output made again.
    pub again: Again,
}

/// An output made again from its sources, under the thresholds of its grant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Again {
    /// It was not: the grant holds no data about anybody.
    #[default]
    AboutNobody,
    /// It was not: the sources have new versions since.
    NewData,
    /// It was not: nobody counts whom a figure of a program is about.
    Foreign,
    /// Its rows.
    Rows(Vec<Vec<String>>),
}

/// Checks an output. `protected` says whose data it was made from.
pub fn examine(output: &Output, protected: &[SubjectKind], grounds: &Grounds) -> Record {
    let findings = vec![
        direct_identifiers(output, protected),
        formulas(output),
        hidden_symbols(output),
        minimum_subjects(output, &grounds.again),
        raw_rows(output, &grounds.overlaps),
        differencing(grounds),
        single_rows(output),
    ];
    Record { package: output.hash(), rows: output.rows.len() as u64, findings }
}

fn finding(check: &str, verdict: Verdict, reason: impl Into<String>) -> Finding {
    Finding { check: check.to_owned(), verdict, reason: reason.into() }
}

/// Identity numbers, credit codes of protected enterprises and mobile numbers, anywhere in a
/// value: runs of letters and digits are tested by check digit or form.
fn direct_identifiers(output: &Output, protected: &[SubjectKind]) -> Finding {
    const CHECK: &str = "direct-identifiers";
    let enterprises = protected.contains(&SubjectKind::Enterprise);
    let names = (0_usize, &output.columns);
    let rows = output.rows.iter().enumerate().map(|(index, row)| (index + 1, row));
    for (line, row) in std::iter::once(names).chain(rows) {
        for (position, value) in row.iter().enumerate() {
            let runs = value.split(|c: char| !c.is_ascii_alphanumeric());
            for run in runs.filter(|run| run.len() >= 11) {
                let bytes = run.as_bytes();
                let what = if bytes.windows(18).any(is_resident_id) {
                    "an identity number"
                } else if enterprises && bytes.windows(18).any(is_credit_code) {
                    "a credit code"
                } else if is_mobile(bytes) {
                    "a mobile number"
                } else {
                    continue;
                };
                return finding(
                    CHECK,
                    Verdict::Fail,
                    format!("{what} in column {} of row {line}", position + 1),
                );
            }
        }
    }
    finding(CHECK, Verdict::Pass, "none found")
}

/// Values that a spreadsheet would run.
fn formulas(output: &Output) -> Finding {
    const CHECK: &str = "formulas";
    for (index, row) in std::iter::once(&output.columns).chain(&output.rows).enumerate() {
        for (position, value) in row.iter().enumerate() {
            let is_number = value.parse::<f64>().is_ok();
            if value.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number {
                return finding(
                    CHECK,
                    Verdict::Fail,
                    format!("column {} of row {index} begins as a formula", position + 1),
                );
            }
        }
    }
    finding(CHECK, Verdict::Pass, "none found")
}

/// Symbols that a reviewer does not see: controls, marks of direction, spaces without width.
fn hidden_symbols(output: &Output) -> Finding {
    const CHECK: &str = "hidden-symbols";
    let is_hidden = |symbol: char| {
        symbol.is_control()
            || matches!(symbol, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
            || matches!(symbol, '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    for (index, row) in std::iter::once(&output.columns).chain(&output.rows).enumerate() {
        if let Some(position) = row.iter().position(|value| value.contains(is_hidden)) {
            let place = format!("column {} of row {index} holds one", position + 1);
            return finding(CHECK, Verdict::Review, place);
        }
    }
    finding(CHECK, Verdict::Pass, "none found")
}

/// What one figure tells beside another, of the same output or of an earlier one, is for
/// reviewers to see.
fn differencing(grounds: &Grounds) -> Finding {
    const CHECK: &str = "differencing";
    let named = |id: &ReleaseId| id.to_string();
    let earlier = match grounds.earlier.as_slice() {
        [] => None,
        ids => Some(format!(
            "released from the same data before: {}",
            ids.iter().map(named).collect::<Vec<_>>().join(", ")
        )),
    };
    let reasons: Vec<String> = grounds.comparison.iter().cloned().chain(earlier).collect();
    if reasons.is_empty() {
        return finding(CHECK, Verdict::Pass, "there is nothing to compare it with");
    }
    finding(CHECK, Verdict::Review, reasons.join("; "))
}

/// Rows that its query does not give again when only groups of enough subjects are let through.
fn minimum_subjects(output: &Output, again: &Again) -> Finding {
    const CHECK: &str = "minimum-subjects";
    let rows = match again {
        Again::AboutNobody => return finding(CHECK, Verdict::Pass, "it is about nobody"),
        Again::NewData => {
            return finding(
                CHECK,
                Verdict::Review,
                "its data have a new version since it was made",
            );
        }
        Again::Foreign => {
            return finding(
                CHECK,
                Verdict::Review,
                "a program made it, and nothing counts whom its figures are about",
            );
        }
        Again::Rows(rows) => rows,
    };
    let made: BTreeSet<Vec<String>> = rows.iter().map(|row| rounded(row)).collect();
    match output.rows.iter().filter(|row| !made.contains(&rounded(row))).count() {
        0 => finding(CHECK, Verdict::Pass, "every row comes again under the thresholds"),
        lost => {
            let verdict =
                if output.rows.len() > rows.len() { Verdict::Fail } else { Verdict::Review };
            finding(CHECK, verdict, format!("{lost} rows do not come again under the thresholds"))
        }
    }
}

/// A row whose numbers do not tell in which order they were summed.
fn rounded(row: &[String]) -> Vec<String> {
    let round = |value: &String| match value.parse::<f64>() {
        Ok(number) if value.contains(['.', 'e', 'E']) => format!("{number:.11e}"),
        Ok(_) | Err(_) => value.clone(),
    };
    row.iter().map(round).collect()
}

/// Rows that are rows of a source, under the columns that both have.
fn raw_rows(output: &Output, overlaps: &[Overlap]) -> Finding {
    const CHECK: &str = "raw-rows";
    if overlaps.is_empty() {
        return finding(CHECK, Verdict::Pass, "no column is shared with a source");
    }
    let is_raw = |row: &&Vec<String>| {
        overlaps.iter().any(|Overlap { columns, rows }| {
            let value = |index: &usize| row.get(*index).map_or("", String::as_str);
            rows.contains(&row_digest(&columns.iter().map(value).collect::<Vec<_>>()))
        })
    };
    match output.rows.iter().filter(is_raw).count() {
        0 => finding(CHECK, Verdict::Pass, "no row of a source"),
        raw => finding(CHECK, Verdict::Fail, format!("{raw} rows are rows of a source")),
    }
}

/// Outputs that are long are more like records than like statistics.
fn single_rows(output: &Output) -> Finding {
    const CHECK: &str = "size";
    const LONG: usize = 10_000;
    if output.rows.len() > LONG {
        return finding(CHECK, Verdict::Review, format!("{} rows", output.rows.len()));
    }
    finding(CHECK, Verdict::Pass, format!("{} rows", output.rows.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, kinds: &[SubjectKind], expected: Verdict) {
        let output = Output {
            columns: vec!["district".to_owned(), "n".to_owned()],
            rows: vec![vec![value.to_owned(), "12".to_owned()]],
        };
        let record = examine(&output, kinds, &Grounds::default());
        assert_eq!(record.verdict(), expected, "{value}: {record:?}");
    }

    #[test]
    fn identifiers_and_formulas_are_found_wherever_they_stand() {
        let (person, enterprise) = (SubjectKind::Person, SubjectKind::Enterprise);
        check("XIHU", &[person], Verdict::Pass);
        check("11010519491231002X", &[person], Verdict::Fail);
        check("id: 11010519491231002X;", &[person], Verdict::Fail);
        check("n11010519491231002Xn", &[person], Verdict::Fail);
        check("110105194912310021", &[person], Verdict::Pass);
        check("91350100M000100Y43", &[person], Verdict::Pass);
        check("91350100M000100Y43", &[enterprise], Verdict::Fail);
        check("13800138000", &[person], Verdict::Fail);
        check("=1+1", &[person], Verdict::Fail);
        check("-12.5", &[person], Verdict::Pass);
        check("@SUM(A1)", &[person], Verdict::Fail);
        check("XI\u{202e}HU", &[person], Verdict::Review);
        check("XIHU\u{1b}[8m", &[person], Verdict::Review);
    }

    #[test]
    fn a_row_that_does_not_come_again_of_enough_subjects_is_found() {
        let row = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
        let output = Output {
            columns: vec!["district".to_owned(), "mean".to_owned()],
            rows: vec![row(["a", "12.300000000000001"]), row(["b", "4"])],
        };
        let check = |again: Again, expected: Verdict| {
            let grounds = Grounds { again, ..Grounds::default() };
            let record = examine(&output, &[SubjectKind::Person], &grounds);
            assert_eq!(record.verdict(), expected, "{record:?}");
        };
        check(Again::Rows(vec![row(["b", "4"]), row(["a", "12.3"])]), Verdict::Pass);
        check(Again::Rows(vec![row(["a", "12.3"])]), Verdict::Fail);
        check(Again::Rows(vec![row(["a", "12.3"]), row(["b", "5"])]), Verdict::Review);
        check(Again::NewData, Verdict::Review);
    }

    #[test]
    fn a_row_of_a_source_is_found_and_its_neighbour_is_not() {
        let output = Output {
            columns: vec!["a".to_owned(), "b".to_owned()],
            rows: vec![vec!["1".to_owned(), "23".to_owned()]],
        };
        let found = |values: &[&str]| {
            let rows = BTreeSet::from([row_digest(values)]);
            // Every source counts, not the first alone.
            let overlaps = vec![Overlap::default(), Overlap { columns: vec![0, 1], rows }];
            examine(&output, &[], &Grounds { overlaps, ..Grounds::default() }).verdict()
        };
        assert_eq!(found(&["1", "23"]), Verdict::Fail);
        assert_eq!(found(&["12", "3"]), Verdict::Pass);
    }
}
