//! How an action finds that a job is no longer what was counted and confirmed.

use sha2::{Digest, Sha256};

use super::BulkAction;
use crate::catalog::Catalog;
use crate::jobs::{Job, Spec};

/// What distinguishes the job as it was counted from the same job after any transition.
pub fn fingerprint(job: &Job) -> i64 {
    job.updated_at.timestamp_micros()
}

impl BulkAction {
    /// What distinguishes the job as it was counted from the same job after a change that matters to the action.
    pub(super) fn fingerprint(&self, job: &Job) -> i64 {
        match self {
            // Its source may run, be approved or be tagged meanwhile.
            Self::Clone { edit, .. } => {
                edit.clone_of(job).map_or(0, |clone| clone_fingerprint(&clone.spec, Catalog::builtin()))
            }
            _ => fingerprint(job),
        }
    }
}

/// What distinguishes a clone as it was counted from one with other contents or another price.
pub(in crate::engine) fn clone_fingerprint(spec: &Spec, catalog: &Catalog) -> i64 {
    let estimate = catalog.estimate(spec);
    let facts = serde_json::json!([spec, estimate.amount, estimate.at_most]);
    let digest = Sha256::digest(facts.to_string());
    digest.iter().take(6).fold(0, |number, byte| (number << 8) | i64::from(*byte))
}
