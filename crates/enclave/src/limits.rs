//! What work in the domain may use up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{OutputLimits, queue::Room};

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
    /// How many jobs may run at the same time.
    pub jobs_running: usize,
    /// How many of them may be one operator's.
    pub operator_running: usize,
    /// How many jobs of one operator may wait.
    pub operator_waiting: usize,
    /// How many seconds of processors the jobs of one operator may take in a month; none: any.
    pub operator_cpu_seconds: Option<u64>,
    /// How often a job may be begun.
    pub job_attempts: u32,
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
            jobs_running: 4,
            operator_running: 2,
            operator_waiting: 100,
            operator_cpu_seconds: None,
            job_attempts: 3,
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

    /// How many jobs may run.
    pub(crate) fn room(&self) -> Room {
        Room { whole: self.jobs_running.max(1), each: self.operator_running.max(1) }
    }

    /// How large the output of a job may be.
    pub(crate) fn output(&self) -> OutputLimits {
        OutputLimits { rows: self.output_rows, bytes: self.output_bytes }
    }
}
