//! The subjects of a dataset as atoms of a release ledger, and answers as sums over them.
//!
//! An atom is an unknown: subjects whose contribution is part of the same figures wherever answers
//! look. How often and where a subject appears decides in which atoms they are:
//! - subjects whose rows lie in the same cells of the same versions and relations are one atom;
//! - rows of subjects that have several of them are atoms by cell, and those of a later version are
//!   the same atom where their number is the same;
//! - sums are atoms by cell, and contributions in a later version, or through another join, are the
//!   same atom where they are equal. A subject with one row may change cells meanwhile.

use std::collections::{BTreeMap, HashMap, HashSet};

use shuyu_disclosure::{
    Answer, Atom, AtomId, Cell, Figure as Sum, Ledger, Magnitude, Measure, Quantity, Subjects,
};
use shuyu_kernel::DatasetId;

use super::{
    rows::{Entry, Read, Total},
    shape::Shape,
};
use crate::{Cell as Shown, Figure, Objection, Question, domain::not_comparable};

/// More unknowns than this are not compared.
const MOST_ATOMS: usize = 200_000;

/// A figure over the rows of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Of {
    Subjects,
    Rows,
    Present(usize),
    Sum(usize),
}

/// A part of figures: a figure over the rows of one base in one cell.
type Slot = (Of, u32, u32);

/// An unknown: of which measure it is, if of one, and of which figures it is part.
type Unknown = (Option<u32>, Vec<Slot>);

/// An atom while its subjects come in.
#[derive(Debug, Default)]
struct Growing {
    subjects: u64,
    /// Numbers of subjects, of which so many are kept as matter.
    tags: Vec<u64>,
    /// Whether a subject is in another atom of the same measure, too.
    is_shared: bool,
    magnitude: Magnitude,
}

/// The measures of all spaces, by number: through whatever join a column is reached.
type Measures = BTreeMap<(usize, DatasetId, String, bool), u32>;

/// The subjects of a dataset in the terms of a comparison.
pub(super) struct Population<'a> {
    shape: &'a Shape,
    read: &'a Read,
    atoms: HashMap<Slot, Vec<AtomId>>,
    measures: Measures,
    has_several_rows: bool,
}

fn measures_of(shape: &Shape) -> Measures {
    let mut measures = Measures::new();
    for (index, space) in shape.spaces.iter().enumerate() {
        for amount in &space.amounts {
            let next = u32::try_from(measures.len()).unwrap_or(u32::MAX);
            let column = amount.column.clone();
            let key = (index, shape.dataset_of(amount), column, amount.squared);
            measures.entry(key).or_insert(next);
        }
    }
    measures
}

impl<'a> Population<'a> {
    /// Adds the atoms to a ledger. Of fewer than `least` subjects it is known who they are.
    pub(super) fn new(
        shape: &'a Shape,
        read: &'a Read,
        ledger: &mut Ledger,
        least: u64,
    ) -> Result<Self, Objection> {
        let mut population = Self {
            shape,
            read,
            atoms: HashMap::new(),
            measures: measures_of(shape),
            has_several_rows: false,
        };
        let mut growing: HashMap<Unknown, Growing> = HashMap::new();
        for entries in read.entries.chunk_by(|left, right| left.subject == right.subject) {
            population.add_subject(entries, least, &mut growing);
            if growing.len() > MOST_ATOMS {
                return Err(not_comparable());
            }
        }
        // In the order of cells, so that a ledger does not depend on where a map puts them.
        let mut all: Vec<(Unknown, Growing)> = growing.into_iter().collect();
        all.sort_by(|(left, _), (right, _)| left.cmp(right));
        for ((measure, slots), growing) in all {
            let atom = atom_of(measure, growing, least);
            let id = ledger.add_atom(atom).map_err(|_| not_comparable())?;
            for slot in slots {
                population.atoms.entry(slot).or_default().push(id);
            }
        }
        Ok(population)
    }

    /// Whether a subject has several rows somewhere.
    pub(super) fn has_several_rows(&self) -> bool {
        self.has_several_rows
    }

    fn space_of(&self, entry: &Entry) -> usize {
        self.shape.bases.get(entry.base as usize).map_or(0, |base| base.space)
    }

    fn totals(&self, entry: &Entry) -> &[Total] {
        let space = self.shape.spaces.get(self.space_of(entry));
        self.read.totals(entry, space.map_or(0, |space| space.amounts.len()))
    }

    fn measure(&self, space: usize, amount: usize) -> Option<u32> {
        let of = self.shape.spaces.get(space)?.amounts.get(amount)?;
        let key = (space, self.shape.dataset_of(of), of.column.clone(), of.squared);
        self.measures.get(&key).copied()
    }

    /// Puts one subject, by all their rows, into the atoms that they are in.
    fn add_subject(
        &mut self,
        entries: &[Entry],
        least: u64,
        growing: &mut HashMap<Unknown, Growing>,
    ) {
        let Some(tag) = entries.first().map(|entry| u64::from(entry.subject)) else { return };
        let mut rows_in: BTreeMap<u32, u64> = BTreeMap::new();
        for entry in entries {
            *rows_in.entry(entry.base).or_default() += entry.rows;
        }
        let is_single = |entry: &Entry| rows_in.get(&entry.base) == Some(&1);
        // The subject themselves, and single rows, which count the same.
        let mut subject: Vec<Slot> = Vec::new();
        // Several rows: by space, cell and number, of the measure that they have, if of one.
        let mut several: BTreeMap<(usize, u32, Option<usize>, u64), Vec<Slot>> = BTreeMap::new();
        // Sums: by measure, value, and cell where there are several rows.
        let mut sums: BTreeMap<(u32, i128, Option<u32>), Vec<Slot>> = BTreeMap::new();
        for entry in entries {
            let (space, single) = (self.space_of(entry), is_single(entry));
            self.has_several_rows |= !single;
            let slot = |of: Of| (of, entry.base, entry.cell);
            subject.push(slot(Of::Subjects));
            let mut counted = |of: Of, part: Option<usize>, number: u64| {
                if single {
                    subject.push(slot(of));
                } else {
                    let key = (space, entry.cell, part, number);
                    several.entry(key).or_default().push(slot(of));
                }
            };
            counted(Of::Rows, None, entry.rows);
            for (amount, total) in self.totals(entry).iter().enumerate() {
                if total.present == 0 {
                    continue;
                }
                let part = (total.present < entry.rows).then_some(amount);
                counted(Of::Present(amount), part, total.present);
                // Who contributes nothing is no contributor.
                if let Some(measure) = self.measure(space, amount).filter(|_| total.sum != 0) {
                    let key = (measure, total.sum, (!single).then_some(entry.cell));
                    sums.entry(key).or_default().push(slot(Of::Sum(amount)));
                }
            }
        }
        let is_shared = !several.is_empty();
        let mut put = |unknown: Unknown, is_shared: bool, value: Option<i128>| {
            let atom = growing.entry(unknown).or_default();
            atom.subjects += 1;
            atom.is_shared |= is_shared;
            if (atom.tags.len() as u64) < least {
                atom.tags.push(tag);
            }
            if let Some(value) = value {
                atom.contribute(value);
            }
        };
        subject.sort_unstable();
        put((None, subject), is_shared, None);
        for mut slots in several.into_values() {
            slots.sort_unstable();
            put((None, slots), is_shared, None);
        }
        let mut of_measure: BTreeMap<u32, u32> = BTreeMap::new();
        for (measure, ..) in sums.keys() {
            *of_measure.entry(*measure).or_default() += 1;
        }
        for ((measure, value, _), mut slots) in sums {
            slots.sort_unstable();
            let is_shared = of_measure.get(&measure).is_some_and(|count| *count > 1);
            put((Some(measure), slots), is_shared, Some(value));
        }
    }

    /// An answer as figures over atoms; none if it is in other terms.
    pub(super) fn answer(&self, question: &Question, shown: &[Shown]) -> Option<Answer> {
        let seen = self.shape.seen(question)?;
        let cells = self.read.spaces.get(seen.space)?;
        let lenses = self.shape.spaces.get(seen.space)?.lenses.len();
        let base = u32::try_from(seen.base).ok()?;
        let mut filter: Vec<(usize, HashSet<u32>)> = Vec::new();
        for (of, codes) in &question.filter {
            let lens = self.shape.lens(seen, question, of)?;
            let codes = codes.iter().filter_map(|code| cells.code(lens, code.as_deref()));
            filter.push((lens, codes.collect()));
        }
        filter.extend(self.read.barrier(self.shape, question)?);
        if let Some(link) = seen.link {
            filter.push((lenses + link, HashSet::from([1])));
        }
        let groups: Vec<usize> = question
            .groups
            .iter()
            .map(|of| self.shape.lens(seen, question, of))
            .collect::<Option<_>>()?;
        let mut places: HashMap<Vec<u32>, usize> = HashMap::new();
        for (place, cell) in shown.iter().enumerate() {
            let codes = groups.iter().zip(&cell.codes);
            let codes: Option<Vec<u32>> =
                codes.map(|(lens, code)| cells.code(*lens, code.as_deref())).collect();
            places.insert(codes?, place);
        }
        let mut within: Vec<Vec<u32>> = vec![Vec::new(); shown.len()];
        let mut group: Vec<u32> = Vec::with_capacity(groups.len());
        for (number, cell) in (0_u32..).zip(&cells.all) {
            let at = |lens: &usize| cell.get(*lens).copied().unwrap_or(0);
            if filter.iter().all(|(lens, codes)| codes.contains(&at(lens))) {
                group.clear();
                group.extend(groups.iter().map(at));
                let place = places.get(group.as_slice());
                if let Some(within) = place.and_then(|place| within.get_mut(*place)) {
                    within.push(number);
                }
            }
        }
        let cells = within.iter().map(|cells| {
            let mut figures = Vec::new();
            for figure in &question.figures {
                let amount = |of| self.shape.amount(seen, of, false);
                let parts = match figure {
                    // How many values are shown hangs together with the rows: for nested regions it
                    // would tell of those between them.
                    Figure::Rows | Figure::Distinct(_) => vec![Of::Rows],
                    Figure::Subjects(_) => vec![Of::Subjects],
                    Figure::Present(of) => vec![Of::Present(amount(of)?)],
                    Figure::Sum(of) => vec![Of::Sum(amount(of)?)],
                    // A mean is less than a sum and a count, and is taken for both.
                    Figure::Mean(of) => vec![Of::Present(amount(of)?), Of::Sum(amount(of)?)],
                    // A variance tells at most the sum of squares besides.
                    Figure::Variance(of) | Figure::Deviation(of) => vec![
                        Of::Present(amount(of)?),
                        Of::Sum(amount(of)?),
                        Of::Sum(self.shape.amount(seen, of, true)?),
                    ],
                };
                for part in parts {
                    figures.push(self.figure(part, seen.space, base, cells)?);
                }
            }
            Some(Cell { figures })
        });
        Some(Answer { cells: cells.collect::<Option<_>>()? })
    }

    fn figure(&self, of: Of, space: usize, base: u32, cells: &[u32]) -> Option<Sum> {
        let slots = cells.iter().filter_map(|cell| self.atoms.get(&(of, base, *cell)));
        let mut atoms: Vec<AtomId> = slots.flatten().copied().collect();
        atoms.sort_unstable();
        atoms.dedup();
        let quantity = match of {
            Of::Subjects | Of::Rows | Of::Present(_) => Quantity::Subjects,
            Of::Sum(amount) => Quantity::Sum(Measure(self.measure(space, amount)?)),
        };
        Some(Sum { quantity, atoms: atoms.into() })
    }
}

impl Growing {
    fn contribute(&mut self, value: i128) {
        let (magnitude, size) = (&mut self.magnitude, value.unsigned_abs());
        let is_first = self.subjects == 1;
        magnitude.sum = magnitude.sum.saturating_add(size);
        magnitude.least = if is_first { size } else { magnitude.least.min(size) };
        magnitude.has_negative |= value < 0;
        let [most, next] = magnitude.largest;
        magnitude.largest = [most.max(size), next.max(most.min(size))];
    }
}

fn atom_of(measure: Option<u32>, growing: Growing, least: u64) -> Atom {
    let subjects = if growing.is_shared && growing.subjects < least {
        Subjects::Tagged(growing.tags)
    } else {
        Subjects::Apart(growing.subjects)
    };
    match measure {
        None => Atom { subjects, magnitudes: BTreeMap::new() },
        Some(measure) => {
            let magnitude = Magnitude { contributors: subjects, ..growing.magnitude };
            let magnitudes = BTreeMap::from([(Measure(measure), magnitude)]);
            Atom { subjects: Subjects::default(), magnitudes }
        }
    }
}
