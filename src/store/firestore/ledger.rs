//! Owns the charges of a job as they stand in the books: entries of the `costs` collection whose id cannot be booked twice, and
//! what a save changes in them. Pure. Must not add anything up: that is `rollup`.
//!
//! A charge of known amount that is not in doubt stands in `costs`, where every script reads it. A submit whose outcome nobody
//! knows, and a charge without a price, are no costs yet: they stand in `darkroom_charges` in the same shape until they are.

use chrono::{DateTime, Utc};
use firestore::gcloud_sdk::google::firestore::v1::Document;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use serde_json::Value as Json;

use super::super::schema;
use super::document::dollars;
use super::value::{self, Fields, integer_of, map_of, text_of, time_of};
use crate::costs::{Basis, Charge, Service, Usd};
use crate::jobs::{Attempt, Job, Outcome};

/// The collection that others read.
pub(super) const COSTS: &str = "costs";

/// Charges that are no costs yet, or never will be.
pub(super) const OPEN: &str = "darkroom_charges";

/// The cause of an entry whose job alone knows it.
pub(super) const RECORDED: &str = "recorded";

/// One charge in the books; at most one for each job, attempt and service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChargeRow {
    pub attempt: u32,
    pub service: Service,
    pub amount: Option<Usd>,
    pub basis: Basis,
    pub model: String,
    pub at: DateTime<Utc>,
    pub simulated: bool,
    /// What became of the money, for `CostGrouping::Cause`.
    pub cause: String,
}

/// What a save does to one charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// Written, by collection and id.
    Put(&'static str, String, ChargeRow),
    /// Deleted, by collection and id.
    Delete(&'static str, String),
}

/// The job's charges, ordered by attempt and service, each pair once. What another backend noted on its own attempts is not
/// among them: its entries stand in `costs` already, under ids of their own.
pub(super) fn rows_of(job: &Job) -> Vec<ChargeRow> {
    let mut rows: Vec<ChargeRow> = job
        .attempts
        .iter()
        .flat_map(|attempt| attempt.charges().map(move |charge| (attempt, charge)))
        .filter(|(attempt, charge)| !is_foreign(job, attempt, charge))
        .map(|(attempt, charge)| ChargeRow {
            attempt: attempt.number,
            service: charge.service,
            amount: charge.amount,
            basis: charge.basis,
            model: charge.model.clone(),
            at: charge.at,
            simulated: charge.simulated,
            cause: cause_of(attempt).to_owned(),
        })
        .collect();
    rows.sort_by_key(|row| (row.attempt, row.service));
    rows.dedup_by_key(|row| (row.attempt, row.service));
    rows
}

/// An attempt that nobody here ran: no step was begun and no receipt came, yet there is a charge.
fn is_foreign(job: &Job, attempt: &Attempt, charge: &Charge) -> bool {
    job.spec_of(attempt).from_shared_store
        && attempt.receipt.is_none()
        && attempt.steps.is_empty()
        && charge.basis != Basis::Unconfirmed
}

pub(super) fn cause_of(attempt: &Attempt) -> &'static str {
    match &attempt.outcome {
        Some(Outcome::Done { .. }) => "picture",
        Some(Outcome::Failed { failure }) => failure.code.as_str(),
        Some(Outcome::Cancelled) => "cancelled",
        None => "in_progress",
    }
}

impl ChargeRow {
    pub(super) fn collection(&self) -> &'static str {
        if self.amount.is_some() && self.basis != Basis::Unconfirmed { COSTS } else { OPEN }
    }

    fn succeeded(&self) -> bool {
        matches!(self.cause.as_str(), "picture" | "in_progress")
    }

    /// Whether the entry in the books says the same. A basis that only became more certain is not worth a write.
    fn reads_like(&self, other: &Self) -> bool {
        let told = |row: &Self| {
            (row.amount, row.model.clone(), row.at, row.simulated, row.succeeded(), row.basis.is_counted())
        };
        told(self) == told(other)
    }
}

/// What has to be written so that the books hold `new` instead of `old`, both ordered as by [`rows_of`].
pub(super) fn entries(job: &Job, old: &[ChargeRow], new: &[ChargeRow]) -> Vec<Entry> {
    let same = |left: &ChargeRow, right: &ChargeRow| (left.attempt, left.service) == (right.attempt, right.service);
    let id = |row: &ChargeRow| entry_id(job, row);
    let mut entries = Vec::new();
    for row in old {
        let moved =
            new.iter().find(|other| same(row, other)).is_none_or(|other| other.collection() != row.collection());
        if moved {
            entries.push(Entry::Delete(row.collection(), id(row)));
        }
    }
    for row in new {
        let there = old.iter().find(|other| same(row, other));
        if there.is_none_or(|other| other.collection() != row.collection() || !row.reads_like(other)) {
            entries.push(Entry::Put(row.collection(), id(row), row.clone()));
        }
    }
    entries
}

/// The one id of a charge: writing it twice writes one entry.
fn entry_id(job: &Job, row: &ChargeRow) -> String {
    schema::entry_id(job.id.as_str(), row.attempt, row.service)
}

/// The attempt of that job to which an entry of that id belongs; `None` where it is another program's entry.
pub(super) fn attempt_of(job: &str, entry: &str) -> Option<u32> {
    [Service::BflApi, Service::GoogleStorage].into_iter().find_map(|service| {
        let stem = entry.strip_suffix(service.as_str())?.strip_suffix('-')?;
        let number = stem.rsplit('-').next()?.parse::<u32>().ok()?;
        (schema::entry_id(job, number, service) == entry).then_some(number)
    })
}

/// The entry's fields and the paths that are written: keys that others put beside ours stay.
pub(super) fn entry_fields(job: &Job, row: &ChargeRow) -> (Fields, Vec<String>) {
    let attempt = job.attempts.iter().find(|attempt| attempt.number == row.attempt);
    let cost = row.amount.map(|amount| value::double(super::document::float(amount)));
    let mut details = Fields::from([
        ("attempt".to_owned(), value::integer(i64::from(row.attempt))),
        ("basis".to_owned(), value::text(row.basis.as_str())),
        ("simulated".to_owned(), value::boolean(row.simulated)),
        ("model".to_owned(), value::text(&row.model)),
    ]);
    if let Some(amount) = row.amount {
        details.insert("amount".to_owned(), value::text(amount.to_string()));
    }
    match row.service {
        Service::BflApi => {
            details.insert("success".to_owned(), value::boolean(row.succeeded()));
            details.extend(cost.clone().map(|cost| ("base_cost".to_owned(), cost)));
            let steps = attempt.and_then(|attempt| job.spec_of(attempt).parameters.get("steps")).and_then(Json::as_i64);
            details.extend(steps.map(|steps| ("steps".to_owned(), value::integer(steps))));
        }
        Service::GoogleStorage => {
            details.insert("operation_type".to_owned(), value::text("upload"));
            if let Some(Outcome::Done { image }) = attempt.and_then(|attempt| attempt.outcome.as_ref()) {
                let bytes = i64::try_from(image.bytes).unwrap_or(i64::MAX);
                details.insert("image_size_bytes".to_owned(), value::integer(bytes));
            }
        }
    }
    let mut mask: Vec<String> = details.keys().map(|name| format!("details.{name}")).collect();
    mask.extend(["job_id", "service", "cost_usd", "timestamp"].map(str::to_owned));
    let mut fields = Fields::from([
        ("job_id".to_owned(), value::text(job.id.as_str())),
        ("service".to_owned(), value::text(row.service.as_str())),
        ("timestamp".to_owned(), value::time(row.at)),
        ("details".to_owned(), value::map(details)),
    ]);
    fields.extend(cost.map(|cost| ("cost_usd".to_owned(), cost)));
    (fields, mask)
}

/// An entry as it stands in the books, also one of another program: its job's id and the charge. The cause is not in it.
/// Errors: one line.
pub(super) fn read_entry(document: &Document) -> Result<(String, ChargeRow), String> {
    let fields = &document.fields;
    let empty = Fields::new();
    let more = map_of(fields, "details").unwrap_or(&empty);
    let service = match text_of(fields, "service") {
        Some("bfl_api") => Service::BflApi,
        Some("google_storage") => Service::GoogleStorage,
        _ => return Err("service is neither bfl_api nor google_storage".to_owned()),
    };
    let exact = text_of(more, "amount").and_then(|amount| amount.parse().ok());
    let known = [Basis::Estimated, Basis::Quoted, Basis::Settled, Basis::Unknown, Basis::Unconfirmed];
    let basis = text_of(more, "basis").and_then(|name| known.into_iter().find(|basis| basis.as_str() == name));
    let is = |name: &str, yes: bool| value::content(more, name) == Some(&ValueType::BooleanValue(yes));
    // Of history that was imported no job here knows what became of the money: the entry itself says it.
    let cause = match integer_of(more, "attempt").is_none() && is("imported_historical", true) {
        true if is("success", false) => "failed",
        true if is("success", true) || service == Service::GoogleStorage => "picture",
        _ => RECORDED,
    };
    let row = ChargeRow {
        attempt: integer_of(more, "attempt").and_then(|number| u32::try_from(number).ok()).unwrap_or(1),
        service,
        amount: exact.or_else(|| dollars(fields, "cost_usd")),
        basis: basis.unwrap_or(Basis::Estimated),
        model: text_of(more, "model").unwrap_or_default().to_owned(),
        at: time_of(fields, "timestamp")
            .or_else(|| text_of(fields, "timestamp")?.parse().ok())
            .ok_or("timestamp is missing or no time")?,
        simulated: is("simulated", true),
        cause: cause.to_owned(),
    };
    Ok((text_of(fields, "job_id").unwrap_or_default().to_owned(), row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_s_id_names_its_attempt() {
        for job in ["a", "a-1", "a-1-bfl_api", "with space", &"x".repeat(200)] {
            for service in [Service::BflApi, Service::GoogleStorage] {
                assert_eq!(attempt_of(job, &schema::entry_id(job, 12, service)), Some(12), "{job}");
            }
        }
        for other in ["", "a", "a-1", "a-x-bfl_api", "b-1-bfl_api", "a-1-1-bfl_api", "a-01-bfl_api", "imported-1"] {
            assert_eq!(attempt_of("a", other), None, "{other}");
        }
    }
}
