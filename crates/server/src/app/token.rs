//! Bearer tokens: who, until when, sealed with a key of the deployment.
//!
//! Nothing is kept for a token: it names a person and the sign-in epoch of that person, under an
//! HMAC. Each request reads the person anew, so that a person who is closed, or has signed out,
//! is out with the next request, in every process and after a restart.

use chrono::{DateTime, Utc};
use ring::hmac;
use shuyu_kernel::{Entropy, Id, PersonId};

/// Why a token does not sign anybody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not one of ours, or was altered.
    #[error("the bearer token is not valid: sign in again")]
    Invalid,
    /// Its time is over.
    #[error("the bearer token has expired: sign in again")]
    Expired,
}

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// Who.
    pub person: PersonId,
    /// The sign-in epoch; signing out begins the next, which ends all tokens of this one.
    pub epoch: u32,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// Seals and opens tokens.
pub struct TokenKey(hmac::Key);

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey")
    }
}

impl TokenKey {
    /// The key of these bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// 32 fresh bytes for a key.
    pub fn generate(entropy: &dyn Entropy) -> [u8; 32] {
        let mut secret = [0; 32];
        entropy.fill(&mut secret);
        secret
    }

    /// A text that stands for `name` in the log, from which nobody without the key can tell it.
    pub fn disguise(&self, name: &str) -> String {
        hex::encode(hmac::sign(&self.0, format!("name/{name}").as_bytes()))
    }

    /// The token as the text that the bearer keeps.
    pub fn seal(&self, token: &Token) -> String {
        let mut bytes = Vec::with_capacity(60);
        bytes.extend_from_slice(&token.person.to_u128().to_be_bytes());
        bytes.extend_from_slice(&token.epoch.to_be_bytes());
        bytes.extend_from_slice(&token.expires_at.timestamp().to_be_bytes());
        let tag = hmac::sign(&self.0, &bytes);
        bytes.extend_from_slice(tag.as_ref());
        hex::encode(bytes)
    }

    /// What the token says, if we sealed it and its time is not over at `now`.
    pub fn open(&self, text: &str, now: DateTime<Utc>) -> Result<Token, TokenError> {
        let bytes = hex::decode(text).map_err(|_| TokenError::Invalid)?;
        let (body, tag) = bytes.split_at_checked(28).ok_or(TokenError::Invalid)?;
        hmac::verify(&self.0, body, tag).map_err(|_| TokenError::Invalid)?;
        let (person, rest) = body.split_first_chunk::<16>().ok_or(TokenError::Invalid)?;
        let (epoch, rest) = rest.split_first_chunk::<4>().ok_or(TokenError::Invalid)?;
        let (seconds, _) = rest.split_first_chunk::<8>().ok_or(TokenError::Invalid)?;
        let expires_at =
            DateTime::from_timestamp(i64::from_be_bytes(*seconds), 0).ok_or(TokenError::Invalid)?;
        if expires_at <= now {
            return Err(TokenError::Expired);
        }
        Ok(Token {
            person: PersonId::from_u128(u128::from_be_bytes(*person)),
            epoch: u32::from_be_bytes(*epoch),
            expires_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    #[test]
    fn a_token_opens_until_it_expires_and_only_unaltered() {
        let key = TokenKey::new(&[7; 32]);
        let token = Token {
            person: PersonId::from_u128(42),
            epoch: 3,
            expires_at: at("2024-03-01T08:00:00Z"),
        };
        let text = key.seal(&token);
        assert_eq!(key.open(&text, at("2024-03-01T07:59:59Z")), Ok(token));
        assert_eq!(key.open(&text, at("2024-03-01T08:00:00Z")), Err(TokenError::Expired));
        for position in 0..text.len() {
            let mut altered = text.clone().into_bytes();
            altered[position] = if altered[position] == b'0' { b'1' } else { b'0' };
            let altered = String::from_utf8(altered).expect("ascii");
            assert_eq!(key.open(&altered, at("2024-03-01T07:00:00Z")), Err(TokenError::Invalid));
        }
        let other = TokenKey::new(&[8; 32]);
        assert_eq!(other.open(&text, at("2024-03-01T07:00:00Z")), Err(TokenError::Invalid));
        assert_eq!(key.open("", at("2024-03-01T07:00:00Z")), Err(TokenError::Invalid));
    }
}
