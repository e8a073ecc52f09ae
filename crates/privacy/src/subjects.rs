//! Whose a row is, and which groups of a subject count.

use std::collections::HashMap;

use ahash::RandomState;
use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::cast,
    datatypes::{DataType, Int64Type},
};

use crate::{PrivacyError, codes::NONE};

/// The subjects of a table, and the groups that each is in.
#[derive(Debug)]
pub(crate) struct Subjects {
    hasher: RandomState,
    whole: HashMap<i64, u32, RandomState>,
    words: HashMap<Box<str>, u32, RandomState>,
    /// A keyed digest of each subject.
    digests: Vec<u64>,
    /// The subjects in groups.
    members: Vec<Member>,
    /// Of each subject the member that was met last.
    latest: Vec<u32>,
    /// Members that stand behind so many of their subject that they are not searched one by one.
    places: HashMap<(u32, u32), u32, RandomState>,
}

/// A subject in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Member {
    subject: u32,
    group: u32,
    /// The one of the same subject that was met before.
    before: u32,
}

/// So many members of a subject are searched one by one: most subjects are in few groups.
const SEARCHED: usize = 8;

impl Subjects {
    pub(crate) fn new(hasher: &RandomState) -> Self {
        Self {
            hasher: hasher.clone(),
            whole: HashMap::with_hasher(hasher.clone()),
            words: HashMap::with_hasher(hasher.clone()),
            digests: Vec::new(),
            members: Vec::new(),
            latest: Vec::new(),
            places: HashMap::with_hasher(hasher.clone()),
        }
    }

    /// How many subjects in groups there are.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Where each row counts: the place of its subject in its group. Rows of nobody, and rows
    /// outside the groups, count nowhere.
    pub(crate) fn encode(
        &mut self,
        keys: &ArrayRef,
        groups: &[u32],
    ) -> Result<Vec<u32>, PrivacyError> {
        let mut places = Vec::with_capacity(groups.len());
        match keys.data_type() {
            DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Dictionary(..) => {
                let keys = cast(keys, &DataType::Utf8).map_err(|_| PrivacyError::Layout)?;
                for (key, group) in keys.as_string::<i32>().iter().zip(groups) {
                    let subject = match key {
                        Some(key) if *group != NONE => self.word(key)?,
                        Some(_) | None => NONE,
                    };
                    places.push(self.place(subject, *group)?);
                }
            }
            data_type if data_type.is_integer() && *data_type != DataType::UInt64 => {
                let keys = cast(keys, &DataType::Int64).map_err(|_| PrivacyError::Layout)?;
                for (key, group) in keys.as_primitive::<Int64Type>().iter().zip(groups) {
                    let subject = match key {
                        Some(key) if *group != NONE => self.whole(key)?,
                        Some(_) | None => NONE,
                    };
                    places.push(self.place(subject, *group)?);
                }
            }
            _other => return Err(PrivacyError::Layout),
        }
        Ok(places)
    }

    fn fresh(&mut self, digest: u64) -> Result<u32, PrivacyError> {
        let next = u32::try_from(self.digests.len()).map_err(|_| PrivacyError::TooMany)?;
        self.digests.push(digest);
        self.latest.push(NONE);
        if next == NONE { Err(PrivacyError::TooMany) } else { Ok(next) }
    }

    fn whole(&mut self, key: i64) -> Result<u32, PrivacyError> {
        if let Some(known) = self.whole.get(&key) {
            return Ok(*known);
        }
        let subject = self.fresh(self.hasher.hash_one(key))?;
        self.whole.insert(key, subject);
        Ok(subject)
    }

    fn word(&mut self, key: &str) -> Result<u32, PrivacyError> {
        if let Some(known) = self.words.get(key) {
            return Ok(*known);
        }
        let subject = self.fresh(self.hasher.hash_one(key))?;
        self.words.insert(key.into(), subject);
        Ok(subject)
    }

    fn place(&mut self, subject: u32, group: u32) -> Result<u32, PrivacyError> {
        if subject == NONE {
            return Ok(NONE);
        }
        let before = self.latest.get(subject as usize).copied().unwrap_or(NONE);
        let (mut place, mut searched) = (before, 0);
        while let Some(member) = self.members.get(place as usize) {
            if member.group == group {
                return Ok(place);
            }
            if searched == SEARCHED {
                if let Some(known) = self.places.get(&(subject, group)) {
                    return Ok(*known);
                }
                break;
            }
            (place, searched) = (member.before, searched + 1);
        }
        let next = u32::try_from(self.members.len()).map_err(|_| PrivacyError::TooMany)?;
        if next == NONE {
            return Err(PrivacyError::TooMany);
        }
        self.members.push(Member { subject, group, before });
        if let Some(latest) = self.latest.get_mut(subject as usize) {
            *latest = next;
        }
        // The one that falls behind the searched ones is found by its group from now on.
        let mut behind = before;
        for _ in 1..SEARCHED {
            behind = self.members.get(behind as usize).map_or(NONE, |member| member.before);
        }
        if let Some(member) = self.members.get(behind as usize) {
            self.places.insert((subject, member.group), behind);
        }
        Ok(next)
    }

    /// The group of each place, if it counts: of each subject at most so many do.
    ///
    /// Which ones is decided by a keyed digest of the values of subject and group. What others have
    /// in the table, and in which order, does not matter, so that without one subject all others
    /// count where they counted before.
    pub(crate) fn chosen(&self, most: u32, group_digests: &[u64]) -> Vec<Option<u32>> {
        let most = most as usize;
        let mut counts = vec![0_usize; self.digests.len()];
        for member in &self.members {
            if let Some(count) = counts.get_mut(member.subject as usize) {
                *count += 1;
            }
        }
        let mut chosen: Vec<Option<u32>> =
            self.members.iter().map(|member| Some(member.group)).collect();
        let is_over = |subject: u32| counts.get(subject as usize).is_some_and(|it| *it > most);
        let mut over: Vec<(u32, u64, usize)> = Vec::new();
        for (place, Member { subject, group, .. }) in self.members.iter().copied().enumerate() {
            if is_over(subject) {
                let of = (
                    self.digests.get(subject as usize).copied(),
                    group_digests.get(group as usize).copied(),
                );
                over.push((subject, self.hasher.hash_one(of), place));
            }
        }
        over.sort_unstable();
        for of_one in over.chunk_by(|left, right| left.0 == right.0) {
            for (_, _, place) in of_one.iter().skip(most) {
                if let Some(slot) = chosen.get_mut(*place) {
                    *slot = None;
                }
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int64Array;

    use super::*;

    #[test]
    fn a_subject_has_one_place_in_each_group_however_many_there_are() {
        let mut subjects = Subjects::new(&RandomState::with_seeds(1, 2, 3, 4));
        let mut expected: HashMap<(i64, u32), u32> = HashMap::new();
        // Three subjects in 40 groups, met in a different order each time.
        for round in 0..5_u32 {
            let pairs: Vec<(i64, u32)> =
                (0..120_u32).map(|n| (i64::from(n % 3), (n * 7 + round * 11) % 40)).collect();
            let keys: ArrayRef =
                Arc::new(pairs.iter().map(|pair| Some(pair.0)).collect::<Int64Array>());
            let groups: Vec<u32> = pairs.iter().map(|pair| pair.1).collect();
            let places = subjects.encode(&keys, &groups).unwrap();
            for (pair, place) in pairs.into_iter().zip(places) {
                assert_eq!(*expected.entry(pair).or_insert(place), place, "{pair:?}");
            }
        }
        assert_eq!(subjects.len(), expected.len());
        let chosen = subjects.chosen(5, &(0..40).collect::<Vec<u64>>());
        assert_eq!(chosen.iter().flatten().count(), 15);
    }
}
