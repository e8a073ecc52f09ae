//! Chance that follows from a seed, alike on every machine and in every version.

/// What chance is asked for; the same record has other chances for each.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stream {
    Person = 1,
    Household,
    Employment,
    Enterprise,
    Register,
    Insurance,
    Tax,
    Visit,
    Flaw,
}

/// A sequence of chances (`SplitMix64`).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The chances of one record.
    pub(crate) fn new(seed: u64, stream: Stream, record: u64) -> Self {
        let mut dice = Self(seed);
        dice.0 = dice.roll() ^ stream as u64;
        dice.0 = dice.roll() ^ record;
        dice.roll();
        dice
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.roll()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or_default()
    }

    /// True `times` out of 1,000 times.
    pub(crate) fn permille(&mut self, times: u64) -> bool {
        self.below(1000) < times
    }

    /// One of the list.
    #[expect(clippy::indexing_slicing, reason = "the index is below the length of the list")]
    pub(crate) fn pick<'a, T: ?Sized, const N: usize>(&mut self, list: &[&'a T; N]) -> &'a T {
        const { assert!(N > 0) };
        list[usize::try_from(self.below(N as u64)).unwrap_or_default()]
    }

    /// One of the list, as often as its weight says, and its place.
    pub(crate) fn weighted<'a, T, const N: usize>(
        &mut self,
        list: &'a [T; N],
        weight: impl Fn(&T) -> u64,
    ) -> (usize, &'a T) {
        const { assert!(N > 0) };
        let mut rest = self.below(list.iter().map(&weight).sum());
        for (index, item) in list.iter().enumerate() {
            let weight = weight(item);
            if rest < weight {
                return (index, item);
            }
            rest -= weight;
        }
        (0, &list[0])
    }

    /// A number below `bound`, the small ones far more often: of the cube of an even chance.
    pub(crate) fn skewed_below(&mut self, bound: u64) -> u64 {
        let chance = u128::from(self.below(1 << 20));
        u64::try_from((chance * chance * chance * u128::from(bound)) >> 60).unwrap_or_default()
    }

    /// A number distributed as `curve` says.
    pub(crate) fn along(&mut self, curve: &Curve) -> u64 {
        curve.at(self.below(1_000_000))
    }
}

/// A distribution: its values at some millionths, straight lines between them.
///
/// Curves come from quantiles of lognormal and Pareto distributions; as tables they need no
/// logarithm, which machines round differently.
pub(crate) struct Curve(pub(crate) &'static [(u64, u64)]);

impl Curve {
    fn at(&self, millionth: u64) -> u64 {
        let mut before = (0, 0);
        for (place, value) in self.0.iter().copied() {
            if millionth < place {
                return before.1 + (value - before.1) * (millionth - before.0) / (place - before.0);
            }
            before = (place, value);
        }
        before.1
    }

    /// The mean.
    pub(crate) fn mean(&self) -> u64 {
        let (mut sum, mut before) = (0, (0, 0));
        for (place, value) in self.0.iter().copied() {
            sum += (place - before.0) * (value + before.1) / 2;
            before = (place, value);
        }
        sum / 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_follows_from_the_seed_and_stays_as_it_is() {
        let rolls = |seed, stream, record| {
            let mut dice = Dice::new(seed, stream, record);
            [dice.below(1000), dice.below(1000), dice.below(1000)]
        };
        assert_eq!(rolls(1, Stream::Person, 0), rolls(1, Stream::Person, 0));
        assert_ne!(rolls(1, Stream::Person, 0), rolls(2, Stream::Person, 0));
        assert_ne!(rolls(1, Stream::Person, 0), rolls(1, Stream::Visit, 0));
        assert_ne!(rolls(1, Stream::Person, 0), rolls(1, Stream::Person, 1));
    }

    #[test]
    fn a_curve_is_met() {
        let curve = Curve(&[(500_000, 100), (1_000_000, 300)]);
        assert_eq!([curve.at(0), curve.at(250_000), curve.at(750_000)], [0, 50, 200]);
        assert_eq!(curve.mean(), 125);
    }
}
