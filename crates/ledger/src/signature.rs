//! Keys of signed notes, behind the choice of a suite.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

/// A signature algorithm that notes may be signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureSuite {
    /// Ed25519 over the note's text, signature type 0x01 of C2SP signed-note.
    Ed25519,
}

impl SignatureSuite {
    const ALL: [Self; 1] = [Self::Ed25519];

    /// What precedes the key where it is written or hashed: the signature type.
    fn identifier(self) -> &'static [u8] {
        match self {
            Self::Ed25519 => &[1],
        }
    }

    fn key_bytes(self) -> usize {
        match self {
            Self::Ed25519 => 32,
        }
    }

    fn verify(self, public: &[u8], message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519 => {
                UnparsedPublicKey::new(&ED25519, public).verify(message, signature).is_ok()
            }
        }
    }

    /// The suite and the key in a key's text form.
    fn split(bytes: &[u8]) -> Result<(Self, &[u8]), KeyError> {
        Self::ALL
            .into_iter()
            .find_map(|suite| Some((suite, bytes.strip_prefix(suite.identifier())?)))
            .filter(|(suite, key)| key.len() == suite.key_bytes())
            .ok_or(KeyError::Suite)
    }
}

/// A key that is not well formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The name is empty, or has a space or a plus sign.
    #[error("{0:?} can't be the name of a key: it is empty or has a space or a plus sign")]
    Name(String),
    /// The text does not have the parts of a key.
    #[error("a key is written name+hash+base64")]
    Form,
    /// The algorithm is unknown, or the key has not its length.
    #[error("the key is of an unknown algorithm, or has the wrong length")]
    Suite,
    /// The hash in the text is not that of the key.
    #[error("the key's hash does not fit the key")]
    Hash,
}

/// A public key with its name, by which signatures of notes are checked.
///
/// Its text form is that of C2SP signed-note: `name+hash+base64`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Verifier {
    name: String,
    suite: SignatureSuite,
    public: Vec<u8>,
    id: [u8; 4],
}

impl Verifier {
    /// The verifier of a public key.
    pub fn new(
        name: impl Into<String>,
        suite: SignatureSuite,
        public: &[u8],
    ) -> Result<Self, KeyError> {
        let name = name.into();
        if !is_key_name(&name) {
            return Err(KeyError::Name(name));
        }
        if public.len() != suite.key_bytes() {
            return Err(KeyError::Suite);
        }
        let id = key_id(&name, suite, public);
        Ok(Self { name, suite, public: public.to_vec(), id })
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key's short id, which stands before each signature.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// The public key.
    pub fn public_key(&self) -> &[u8] {
        &self.public
    }

    /// Whether `signature` is this key's signature of `message`.
    pub fn is_signature(&self, message: &[u8], signature: &[u8]) -> bool {
        self.suite.verify(&self.public, message, signature)
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [self.suite.identifier(), &self.public].concat();
        let id = hex::encode(self.id);
        write!(f, "{}+{id}+{}", self.name, STANDARD.encode(key))
    }
}

impl FromStr for Verifier {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, id, key) = split_text(text)?;
        let (suite, public) = SignatureSuite::split(&key)?;
        Self::new(name, suite, public).and_then(|verifier| verifier.with_id(id))
    }
}

impl Verifier {
    fn with_id(self, id: &str) -> Result<Self, KeyError> {
        if hex::encode(self.id) == id { Ok(self) } else { Err(KeyError::Hash) }
    }
}

/// A private key with its name.
pub struct Signer {
    verifier: Verifier,
    pair: Ed25519KeyPair,
}

const SECRET: &str = "PRIVATE+KEY+";

impl Signer {
    /// The Ed25519 key that follows from 32 secret bytes.
    pub fn ed25519(name: impl Into<String>, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Suite)?;
        let public = pair.public_key().as_ref().to_vec();
        let verifier = Verifier::new(name, SignatureSuite::Ed25519, &public)?;
        Ok(Self { verifier, pair })
    }

    /// The key in a text that [`Self::secret_text`] wrote.
    pub fn from_secret_text(text: &str) -> Result<Self, KeyError> {
        let (name, id, key) = split_text(text.strip_prefix(SECRET).ok_or(KeyError::Form)?)?;
        let (SignatureSuite::Ed25519, seed) = SignatureSuite::split(&key)?;
        let seed = seed.try_into().map_err(|_| KeyError::Suite)?;
        let signer = Self::ed25519(name, seed)?;
        Ok(Self { verifier: signer.verifier.with_id(id)?, pair: signer.pair })
    }

    /// The secret text of the Ed25519 key of `seed`: `PRIVATE+KEY+name+hash+base64`.
    pub fn secret_text(name: &str, seed: &[u8; 32]) -> Result<String, KeyError> {
        let signer = Self::ed25519(name, seed)?;
        let key = [SignatureSuite::Ed25519.identifier(), seed].concat();
        let id = hex::encode(signer.verifier.id);
        Ok(format!("{SECRET}{name}+{id}+{}", STANDARD.encode(key)))
    }

    /// The public half.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The signature of `message`.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for Signer {
    /// Shows the public half only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.verifier)
    }
}

/// A key's name: not empty, without spaces or plus signs.
pub(crate) fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

fn split_text(text: &str) -> Result<(&str, &str, Vec<u8>), KeyError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyError::Form);
    };
    let key = STANDARD.decode(key).map_err(|_| KeyError::Form)?;
    Ok((name, id, key))
}

/// The first four bytes of SHA-256 over name, newline, signature type and key. C2SP fixes
/// SHA-256 here whatever the log hashes with.
fn key_id(name: &str, suite: SignatureSuite, public: &[u8]) -> [u8; 4] {
    let text = [name.as_bytes(), b"\n", suite.identifier(), public].concat();
    let digest = ring::digest::digest(&ring::digest::SHA256, &text);
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}
