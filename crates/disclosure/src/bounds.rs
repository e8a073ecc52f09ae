//! What equations tell of counts that are known to be whole and not negative.
//!
//! Bounds are propagated: each equation bounds each of its unknowns by what the bounds of the
//! others leave of its total, again and again until nothing narrows. The bounds hold for every
//! solution; linear programming could find narrower ones, so this is a necessary check.

/// An equation: coefficients of unknowns, and their total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Equation {
    pub(crate) terms: Vec<(usize, i64)>,
    pub(crate) total: i64,
}

/// The least and the greatest value of an unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) least: i64,
    /// `None` where nothing bounds it.
    pub(crate) most: Option<i64>,
}

/// Rounds after which what is left to narrow is left.
const ROUNDS: usize = 16;

/// The bounds of unknowns that are not negative.
#[expect(clippy::indexing_slicing, reason = "the terms name unknowns below their number")]
pub(crate) fn propagate(equations: &[Equation], unknowns: usize) -> Vec<Range> {
    let mut ranges = vec![Range { least: 0, most: None }; unknowns];
    for _ in 0..ROUNDS {
        let before = ranges.clone();
        for equation in equations {
            // The least of the sum, and how many terms have no least; the same of the greatest.
            let (mut low, mut high) = ((0_i64, 0_u32), (0_i64, 0_u32));
            let ends = |range: Range, factor: i64| {
                let most = range.most.map(|most| most.saturating_mul(factor));
                let least = Some(range.least.saturating_mul(factor));
                if factor > 0 { (least, most) } else { (most, least) }
            };
            let add = |sum: &mut (i64, u32), end: Option<i64>, sign: i64| match end {
                Some(end) => sum.0 = sum.0.saturating_add(sign * end),
                None => sum.1 = sum.1.saturating_add_signed(if sign > 0 { 1 } else { -1 }),
            };
            for (unknown, factor) in &equation.terms {
                let (least, most) = ends(ranges[*unknown], *factor);
                add(&mut low, least, 1);
                add(&mut high, most, 1);
            }
            for (unknown, factor) in &equation.terms {
                let range = ranges[*unknown];
                let (least, most) = ends(range, *factor);
                let (mut others_low, mut others_high) = (low, high);
                add(&mut others_low, least, -1);
                add(&mut others_high, most, -1);
                let greatest = (others_low.1 == 0).then(|| equation.total - others_low.0);
                let smallest = (others_high.1 == 0).then(|| equation.total - others_high.0);
                let (from, to) =
                    if *factor > 0 { (smallest, greatest) } else { (greatest, smallest) };
                let next = Range {
                    least: from.map_or(range.least, |it| range.least.max(-floor(-it, *factor))),
                    most: match (to.map(|it| floor(it, *factor)), range.most) {
                        (Some(left), Some(right)) => Some(left.min(right)),
                        (left, right) => left.or(right),
                    },
                };
                let (old_low, old_high) = (least, most);
                let (new_low, new_high) = ends(next, *factor);
                add(&mut low, old_low, -1);
                add(&mut low, new_low, 1);
                add(&mut high, old_high, -1);
                add(&mut high, new_high, 1);
                ranges[*unknown] = next;
            }
        }
        if ranges == before {
            break;
        }
    }
    ranges
}

/// A quotient rounded down, also where the divisor is negative.
fn floor(value: i64, divisor: i64) -> i64 {
    if divisor < 0 { (-value).div_euclid(-divisor) } else { value.div_euclid(divisor) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn equation(terms: &[(usize, i64)], total: i64) -> Equation {
        Equation { terms: terms.to_vec(), total }
    }

    #[test]
    fn margins_bound_what_is_withheld() {
        // Of 3·a + 2·b = 13 whole solutions are (1, 5) and (3, 2), which leaves c 2 or 3.
        let ranges = propagate(
            &[equation(&[(0, 3), (1, 2)], 13), equation(&[(0, 1), (1, 1), (2, 1)], 8)],
            3,
        );
        let range = |least, most| Range { least, most: Some(most) };
        assert_eq!(ranges, [range(1, 3), range(2, 5), range(0, 5)]);
        // A difference bounds one side from below only.
        let ranges = propagate(&[equation(&[(0, 1), (1, -1)], 15)], 2);
        assert_eq!(ranges, [Range { least: 15, most: None }, Range { least: 0, most: None }]);
    }

    proptest! {
        #[test]
        fn no_solution_lies_outside(
            solution in prop::collection::vec(0_i64..9, 5),
            terms in prop::collection::vec(prop::collection::vec(-3_i64..4, 5), 1..6),
        ) {
            let equations: Vec<Equation> = terms
                .iter()
                .map(|factors| {
                    let terms: Vec<(usize, i64)> =
                        factors.iter().copied().enumerate().filter(|(_, it)| *it != 0).collect();
                    let total = terms.iter().map(|(at, factor)| factor * solution[*at]).sum();
                    Equation { terms, total }
                })
                .collect();
            for (range, value) in propagate(&equations, 5).iter().zip(&solution) {
                prop_assert!(range.least <= *value, "{:?}", range);
                prop_assert!(range.most.is_none_or(|most| *value <= most), "{:?}", range);
            }
        }
    }
}
