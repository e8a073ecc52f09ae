//! The answers of one quantity as linear equations over blocks of atoms, and what they determine.

#![expect(clippy::indexing_slicing, reason = "blocks and rows are named where they are made")]
#![expect(clippy::cast_possible_truncation, reason = "there are fewer blocks and rows than 2^31")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    Atom, Empty, Measure, Quantity, Reason, Rules,
    echelon::{Dense, Echelon, Mark, Standing},
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
    /// Blocks of atoms that are new, whose facts were not gathered yet.
    uncovered: Vec<u32>,
}

/// What to come back to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    mark: Mark,
    origins: usize,
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
            quantity,
            partition: Partition::default(),
            echelon: Echelon::new(field),
            facts: Vec::new(),
            origins: Vec::new(),
            uncovered: Vec::new(),
        }
    }

    pub(crate) fn size(&self) -> (usize, usize) {
        (self.partition.blocks(), self.echelon.size())
    }

    fn standing(facts: &Facts, rules: &Rules) -> Standing {
        match facts.subjects() {
            0 if rules.empty == Empty::IsKnown => Standing::Absent,
            subjects if subjects < rules.least_subjects => Standing::Small,
            _ if rules.dominance_percent > 0 => Standing::Safe(facts.remainder()),
            _ => Standing::Safe(0),
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
            standing.push((*block, Self::standing(&facts, rules)));
            self.facts[*block as usize] = facts;
        }
        self.echelon.settle(&families, &standing);
    }

    /// Adds a new atom that all answers treat like another.
    pub(crate) fn add_beside(&mut self, atom: u32, beside: u32) {
        self.partition.add_beside(atom, beside);
    }

    /// Takes in all atoms that were not there before.
    pub(crate) fn cover(&mut self, atoms: usize) {
        self.uncovered.extend(self.partition.cover(atoms));
    }

    pub(crate) fn point(&self) -> Point {
        Point { mark: self.echelon.mark(), origins: self.origins.len() }
    }

    /// Forgets what was added since. Nothing was refined in between.
    pub(crate) fn rewind(&mut self, point: Point) {
        self.echelon.rewind(point.mark);
        self.origins.truncate(point.origins);
    }

    /// Adds a row over a set that was refined by.
    pub(crate) fn add(&mut self, set: &[u32], origin: Origin) {
        self.origins.push(origin);
        self.echelon.add(&self.partition.blocks_of(set));
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
        self.check_small(point, rules, effort).or_else(|| {
            let is_magnitude = measure_of(self.quantity).is_some();
            (is_magnitude && rules.dominance_percent > 0)
                .then(|| self.check_dominance(rules, effort))
                .flatten()
        })
    }

    fn undecided(&self, point: Option<Point>) -> Finding {
        let since = point.map_or(0, |point| point.origins);
        let origins = self.origins.iter().skip(since).copied().collect();
        Finding { reason: Reason::Undecided, origins }
    }

    /// Vectors whose support has fewer than k subjects.
    fn check_small(&mut self, point: Point, rules: &Rules, effort: &mut Effort) -> Option<Finding> {
        let facts = &self.facts;
        // Who is nowhere costs nothing; a vector that is only about them is zero elsewhere.
        let wanted = |column: u32| facts[column as usize].subjects() > 0;
        let Some(dense) = self.echelon.small_since(point.mark, wanted, most(effort)) else {
            return Some(self.undecided(Some(point)));
        };
        if dense.rows.is_empty() {
            return None;
        }
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
        match self.search(&dense, &sought, effort) {
            Outcome::Nothing => None,
            Outcome::Undecided => Some(self.undecided(Some(point))),
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

    fn search(&self, dense: &Dense, sought: &Sought<'_>, effort: &mut Effort) -> Outcome {
        let space = Space { rows: dense.rows.clone(), columns: dense.columns.len() };
        find(space, sought, self.echelon.field(), effort)
    }

    /// Vectors over whose support the sum is dominated.
    ///
    /// Where the sum over a union of blocks is dominated, so is that over the block of the largest
    /// contributor: its remainder is part of the union's. So it is enough to look, for each
    /// dominated block, for vectors that are zero wherever the remainder alone is too large.
    fn check_dominance(&mut self, rules: &Rules, effort: &mut Effort) -> Option<Finding> {
        let percent = u128::from(rules.dominance_percent);
        let facts = &self.facts;
        let top = facts
            .iter()
            .filter(|facts| facts.is_dominated(rules.dominance_percent))
            .map(|facts| facts.largest[0])
            .max()?;
        let is_light = |block: u32, first: u128| {
            facts[block as usize].remainder().saturating_mul(100) < first.saturating_mul(percent)
        };
        let wanted = |block: u32| facts[block as usize].sum > 0;
        let dense = self.echelon.free_at(|block| is_light(block, top), wanted, most(effort));
        let Some(dense) = dense else {
            return Some(self.undecided(None));
        };
        if dense.rows.is_empty() {
            return None;
        }
        let mut targets: Vec<usize> = (0..dense.columns.len())
            .filter(|at| {
                self.facts[dense.columns[*at] as usize].is_dominated(rules.dominance_percent)
            })
            .collect();
        targets.sort_by_key(|at| {
            std::cmp::Reverse(self.facts[dense.columns[*at] as usize].largest[0])
        });
        targets.into_iter().find_map(|target| self.check_target(&dense, target, percent, effort))
    }

    /// Vectors over whose support the sum is dominated by the largest contributor of a block.
    fn check_target(
        &self,
        dense: &Dense,
        target: usize,
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
        let is_out = |other: &Facts| {
            other.largest[0] > first || hundred(other.remainder()) >= bearable
        };
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
            Outcome::Undecided => Some(self.undecided(None)),
            Outcome::Found(tail) => Some(Finding {
                reason: Reason::Dominated,
                origins: self.origins_of(dense.given(&tail, self.echelon.field())),
            }),
        }
    }
}

/// How many values a dense space may have, for what may still be spent.
fn most(effort: &Effort) -> u64 {
    effort.0 / 50
}
