//! In what terms answers about one dataset are compared: which columns tell its rows apart.

use std::collections::{BTreeMap, BTreeSet};

use shuyu_kernel::DatasetId;

use crate::{Band, ColumnOf, DatasetVersion, Mark, Mask, Question, Relation};

/// Of which table a column is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The dataset itself.
    Own,
    /// A table that a link adds.
    Linked(usize, DatasetVersion),
    /// A table of a relation that multiplies the dataset's rows, whatever its version.
    Joined(DatasetId),
}

/// A dimension, through bands or a mask.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lens {
    pub(super) place: Place,
    pub(super) column: String,
    pub(super) bands: Vec<Band>,
    pub(super) mask: Option<Mask>,
}

/// A measure, or its square: what a variance tells is a further sum over the same subjects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Amount {
    pub(super) place: Place,
    pub(super) column: String,
    pub(super) squared: bool,
}

/// A column of the dataset, at whatever version, or of another table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Own(String),
    Other(ColumnOf),
}

impl End {
    /// The table; none: the dataset itself.
    pub(super) fn table(&self) -> Option<DatasetVersion> {
        match self {
            Self::Own(_) => None,
            Self::Other(of) => Some(of.source),
        }
    }
}

/// What a relation adds to the dataset's rows, each of which it keeps once or drops.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link {
    pub(super) others: BTreeSet<DatasetVersion>,
    pub(super) joins: BTreeSet<(End, End)>,
    /// As of which consents rows of the others are there.
    pub(super) consents: BTreeMap<DatasetVersion, Mark>,
}

/// As of which consents the rows of a question are there.
pub(super) type Marks = BTreeMap<DatasetVersion, Mark>;

impl Link {
    pub(super) fn of(dataset: DatasetId, relation: &Relation, consents: &Marks) -> Self {
        let end = |of: &ColumnOf| {
            if of.source.dataset == dataset {
                End::Own(of.column.clone())
            } else {
                End::Other(of.clone())
            }
        };
        let others = relation.sources.iter().filter(|source| source.dataset != dataset);
        Self {
            others: others.copied().collect(),
            joins: relation.joins.iter().map(|(left, right)| (end(left), end(right))).collect(),
            consents: consents
                .iter()
                .filter(|(source, _)| source.dataset != dataset)
                .map(|(source, mark)| (*source, mark.clone()))
                .collect(),
        }
    }

    /// The pairs that join a table to those reached, the reached end first.
    pub(super) fn pairs(
        &self,
        reached: &BTreeSet<Option<DatasetVersion>>,
        table: DatasetVersion,
    ) -> Vec<(&End, &End)> {
        let joins = self.joins.iter();
        joins
            .filter_map(|(left, right)| match (left.table(), right.table()) {
                (near, Some(far)) if far == table && reached.contains(&near) => Some((left, right)),
                (Some(far), near) if far == table && reached.contains(&near) => Some((right, left)),
                _ => None,
            })
            .collect()
    }
}

type Bare = (DatasetId, String);

/// What rows are told apart by. Rows in the same space, of all versions, are comparable.
#[derive(Debug, Clone, Default)]
pub(super) struct Space {
    pub(super) lenses: Vec<Lens>,
    pub(super) links: Vec<Link>,
    pub(super) amounts: Vec<Amount>,
    /// As of which consents of the dataset's own subjects rows were there.
    pub(super) marks: Vec<Mark>,
    /// The relation that multiplies rows, without versions; empty: the rows are the dataset's.
    joined: BTreeSet<(Bare, Bare)>,
}

/// Rows: those of a version of the dataset, or of a relation that multiplies them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rows {
    Of(DatasetVersion),
    Joined(Relation, Marks),
}

/// Rows, and what they are told apart by.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub(super) space: usize,
    pub(super) rows: Rows,
}

/// Where the rows of a question are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) base: usize,
    pub(super) space: usize,
    pub(super) link: Option<usize>,
    pub(super) mark: Option<usize>,
}

/// The terms of a comparison.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) dataset: DatasetId,
    pub(super) spaces: Vec<Space>,
    pub(super) bases: Vec<Base>,
    seen: BTreeMap<(Relation, Marks), Seen>,
}

fn place_in<T: PartialEq>(all: &mut Vec<T>, one: T) -> usize {
    all.iter().position(|other| *other == one).unwrap_or_else(|| {
        all.push(one);
        all.len() - 1
    })
}

impl Shape {
    pub(super) fn new(dataset: DatasetId) -> Self {
        let (spaces, bases, seen) = (vec![Space::default()], Vec::new(), BTreeMap::new());
        Self { dataset, spaces, bases, seen }
    }

    /// Takes in what a question tells rows apart by. `keeps` says of its relation whether it keeps
    /// each row of the dataset once at most.
    pub(super) fn include(&mut self, question: &Question, keeps: bool) {
        let seen = self.see(question, keeps);
        let columns = question.groups.iter().chain(question.filter.keys());
        let mut lenses: Vec<Lens> = columns.map(|of| self.lens_of(seen, question, of)).collect();
        lenses.extend(question.scope.keys().map(|of| self.scope_lens_of(seen, of)));
        let amounts: Vec<Amount> = question
            .figures
            .iter()
            .flat_map(|figure| {
                let plain = figure.measure().map(|of| (of, false));
                plain.into_iter().chain(figure.squared().map(|of| (of, true)))
            })
            .map(|(of, squared)| self.amount_of(seen, of, squared))
            .collect();
        if let Some(space) = self.spaces.get_mut(seen.space) {
            for lens in lenses {
                place_in(&mut space.lenses, lens);
            }
            for amount in amounts {
                place_in(&mut space.amounts, amount);
            }
        }
    }

    fn see(&mut self, question: &Question, keeps: bool) -> Seen {
        let (relation, consents) = (&question.relation, &question.consents);
        let place = (relation.clone(), consents.clone());
        if let Some(seen) = self.seen.get(&place) {
            return *seen;
        }
        let own = relation.sources.iter().find(|source| source.dataset == self.dataset);
        let (space, link, rows) = match own {
            Some(version) if keeps => {
                let link = Link::of(self.dataset, relation, consents);
                let links = self.spaces.first_mut().map(|space| &mut space.links);
                let link =
                    links.filter(|_| !link.others.is_empty()).map(|links| place_in(links, link));
                (0, link, Rows::Of(*version))
            }
            _ => {
                let bare = |of: &ColumnOf| (of.source.dataset, of.column.clone());
                let joins = relation.joins.iter();
                let joined: BTreeSet<_> = joins
                    .map(|(left, right)| (bare(left), bare(right)))
                    .map(|(left, right)| if left <= right { (left, right) } else { (right, left) })
                    .collect();
                let found = self.spaces.iter().position(|space| space.joined == joined);
                let space = found.unwrap_or_else(|| {
                    self.spaces.push(Space { joined, ..Space::default() });
                    self.spaces.len() - 1
                });
                let link = Link::of(self.dataset, relation, consents);
                (space, None, Rows::Joined(relation.clone(), link.consents))
            }
        };
        let found = self.bases.iter().position(|base| base.rows == rows);
        let base = found.unwrap_or_else(|| {
            self.bases.push(Base { space, rows });
            self.bases.len() - 1
        });
        let own = consents.iter().find(|(source, _)| source.dataset == self.dataset);
        let marks = self.spaces.get_mut(space).map(|space| &mut space.marks);
        let mark = own.zip(marks).map(|((_, mark), marks)| place_in(marks, mark.clone()));
        let seen = Seen { base, space, link, mark };
        self.seen.insert(place, seen);
        seen
    }

    fn place_of(&self, seen: Seen, of: &ColumnOf) -> Place {
        if of.source.dataset == self.dataset {
            Place::Own
        } else {
            match seen.link {
                Some(link) => Place::Linked(link, of.source),
                None => Place::Joined(of.source.dataset),
            }
        }
    }

    fn lens_of(&self, seen: Seen, question: &Question, of: &ColumnOf) -> Lens {
        let bands = question.bands.get(of).cloned().unwrap_or_default();
        let mask = question.masks.get(of).copied();
        Lens { place: self.place_of(seen, of), column: of.column.clone(), bands, mask }
    }

    /// The column of a scope, as it lies in the vault.
    fn scope_lens_of(&self, seen: Seen, of: &ColumnOf) -> Lens {
        let (place, column) = (self.place_of(seen, of), of.column.clone());
        Lens { place, column, bands: Vec::new(), mask: None }
    }

    fn amount_of(&self, seen: Seen, of: &ColumnOf, squared: bool) -> Amount {
        Amount { place: self.place_of(seen, of), column: of.column.clone(), squared }
    }

    /// Where the rows of a question that was taken in are.
    pub(super) fn seen(&self, question: &Question) -> Option<Seen> {
        self.seen.get(&(question.relation.clone(), question.consents.clone())).copied()
    }

    /// By which lens of its space a question sees a column.
    pub(super) fn lens(&self, seen: Seen, question: &Question, of: &ColumnOf) -> Option<usize> {
        let lens = self.lens_of(seen, question, of);
        self.spaces.get(seen.space)?.lenses.iter().position(|other| *other == lens)
    }

    /// By which lens of its space a question's scope sees a column.
    pub(super) fn scope_lens(&self, seen: Seen, of: &ColumnOf) -> Option<usize> {
        let lens = self.scope_lens_of(seen, of);
        self.spaces.get(seen.space)?.lenses.iter().position(|other| *other == lens)
    }

    /// Which measure of its space a column, or its square, is.
    pub(super) fn amount(&self, seen: Seen, of: &ColumnOf, squared: bool) -> Option<usize> {
        let amount = self.amount_of(seen, of, squared);
        self.spaces.get(seen.space)?.amounts.iter().position(|other| *other == amount)
    }

    /// The dataset that a measure is of.
    pub(super) fn dataset_of(&self, amount: &Amount) -> DatasetId {
        match amount.place {
            Place::Own => self.dataset,
            Place::Linked(_, source) => source.dataset,
            Place::Joined(dataset) => dataset,
        }
    }
}
