//! The job's charges as entries of the ledger, and what a save changes in them. Pure.
//!
//! A confirmed charge of known amount is in `costs`, where every script reads it. A submit of unknown outcome, and a charge without a
//! price, are no costs yet: they are in `darkroom_charges` in the same form until they become costs.

use firestore::gcloud_sdk::google::firestore::v1::Document;

use crate::costs::Service;
use crate::jobs::Job;
use crate::store::charges::ChargeRow;
use crate::store::firestore::documents::json;
use crate::store::firestore::documents::value::{self, Fields};
use crate::store::schema;
use crate::text::sanitize_line;

/// The collection that other programs read.
pub(crate) const COSTS: &str = "costs";

/// Charges that are no costs yet, or never will be.
pub(crate) const OPEN_CHARGES: &str = "darkroom_charges";

/// What a save does to one charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Written, by collection and id.
    Put(&'static str, String, ChargeRow),
    /// Deleted, by collection and id.
    Delete(&'static str, String),
}

/// The collection of the charge's entry.
pub(crate) fn collection_of(row: &ChargeRow) -> &'static str {
    if row.is_cost() { COSTS } else { OPEN_CHARGES }
}

/// Whether the entries of both are equal. A basis that only became more certain is not worth a write.
fn is_equivalent(one: &ChargeRow, other: &ChargeRow) -> bool {
    let content = |row: &ChargeRow| {
        (
            row.amount,
            row.model.clone(),
            row.at,
            row.simulated,
            row.succeeded(),
            row.basis.is_counted(),
            row.tags.clone(),
        )
    };
    content(one) == content(other)
}

/// The entries to write so that the ledger holds `new` instead of `old`, both ordered by attempt and service.
pub(crate) fn diff_entries(job: &Job, old: &[ChargeRow], new: &[ChargeRow]) -> Vec<Entry> {
    let same = |left: &ChargeRow, right: &ChargeRow| (left.attempt, left.service) == (right.attempt, right.service);
    let id = |row: &ChargeRow| schema::charge_id(job.id.as_str(), row.attempt, row.service);
    let mut entries = Vec::new();
    for row in old {
        let moved =
            new.iter().find(|other| same(row, other)).is_none_or(|other| collection_of(other) != collection_of(row));
        if moved {
            entries.push(Entry::Delete(collection_of(row), id(row)));
        }
    }
    for row in new {
        let stored = old.iter().find(|other| same(row, other));
        if stored.is_none_or(|other| collection_of(other) != collection_of(row) || !is_equivalent(row, other)) {
            entries.push(Entry::Put(collection_of(row), id(row), row.clone()));
        }
    }
    entries
}

/// The entry's fields and the paths that are written: keys that other programs added stay.
pub(crate) fn entry_fields(job: &Job, row: &ChargeRow) -> (Fields, Vec<String>) {
    let fields = schema::encode_charge(job, row);
    let details = fields.get("details").and_then(serde_json::Value::as_object);
    let mut mask: Vec<String> = details.into_iter().flat_map(|details| details.keys()).map(detail_path).collect();
    // Also where the charge has no amount: a former one must not stay.
    mask.extend(["job_id", "service", "cost_usd", "timestamp", "details.tags"].map(str::to_owned));
    mask.sort_unstable();
    mask.dedup();
    (json::from_json(&fields), mask)
}

fn detail_path(name: &String) -> String {
    format!("details.{name}")
}

/// An entry of any program: its job's id and the charge. The cause is included only where the entry contains it. Errors: one line.
pub(crate) fn parse_entry(document: &Document) -> Result<(String, ChargeRow), String> {
    let id = document.name.rsplit('/').next().unwrap_or_default();
    schema::parse_charge(id, &json::to_json(&document.fields))
}

/// Whether darkroom recorded the entry itself, so that its sums contain it.
pub(crate) fn is_own(document: &Document) -> bool {
    let id = document.name.rsplit('/').next().unwrap_or_default();
    value::text_of(&document.fields, "job_id").is_some_and(|job| schema::attempt_of(job, id).is_some())
}

/// Whether another backend recorded this charge when it requested an image. Imported history is not such a charge.
pub(crate) fn is_foreign_charge(fields: &Fields) -> bool {
    let is_of_provider = value::text_of(fields, "service") == Some(Service::BflApi.as_str());
    let details = value::map_of(fields, "details");
    let has = |name: &str| details.is_some_and(|details| value::content(details, name).is_some());
    is_of_provider && !has("basis") && !has("imported_historical")
}

/// Logs an entry that no sum includes.
pub(crate) fn warn_excluded(collection: &str, document: &Document, reason: &str) {
    let id = document.name.rsplit('/').next().unwrap_or_default();
    tracing::warn!(collection, entry = %sanitize_line(id, 80), reason, "charge excluded from all sums");
}
