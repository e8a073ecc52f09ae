//! Checkpoints: what a log commits to (C2SP tlog-checkpoint).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{NodeHash, NoteError, SignedNote, Signer, Verifier};

/// The state of a log: whose it is, how many leaves it has, and their root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The identity of the log; its signing key has the same name.
    pub origin: String,
    /// The number of leaves.
    pub size: u64,
    /// The Merkle tree hash of the leaves.
    pub root: NodeHash,
    /// Further lines, opaque to this crate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<String>,
}

/// A text that is no checkpoint, or a note that does not carry one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The lines are not those of a checkpoint.
    #[error("a checkpoint is origin, size and root, a line each")]
    Form,
    /// The checkpoint is of another log.
    #[error("the checkpoint is of {found}, not of {expected}")]
    Origin {
        /// The log asked about.
        expected: String,
        /// The log that the checkpoint names.
        found: String,
    },
    /// The note is malformed, unsigned or wrongly signed.
    #[error(transparent)]
    Note(#[from] NoteError),
}

impl Checkpoint {
    /// The checkpoint of a log, without extension lines.
    pub fn new(origin: impl Into<String>, size: u64, root: NodeHash) -> Self {
        Self { origin: origin.into(), size, root, extensions: Vec::new() }
    }

    /// The checkpoint as a note, signed with each of the keys.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Form`] if origin or an extension is empty or has a line break.
    pub fn sign(&self, signers: &[&Signer]) -> Result<SignedNote, CheckpointError> {
        let text = self.to_string();
        if text.parse().as_ref() != Ok(self) {
            return Err(CheckpointError::Form);
        }
        Ok(SignedNote::sign(text, signers)?)
    }

    /// The checkpoint of the log `origin` in a note that one of the `known` keys signed.
    ///
    /// Who must have signed besides is the caller's rule: [`SignedNote::verify`] names the keys.
    pub fn open(note: &str, origin: &str, known: &[Verifier]) -> Result<Self, CheckpointError> {
        let note: SignedNote = note.parse()?;
        let checkpoint: Self = note.verify(known)?.0.parse()?;
        if checkpoint.origin == origin {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::Origin { expected: origin.to_owned(), found: checkpoint.origin })
        }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root)?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;
    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let parse = || {
            let mut lines = text.strip_suffix('\n')?.split('\n').map(str::to_owned);
            let origin = lines.next().filter(|origin| !origin.is_empty())?;
            let size = lines.next()?.parse().ok()?;
            let root = lines.next()?.parse().ok()?;
            let extensions: Vec<String> = lines.collect();
            (!extensions.iter().any(String::is_empty)).then_some(Self {
                origin,
                size,
                root,
                extensions,
            })
        };
        // A size with a sign or leading zeroes would be another text for the same checkpoint.
        parse().filter(|checkpoint| checkpoint.to_string() == text).ok_or(CheckpointError::Form)
    }
}
