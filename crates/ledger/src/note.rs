//! Signed notes: a text and signatures of it, as one text (C2SP signed-note).

use std::{fmt, fmt::Write as _, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{Signer, Verifier, signature::is_key_name};

/// More signatures than this are refused before any is checked.
const MAX_SIGNATURES: usize = 100;

/// A text and signatures of it, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// A signature of a note, of a key that may or may not be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// The key's name.
    pub name: String,
    /// The key's short id.
    pub id: [u8; 4],
    /// The signature itself.
    pub signature: Vec<u8>,
}

/// A note that is not well formed or not signed by whom it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text does not end in a newline, or has control characters.
    #[error("the text of a note ends in a newline and has no control characters")]
    Text,
    /// There are no signature lines, or one can't be read, or there are too many.
    #[error("a note ends in a blank line and at least one line of signature")]
    Signatures,
    /// A key that is known did not make the signature that bears its name.
    #[error("the signature of {0} is wrong")]
    Wrong(String),
    /// No key that is known has signed.
    #[error("no known key has signed the note")]
    Unsigned,
}

impl SignedNote {
    /// Signs `text` with each of the keys.
    pub fn sign(text: impl Into<String>, signers: &[&Signer]) -> Result<Self, NoteError> {
        let text = text.into();
        if !is_text(&text) {
            return Err(NoteError::Text);
        }
        let mut note = Self { text, signatures: Vec::new() };
        for signer in signers {
            note.cosign(signer);
        }
        Ok(note)
    }

    /// Adds a signature.
    pub fn cosign(&mut self, signer: &Signer) {
        self.signatures.push(NoteSignature {
            name: signer.verifier().name().to_owned(),
            id: signer.verifier().id(),
            signature: signer.sign(self.text.as_bytes()),
        });
    }

    /// The text, checked or not: see [`Self::verify`].
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, of known and unknown keys.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// The text, if it is signed by at least one of `known`, with the keys that did.
    ///
    /// Signatures of other keys are passed over, so that witnesses can be added and keys
    /// replaced. A wrong signature under a known key's name refuses the whole note.
    pub fn verify<'a>(
        &self,
        known: &'a [Verifier],
    ) -> Result<(&str, Vec<&'a Verifier>), NoteError> {
        let mut by = Vec::new();
        for signature in &self.signatures {
            let same = |key: &&Verifier| key.name() == signature.name && key.id() == signature.id;
            let mut keys = known.iter().filter(same).peekable();
            if keys.peek().is_none() {
                continue;
            }
            // Two known keys may share name and short id; one of them must have signed.
            let key = keys
                .find(|key| key.is_signature(self.text.as_bytes(), &signature.signature))
                .ok_or_else(|| NoteError::Wrong(signature.name.clone()))?;
            if !by.contains(&key) {
                by.push(key);
            }
        }
        if by.is_empty() {
            return Err(NoteError::Unsigned);
        }
        Ok((&self.text, by))
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        f.write_char('\n')?;
        for line in &self.signatures {
            let bytes = [&line.id[..], &line.signature].concat();
            writeln!(f, "\u{2014} {} {}", line.name, STANDARD.encode(bytes))?;
        }
        Ok(())
    }
}

impl FromStr for SignedNote {
    type Err = NoteError;
    fn from_str(note: &str) -> Result<Self, NoteError> {
        if !is_text(note) {
            return Err(NoteError::Text);
        }
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Signatures)?;
        let signatures = lines
            .strip_suffix('\n')
            .ok_or(NoteError::Signatures)?
            .split('\n')
            .take(MAX_SIGNATURES + 1)
            .map(|line| parse_line(line).ok_or(NoteError::Signatures))
            .collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::Signatures);
        }
        Ok(Self { text: format!("{text}\n"), signatures })
    }
}

fn parse_line(line: &str) -> Option<NoteSignature> {
    let (name, text) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let bytes = STANDARD.decode(text).ok()?;
    let (id, signature) = bytes.split_first_chunk()?;
    (is_key_name(name) && !signature.is_empty()).then(|| NoteSignature {
        name: name.to_owned(),
        id: *id,
        signature: signature.to_vec(),
    })
}

fn is_text(text: &str) -> bool {
    text.ends_with('\n') && !text.chars().any(|c| c < ' ' && c != '\n')
}
