//! What work in the domain may use up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::OutputLimits;

/// What work in the domain may use up. The law is silent on it, so it is the deployment's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// How much memory, in bytes, all work together may take.
    pub memory_bytes: usize,
    /// How much of it one question, sample or job may take.
    pub share_bytes: usize,
    /// How long, in seconds, a question, a sample or the check of a query may take.
    pub question_seconds: u64,
    /// How long, in seconds, a job may run.
    pub job_seconds: u64,
    /// How many rows the output of a job may have.
    pub output_rows: usize,
    /// How large, in bytes, the output of a job may be.
    pub output_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 4 << 30,
            share_bytes: 2 << 30,
            question_seconds: 60,
            job_seconds: 3_600,
            output_rows: 1_000_000,
            output_bytes: 256 << 20,
        }
    }
}

impl Limits {
    /// How long a question may take.
    pub(crate) fn question(&self) -> Duration {
        Duration::from_secs(self.question_seconds)
    }

    /// How long a job may run.
    pub(crate) fn job(&self) -> Duration {
        Duration::from_secs(self.job_seconds)
    }

    /// How large the output of a job may be.
    pub(crate) fn output(&self) -> OutputLimits {
        OutputLimits { rows: self.output_rows, bytes: self.output_bytes }
    }
}
