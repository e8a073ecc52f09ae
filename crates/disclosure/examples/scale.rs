//! Prints how long a check takes beside many standing answers. Times are shown, not asserted.
//!
//! `cargo run --release -p shuyu-disclosure --example scale [releases] [which]`
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for people to read")]

use std::time::{Duration, Instant};

use shuyu_disclosure::{
    Answer, AnswerId, Atom, AtomId, Cell, Ledger, Order, Quantity, Rules, Verdict,
};

/// Numbers that follow from a seed (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }
}

/// A cube of declared dimensions.
struct Cube {
    sizes: Vec<u64>,
}

impl Cube {
    fn atoms(&self) -> u64 {
        self.sizes.iter().product()
    }

    fn codes(&self, mut atom: u64) -> Vec<u64> {
        let mut codes = Vec::new();
        for size in &self.sizes {
            codes.push(atom % size);
            atom /= size;
        }
        codes
    }

    /// A table by some dimensions, where others have one of some codes.
    fn table(&self, by: &[usize], filter: &[(usize, u128)]) -> Answer {
        let cells: u64 = by.iter().filter_map(|it| self.sizes.get(*it)).product();
        let mut atoms: Vec<Vec<AtomId>> = vec![Vec::new(); usize::try_from(cells).unwrap()];
        for atom in 0..self.atoms() {
            let codes = self.codes(atom);
            let code = |dimension: &usize| codes.get(*dimension).copied().unwrap_or(0);
            if filter.iter().all(|(dimension, mask)| mask & (1_u128 << code(dimension)) != 0) {
                let cell = by.iter().fold(0, |cell, dimension| {
                    cell * self.sizes.get(*dimension).copied().unwrap_or(1) + code(dimension)
                });
                if let Some(cell) = atoms.get_mut(usize::try_from(cell).unwrap()) {
                    cell.push(AtomId(u32::try_from(atom).unwrap()));
                }
            }
        }
        Answer { cells: atoms.into_iter().map(|it| Cell::of(Quantity::Rows, it)).collect() }
    }
}

/// A question like those that operators ask: by one or two dimensions, some codes of two others.
fn question(cube: &Cube, dice: &mut Dice) -> Answer {
    let dimensions = cube.sizes.len() as u64;
    let mut pick = || usize::try_from(dice.roll(dimensions)).unwrap();
    let mut by = vec![pick(), pick()];
    by.sort_unstable();
    by.dedup();
    let over = [pick(), pick()];
    let filter: Vec<(usize, u128)> = over
        .into_iter()
        .filter(|dimension| !by.contains(dimension))
        .map(|dimension| {
            (dimension, 1_u128 << dice.roll(cube.sizes.get(dimension).copied().unwrap()))
        })
        .collect();
    cube.table(&by, &filter)
}

fn run(name: &str, sizes: &[u64], persons: u64, releases: u64) {
    let cube = Cube { sizes: sizes.to_vec() };
    let mut dice = Dice(1);
    let mut counts = vec![0_u64; usize::try_from(cube.atoms()).unwrap()];
    for _ in 0..persons {
        // The lesser of two rolls is uneven, as populations are.
        let atom = sizes
            .iter()
            .rev()
            .fold(0, |atom, size| atom * size + dice.roll(*size).min(dice.roll(*size)));
        if let Some(count) = counts.get_mut(usize::try_from(atom).unwrap()) {
            *count += 1;
        }
    }
    let mut ledger = Ledger::new(Rules::default(), [20_260_101, 1, 2]);
    for count in &counts {
        ledger.add_atom(Atom::of(*count)).unwrap();
    }
    let (mut permitted, mut in_full, mut times) = (0_u64, 0_u64, Vec::new());
    let (mut cells, mut withheld, mut suppressing) = (0_usize, 0_usize, Duration::ZERO);
    let started = Instant::now();
    for id in 0..releases {
        let answer = question(&cube, &mut dice);
        let began = Instant::now();
        let mut verdict = ledger.admit(AnswerId(id.into()), &answer).unwrap();
        times.push(began.elapsed());
        in_full += u64::from(verdict == Verdict::Permitted);
        if verdict != Verdict::Permitted {
            let began = Instant::now();
            let shown = ledger.suppress(&answer, &Order::Declared).unwrap().apply(&answer);
            withheld += answer.cells.len() - shown.cells.len();
            verdict = ledger.admit(AnswerId(id.into()), &shown).unwrap();
            suppressing = suppressing.max(began.elapsed());
        }
        cells += answer.cells.len();
        permitted += u64::from(verdict == Verdict::Permitted);
        if (id + 1) % (releases / 5).max(1) == 0 {
            let size = ledger.size();
            let recent = times.iter().rev().take(usize::try_from(releases / 5).unwrap());
            let mut recent: Vec<Duration> = recent.copied().collect();
            recent.sort_unstable();
            let at = |part: usize| recent.get(recent.len() * part / 100).copied().unwrap();
            println!(
                "{name}: {} asked, {in_full} permitted in full, {permitted} stand; {withheld} of \
                 {cells} cells withheld; {} atoms, {} blocks, {} values; a check: middle {:.2?}, \
                 99 of 100 {:.2?}, longest {:.2?}; longest suppression {suppressing:.2?}; {:.1?} in \
                 all",
                id + 1,
                size.atoms,
                size.blocks,
                size.values,
                at(50),
                at(99),
                recent.last().copied().unwrap(),
                started.elapsed(),
            );
        }
    }
}

fn main() {
    let releases = std::env::args().nth(1).and_then(|it| it.parse().ok()).unwrap_or(1_000);
    let chosen: Option<usize> = std::env::args().nth(2).and_then(|it| it.parse().ok());
    let cubes: [(&str, &[u64], u64); 3] = [
        ("10 million persons, 6 dimensions", &[8, 7, 7, 7, 6, 6], 10_000_000),
        ("10 million persons, 100 districts, 3 dimensions", &[10, 10, 10, 100], 10_000_000),
        ("1 million persons, 6 dimensions", &[8, 7, 7, 7, 6, 6], 1_000_000),
    ];
    for (index, (name, sizes, persons)) in cubes.into_iter().enumerate() {
        if chosen.is_none_or(|chosen| chosen == index) {
            run(name, sizes, persons, releases);
        }
    }
}
