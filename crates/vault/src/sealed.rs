//! Byte streams sealed in chunks (AES-256-GCM), for what is not Parquet: quarantine, profile.
//!
//! **Invariant:** chunks cannot be dropped, reordered, cut off at the end or moved to another
//! stream unnoticed: the nonce counts them and marks the last, and each is bound to the label.

use std::io::Write;

use ring::aead::{Aad, LessSafeKey, Nonce};
use shuyu_kernel::Entropy;

use crate::{DataKey, KeyId, Result, VaultError};

const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;
const MAGIC: &[u8; 4] = b"SYS1";
const PREFIX: usize = 7;

fn nonce(prefix: [u8; PREFIX], counter: u32, last: bool) -> Nonce {
    let mut bytes = [0; 12];
    for (to, from) in bytes
        .iter_mut()
        .zip(prefix.into_iter().chain(counter.to_be_bytes()).chain([u8::from(last)]))
    {
        *to = from;
    }
    Nonce::assume_unique_for_key(bytes)
}

/// Writes a sealed stream. Nothing is readable of it before [`finish`](Self::finish).
pub(crate) struct Sealer<W: Write> {
    inner: W,
    cipher: LessSafeKey,
    label: String,
    prefix: [u8; PREFIX],
    counter: u32,
    pending: Vec<u8>,
}

impl<W: Write> Sealer<W> {
    pub(crate) fn new(
        mut inner: W,
        key: &DataKey,
        label: String,
        entropy: &dyn Entropy,
    ) -> Result<Self> {
        let mut prefix = [0; PREFIX];
        entropy.fill(&mut prefix);
        inner.write_all(MAGIC)?;
        inner.write_all(&prefix)?;
        Ok(Self {
            inner,
            cipher: key.cipher()?,
            label,
            prefix,
            counter: 0,
            pending: Vec::with_capacity(CHUNK + TAG),
        })
    }

    fn seal(&mut self, last: bool) -> std::io::Result<()> {
        let nonce = nonce(self.prefix, self.counter, last);
        self.cipher
            .seal_in_place_append_tag(nonce, Aad::from(self.label.as_bytes()), &mut self.pending)
            .map_err(|_| std::io::Error::other("sealing failed"))?;
        self.inner.write_all(&self.pending)?;
        self.pending.clear();
        self.counter =
            self.counter.checked_add(1).ok_or_else(|| std::io::Error::other("too long to seal"))?;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<W> {
        self.seal(true)?;
        self.inner.flush()?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.pending.len() == CHUNK {
            self.seal(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.pending.len());
        self.pending.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Opens a sealed stream as a whole.
pub(crate) fn open(bytes: &[u8], id: KeyId, key: &DataKey, label: &str) -> Result<Vec<u8>> {
    let refused = || VaultError::KeyRefused(id);
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(refused)?;
    let (prefix, rest) = rest.split_first_chunk::<PREFIX>().ok_or_else(refused)?;
    let cipher = key.cipher()?;
    let mut plain = Vec::with_capacity(rest.len());
    let chunks = rest.chunks(CHUNK + TAG);
    let last = chunks.len().checked_sub(1).ok_or_else(refused)?;
    for (counter, chunk) in chunks.enumerate() {
        let number = u32::try_from(counter).map_err(|_| refused())?;
        let mut chunk = chunk.to_vec();
        let opened = cipher
            .open_in_place(
                nonce(*prefix, number, counter == last),
                Aad::from(label.as_bytes()),
                &mut chunk,
            )
            .map_err(|_| refused())?;
        plain.extend_from_slice(opened);
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shuyu_kernel::{Id, SystemEntropy};

    use super::*;

    fn sealed(plain: &[u8], key: &DataKey) -> Vec<u8> {
        let mut sealer = Sealer::new(Vec::new(), key, "a".into(), &SystemEntropy).unwrap();
        sealer.write_all(plain).unwrap();
        sealer.finish().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn what_was_sealed_opens_and_what_was_altered_does_not(
            length in prop_oneof![0_usize..100, CHUNK - 1..CHUNK + 2, 2 * CHUNK - 1..2 * CHUNK + 2],
            at: prop::sample::Index,
        ) {
            let (key, id) = (DataKey::generate(&SystemEntropy), KeyId::from_u128(1));
            let plain: Vec<u8> = (0..=250).cycle().take(length).collect();
            let bytes = sealed(&plain, &key);
            prop_assert_eq!(open(&bytes, id, &key, "a").unwrap(), plain);
            prop_assert!(open(&bytes, id, &key, "b").is_err());
            let mut altered = bytes.clone();
            altered[at.index(bytes.len())] ^= 1;
            prop_assert!(open(&altered, id, &key, "a").is_err());
            prop_assert!(open(&bytes[..at.index(bytes.len())], id, &key, "a").is_err());
        }
    }
}
