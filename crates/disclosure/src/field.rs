//! Arithmetic modulo a secret prime of 61 bits, in Montgomery's form.
//!
//! Ranks of rows of zeros and ones are taken modulo a prime instead of over the rationals, so
//! that figures do not grow. **Direction of error.** Let `M` be all rows and `L` the columns of
//! groups too large to be singled out. The vectors that concern small groups alone form a space
//! of dimension rank(M) − rank(L). Modulo a prime a rank can only be smaller. A smaller rank of
//! `L` makes that space larger: something harmless is refused. A smaller rank of `M` alone could
//! hide a vector. It takes a prime that divides every largest minor of `M`: by Hadamard's bound
//! such a minor of r rows has at most r·log2(r)/120 prime divisors of 60 bits, of some 2^54.5
//! primes of that length. For r = 100,000 the chance is below 10^-11 for whoever cannot choose
//! rows after the prime, wherefore the prime is drawn when a ledger is built, and never shown.

/// A prime field. Residues are in Montgomery's form; zero is zero, and one is [`Field::one`].
#[derive(Clone)]
pub(crate) struct Field {
    prime: u64,
    /// Minus the inverse of the prime, modulo 2^64.
    folded: u64,
    one: u64,
    points: (u64, u64),
}

// The prime is a secret of the ledger.
impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Field(..)")
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a remainder fits its divisor's type")]
fn multiply_plain(left: u64, right: u64, modulus: u64) -> u64 {
    (u128::from(left) * u128::from(right) % u128::from(modulus)) as u64
}

fn power_plain(mut base: u64, mut exponent: u64, modulus: u64) -> u64 {
    let mut result = 1;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = multiply_plain(result, base, modulus);
        }
        base = multiply_plain(base, base, modulus);
        exponent >>= 1;
    }
    result
}

/// Whether an odd number above 37 is prime: Miller and Rabin with the first twelve primes as
/// witnesses, which decides every number of 64 bits (Sorenson and Webster, 2015).
fn is_prime(number: u64) -> bool {
    let shift = (number - 1).trailing_zeros();
    let odd = (number - 1) >> shift;
    [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37].iter().all(|witness| {
        let mut power = power_plain(*witness, odd, number);
        if power == 1 || power == number - 1 {
            return true;
        }
        for _ in 1..shift {
            power = multiply_plain(power, power, number);
            if power == number - 1 {
                return true;
            }
        }
        false
    })
}

impl Field {
    /// The field of the first prime after 2^60 + s modulo 2^60, where s is the first number of the
    /// secret, and points of it that follow from the others.
    pub(crate) fn new(secret: [u64; 3]) -> Self {
        const HALF: u64 = 1 << 60;
        let [secret, left, right] = secret;
        let mut prime = (HALF | (secret & (HALF - 1))) | 1;
        while !is_prime(prime) {
            prime += 2;
        }
        // Newton's iteration doubles the digits of an inverse modulo a power of two.
        let mut inverse = prime;
        for _ in 0..6 {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(prime.wrapping_mul(inverse)));
        }
        // 2^64 modulo the prime.
        let one = (u64::MAX % prime + 1) % prime;
        let point = |secret: u64| secret % (prime - 2) + 2;
        let points = (point(left), point(right));
        Self { prime, folded: inverse.wrapping_neg(), one, points }
    }

    pub(crate) fn one(&self) -> u64 {
        self.one
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "Montgomery's reduction halves the length")]
    pub(crate) fn mul(&self, left: u64, right: u64) -> u64 {
        let product = u128::from(left) * u128::from(right);
        let quotient = (product as u64).wrapping_mul(self.folded);
        // Both are below 2^122, so the sum does not wrap.
        let reduced = ((product + u128::from(quotient) * u128::from(self.prime)) >> 64) as u64;
        if reduced >= self.prime { reduced - self.prime } else { reduced }
    }

    /// Two secret points.
    pub(crate) fn points(&self) -> (u64, u64) {
        self.points
    }

    #[inline]
    pub(crate) fn add(&self, left: u64, right: u64) -> u64 {
        let sum = left + right;
        if sum >= self.prime { sum - self.prime } else { sum }
    }

    /// `value − factor · other`.
    #[inline]
    pub(crate) fn sub_mul(&self, value: u64, factor: u64, other: u64) -> u64 {
        let product = self.mul(factor, other);
        if value >= product { value - product } else { value + self.prime - product }
    }

    /// The inverse of a residue that is not zero.
    pub(crate) fn inverse(&self, value: u64) -> u64 {
        let (mut result, mut base) = (self.one, value);
        let mut exponent = self.prime - 2;
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = self.mul(result, base);
            }
            base = self.mul(base, base);
            exponent >>= 1;
        }
        result
    }

    /// The residue of a whole number.
    pub(crate) fn residue(&self, value: u64) -> u64 {
        multiply_plain(value % self.prime, self.one, self.prime)
    }

    /// The whole number of least size that a residue stands for.
    pub(crate) fn signed(&self, value: u64) -> i64 {
        let plain = self.mul(value, 1);
        let (positive, negative) = (plain.cast_signed(), (self.prime - plain).cast_signed());
        if positive <= negative { positive } else { -negative }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn primes_are_told_from_strong_pseudoprimes() {
        for (number, expected) in [
            (41, true),
            (2_047, false),
            (3_215_031_751, false),
            (3_825_123_056_546_413_051, false),
            ((1 << 61) - 1, true),
            ((1 << 60) + 33, true),
        ] {
            assert_eq!(is_prime(number), expected, "{number}");
        }
    }

    proptest! {
        #[test]
        fn residues_compute_as_numbers_do(secret: [u64; 3], a: u64, b: u64, c: u64) {
            let field = Field::new(secret);
            let (a, b, c) = (a % field.prime, b % field.prime, c % field.prime);
            let expected = multiply_plain(a, b, field.prime);
            let product = field.mul(field.residue(a), field.residue(b));
            prop_assert_eq!(product, field.residue(expected));
            let difference = field.sub_mul(field.residue(c), field.residue(a), field.residue(b));
            let plain = (u128::from(c) + u128::from(field.prime - expected)) % u128::from(field.prime);
            prop_assert_eq!(difference, field.residue(u64::try_from(plain).expect("below the prime")));
            let small = (a % 1_000).cast_signed();
            prop_assert_eq!(field.signed(field.residue(a % 1_000)), small);
            prop_assert_eq!(field.signed(field.sub_mul(0, field.residue(a % 1_000), field.one())), -small);
            if a != 0 {
                let inverse = field.inverse(field.residue(a));
                prop_assert_eq!(field.mul(inverse, field.residue(a)), field.one());
            }
        }
    }
}
