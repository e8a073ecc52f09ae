//! Where the time comes from: the machine, or a hand that sets it.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Duration, Utc};

/// Tells the time. Handed to whatever needs it, so that a test or a demonstration sets it.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where time enters")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// A clock that stands still until it is moved, and never moves back.
#[derive(Debug)]
pub struct VirtualClock {
    micros: AtomicI64,
}

impl VirtualClock {
    /// A clock that shows `at`.
    pub fn new(at: DateTime<Utc>) -> Self {
        Self { micros: AtomicI64::new(at.timestamp_micros()) }
    }

    /// Moves the clock on by `step`; a negative step is ignored.
    pub fn advance(&self, step: Duration) {
        let micros = step.num_microseconds().unwrap_or(0).max(0);
        self.micros.fetch_add(micros, Ordering::SeqCst);
    }

    /// Moves the clock on to `at`, unless it is already later.
    pub fn advance_to(&self, at: DateTime<Utc>) {
        self.micros.fetch_max(at.timestamp_micros(), Ordering::SeqCst);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.micros.load(Ordering::SeqCst)).unwrap_or_default()
    }
}
