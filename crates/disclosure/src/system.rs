//! The answers of one quantity as linear equations over blocks of atoms, and what they determine.

#![expect(clippy::indexing_slicing, reason = "blocks and rows are named where they are made")]

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
};

use crate::{
    Atom, Empty, Measure, Quantity, Reason, Rules,
    bounds::{Equation, propagate},
    echelon::{Dense, Echelon, Mark, Preference, Standing},
    facts::Facts,
    field::Field,
    partition::Partition,
    search::{Effort, Outcome, Sought, Space, find},
};

/// Of whose answer a row is: an answer by its place in the ledger, and one of its cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin {
    pub(crate) answer: u32,
    pub(crate) cell: u32,
}

/// What is wrong with the rows that were added last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) reason: Reason,
    pub(crate) origins: BTreeSet<Origin>,
}

/// All rows of one quantity.
#[derive(Debug, Clone)]
pub(crate) struct System {
    quantity: Quantity,
    partition: Partition,
    echelon: Echelon,
    facts: Vec<Facts>,
    origins: Vec<Origin>,
    /// The digests of the sets that stand: one that is shown again tells nothing new.
    digests: Vec<Digest>,
    known: HashSet<Digest>,
    keys: DigestKeys,
    /// Blocks of atoms that are new, whose facts were not gathered yet.
    uncovered: Vec<u32>,
    /// The largest contribution of all.
    largest: u128,
}

/// A digest of a set of atoms: two polynomials whose exponents are the atoms, at secret points. Two
/// sets of n atoms that were chosen without knowing the points agree with a chance below
/// (n / 2^60)^2 (Schwartz and Zippel).
type Digest = (u64, u64);

/// The powers of the secret points.
#[derive(Debug, Clone, Default)]
struct DigestKeys(Vec<(u64, u64)>);

impl DigestKeys {
    fn digest(&mut self, set: &[u32], field: &Field) -> Digest {
        let (left, right) = field.points();
        let atoms = set.last().map_or(0, |last| *last as usize + 1);
        while self.0.len() < atoms {
            let (one, other) = self.0.last().copied().unwrap_or((left, right));
            self.0.push((field.mul(one, left), field.mul(other, right)));
        }
        set.iter().fold((0, 0), |(one, other), atom| {
            let (first, second) = self.0[*atom as usize];
            (field.add(one, first), field.add(other, second))
        })
    }
}

/// What to come back to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    mark: Mark,
    origins: usize,
    digests: usize,
}

/// Subjects that are in several blocks cost a share in each; shares of up to sixteen are exact,
/// others are rounded down, so that more is found.
const WHOLE: u128 = 720_720;

fn measure_of(quantity: Quantity) -> Option<Measure> {
    match quantity {
        Quantity::Rows | Quantity::Subjects => None,
        Quantity::Sum(measure) => Some(measure),
    }
}

fn facts_of(atoms: &[Atom], members: &[u32], quantity: Quantity) -> Facts {
    let members = members.iter().map(|member| &atoms[*member as usize]);
    match measure_of(quantity) {
        None => Facts::of(members.map(|atom| (&atom.subjects, None))),
        Some(measure) => Facts::of(
            members
                .filter_map(|atom| atom.magnitudes.get(&measure))
                .map(|magnitude| (&magnitude.contributors, Some(magnitude))),
        ),
    }
}

impl System {
    pub(crate) fn new(quantity: Quantity, field: Field) -> Self {
        Self {
            digests: Vec::new(),
            known: HashSet::new(),
            keys: DigestKeys::default(),
            quantity,
            partition: Partition::default(),
            echelon: Echelon::new(field),
            facts: Vec::new(),
            origins: Vec::new(),
            uncovered: Vec::new(),
            largest: 0,
        }
    }

    pub(crate) fn size(&self) -> (usize, usize) {
        (self.partition.blocks(), self.echelon.size())
    }

    /// What a block may do in the echelon. A pivot that is an atom large enough by itself, and
    /// whose sum bears every contributor, stays one however the block is divided.
    fn standing(&self, atoms: &[Atom], block: u32, facts: &Facts, rules: &Rules) -> Standing {
        let members = self.partition.members(block);
        let best = members.iter().map(|atom| {
            let facts = facts_of(atoms, &[*atom], self.quantity);
            let tier = if facts.subjects() < rules.least_subjects {
                0
            } else if facts.bears(self.largest, rules.dominance_percent) {
                2
            } else {
                1
            };
            Preference { tier, first: Reverse(*atom) }
        });
        let best = best.max().unwrap_or(Preference { tier: 0, first: Reverse(0) });
        match facts.subjects() {
            0 if rules.empty == Empty::IsKnown => Standing::Absent,
            subjects if subjects < rules.least_subjects => Standing::Small(best),
            _ => Standing::Safe(best),
        }
    }

    /// Makes every set a union of blocks. The row space stays what it was.
    pub(crate) fn refine<'a>(
        &mut self,
        atoms: &[Atom],
        sets: impl Iterator<Item = &'a [u32]>,
        rules: &Rules,
    ) {
        self.cover(atoms.len());
        if let (Some(measure), false) = (measure_of(self.quantity), self.uncovered.is_empty()) {
            let magnitudes = atoms.iter().filter_map(|atom| atom.magnitudes.get(&measure));
            self.largest = magnitudes.map(|it| it.largest[0]).max().unwrap_or(0);
        }
        self.echelon.widen(self.partition.blocks());
        // Each family has the block that was one before, then its parts.
        let mut family_of: HashMap<u32, usize> = HashMap::new();
        let mut families: Vec<Vec<u32>> = Vec::new();
        for block in self.uncovered.drain(..) {
            family_of.insert(block, families.len());
            families.push(vec![block]);
        }
        for set in sets {
            let splits = self.partition.refine(set);
            self.echelon.widen(self.partition.blocks());
            for split in splits {
                self.echelon.split(split.of, split.part);
                let family = *family_of.entry(split.of).or_insert_with(|| {
                    families.push(vec![split.of]);
                    families.len() - 1
                });
                families[family].push(split.part);
                family_of.insert(split.part, family);
            }
        }
        self.facts.resize_with(self.partition.blocks(), Facts::default);
        let mut standing = Vec::new();
        for block in families.iter().flatten() {
            let facts = facts_of(atoms, self.partition.members(*block), self.quantity);
            standing.push((*block, self.standing(atoms, *block, &facts, rules)));
            self.facts[*block as usize] = facts;
        }
        self.echelon.settle(&families, &standing);
    }

    /// Adds a new atom that all answers treat like another.
    pub(crate) fn add_beside(&mut self, atom: u32, beside: u32) {
        // The sets have other atoms now.
        self.known.clear();
        self.partition.add_beside(atom, beside);
    }

    /// Takes in all atoms that were not there before.
    pub(crate) fn cover(&mut self, atoms: usize) {
        self.uncovered.extend(self.partition.cover(atoms));
    }

    pub(crate) fn point(&self) -> Point {
        Point {
            mark: self.echelon.mark(),
            origins: self.origins.len(),
            digests: self.digests.len(),
        }
    }

    /// Forgets what was added since. Nothing was refined in between.
    pub(crate) fn rewind(&mut self, point: Point) {
        self.echelon.rewind(point.mark);
        self.origins.truncate(point.origins);
        for digest in self.digests.drain(point.digests..) {
            self.known.remove(&digest);
        }
    }

    /// Adds rows over sets that were refined by, but those that stand already.
    pub(crate) fn add<'a>(&mut self, rows: impl Iterator<Item = (&'a [u32], Origin)>) {
        let mut new: Vec<(Vec<u32>, Origin)> = Vec::new();
        for (set, origin) in rows {
            let digest = self.keys.digest(set, self.echelon.field());
            if self.known.insert(digest) {
                self.digests.push(digest);
                new.push((self.partition.blocks_of(set), origin));
            }
        }
        if new.len() > 1 && self.echelon.follow(new.iter().map(|(blocks, _)| blocks.as_slice())) {
            return;
        }
        for (blocks, origin) in new {
            self.origins.push(origin);
            self.echelon.add(&blocks);
        }
    }

    /// What a set tells by itself.
    pub(crate) fn examine(&self, set: &[u32], rules: &Rules) -> Option<Reason> {
        let blocks = self.partition.blocks_of(set);
        let facts = Facts::union(blocks.iter().map(|block| &self.facts[*block as usize]));
        self.verdict(&facts, rules)
    }

    fn verdict(&self, facts: &Facts, rules: &Rules) -> Option<Reason> {
        match facts.subjects() {
            0 if rules.empty == Empty::IsKnown => return None,
            subjects if subjects < rules.least_subjects => return Some(Reason::TooFew),
            _ => {}
        }
        measure_of(self.quantity)?;
        if facts.has_negative {
            Some(Reason::Negative)
        } else if facts.is_all_equal() {
            Some(Reason::AllEqual)
        } else if facts.is_dominated(rules.dominance_percent) {
            Some(Reason::Dominated)
        } else {
            None
        }
    }

    fn union(&self, blocks: &[u32]) -> Facts {
        Facts::union(blocks.iter().map(|block| &self.facts[*block as usize]))
    }

    fn origins_of(&self, numbers: impl IntoIterator<Item = u32>) -> BTreeSet<Origin> {
        numbers.into_iter().map(|number| self.origins[number as usize]).collect()
    }

    /// What all rows together determine about too few, now that those since `point` are among
    /// them; what stood before is not looked at again.
    pub(crate) fn check(
        &mut self,
        point: Point,
        rules: &Rules,
        effort: &mut Effort,
    ) -> Option<Finding> {
        if !self.echelon.has_grown(point.mark) {
            return None;
        }
        self.check_small(point, rules, effort).or_else(|| {
            let is_magnitude = measure_of(self.quantity).is_some();
            (is_magnitude && rules.dominance_percent > 0)
                .then(|| self.check_dominance(point, rules, effort))
                .flatten()
        })
    }

    fn undecided(&self, point: Point) -> Finding {
        let origins = self.origins.iter().skip(point.origins).copied().collect();
        Finding { reason: Reason::Undecided, origins }
    }

    /// Vectors whose support has fewer than k subjects.
    fn check_small(&mut self, point: Point, rules: &Rules, effort: &mut Effort) -> Option<Finding> {
        let facts = &self.facts;
        // Who is nowhere costs nothing; a vector that is only about them is zero elsewhere.
        let wanted = |column: u32| facts[column as usize].subjects() > 0;
        let parts = self.echelon.small_since(point.mark, wanted, most(effort));
        let Some(parts) = parts else {
            return Some(self.undecided(point));
        };
        parts.iter().find_map(|dense| self.check_part(dense, point, rules, effort))
    }

    /// Vectors of one part whose support has fewer than k subjects.
    fn check_part(
        &self,
        dense: &Dense,
        point: Point,
        rules: &Rules,
        effort: &mut Effort,
    ) -> Option<Finding> {
        let mut blocks_of: BTreeMap<u64, u128> = BTreeMap::new();
        for tag in dense.columns.iter().flat_map(|block| &self.facts[*block as usize].tags) {
            *blocks_of.entry(*tag).or_default() += 1;
        }
        let cost = |block: &u32| {
            let facts = &self.facts[*block as usize];
            let shares = facts.tags.iter().filter_map(|tag| blocks_of.get(tag));
            let shares: u128 = shares.map(|blocks| WHOLE / blocks).sum();
            u128::from(facts.apart) * WHOLE + shares
        };
        let costs: Vec<u128> = dense.columns.iter().map(cost).collect();
        let limit = u128::from(rules.least_subjects) * WHOLE;
        let sought = Sought { costs: &costs, limit, target: None };
        match self.search(dense, &sought, effort) {
            Outcome::Nothing => self.check_bounds(dense, rules),
            Outcome::Undecided => Some(self.undecided(point)),
            Outcome::Found(tail) => {
                let support = dense.support(&tail, self.echelon.field());
                let subjects = self.union(&support).subjects();
                // Shares may have been counted too low: then nothing is proved either way.
                let reason = if subjects < rules.least_subjects {
                    Reason::TooFew
                } else {
                    Reason::Undecided
                };
                let origins = self.origins_of(dense.given(&tail, self.echelon.field()));
                Some(Finding { reason, origins })
            }
        }
    }

    /// Small groups whose counts are bounded too narrowly by what is told of small groups. Only
    /// for counts of one row for each subject, because other counts are not in the facts.
    fn check_bounds(&self, dense: &Dense, rules: &Rules) -> Option<Finding> {
        let least_range = i64::try_from(rules.least_range?).unwrap_or(i64::MAX);
        let reach = i64::try_from(rules.least_subjects).unwrap_or(i64::MAX);
        let facts: Vec<&Facts> =
            dense.columns.iter().map(|block| &self.facts[*block as usize]).collect();
        let is_counted = facts.iter().all(|facts| facts.tags.is_empty());
        if measure_of(self.quantity).is_some() || !is_counted {
            return None;
        }
        let counts: Vec<i64> =
            facts.iter().map(|it| i64::try_from(it.apart).unwrap_or(i64::MAX)).collect();
        let equations: Vec<Equation> = dense
            .rows
            .iter()
            .filter_map(|row| whole(&row[..counts.len()], self.echelon.field()))
            .map(|terms| {
                let total = terms.iter().map(|(at, factor)| factor * counts[*at]).sum();
                Equation { terms, total }
            })
            .collect();
        let is_narrow = propagate(&equations, counts.len()).iter().any(|range| {
            range.most.is_some_and(|most| most < reach || most - range.least < least_range)
        });
        is_narrow.then(|| {
            let all = vec![self.echelon.field().one(); dense.rows.len()];
            Finding {
                reason: Reason::Bounded,
                origins: self.origins_of(dense.given(&all, self.echelon.field())),
            }
        })
    }

    fn search(&self, dense: &Dense, sought: &Sought<'_>, effort: &mut Effort) -> Outcome {
        let space = Space { rows: dense.rows.clone(), columns: dense.columns.len() };
        find(space, sought, self.echelon.field(), effort)
    }

    /// Vectors over whose support the sum is dominated.
    ///
    /// Where the sum over a union of blocks is dominated, so is that over the block of the largest
    /// contributor: its remainder is part of the union's. So it is enough to look, for each
    /// dominated block, for vectors that are zero wherever the remainder alone is too large.
    fn check_dominance(
        &mut self,
        point: Point,
        rules: &Rules,
        effort: &mut Effort,
    ) -> Option<Finding> {
        let percent = u128::from(rules.dominance_percent);
        let facts = &self.facts;
        let top = facts
            .iter()
            .filter(|facts| facts.is_dominated(rules.dominance_percent))
            .map(|facts| facts.largest[0])
            .max()?;
        let wanted = |block: u32| facts[block as usize].sum > 0;
        let parts = self.echelon.free_at(
            point.mark,
            |block| !facts[block as usize].bears(top, rules.dominance_percent),
            wanted,
            most(effort),
        );
        let Some(parts) = parts else {
            return Some(self.undecided(point));
        };
        parts.iter().find_map(|dense| {
            let facts = |at: usize| &self.facts[dense.columns[at] as usize];
            let mut targets: Vec<usize> = (0..dense.columns.len())
                .filter(|at| facts(*at).is_dominated(rules.dominance_percent))
                .collect();
            targets.sort_by_key(|at| Reverse(facts(*at).largest[0]));
            targets
                .into_iter()
                .find_map(|target| self.check_target(dense, target, point, percent, effort))
        })
    }

    /// Vectors over whose support the sum is dominated by the largest contributor of a block.
    fn check_target(
        &self,
        dense: &Dense,
        target: usize,
        point: Point,
        percent: u128,
        effort: &mut Effort,
    ) -> Option<Finding> {
        let facts: Vec<&Facts> =
            dense.columns.iter().map(|block| &self.facts[*block as usize]).collect();
        let own = facts[target];
        let first = own.largest[0];
        let bearable = first.saturating_mul(percent);
        let hundred = |value: u128| value.saturating_mul(100);
        // A larger contributor would itself be the largest.
        let is_out =
            |other: &Facts| other.largest[0] > first || hundred(other.remainder()) >= bearable;
        let costs: Vec<u128> = facts
            .iter()
            .map(|other| if is_out(other) { u128::MAX } else { hundred(other.sum) })
            .collect();
        // The union's second contributor is the target's own, or the first of another block.
        let seconds = facts.iter().enumerate().filter(|(at, it)| *at != target && !is_out(it));
        let seconds: Vec<usize> = seconds
            .filter(|(_, other)| other.largest[0] > own.largest[1])
            .map(|(at, _)| at)
            .collect();
        let greatest = seconds.iter().map(|at| facts[*at].largest[0]).max();
        let spare = |second: u128| {
            (bearable.saturating_add(hundred(second))).saturating_sub(hundred(own.rest()))
        };
        let seek = |costs: &[u128], limit: u128, effort: &mut Effort| {
            let sought = Sought { costs, limit, target: Some(target) };
            if limit == 0 { Outcome::Nothing } else { self.search(dense, &sought, effort) }
        };
        let mut outcome = seek(&costs, spare(greatest.unwrap_or(own.largest[1])), effort);
        if matches!(outcome, Outcome::Found(_)) && greatest.is_some() {
            // Once more for each possible second contributor, who is then not counted.
            outcome = seek(&costs, spare(own.largest[1]), effort);
            for second in seconds {
                if outcome != Outcome::Nothing {
                    break;
                }
                let mut costs = costs.clone();
                costs[second] = hundred(facts[second].rest());
                outcome = seek(&costs, spare(0), effort);
            }
        }
        match outcome {
            Outcome::Nothing => None,
            Outcome::Undecided => Some(self.undecided(point)),
            Outcome::Found(tail) => Some(Finding {
                reason: Reason::Dominated,
                origins: self.origins_of(dense.given(&tail, self.echelon.field())),
            }),
        }
    }
}

/// A row in whole numbers, if they are small.
fn whole(row: &[u64], field: &Field) -> Option<Vec<(usize, i64)>> {
    const LARGEST: i64 = 1_000;
    (1..=12).find_map(|scale| {
        let scale = field.residue(scale);
        row.iter()
            .enumerate()
            .filter(|(_, value)| **value != 0)
            .map(|(at, value)| (at, field.signed(field.mul(*value, scale))))
            .map(|(at, factor)| (factor.abs() <= LARGEST).then_some((at, factor)))
            .collect()
    })
}

/// How many values a dense space may have, for what may still be spent.
fn most(effort: &Effort) -> u64 {
    effort.0 / 50
}
