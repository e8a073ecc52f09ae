//! Keys: one for each agreement and family of datasets, and under it one for each kind of value.

use ring::{hkdf, hmac};
use zeroize::Zeroizing;

/// In which datasets, and for whom, a value has one pseudonym. In another scope it has another
/// one, so that tables of two agreements cannot be laid side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The agreement.
    pub agreement: &'a str,
    /// The datasets of the agreement that may be joined with one another, by any name.
    pub family: &'a str,
}

/// What a value is, so that equal digits of two kinds have nothing in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A resident identity number.
    Resident,
    /// A unified social credit code.
    Credit,
    /// A business registration number.
    Registration,
    /// A mobile number.
    Mobile,
    /// A person's name.
    Name,
    /// Any other key.
    Other,
    /// Whose days are shifted.
    Day,
    /// Whose amounts are blurred.
    Amount,
    /// Who is in a sample.
    Sample,
    /// Draws for synthetic rows.
    Synthetic,
}

impl Kind {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Resident => b"resident",
            Self::Credit => b"credit",
            Self::Registration => b"registration",
            Self::Mobile => b"mobile",
            Self::Name => b"name",
            Self::Other => b"other",
            Self::Day => b"day",
            Self::Amount => b"amount",
            Self::Sample => b"sample",
            Self::Synthetic => b"synthetic",
        }
    }
}

/// The key of a scope. Whoever has it can try out whose a pseudonym is, so it never leaves the
/// platform; it is wiped from memory when it is dropped.
pub struct MaskingKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for MaskingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MaskingKey(..)")
    }
}

impl MaskingKey {
    /// The key of `scope` under the platform's secret (HKDF with SHA-256, RFC 5869).
    pub fn derive(secret: &[u8], scope: Scope<'_>) -> Self {
        let length = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes();
        let (agreement, family) = (length(scope.agreement), length(scope.family));
        // Each part after its length: no two scopes are written alike.
        let info = [&agreement, scope.agreement.as_bytes(), &family, scope.family.as_bytes()];
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"shuyu masking 1").extract(secret);
        let mut key = Zeroizing::new([0; 32]);
        // 32 bytes can always be had of HKDF (at most 255 times the length of a digest).
        if let Ok(okm) = root.expand(&info, hkdf::HKDF_SHA256) {
            let _ = okm.fill(key.as_mut_slice());
        }
        Self(key)
    }

    /// The tokens of one kind of value.
    pub fn tokens(&self, kind: Kind) -> Tokens {
        let scope = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice());
        Tokens(hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&scope, kind.label()).as_ref()))
    }
}

/// Gives tokens to the values of one kind: HMAC with SHA-256 (RFC 2104).
#[derive(Debug, Clone)]
pub struct Tokens(hmac::Key);

impl Tokens {
    /// The token of a value.
    pub fn of(&self, value: &[u8]) -> Token {
        Token::taken(&hmac::sign(&self.0, value))
    }

    /// The token of parts, which are told apart: `ab, c` is not `a, bc`.
    pub fn of_parts(&self, parts: &[&[u8]]) -> Token {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        Token::taken(&context.sign())
    }
}

/// What stands for a value: 256 bits, of which digits and choices are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token([u64; 4]);

impl Token {
    fn taken(tag: &hmac::Tag) -> Self {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(tag.as_ref().chunks_exact(8)) {
            let mut eight = [0; 8];
            eight.copy_from_slice(bytes);
            *word = u64::from_be_bytes(eight);
        }
        Self(words)
    }

    /// The first 64 bits, which order subjects by chance.
    pub fn rank(self) -> u64 {
        self.0[0]
    }

    /// A number below one that is drawn evenly from the token.
    #[expect(clippy::cast_precision_loss, reason = "53 bits of a word fit into a float")]
    pub fn unit(self) -> f64 {
        (self.0[1] >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// What a generator begins with.
    pub(crate) fn seed(self) -> [u8; 32] {
        let mut seed = [0; 32];
        for (bytes, word) in seed.chunks_exact_mut(8).zip(self.0) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        seed
    }

    /// Draws from the token, one after another.
    pub(crate) fn draws(self) -> Draws {
        Draws(self.0)
    }
}

/// Small numbers out of a token. The bias of a draw is below 2^-20 as long as the bounds of the
/// draws of one lane multiply to less than 2^44.
pub(crate) struct Draws([u64; 4]);

impl Draws {
    /// A number below `bound`, out of the first half of the token.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        Self::take(&mut self.0[0], bound)
    }

    /// A number below `bound`, out of the third quarter.
    pub(crate) fn more(&mut self, bound: u64) -> u64 {
        Self::take(&mut self.0[2], bound)
    }

    fn take(lane: &mut u64, bound: u64) -> u64 {
        let drawn = *lane % bound;
        *lane /= bound;
        drawn
    }

    /// A decimal digit as it is written, out of the second quarter; 19 of them are there.
    pub(crate) fn digit(&mut self) -> u8 {
        let drawn = Self::take(&mut self.0[1], 10);
        b'0' + u8::try_from(drawn).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(secret: &[u8], agreement: &str, family: &str, kind: Kind) -> Token {
        MaskingKey::derive(secret, Scope { agreement, family }).tokens(kind).of(b"value")
    }

    #[test]
    fn a_token_is_of_its_secret_agreement_family_and_kind() {
        let one = token(b"secret", "a", "f", Kind::Resident);
        assert_eq!(one, token(b"secret", "a", "f", Kind::Resident));
        for other in [
            token(b"another", "a", "f", Kind::Resident),
            token(b"secret", "b", "f", Kind::Resident),
            token(b"secret", "a", "g", Kind::Resident),
            token(b"secret", "a", "f", Kind::Mobile),
            token(b"secret", "af", "", Kind::Resident),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn parts_are_told_apart() {
        let tokens = MaskingKey::derive(b"s", Scope { agreement: "a", family: "f" });
        let tokens = tokens.tokens(Kind::Other);
        assert_ne!(tokens.of_parts(&[b"ab", b"c"]), tokens.of_parts(&[b"a", b"bc"]));
        assert_eq!(tokens.of_parts(&[b"ab", b"c"]), tokens.of_parts(&[b"ab", b"c"]));
    }

    /// RFC 4231, test case 2.
    #[test]
    fn tokens_are_hmac_with_sha_256() {
        let tokens = Tokens(hmac::Key::new(hmac::HMAC_SHA256, b"Jefe"));
        assert_eq!(
            tokens.of(b"what do ya want for nothing?").0,
            [
                0x5bdc_c146_bf60_754e,
                0x6a04_2426_0895_75c7,
                0x5a00_3f08_9d27_3983,
                0x9dec_58b9_64ec_3843
            ]
        );
    }
}
