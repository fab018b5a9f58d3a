//! The charges of a job as rows of the cost ledger: one rule for every store.

use chrono::{DateTime, Utc};

use crate::costs::{Basis, CAUSE_IN_PROGRESS, Charge, Service, Usd};
pub(crate) use crate::costs::{CAUSE_IMAGE, CAUSE_UNKNOWN};
use crate::jobs::{Attempt, Job, Outcome};

/// One charge in the ledger; at most one for each job, attempt and service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChargeRow {
    /// 0 for a charge that another program recorded.
    pub attempt: u32,
    pub service: Service,
    pub amount: Option<Usd>,
    pub basis: Basis,
    pub model: String,
    pub at: DateTime<Utc>,
    pub simulated: bool,
    /// What became of the money, for `CostGrouping::Cause`.
    pub cause: String,
    /// The tags that it counts for, each once, in order.
    pub tags: Vec<String>,
}

impl ChargeRow {
    /// Whether this is a cost: an amount that is known and was accepted. Anything else is open until it becomes one.
    pub(crate) fn is_cost(&self) -> bool {
        self.amount.is_some() && self.basis != Basis::Unconfirmed
    }

    /// Whether the attempt made an image, or still may.
    pub(crate) fn succeeded(&self) -> bool {
        matches!(self.cause.as_str(), CAUSE_IMAGE | CAUSE_IN_PROGRESS)
    }
}

/// The job's own charges, ordered by attempt and service, each pair once. Charges that another backend recorded on its attempts are
/// excluded: they have entries of their own.
pub(crate) fn charges_of(job: &Job) -> Vec<ChargeRow> {
    let mut rows: Vec<ChargeRow> = job
        .attempts
        .iter()
        .flat_map(|attempt| attempt.charges().map(move |charge| (attempt, charge)))
        .filter(|(attempt, charge)| !is_external_charge(job, attempt, charge))
        .map(|(attempt, charge)| ChargeRow {
            attempt: attempt.number,
            service: charge.service,
            amount: charge.amount,
            basis: charge.basis,
            model: charge.model.clone(),
            at: charge.at,
            simulated: charge.simulated,
            cause: cause_of(attempt).to_owned(),
            tags: if attempt.counts_tags { counted_tags(&job.tags) } else { Vec::new() },
        })
        .collect();
    rows.sort_by_key(|row| (row.attempt, row.service));
    rows.dedup_by_key(|row| (row.attempt, row.service));
    rows
}

/// What `cause_of` returns beside the codes of failures.
pub(crate) const CAUSES: [&str; 3] = [CAUSE_IMAGE, CAUSE_IN_PROGRESS, CAUSE_CANCELLED];

const CAUSE_CANCELLED: &str = "cancelled";

/// Tags that a charge counts for at most: each is a sum of its own.
const MAX_TAGS: usize = 10;

/// Characters of a tag that count.
const MAX_TAG_CHARACTERS: usize = 100;

/// The tags that a charge counts for: the first of them, without control characters, each once, in order.
pub(crate) fn counted_tags<T: AsRef<str>>(tags: &[T]) -> Vec<String> {
    let clean = tags.iter().map(|tag| crate::text::sanitize_line(tag.as_ref().trim(), MAX_TAG_CHARACTERS));
    let mut tags: Vec<String> = clean.filter(|tag| !tag.is_empty()).take(MAX_TAGS).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}

/// What became of an attempt's money, for `CostGrouping::Cause`.
pub(crate) fn cause_of(attempt: &Attempt) -> &'static str {
    match &attempt.outcome {
        Some(Outcome::Done { .. }) => CAUSE_IMAGE,
        Some(Outcome::Failed { failure }) => failure.code.as_str(),
        Some(Outcome::Cancelled) => CAUSE_CANCELLED,
        None => CAUSE_IN_PROGRESS,
    }
}

/// Whether another backend recorded this charge on an attempt that darkroom did not run: its own entry is in `costs` already, and
/// it must not be recorded again.
pub(crate) fn is_external_charge(job: &Job, attempt: &Attempt, charge: &Charge) -> bool {
    job.spec_of(attempt).from_shared_store
        && attempt.receipt.is_none()
        && attempt.steps.is_empty()
        && charge.basis != Basis::Unconfirmed
        // An operator booked it.
        && attempt.resolution.is_none()
}
