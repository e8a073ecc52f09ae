//! How far the platform has come with the clauses: proved, bound or open.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::{Binding, Clause, ClauseId, Kind, Law, PackError, Packs, Proof};

/// Which clauses are counted; what is not given does not limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CoverageFilter {
    /// Clauses of this pack.
    pub pack: Option<String>,
    /// Clauses of this kind.
    pub kind: Option<Kind>,
    /// Clauses of this area.
    pub area: Option<String>,
    /// Clauses that the platform has come this far with.
    pub proof: Option<Proof>,
}

/// How many clauses there are, by how far the platform has come with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Enforced, and a test proves it.
    pub proved: usize,
    /// Enforced; no test names it yet.
    pub bound: usize,
    /// Nothing enforces it yet.
    pub open: usize,
}

impl Tally {
    /// All of them.
    pub fn total(self) -> usize {
        self.proved + self.bound + self.open
    }

    fn count(&mut self, proof: Proof) {
        match proof {
            Proof::Proved => self.proved += 1,
            Proof::Bound => self.bound += 1,
            Proof::Open => self.open += 1,
        }
    }
}

/// A clause, and how far the platform has come with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CoveredClause {
    /// The clause.
    pub id: ClauseId,
    /// What sort of norm it is.
    pub kind: Kind,
    /// What it is about.
    pub area: String,
    /// How far the platform has come.
    pub proof: Proof,
    /// Where it is open: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How far the platform has come with a set of clauses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// All of them together.
    pub total: Tally,
    /// By pack.
    pub packs: BTreeMap<String, Tally>,
    /// By kind.
    pub kinds: BTreeMap<Kind, Tally>,
    /// By pack, then by kind.
    pub kinds_of_pack: BTreeMap<String, BTreeMap<Kind, Tally>>,
    /// By area.
    pub areas: BTreeMap<String, Tally>,
    /// One by one, in the order of the register.
    pub clauses: Vec<CoveredClause>,
}

impl Coverage {
    fn of<'a>(
        clauses: impl Iterator<Item = &'a Clause>,
        bindings: &'a [Binding],
        filter: &CoverageFilter,
    ) -> Self {
        let bindings: HashMap<&ClauseId, &Binding> =
            bindings.iter().map(|binding| (&binding.clause, binding)).collect();
        let mut coverage = Self::default();
        for clause in clauses {
            // A clause of which nothing is said is open; `check` finds it.
            let binding = bindings.get(&clause.id);
            let proof = binding.map_or(Proof::Open, |binding| binding.proof());
            if filter.admits(clause, proof) {
                coverage.add(clause, proof, binding.and_then(|binding| binding.open.clone()));
            }
        }
        coverage
    }

    fn add(&mut self, clause: &Clause, proof: Proof, reason: Option<String>) {
        let pack = clause.id.pack().to_owned();
        self.total.count(proof);
        self.packs.entry(pack.clone()).or_default().count(proof);
        self.kinds.entry(clause.kind).or_default().count(proof);
        let kinds = self.kinds_of_pack.entry(pack).or_default();
        kinds.entry(clause.kind).or_default().count(proof);
        self.areas.entry(clause.area.clone()).or_default().count(proof);
        self.clauses.push(CoveredClause {
            id: clause.id.clone(),
            kind: clause.kind,
            area: clause.area.clone(),
            proof,
            reason,
        });
    }
}

impl CoverageFilter {
    fn admits(&self, clause: &Clause, proof: Proof) -> bool {
        self.pack.as_deref().is_none_or(|pack| pack == clause.id.pack())
            && self.kind.is_none_or(|kind| kind == clause.kind)
            && self.area.as_ref().is_none_or(|area| *area == clause.area)
            && self.proof.is_none_or(|wanted| wanted == proof)
    }
}

impl Law {
    /// How far the platform has come with the clauses of this law, the baseline's among them.
    pub fn coverage(&self, filter: &CoverageFilter) -> Coverage {
        Coverage::of(self.clauses.iter(), &self.bindings, filter)
    }
}

impl Packs {
    /// How far the platform has come with the clauses of every pack, each counted once.
    pub fn coverage(&self, filter: &CoverageFilter) -> Result<Coverage, PackError> {
        let mut clauses = Vec::new();
        let mut bindings = Vec::new();
        for name in self.names() {
            let law = self.load(name)?;
            clauses.extend(law.clauses.into_iter().filter(|clause| clause.id.pack() == name));
            bindings.extend(law.bindings.into_iter().filter(|one| one.clause.pack() == name));
        }
        Ok(Coverage::of(clauses.iter(), &bindings, filter))
    }
}
