//! The release ledger: answers that stand, and whether another may stand beside them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    Atom, Rules, Subjects,
    field::Field,
    search::Effort,
    system::{Finding, Origin, Point, System},
};

/// An atom, by its place in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AtomId(pub u32);

/// An answer, by an id that the caller chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AnswerId(pub u128);

/// What a figure counts. Figures of different quantities are equations over different unknowns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Quantity {
    /// Rows of the protected table, whose subjects are its atoms'.
    Rows,
    /// Distinct subjects. Its atoms part the subjects: each is in one of them only.
    Subjects,
    /// The sum of a measure.
    Sum(crate::Measure),
}

/// A figure: a quantity, summed over atoms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// Of what.
    pub quantity: Quantity,
    /// Over which atoms, without repetitions.
    pub atoms: Arc<[AtomId]>,
}

/// Figures that are shown together or not at all: a mean is a sum beside a count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    /// Its figures.
    pub figures: Vec<Figure>,
}

impl Cell {
    /// A cell of one figure.
    pub fn of(quantity: Quantity, atoms: impl IntoIterator<Item = AtomId>) -> Self {
        Self { figures: vec![Figure { quantity, atoms: atoms.into_iter().collect() }] }
    }
}

/// All that leaves at once: the cells of a table, its margins among them; cells may overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Its cells.
    pub cells: Vec<Cell>,
}

/// Why an answer may not stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Something about fewer than k subjects, or about an empty group, would be determined.
    TooFew,
    /// A sum of which one contributor makes up most would be determined.
    Dominated,
    /// All contribute the same to a sum.
    AllEqual,
    /// There are negative contributions, for which dominance is not defined.
    Negative,
    /// Knowing that counts are whole and not negative, one would know too well how few there are.
    Bounded,
    /// Neither was proved within [`Rules::effort`].
    Undecided,
}

/// A refusal, for supervision: to the asker all reasons are one, and figures none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// In which quantity.
    pub quantity: Quantity,
    /// The answer's cells that take part, by their place in it.
    pub cells: BTreeSet<usize>,
    /// The standing answers that it collides with; none where the cell by itself tells too much.
    pub with: BTreeSet<AnswerId>,
}

/// What the ledger says of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// With all that stands it determines nothing that it should not.
    Permitted,
    /// It does, or nothing else was proved.
    Refused(Refusal),
}

/// A caller's mistake. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// An atom is not in the ledger.
    #[error("there is no atom {}", .0.0)]
    NoSuchAtom(AtomId),
    /// A figure names an atom twice.
    #[error("atom {} is named twice", .0.0)]
    AtomTwice(AtomId),
    /// The parts of an atom are other subjects than the whole.
    #[error("the parts of atom {} are not the whole", .0.0)]
    NotTheWhole(AtomId),
    /// There are more atoms than can be numbered.
    #[error("there are too many atoms")]
    TooManyAtoms,
}

/// How large a ledger is, for operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Size {
    /// Atoms.
    pub atoms: usize,
    /// Answers that stand.
    pub answers: usize,
    /// Groups that the answers tell apart, over all quantities.
    pub blocks: usize,
    /// Values that the reduced rows hold, of 16 bytes each.
    pub values: usize,
}

/// The answers that stand about one population, and one kind of its subjects.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(crate) rules: Rules,
    field: Field,
    atoms: Vec<Atom>,
    systems: BTreeMap<Quantity, System>,
    answers: Vec<AnswerId>,
}

/// A figure to be added: of which cell, and over which atoms.
pub(crate) struct Row {
    pub(crate) cell: u32,
    pub(crate) quantity: Quantity,
    pub(crate) atoms: Vec<u32>,
}

/// Where the systems stood.
pub(crate) type Points = BTreeMap<Quantity, Point>;

impl Ledger {
    /// An empty ledger. `secret` is random and shown to nobody: who knows it could choose answers
    /// whose consequences are not seen.
    pub fn new(rules: Rules, secret: [u64; 3]) -> Self {
        Self {
            rules,
            field: Field::new(secret),
            atoms: Vec::new(),
            systems: BTreeMap::new(),
            answers: Vec::new(),
        }
    }

    /// Adds an atom that no standing answer covers.
    ///
    /// # Errors
    ///
    /// [`LedgerError::TooManyAtoms`] from 2^31 on.
    pub fn add_atom(&mut self, atom: Atom) -> Result<AtomId, LedgerError> {
        let id = u32::try_from(self.atoms.len())
            .ok()
            .filter(|id| *id < 1 << 31)
            .ok_or(LedgerError::TooManyAtoms)?;
        self.atoms.push(atom);
        Ok(AtomId(id))
    }

    /// Divides an atom by a new predicate, version or joined table. The first part keeps the id.
    /// Standing answers that cover the atom cover all parts. Returns the ids of all parts.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotTheWhole`] if the parts have not the subjects of the whole.
    pub fn split(&mut self, atom: AtomId, parts: Vec<Atom>) -> Result<Vec<AtomId>, LedgerError> {
        let whole = self.atoms.get(atom.0 as usize).ok_or(LedgerError::NoSuchAtom(atom))?;
        if !is_whole(whole, &parts) {
            return Err(LedgerError::NotTheWhole(atom));
        }
        let mut parts = parts.into_iter();
        let mut ids = vec![atom];
        if let (Some(slot), Some(first)) = (self.atoms.get_mut(atom.0 as usize), parts.next()) {
            *slot = first;
        }
        for part in parts {
            for system in self.systems.values_mut() {
                system.cover(self.atoms.len());
            }
            let id = self.add_atom(part)?;
            for system in self.systems.values_mut() {
                system.add_beside(id.0, atom.0);
            }
            ids.push(id);
        }
        Ok(ids)
    }

    /// How large it is.
    pub fn size(&self) -> Size {
        let mut size =
            Size { atoms: self.atoms.len(), answers: self.answers.len(), ..Size::default() };
        for system in self.systems.values() {
            let (blocks, values) = system.size();
            size.blocks += blocks;
            size.values += values;
        }
        size
    }

    /// Whether an answer may stand beside those that do. It does not stand yet.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] if the answer names atoms wrongly.
    pub fn judge(&mut self, answer: &Answer) -> Result<Verdict, LedgerError> {
        let (points, verdict) = self.attempt(answer)?;
        self.rewind(&points);
        Ok(verdict)
    }

    /// Judges an answer, and lets it stand if it may.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] if the answer names atoms wrongly.
    pub fn admit(&mut self, id: AnswerId, answer: &Answer) -> Result<Verdict, LedgerError> {
        let (points, verdict) = self.attempt(answer)?;
        match &verdict {
            Verdict::Permitted => self.answers.push(id),
            Verdict::Refused(_) => self.rewind(&points),
        }
        Ok(verdict)
    }

    /// Lets an answer stand that has left already, unjudged: to rebuild a ledger, or for what left
    /// by another way. What it tells too much of is refused from then on wherever it would be
    /// used.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] if the answer names atoms wrongly.
    pub fn stand(&mut self, id: AnswerId, answer: &Answer) -> Result<(), LedgerError> {
        let rows = self.rows(answer)?;
        self.prepare(&rows);
        self.add(&rows.iter());
        self.answers.push(id);
        Ok(())
    }

    /// The answer's figures, checked.
    pub(crate) fn rows(&self, answer: &Answer) -> Result<Vec<Row>, LedgerError> {
        let mut rows = Vec::new();
        for (cell, figure) in (0_u32..)
            .zip(&answer.cells)
            .flat_map(|(index, cell)| cell.figures.iter().map(move |figure| (index, figure)))
        {
            let mut atoms: Vec<u32> = figure.atoms.iter().map(|atom| atom.0).collect();
            atoms.sort_unstable();
            let twice = atoms.windows(2).find_map(|pair| match pair {
                [left, right] if left == right => Some(AtomId(*left)),
                _ => None,
            });
            if let Some(atom) = twice {
                return Err(LedgerError::AtomTwice(atom));
            }
            if let Some(last) = atoms.last().filter(|last| **last as usize >= self.atoms.len()) {
                return Err(LedgerError::NoSuchAtom(AtomId(*last)));
            }
            rows.push(Row { cell, quantity: figure.quantity, atoms });
        }
        Ok(rows)
    }

    /// Makes the figures' sets known to their systems. The row spaces stay what they were.
    pub(crate) fn prepare(&mut self, rows: &[Row]) -> Points {
        let quantities: BTreeSet<Quantity> = rows.iter().map(|row| row.quantity).collect();
        let mut points = Points::new();
        for quantity in quantities {
            let system = self
                .systems
                .entry(quantity)
                .or_insert_with(|| System::new(quantity, self.field.clone()));
            let sets = rows.iter().filter(|row| row.quantity == quantity);
            system.refine(&self.atoms, sets.map(|row| row.atoms.as_slice()), &self.rules);
            points.insert(quantity, system.point());
        }
        points
    }

    pub(crate) fn add<'a>(&mut self, rows: &(impl Iterator<Item = &'a Row> + Clone)) {
        let answer = u32::try_from(self.answers.len()).unwrap_or(u32::MAX);
        for (quantity, system) in &mut self.systems {
            system.add(
                rows.clone()
                    .filter(|row| row.quantity == *quantity)
                    .map(|row| (row.atoms.as_slice(), Origin { answer, cell: row.cell })),
            );
        }
    }

    pub(crate) fn point(&self, quantity: Quantity) -> Option<Point> {
        self.systems.get(&quantity).map(System::point)
    }

    pub(crate) fn rewind(&mut self, points: &Points) {
        for (quantity, point) in points {
            if let Some(system) = self.systems.get_mut(quantity) {
                system.rewind(*point);
            }
        }
    }

    fn attempt(&mut self, answer: &Answer) -> Result<(Points, Verdict), LedgerError> {
        let rows = self.rows(answer)?;
        let points = self.prepare(&rows);
        if let Some(refusal) = rows.iter().find_map(|row| self.examine(row)) {
            return Ok((points, Verdict::Refused(refusal)));
        }
        self.add(&rows.iter());
        let mut effort = Effort(self.rules.effort);
        let refusal = self.check(&points, &mut effort);
        Ok((points, refusal.map_or(Verdict::Permitted, Verdict::Refused)))
    }

    /// What a figure tells by itself.
    pub(crate) fn examine(&self, row: &Row) -> Option<Refusal> {
        let reason = self.systems.get(&row.quantity)?.examine(&row.atoms, &self.rules)?;
        let (cells, with) = (BTreeSet::from([row.cell as usize]), BTreeSet::new());
        Some(Refusal { reason, quantity: row.quantity, cells, with })
    }

    /// What all figures together tell, those since `points` among them.
    pub(crate) fn check(&mut self, points: &Points, effort: &mut Effort) -> Option<Refusal> {
        for (quantity, point) in points {
            if let Some(system) = self.systems.get_mut(quantity)
                && let Some(finding) = system.check(*point, &self.rules, effort)
            {
                return Some(self.refusal(*quantity, &finding));
            }
        }
        None
    }

    fn refusal(&self, quantity: Quantity, finding: &Finding) -> Refusal {
        let mut refusal = Refusal {
            reason: finding.reason,
            quantity,
            cells: BTreeSet::new(),
            with: BTreeSet::new(),
        };
        for origin in &finding.origins {
            // An answer that is being judged has no id yet.
            match self.answers.get(origin.answer as usize) {
                Some(id) => refusal.with.insert(*id),
                None => refusal.cells.insert(origin.cell as usize),
            };
        }
        refusal
    }
}

fn is_whole(whole: &Atom, parts: &[Atom]) -> bool {
    let subjects = |atom: &Atom| match &atom.subjects {
        Subjects::Apart(count) => (*count, BTreeSet::new()),
        Subjects::Tagged(tags) => (0, tags.iter().copied().collect()),
    };
    let (mut apart, mut tags) = (0_u64, BTreeSet::new());
    for part in parts {
        let (count, others) = subjects(part);
        apart = apart.saturating_add(count);
        tags.extend(others);
    }
    let sum = |atom: &Atom, measure| atom.magnitudes.get(measure).map_or(0, |it| it.sum);
    subjects(whole) == (apart, tags)
        && whole.magnitudes.keys().all(|measure| {
            let all = parts.iter().fold(0_u128, |all, part| all.saturating_add(sum(part, measure)));
            all == sum(whole, measure)
        })
}
