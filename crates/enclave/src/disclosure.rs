//! Automatic checks of an output before people review it, and the record of what they found.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use shuyu_kernel::{
    ContentHash,
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

/// Checks an output.
///
/// `protected` says whose data it was made from, `source_rows` holds digests of source rows under
/// the columns that the output shares with them ([`row_digest`]), `columns` are those shared.
pub fn examine(
    output: &Output,
    protected: &[SubjectKind],
    columns: &[usize],
    source_rows: &BTreeSet<ContentHash>,
) -> Record {
    let findings = vec![
        direct_identifiers(output, protected),
        formulas(output),
        raw_rows(output, columns, source_rows),
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

/// Rows that are rows of a source, under the columns that both have.
fn raw_rows(output: &Output, columns: &[usize], source_rows: &BTreeSet<ContentHash>) -> Finding {
    const CHECK: &str = "raw-rows";
    if columns.is_empty() || source_rows.is_empty() {
        return finding(CHECK, Verdict::Pass, "no column is shared with a source");
    }
    let overlap = output
        .rows
        .iter()
        .filter(|row| {
            let values: Vec<&str> =
                columns.iter().map(|index| row.get(*index).map_or("", String::as_str)).collect();
            source_rows.contains(&row_digest(&values))
        })
        .count();
    if overlap == 0 {
        return finding(CHECK, Verdict::Pass, "no row of a source");
    }
    finding(CHECK, Verdict::Fail, format!("{overlap} rows are rows of a source"))
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
        let record = examine(&output, kinds, &[], &BTreeSet::new());
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
    }

    #[test]
    fn a_row_of_a_source_is_found_and_its_neighbour_is_not() {
        let output = Output {
            columns: vec!["a".to_owned(), "b".to_owned()],
            rows: vec![vec!["1".to_owned(), "23".to_owned()]],
        };
        let found = |values: &[&str]| {
            examine(&output, &[], &[0, 1], &BTreeSet::from([row_digest(values)])).verdict()
        };
        assert_eq!(found(&["1", "23"]), Verdict::Fail);
        assert_eq!(found(&["12", "3"]), Verdict::Pass);
    }
}
