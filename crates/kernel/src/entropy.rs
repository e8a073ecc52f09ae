//! Where randomness comes from: the machine, or a seed.

use std::sync::Mutex;

use rand::{RngCore, SeedableRng, TryRngCore, rngs::StdRng};

/// A source of random bytes, handed to whatever needs it.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with randomness.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's randomness, fit for keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// # Panics
    ///
    /// If the operating system cannot give randomness: no key may be made without it.
    #[expect(clippy::expect_used, reason = "going on without randomness would make weak keys")]
    fn fill(&self, bytes: &mut [u8]) {
        rand::rngs::OsRng.try_fill_bytes(bytes).expect("the operating system gives randomness");
    }
}

/// Reproducible bytes from a seed, for tests, simulation and generated data. Never for keys.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<StdRng>);

impl SeededEntropy {
    /// The bytes that follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut rng = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        rng.fill_bytes(bytes);
    }
}
