//! Chance, from a seed.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

/// What chance decides in one walk.
pub struct Dice(StdRng);

impl Dice {
    /// The throws that follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A number from zero until before `count`; zero of nothing.
    pub fn below(&mut self, count: usize) -> usize {
        if count == 0 { 0 } else { self.0.random_range(0..count) }
    }

    /// True in so many of a hundred throws.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these, each as likely as the others.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let place = self.below(from.len());
        from.get(place).cloned()
    }

    /// One of these: mostly one of the last few, which are those that something can still come of.
    pub fn late<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        const FEW: usize = 8;
        if self.chance(75) {
            self.pick(from.get(from.len().saturating_sub(FEW)..).unwrap_or_default())
        } else {
            self.pick(from)
        }
    }

    /// One of these by its weight.
    pub fn weighed<T: Copy>(&mut self, from: &[(usize, T)]) -> Option<T> {
        let mut left = self.below(from.iter().map(|(weight, _)| weight).sum());
        from.iter()
            .find(|(weight, _)| match left.checked_sub(*weight) {
                Some(less) => {
                    left = less;
                    false
                }
                None => true,
            })
            .map(|(_, one)| *one)
    }

    /// A number of 128 bits that nothing has.
    pub fn number(&mut self) -> u128 {
        self.0.random()
    }
}
