//! Typed ids: a time part and a random part, printed with a prefix that names their kind.

use std::fmt;

use crate::{Clock, Entropy};

/// Crockford's base 32, in lower case: no `i`, `l`, `o`, `u`, which are misread.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A kind of id: a number of 128 bits under a prefix of its own, such as `cas-01jb…`.
///
/// Made by [`id!`](crate::id!). Ids sort by the millisecond in which they were made.
pub trait Id: Copy + Ord + fmt::Display + std::str::FromStr<Err = IdError> {
    /// What stands before the dash.
    const PREFIX: &'static str;

    /// The id of this number.
    fn from_u128(value: u128) -> Self;

    /// The number of this id.
    fn to_u128(self) -> u128;
}

/// Why a text is not an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of the form {prefix}-… with 26 characters after the dash")]
pub struct IdError {
    text: String,
    prefix: &'static str,
}

/// Makes ids from a clock and a source of randomness, both handed in.
#[derive(Clone)]
pub struct Ids {
    clock: std::sync::Arc<dyn Clock>,
    entropy: std::sync::Arc<dyn Entropy>,
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ids")
    }
}

impl Ids {
    /// Ids of the time of `clock`, made unique by `entropy`.
    pub fn new(clock: std::sync::Arc<dyn Clock>, entropy: std::sync::Arc<dyn Entropy>) -> Self {
        Self { clock, entropy }
    }

    /// An id that was not given out before: 48 bits of milliseconds, 80 bits of randomness.
    pub fn fresh<I: Id>(&self) -> I {
        let millis = u128::from(self.clock.now().timestamp_millis().cast_unsigned());
        let mut random = [0_u8; 16];
        self.entropy.fill(&mut random);
        let random = u128::from_be_bytes(random) & ((1 << 80) - 1);
        I::from_u128((millis & ((1 << 48) - 1)) << 80 | random)
    }
}

/// Writes `value` as 26 characters of base 32 behind `prefix`.
pub(crate) fn write_id(f: &mut fmt::Formatter<'_>, prefix: &str, value: u128) -> fmt::Result {
    f.write_str(prefix)?;
    f.write_str("-")?;
    for position in (0..26).rev() {
        let digit = (value >> (position * 5)) & 31;
        let symbol = ALPHABET.get(usize::try_from(digit).unwrap_or(0)).copied().unwrap_or(b'0');
        fmt::Write::write_char(f, char::from(symbol))?;
    }
    Ok(())
}

/// Reads what [`id!`](crate::id!)'s `Display` wrote.
///
/// # Errors
///
/// [`IdError`] if the prefix, the length or a character differs.
pub fn parse_id(prefix: &'static str, text: &str) -> Result<u128, IdError> {
    let error = || IdError { text: text.chars().take(64).collect(), prefix };
    let digits = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('-'))
        .filter(|digits| digits.len() == 26)
        .ok_or_else(error)?;
    let mut value: u128 = 0;
    for (position, byte) in digits.bytes().enumerate() {
        let digit = ALPHABET.iter().position(|symbol| *symbol == byte).ok_or_else(error)?;
        if position == 0 && digit > 7 {
            return Err(error());
        }
        value = value << 5 | digit as u128;
    }
    Ok(value)
}

#[doc(hidden)]
pub fn fmt_id(f: &mut fmt::Formatter<'_>, prefix: &str, value: u128) -> fmt::Result {
    write_id(f, prefix, value)
}

/// Declares a kind of id: `id!(/// A case. CaseId, "cas");`.
#[macro_export]
macro_rules! id {
    ($(#[$meta:meta])* $name:ident, $prefix:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $crate::Id for $name {
            const PREFIX: &'static str = $prefix;
            fn from_u128(value: u128) -> Self { Self(value) }
            fn to_u128(self) -> u128 { self.0 }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                $crate::__fmt_id(f, $prefix, self.0)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::IdError;
            fn from_str(text: &str) -> ::std::result::Result<Self, $crate::IdError> {
                $crate::parse_id($prefix, text).map(Self)
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                let text = <::std::borrow::Cow<'de, str> as ::serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(::serde::de::Error::custom)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::PersonId;

    #[test]
    fn what_is_not_an_id_is_refused_with_the_form_expected() {
        for text in [
            "",
            "per-",
            "cas-00000000000000000000000000",
            "per-8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "per-0000000000000000000000000i",
        ] {
            let error = text.parse::<PersonId>().expect_err(text);
            assert!(error.to_string().contains("per-"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn an_id_reads_back_as_it_was_written(value: u128) {
            let id = PersonId::from_u128(value);
            prop_assert_eq!(id.to_string().parse::<PersonId>(), Ok(id));
        }

        #[test]
        fn ids_sort_as_their_texts(a: u128, b: u128) {
            let (a, b) = (PersonId::from_u128(a), PersonId::from_u128(b));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }
    }
}
