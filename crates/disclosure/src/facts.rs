//! What is known of atoms and of their unions, and when a union singles somebody out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The subjects in an atom: distinct ones, never rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subjects {
    /// So many, none of whom is in another atom.
    Apart(u64),
    /// These, by numbers under which they are found in other atoms again. An atom of
    /// [`Rules::least_subjects`] or more may be given as [`Subjects::Apart`] all the same, because
    /// it is never part of what singles out fewer.
    Tagged(Vec<u64>),
}

impl Default for Subjects {
    fn default() -> Self {
        Self::Apart(0)
    }
}

impl Subjects {
    fn is_nobody(&self) -> bool {
        match self {
            Self::Apart(count) => *count == 0,
            Self::Tagged(tags) => tags.is_empty(),
        }
    }
}

/// A measure, by a number that the caller chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Measure(pub u32);

/// What the subjects of an atom contribute to the sum of a measure, in the measure's smallest
/// unit. A subject's rows are one contribution (Handbook on SDC, "holdings").
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Magnitude {
    /// Who contributes other than zero: that all of many contribute nothing tells of each.
    pub contributors: Subjects,
    /// The sum of absolute contributions.
    pub sum: u128,
    /// The two largest contributions, the larger first.
    pub largest: [u128; 2],
    /// The least contribution other than zero; with the largest it shows whether all are equal.
    pub least: u128,
    /// Whether a contribution is negative: dominance is not defined then.
    pub has_negative: bool,
}

/// A set of subjects that no declared predicate divides: a cell of the cube of declared
/// dimensions, of dataset versions and of joined tables.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Atom {
    /// Who is in it.
    pub subjects: Subjects,
    /// What they contribute; to a measure that is not named nobody does.
    pub magnitudes: BTreeMap<Measure, Magnitude>,
}

impl Atom {
    /// An atom of so many subjects, who are in no other.
    pub fn of(subjects: u64) -> Self {
        Self { subjects: Subjects::Apart(subjects), magnitudes: BTreeMap::new() }
    }
}

/// What an empty group tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Empty {
    /// That nobody is there, about those who might be: it is withheld like a small group.
    Discloses,
    /// Nothing: that these groups are empty is known to all, as of a combination that cannot be.
    IsKnown,
}

/// What a ledger holds answers to. The figures are secrets of the platform (Handbook on SDC, ch. 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// k: of a group of fewer distinct subjects nothing may be determined.
    pub least_subjects: u64,
    /// Whether an empty group discloses.
    pub empty: Empty,
    /// p: a sum is dominated if, less its two largest contributions, it is less than p percent of
    /// the largest (the p% rule; Cox 1981). 0 asks for no dominance.
    pub dominance_percent: u32,
    /// Counts are known to be whole and not negative, which bounds the counts of small groups: the
    /// bounds must reach k, and this must lie between them at least. `None` looks at no bounds.
    pub least_range: Option<u64>,
    /// How many multiplications one check may take, after which it refuses for lack of a proof.
    pub effort: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            least_subjects: 10,
            empty: Empty::Discloses,
            dominance_percent: 10,
            least_range: Some(3),
            effort: 500_000_000,
        }
    }
}

/// The p of the p% rule that is the same as the rule (2, `percent`): a sum is dominated if its two
/// largest contributions exceed so many percent of it (Handbook on SDC, ch. 4), rounded up.
pub fn percent_of_two_dominators(percent: u32) -> u32 {
    let percent = percent.clamp(1, 100);
    (100 * (100 - percent)).div_ceil(percent)
}

/// The facts of a union of atoms, for one quantity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    /// Subjects that are in one atom only.
    pub(crate) apart: u64,
    /// The others, in order, without repetitions.
    pub(crate) tags: Vec<u64>,
    pub(crate) sum: u128,
    pub(crate) largest: [u128; 2],
    pub(crate) least: Option<u128>,
    pub(crate) has_negative: bool,
}

impl Facts {
    pub(crate) fn of<'a>(
        parts: impl Iterator<Item = (&'a Subjects, Option<&'a Magnitude>)>,
    ) -> Self {
        let mut facts = Self::default();
        for (subjects, magnitude) in parts {
            match subjects {
                Subjects::Apart(count) => facts.apart = facts.apart.saturating_add(*count),
                Subjects::Tagged(tags) => facts.tags.extend(tags),
            }
            if let Some(magnitude) = magnitude {
                facts.sum = facts.sum.saturating_add(magnitude.sum);
                facts.add_largest(magnitude.largest);
                if !subjects.is_nobody() {
                    let least = facts.least.map_or(magnitude.least, |it| it.min(magnitude.least));
                    facts.least = Some(least);
                }
                facts.has_negative |= magnitude.has_negative;
            }
        }
        facts.sort_tags();
        facts
    }

    fn add_largest(&mut self, [first, second]: [u128; 2]) {
        for value in [first, second] {
            let [most, next] = self.largest;
            if value > most {
                self.largest = [value, most];
            } else if value > next {
                self.largest = [most, value];
            }
        }
    }

    fn sort_tags(&mut self) {
        self.tags.sort_unstable();
        self.tags.dedup();
    }

    pub(crate) fn union<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        let mut union = Self::default();
        for part in parts {
            union.apart = union.apart.saturating_add(part.apart);
            union.tags.extend(&part.tags);
            union.sum = union.sum.saturating_add(part.sum);
            union.add_largest(part.largest);
            union.least = match (union.least, part.least) {
                (Some(left), Some(right)) => Some(left.min(right)),
                (left, right) => left.or(right),
            };
            union.has_negative |= part.has_negative;
        }
        union.sort_tags();
        union
    }

    pub(crate) fn subjects(&self) -> u64 {
        self.apart.saturating_add(self.tags.len() as u64)
    }

    /// The sum less its largest contribution.
    pub(crate) fn rest(&self) -> u128 {
        self.sum.saturating_sub(self.largest[0])
    }

    /// The sum less its two largest contributions.
    pub(crate) fn remainder(&self) -> u128 {
        self.rest().saturating_sub(self.largest[1])
    }

    /// Whether so large a contribution could be added, and a second, without being known too
    /// closely.
    pub(crate) fn bears(&self, contribution: u128, percent: u32) -> bool {
        self.remainder().saturating_mul(100) >= contribution.saturating_mul(percent.into())
    }

    /// Whether the largest contributor is known too closely to the second.
    pub(crate) fn is_dominated(&self, percent: u32) -> bool {
        !self.bears(self.largest[0], percent)
    }

    /// Whether all contribute the same, so that a mean is everybody's figure.
    pub(crate) fn is_all_equal(&self) -> bool {
        self.least == Some(self.largest[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(contributions: &[u128]) -> Facts {
        let mut sorted = contributions.to_vec();
        sorted.sort_unstable_by(|left, right| right.cmp(left));
        let at = |index: usize| sorted.get(index).copied().unwrap_or(0);
        let magnitude = Magnitude {
            contributors: Subjects::Apart(contributions.len() as u64),
            sum: contributions.iter().sum(),
            largest: [at(0), at(1)],
            least: sorted.last().copied().unwrap_or(0),
            has_negative: false,
        };
        Facts::of([(&magnitude.contributors, Some(&magnitude))].into_iter())
    }

    #[test]
    fn a_sum_is_dominated_where_the_second_contributor_knows_the_first() {
        for (contributions, percent, expected) in [
            (&[100_u128, 50, 10][..], 10, false),
            (&[100, 50, 9], 10, true),
            (&[100, 50], 1, true),
            (&[100], 1, true),
            (&[10, 10, 10, 10], 25, false),
            (&[0, 0, 0], 10, false),
            (&[100, 50], 0, false),
        ] {
            assert_eq!(facts(contributions).is_dominated(percent), expected, "{contributions:?}");
        }
        assert_eq!(percent_of_two_dominators(80), 25);
        assert_eq!(percent_of_two_dominators(95), 6, "5.26, on the safe side");
    }

    #[test]
    fn a_union_has_the_largest_of_its_parts_and_each_subject_once() {
        let (left, right) = (facts(&[7, 3, 1]), facts(&[5, 4]));
        assert_eq!(Facts::union([&left, &right].into_iter()), facts(&[7, 5, 4, 3, 1]));
        let tagged = |tags: &[u64]| Facts { tags: tags.to_vec(), ..Facts::default() };
        let union = Facts::union([&tagged(&[1, 2]), &tagged(&[2, 3])].into_iter());
        assert_eq!(union.subjects(), 3);
        assert!(facts(&[4, 4]).is_all_equal() && !facts(&[4, 3]).is_all_equal());
    }
}
