//! Who is in a sample: the subjects that a key ranks first.
//!
//! A rank depends on the key and the subject alone. So tables of one scope have the same subjects
//! in their samples, and can be joined; a new version of a table has those that were there before;
//! and nobody's being there tells anything of them.

use arrow::{
    array::{Array, BooleanArray, RecordBatch, UInt64Array},
    compute::{concat_batches, filter, filter_record_batch},
    datatypes::SchemaRef,
};

use crate::{Kind, MaskingError, MaskingKey, NOBODY, Tokens, mask};

/// Draws rows from a table that comes batch by batch, in memory for twice as many rows.
#[derive(Debug)]
pub struct Draw {
    schema: SchemaRef,
    tokens: Tokens,
    subject: Option<String>,
    most: usize,
    /// Ranks from here on are not in the sample.
    below: u64,
    met: u64,
    kept: usize,
    batches: Vec<(RecordBatch, UInt64Array)>,
}

/// The rows drawn, of subjects that are there with all their rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// The rows, in the order of the table.
    pub rows: RecordBatch,
    /// The rank of each row: that of its subject.
    pub ranks: Vec<u64>,
}

impl Draw {
    /// Draws at most `most` rows from a table of this schema. `subject` says whose a row is, and
    /// rows of nobody are left out; without it each row is ranked by its place in the table.
    ///
    /// # Errors
    ///
    /// There is no such column.
    pub fn new(
        schema: SchemaRef,
        subject: Option<&str>,
        most: usize,
        key: &MaskingKey,
    ) -> Result<Self, MaskingError> {
        if let Some(subject) = subject
            && schema.index_of(subject).is_err()
        {
            return Err(MaskingError::NoColumn(subject.to_owned()));
        }
        Ok(Self {
            schema,
            tokens: key.tokens(Kind::Sample),
            subject: subject.map(str::to_owned),
            most,
            below: u64::MAX,
            met: 0,
            kept: 0,
            batches: Vec::new(),
        })
    }

    /// Takes what belongs to the sample, as far as is known by now.
    ///
    /// # Errors
    ///
    /// The batch is of another schema.
    pub fn meet(&mut self, batch: &RecordBatch) -> Result<(), MaskingError> {
        let ranks = self.ranks(batch)?;
        let batch = keep(batch, &ranks, self.below)?;
        self.kept += batch.0.num_rows();
        self.batches.push(batch);
        if self.kept > self.most.saturating_mul(2) {
            self.narrow()?;
        }
        Ok(())
    }

    /// The sample.
    ///
    /// # Errors
    ///
    /// Batches were of different schemas, or are too large together.
    pub fn finish(mut self) -> Result<Drawn, MaskingError> {
        self.narrow()?;
        let rows = concat_batches(&self.schema, self.batches.iter().map(|(rows, _)| rows));
        let ranks = self.batches.iter().flat_map(|(_, ranks)| ranks.values().iter().copied());
        Ok(Drawn { rows: rows.map_err(|_| MaskingError::TooLarge)?, ranks: ranks.collect() })
    }

    fn ranks(&mut self, batch: &RecordBatch) -> Result<UInt64Array, MaskingError> {
        let Some(subject) = &self.subject else {
            let from = self.met;
            self.met += u64::try_from(batch.num_rows()).unwrap_or(0);
            let rank = |row: u64| self.tokens.of(&row.to_be_bytes()).rank();
            return Ok((from..self.met).map(rank).collect());
        };
        let subjects = mask::text_of(batch, subject)?;
        let rank = |value: Option<&str>| value.map(|it| self.tokens.of(it.as_bytes()).rank());
        Ok(subjects.iter().map(|value| rank(value).unwrap_or(u64::MAX)).collect())
    }

    /// Leaves out the last subjects, so that no more rows remain than are wanted.
    fn narrow(&mut self) -> Result<(), MaskingError> {
        if self.kept <= self.most {
            return Ok(());
        }
        let mut all: Vec<u64> =
            self.batches.iter().flat_map(|(_, ranks)| ranks.values().iter().copied()).collect();
        let (_, first_outside, _) = all.select_nth_unstable(self.most);
        self.below = *first_outside;
        let batches = std::mem::take(&mut self.batches);
        self.kept = 0;
        for (rows, ranks) in batches {
            let kept = keep(&rows, &ranks, self.below)?;
            self.kept += kept.0.num_rows();
            self.batches.push(kept);
        }
        Ok(())
    }
}

/// The rows ranked below a rank.
fn keep(
    rows: &RecordBatch,
    ranks: &UInt64Array,
    below: u64,
) -> Result<(RecordBatch, UInt64Array), MaskingError> {
    let inside: BooleanArray = ranks.values().iter().map(|rank| Some(*rank < below)).collect();
    let rows = filter_record_batch(rows, &inside).map_err(|_| MaskingError::Length)?;
    let ranks = filter(ranks, &inside).map_err(|_| MaskingError::Length)?;
    let ranks = ranks.as_any().downcast_ref::<UInt64Array>().cloned();
    Ok((rows, ranks.ok_or(MaskingError::Length)?))
}

impl Drawn {
    /// The subject of each row, as a number.
    pub fn subjects(&self) -> Vec<u32> {
        let mut ranks = self.ranks.clone();
        ranks.sort_unstable();
        ranks.dedup();
        let number =
            |rank: &u64| ranks.binary_search(rank).ok().and_then(|at| u32::try_from(at).ok());
        self.ranks.iter().map(|rank| number(rank).unwrap_or(NOBODY)).collect()
    }

    /// The first `count` rows for which `is_shown`, in the order of their ranks.
    pub fn first(&self, count: usize, is_shown: &[bool]) -> Vec<u32> {
        let shown = self.ranks.iter().zip(is_shown).zip(0..).filter(|((_, shown), _)| **shown);
        let mut rows: Vec<(u64, u32)> = shown.map(|((rank, _), row)| (*rank, row)).collect();
        rows.sort_unstable();
        rows.into_iter().take(count).map(|(_, row)| row).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Arc};

    use arrow::array::{AsArray, Int64Array, StringArray};

    use super::*;
    use crate::Scope;

    fn key(agreement: &str) -> MaskingKey {
        MaskingKey::derive(b"secret", Scope { agreement, family: "f" })
    }

    /// A row for each subject and each of so many times, in batches.
    fn table(subjects: i64, times: i64) -> Vec<RecordBatch> {
        let rows: Vec<i64> = (0..subjects * times).collect();
        let batches = rows.chunks(100).map(|rows| {
            let whose = rows.iter().map(|row| Some(format!("s{}", row % subjects)));
            let columns = [
                ("whose", Arc::new(whose.collect::<StringArray>()) as _),
                ("row", Arc::new(Int64Array::from(rows.to_vec())) as _),
            ];
            RecordBatch::try_from_iter(columns).unwrap()
        });
        batches.collect()
    }

    fn drawn(batches: &[RecordBatch], subject: Option<&str>, most: usize, of: &str) -> Drawn {
        let mut draw = Draw::new(batches[0].schema(), subject, most, &key(of)).unwrap();
        for batch in batches {
            draw.meet(batch).unwrap();
        }
        draw.finish().unwrap()
    }

    fn whose(drawn: &Drawn) -> HashSet<String> {
        let subjects = drawn.rows.column(0).as_string::<i32>();
        subjects.iter().map(|it| it.unwrap().to_owned()).collect()
    }

    #[test]
    fn tables_of_one_scope_have_the_same_subjects_with_all_their_rows() {
        let (once, thrice) = (table(2000, 1), table(2000, 3));
        let first = drawn(&once, Some("whose"), 200, "a");
        let other = drawn(&thrice, Some("whose"), 600, "a");
        assert_eq!((first.rows.num_rows(), other.rows.num_rows()), (200, 600));
        assert_eq!(whose(&first), whose(&other));
        assert_eq!(first, drawn(&once, Some("whose"), 200, "a"));
        let subjects = other.subjects();
        assert_eq!(subjects.iter().collect::<HashSet<_>>().len(), 200);
        // By chance a tenth of 200 are in both.
        let elsewhere = drawn(&once, Some("whose"), 200, "b");
        assert!(whose(&first).intersection(&whose(&elsewhere)).count() < 60);
        let fewer = drawn(&once, Some("whose"), 100, "a");
        assert!(whose(&fewer).is_subset(&whose(&first)));
    }

    #[test]
    fn rows_of_nobody_are_left_out_and_rows_about_nobody_drawn_by_place() {
        let whose = StringArray::from(vec![Some("a"), None, Some("b")]);
        let batch = RecordBatch::try_from_iter([("whose", Arc::new(whose) as _)]).unwrap();
        assert_eq!(drawn(std::slice::from_ref(&batch), Some("whose"), 10, "a").rows.num_rows(), 2);
        let many = table(1000, 1);
        let it = drawn(&many, None, 50, "a");
        assert_eq!((it.rows.num_rows(), it.ranks.len()), (50, 50));
        assert!(Draw::new(batch.schema(), Some("no"), 10, &key("a")).is_err());
        let first = it.first(5, &[true; 50]);
        assert_eq!(first.len(), 5);
        let rank = |row: &u32| it.ranks[*row as usize];
        assert!(
            first.iter().map(rank).max()
                < (0..50).filter(|row| !first.contains(row)).map(|row| rank(&row)).min()
        );
    }
}
