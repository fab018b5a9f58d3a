//! Owns which documents hold the sums of a month: a handful while it is booked into, so that no document is written by everybody
//! at once, and one after it has ended. Must not know what a sum is.
//!
//! A month's sums are those of all its documents added up, whichever of them a booking went to; a negative part in one is made good
//! by another. So nothing depends on the choice, and folding them into one is a single commit that everybody sees whole or not at
//! all. The first document carries the month's plain name: what was written before there were others counts as well.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::NaiveDate;
use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, Precondition, StructuredQuery, Write};
use tokio::sync::{Mutex, MutexGuard};

use super::client::Client;
use super::query::{NAME, Query};
use super::rollup::{self, ROLLUPS, Sums};
use super::value;

/// Documents of a month that is booked into. Firestore wants about one write a second for each; an account of 24 tickets that take
/// ten seconds makes five. Each is one read of every report of that month.
pub(super) const SHARDS: usize = 4;

/// Begins the names of the documents that reservations move, so that no report reads them.
const GUARDS: &str = "guard-";

/// The documents of one process's bookings: its own commits wait for each other here instead of at the server.
pub(super) struct Shards {
    next: AtomicUsize,
    busy: [Mutex<()>; SHARDS],
    /// The ended months that this process has tried to fold.
    folded: std::sync::Mutex<BTreeSet<String>>,
}

impl Default for Shards {
    fn default() -> Self {
        // Processes begin at different ones.
        let next = AtomicUsize::new(rand::random_range(0..SHARDS));
        Self { next, busy: Default::default(), folded: std::sync::Mutex::default() }
    }
}

/// One document of each month, this process's own for one commit.
pub(super) struct Shard<'a> {
    pub number: usize,
    _turn: MutexGuard<'a, ()>,
}

impl Shards {
    /// The next one that is free, or the next one.
    pub(super) async fn take(&self) -> Shard<'_> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        for number in (first..first + SHARDS).map(|number| number % SHARDS) {
            if let Ok(turn) = self.busy[number].try_lock() {
                return Shard { number, _turn: turn };
            }
        }
        let number = first % SHARDS;
        Shard { number, _turn: self.busy[number].lock().await }
    }

    /// Whether a month is still to be folded by this process: it tries once.
    fn shall_fold(&self, month: &str) -> bool {
        self.folded.lock().unwrap_or_else(PoisonError::into_inner).insert(month.to_owned())
    }
}

/// The name of a month's document.
pub(super) fn id(month: &str, number: usize) -> String {
    if number == 0 { month.to_owned() } else { format!("{month}-{number}") }
}

/// The name of the document that every reservation in that month moves, so that two of them never pass each other unseen.
pub(super) fn guard_id(month: &str) -> String {
    format!("{GUARDS}{month}")
}

/// The month that a document belongs to; `None` where it holds no sums.
pub(super) fn month_of(document: &Document) -> Option<&str> {
    let id = document.name.rsplit('/').next().filter(|id| !id.starts_with(GUARDS))?;
    let end = id.match_indices('-').nth(2).map_or(id.len(), |(at, _)| at);
    Some(&id[..end])
}

/// All documents of the months from `first` to `last`, in one look.
pub(super) fn of_months(client: &Client, first: &str, last: &str) -> StructuredQuery {
    let bound = |id: &str| value::reference(client.name(ROLLUPS, id));
    // No name of a document of that month is greater.
    let query = Query::of(ROLLUPS).at_least(NAME, bound(first)).at_most(NAME, bound(&format!("{last}-~")));
    query.order(NAME, false).build()
}

/// The documents by month.
pub(super) fn by_month(documents: &[Document]) -> BTreeMap<&str, Vec<&Document>> {
    let mut months: BTreeMap<&str, Vec<&Document>> = BTreeMap::new();
    for document in documents {
        if let Some(month) = month_of(document) {
            months.entry(month).or_default().push(document);
        }
    }
    months
}

/// What turns the documents of one month into one that holds `sums`, if none of them was changed since they were read. Where
/// `closed`, also if none was added.
pub(super) fn replace(client: &Client, month: &str, there: &[&Document], sums: &Sums, closed: bool) -> Vec<Write> {
    let write = |number: usize| {
        let name = client.name(ROLLUPS, &id(month, number));
        let known = there.iter().find(|document| document.name == name);
        let condition = match known.and_then(|document| document.update_time) {
            Some(at) => ConditionType::UpdateTime(at),
            None => ConditionType::Exists(false),
        };
        let fields = if number == 0 { rollup::month_fields(sums) } else { value::Fields::new() };
        let operation = match (number, known) {
            (0, _) => Operation::Update(Document { name, fields, ..Default::default() }),
            (_, Some(_)) => Operation::Delete(name),
            // There is no way to say that a document must stay absent, but to make it.
            (_, None) if closed => Operation::Update(Document { name, fields, ..Default::default() }),
            (_, None) => return None,
        };
        let current_document = Some(Precondition { condition_type: Some(condition) });
        Some(Write { current_document, operation: Some(operation), ..Default::default() })
    };
    (0..SHARDS).filter_map(write).collect()
}

/// Folds the months among these that have ended by that day, each into one document. Whoever does it twice, or at the same time as
/// another, changes nothing: it is one commit for a month, under the condition that nothing moved. Nobody depends on it.
pub(super) async fn fold(client: &Client, shards: &Shards, documents: &[Document], today: NaiveDate) {
    let current = [false, true].map(|simulated| rollup::month_id(today, simulated));
    for (month, there) in by_month(documents) {
        let ended = current.iter().any(|current| same_kind(current, month) && month < current.as_str());
        if !ended || there.len() < 2 || !shards.shall_fold(month) {
            continue;
        }
        let writes = replace(client, month, &there, &rollup::read(there.iter().copied()), false);
        match client.commit(writes).await {
            Ok(Ok(_)) => tracing::debug!("the sums of {month} are one document now"),
            Ok(Err(status)) => tracing::debug!("the sums of {month} are not folded: {}", status.message()),
            Err(error) => tracing::debug!("the sums of {month} are not folded: {error}"),
        }
    }
}

fn same_kind(one: &str, other: &str) -> bool {
    one.split('-').next() == other.split('-').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_names_its_month() {
        let document =
            |id: &str| Document { name: format!("projects/p/databases/d/documents/x/{id}"), ..Default::default() };
        assert_eq!(month_of(&document("real-2026-11")), Some("real-2026-11"));
        assert_eq!(month_of(&document(&id("simulated-2026-11", 3))), Some("simulated-2026-11"));
        assert_eq!(month_of(&document(&guard_id("real-2026-11"))), None);
    }

    #[tokio::test]
    async fn commits_of_one_process_take_different_documents() {
        let shards = Shards::default();
        let mut taken = Vec::new();
        for _ in 0..SHARDS {
            taken.push(shards.take().await);
        }
        let mut numbers: Vec<usize> = taken.iter().map(|shard| shard.number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..SHARDS).collect::<Vec<_>>());
        let waiting = shards.take();
        let mut waiting = std::pin::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(taken);
        waiting.await;
    }
}
