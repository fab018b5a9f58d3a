//! How an action finds that a job is no longer what was counted and confirmed.

use sha2::{Digest, Sha256};

use crate::catalog::{Catalog, InputSizes};
use crate::jobs::{Job, Spec};

/// What distinguishes the job as it was counted from the same job after any transition.
pub fn fingerprint(job: &Job) -> i64 {
    job.updated_at.timestamp_micros()
}

/// What distinguishes a clone as it was counted from one with other contents or another price. `sizes` are those of its input images.
pub(in crate::engine) fn clone_fingerprint(spec: &Spec, sizes: &InputSizes, catalog: &Catalog) -> i64 {
    let estimate = catalog.estimate_sized(spec, sizes);
    let facts = serde_json::json!([spec, estimate.amount, estimate.at_most]);
    let digest = Sha256::digest(facts.to_string());
    digest.iter().take(6).fold(0, |number, byte| (number << 8) | i64::from(*byte))
}
