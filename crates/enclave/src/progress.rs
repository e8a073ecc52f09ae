//! How far a job has come, as coarsely as says nothing of its data.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::JobId;
use shuyu_store::ActError;

use crate::{Cost, Enclave, JobStatus};

/// How far a job has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Progress {
    /// It waits to be begun, or for its turn.
    Waiting {
        /// How many jobs of the operator come before it, once it stands in the queue.
        ahead: Option<usize>,
    },
    /// It runs.
    Running {
        /// Since when.
        since: DateTime<Utc>,
        /// How many quarters of its rows were read; none: it runs in another process.
        quarters: Option<u8>,
    },
    /// It has ended, or waits to be begun again.
    Over {
        /// How: `succeeded`, `failed`, `cancelled` or `interrupted`.
        status: String,
        /// What all its attempts cost.
        cost: Cost,
    },
}

impl Enclave {
    /// How far a job has come. Whoever asks may read the job: that is for the caller to see to.
    pub async fn progress(&self, id: JobId) -> Result<Progress, ActError> {
        let job = self.job(id).await?;
        Ok(match job.status {
            JobStatus::Submitted => Progress::Waiting { ahead: self.queue.ahead_of(id) },
            JobStatus::Running { since } => Progress::Running {
                since,
                quarters: self.meters.find(id).map(|meter| meter.quarters()),
            },
            JobStatus::Succeeded { .. }
            | JobStatus::Failed { .. }
            | JobStatus::Cancelled { .. }
            | JobStatus::Interrupted => {
                Progress::Over { status: job.status.name().to_owned(), cost: job.cost }
            }
        })
    }
}
