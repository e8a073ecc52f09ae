//! The figures that a model is held to.

use serde::{Deserialize, Serialize};

/// Floors and bounds. The caller has them from its pack; the defaults are those of the sources named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// k: of fewer distinct subjects a leaf, cluster, indicator, threshold or plotted band tells nothing.
    pub least_subjects: u64,
    /// How many more subjects there must be than parameters (ACRO and SACRO-ML, `safe_dof_threshold`: 10).
    pub residual_degrees: u64,
    /// How many subjects there must be for each parameter.
    pub subjects_per_parameter: f64,
    /// Significant digits of every figure that leaves, 2 to 6. What is finer could carry a message.
    pub digits: usize,
    /// Bytes of an export for each parameter and input, besides declared names.
    pub bytes_per_parameter: usize,
    /// The largest area under the curve that an attack on membership may have; 0.5 is guessing.
    pub membership_auc: f64,
    /// The false-positive rate at which the true-positive rate of that attack is read.
    pub membership_false_positives: f64,
    /// The largest true-positive rate there.
    pub membership_true_positives: f64,
    /// How many shadow models the likelihood-ratio attack trains, none at 0.
    pub shadow_models: u32,
    /// By how much more of those trained on than of others a sensitive feature may be guessed.
    pub attribute_excess: f64,
    /// By how much more often than by guessing the most frequent value a sensitive feature may be guessed.
    pub attribute_gain: f64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            least_subjects: 10,
            residual_degrees: 10,
            subjects_per_parameter: 5.0,
            digits: 4,
            bytes_per_parameter: 120,
            membership_auc: 0.6,
            membership_false_positives: 0.001,
            membership_true_positives: 0.02,
            shadow_models: 16,
            attribute_excess: 0.05,
            attribute_gain: 0.2,
        }
    }
}

impl Rules {
    /// k, at least 1, as a count in memory.
    pub(crate) fn k(&self) -> usize {
        usize::try_from(self.least_subjects).unwrap_or(usize::MAX).max(1)
    }

    /// Significant digits, within the range for which rounding is defined here.
    pub(crate) fn digits(&self) -> usize {
        self.digits.clamp(2, 6)
    }
}
