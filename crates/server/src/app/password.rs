//! Passwords: argon2id, salted, and never compared in the open.

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use shuyu_kernel::Entropy;

/// Memory, passes and lanes: OWASP's second recommendation for argon2id (19 MiB, 2, 1).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A password that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short, or of too few kinds of characters.
    #[error(
        "a password has at least {0} characters, with capital and small letters, digits and signs"
    )]
    TooWeak(usize),
    /// Hashing failed.
    #[error("the password could not be hashed")]
    Hash,
}

/// A password as it is kept: salt and hash, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordHash {
    salt: String,
    hash: String,
}

/// A password must be this long at least (GB/T 22239-2019, 8.1.4.1).
pub const LENGTH: usize = 8;

/// Checks that a password fulfils the policy: `least` characters, of four kinds.
pub fn check(password: &str, least: usize) -> Result<(), PasswordError> {
    let has = |kind: fn(char) -> bool| password.chars().any(kind);
    let fulfils = password.chars().count() >= least
        && has(char::is_uppercase)
        && has(char::is_lowercase)
        && has(|c| c.is_ascii_digit())
        && has(|c| !c.is_alphanumeric());
    if fulfils { Ok(()) } else { Err(PasswordError::TooWeak(least)) }
}

/// Hashes a password that fulfils the policy: `least` characters of four kinds.
pub fn hash(
    password: &str,
    least: usize,
    entropy: &dyn Entropy,
) -> Result<PasswordHash, PasswordError> {
    check(password, least)?;
    let mut salt = [0; 16];
    entropy.fill(&mut salt);
    let hash = derive(password, &salt)?;
    Ok(PasswordHash { salt: hex::encode(salt), hash: hex::encode(hash) })
}

/// Whether `password` is the one kept. Takes as long for a wrong one as for the right one.
pub fn verify(password: &str, kept: &PasswordHash) -> bool {
    let (Ok(salt), Ok(expected)) = (hex::decode(&kept.salt), hex::decode(&kept.hash)) else {
        return false;
    };
    derive(password, &salt).is_ok_and(|hash| constant_time_eq(&hash, &expected))
}

/// Spends the time of a verification where there is nobody to verify, so that the answer does
/// not tell whether a name exists.
pub fn verify_nobody(password: &str) {
    let _ = derive(password, &[0; 16]);
}

fn derive(password: &str, salt: &[u8]) -> Result<[u8; 32], PasswordError> {
    let params =
        Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).map_err(|_| PasswordError::Hash)?;
    let mut out = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut out)
        .map_err(|_| PasswordError::Hash)?;
    Ok(out)
}

fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use shuyu_kernel::SeededEntropy;

    use super::*;

    #[test]
    fn only_the_same_password_verifies() {
        let kept = hash("Xihu-2024!", 8, &SeededEntropy::new(1)).expect("strong enough");
        assert!(verify("Xihu-2024!", &kept));
        assert!(!verify("Xihu-2024?", &kept));
        assert!(!verify("", &kept));
    }

    #[test]
    fn weak_passwords_are_refused_with_what_is_asked() {
        for weak in ["", "Ab1!", "abcdefgh1!", "ABCDEFGH1!", "Abcdefgh!", "Abcdefgh1"] {
            let error = hash(weak, 8, &SeededEntropy::new(1)).expect_err(weak);
            assert_eq!(error, PasswordError::TooWeak(8));
        }
    }
}
