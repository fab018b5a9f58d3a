//! The names of the documents that hold a month's rollups. Pure.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use firestore::gcloud_sdk::google::firestore::v1::Document;

use crate::time::month_key;

/// The collection of the months.
pub(crate) const ROLLUPS: &str = "darkroom_rollups";

/// Documents of a month that charges are recorded in. Firestore takes about one write a second for each; an account of 24 tasks that
/// take ten seconds makes five. Each is one read of every report of that month.
pub(crate) const SHARDS: usize = 4;

/// The prefix of the documents that reservations move, so that no report reads them.
const GUARD_PREFIX: &str = "guard-";

/// The field of a month's first document with the entries of each day that cannot be read.
pub(crate) const SKIPPED: &str = "skipped";

/// The field of a month's first document with the times at which the entries of each day were read.
pub(crate) const READ: &str = "read";

/// The field of a past month's first document: its rollups were found complete.
pub(crate) const VERIFIED: &str = "verified";

/// The month of that day, and the name of its first document.
pub(crate) fn month_id(day: NaiveDate, simulated: bool) -> String {
    let kind = if simulated { "simulated" } else { "real" };
    format!("{kind}-{}", month_key(day))
}

/// The name of a month's document.
pub(crate) fn shard_id(month: &str, number: usize) -> String {
    if number == 0 { month.to_owned() } else { format!("{month}-{number}") }
}

/// The name of the document that every reservation in that month moves, so that two of them never miss each other.
pub(crate) fn guard_id(month: &str) -> String {
    format!("{GUARD_PREFIX}{month}")
}

/// The month that a document belongs to; `None` where it holds no rollups.
pub(crate) fn month_of(document: &Document) -> Option<&str> {
    let id = document.name.rsplit('/').next().filter(|id| !id.starts_with(GUARD_PREFIX))?;
    let end = id.match_indices('-').nth(2).map_or(id.len(), |(at, _)| at);
    Some(&id[..end])
}

/// The documents by month.
pub(crate) fn by_month(documents: &[Document]) -> BTreeMap<&str, Vec<&Document>> {
    let mut months: BTreeMap<&str, Vec<&Document>> = BTreeMap::new();
    for document in documents {
        if let Some(month) = month_of(document) {
            months.entry(month).or_default().push(document);
        }
    }
    months
}

/// The field of a day's tags in its month's documents.
pub(crate) fn tags_field(day: NaiveDate) -> String {
    format!("t{:02}", day.day())
}

/// The field of a day in its month's documents.
pub(crate) fn day_field(day: NaiveDate) -> String {
    format!("d{:02}", day.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every sum is a field, and Firestore refuses a document with more than 40,000 index entries: nothing queries these fields.
    #[test]
    fn sums_of_a_month_are_not_indexed() {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../../../assets/firestore.indexes.json")).unwrap();
        let exemption = serde_json::json!({"collectionGroup": ROLLUPS, "fieldPath": "*", "indexes": []});
        assert!(file["fieldOverrides"].as_array().unwrap().contains(&exemption), "{file}");
    }

    #[test]
    fn document_name_contains_its_month() {
        let document =
            |id: &str| Document { name: format!("projects/p/databases/d/documents/x/{id}"), ..Default::default() };
        assert_eq!(month_of(&document("real-2026-11")), Some("real-2026-11"));
        assert_eq!(month_of(&document(&shard_id("simulated-2026-11", 3))), Some("simulated-2026-11"));
        assert_eq!(month_of(&document(&guard_id("real-2026-11"))), None);
    }
}
