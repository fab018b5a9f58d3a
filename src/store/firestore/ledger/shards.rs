//! The documents of a month's rollups: a few while charges are recorded in it, so that not every writer writes the same document,
//! and one after the month has ended.
//!
//! A month's sums are those of all its documents added up, whichever of them a charge went to; a negative part in one is balanced by
//! another. So nothing depends on the choice, and compacting them into one is a single atomic commit. The first document has the
//! month's plain name.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::NaiveDate;
use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, Precondition, StructuredQuery, Write};
use tokio::sync::{Mutex, MutexGuard};

use super::months::{READ, ROLLUPS, SHARDS, SKIPPED, VERIFIED, by_month, month_id, shard_id};
use super::rollup::{self, Sums};
use crate::store::firestore::connection::client::Client;
use crate::store::firestore::connection::query::{NAME, Query};
use crate::store::firestore::documents::value;

/// The shards of one process: its own commits wait for each other here instead of at the server.
pub(crate) struct Shards {
    next: AtomicUsize,
    busy: [Mutex<()>; SHARDS],
    /// The ended months that this process has tried to compact.
    compacted: std::sync::Mutex<BTreeSet<String>>,
}

impl Default for Shards {
    fn default() -> Self {
        // Processes start at different shards.
        let next = AtomicUsize::new(rand::random_range(0..SHARDS));
        Self { next, busy: Default::default(), compacted: std::sync::Mutex::default() }
    }
}

/// One document of each month, this process's own for one commit.
pub(crate) struct Shard<'a> {
    pub number: usize,
    _turn: MutexGuard<'a, ()>,
}

impl Shards {
    /// The next free shard, or else the next one.
    pub(crate) async fn acquire(&self) -> Shard<'_> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        for number in (first..first + SHARDS).map(|number| number % SHARDS) {
            if let Ok(turn) = self.busy[number].try_lock() {
                return Shard { number, _turn: turn };
            }
        }
        let number = first % SHARDS;
        Shard { number, _turn: self.busy[number].lock().await }
    }

    /// Whether this process has not tried yet to compact that month.
    fn should_compact(&self, month: &str) -> bool {
        self.compacted.lock().unwrap_or_else(PoisonError::into_inner).insert(month.to_owned())
    }
}

/// The query for all documents of the months from `first` to `last`.
pub(crate) fn query_months(client: &Client, first: &str, last: &str) -> StructuredQuery {
    let bound = |id: &str| value::reference(client.name(ROLLUPS, id));
    // No name of a document of that month is greater.
    let query = Query::of(ROLLUPS).at_least(NAME, bound(first)).at_most(NAME, bound(&format!("{last}-~")));
    query.order(NAME, false).build()
}

/// What turns the documents of one month into one that holds `sums`, if none of them was changed since they were read. Where
/// `closed`, also if none was added.
pub(crate) fn replace(client: &Client, month: &str, found: &[&Document], sums: &Sums, closed: bool) -> Vec<Write> {
    let write = |number: usize| {
        let name = client.name(ROLLUPS, &shard_id(month, number));
        let known = found.iter().find(|document| document.name == name);
        let condition = match known.and_then(|document| document.update_time) {
            Some(at) => ConditionType::UpdateTime(at),
            None => ConditionType::Exists(false),
        };
        let mut fields = value::Fields::new();
        if number == 0 {
            fields = rollup::month_fields(sums);
            let stored = known.map(|document| &document.fields);
            for name in [SKIPPED, READ, VERIFIED] {
                let kept = stored.and_then(|stored| stored.get(name)).cloned();
                fields.extend(kept.map(|kept| (name.to_owned(), kept)));
            }
        }
        let operation = match (number, known) {
            (0, _) => Operation::Update(Document { name, fields, ..Default::default() }),
            (_, Some(_)) => Operation::Delete(name),
            // The only way to require that a document stays absent is to create it.
            (_, None) if closed => Operation::Update(Document { name, fields, ..Default::default() }),
            (_, None) => return None,
        };
        let current_document = Some(Precondition { condition_type: Some(condition) });
        Some(Write { current_document, operation: Some(operation), ..Default::default() })
    };
    (0..SHARDS).filter_map(write).collect()
}

/// Compacts the months among these that have ended by that day, each into one document, in one commit for a month under the
/// condition that nothing moved. A second process that does the same changes nothing, and nothing depends on success.
pub(crate) async fn compact(client: &Client, shards: &Shards, documents: &[Document], today: NaiveDate) {
    let current = [false, true].map(|simulated| month_id(today, simulated));
    for (month, found) in by_month(documents) {
        let ended = current.iter().any(|current| same_kind(current, month) && month < current.as_str());
        if !ended || found.len() < 2 || !shards.should_compact(month) {
            continue;
        }
        let writes = replace(client, month, &found, &rollup::read(found.iter().copied()), false);
        match client.commit(writes).await {
            Ok(Ok(_)) => tracing::debug!(month, "rollups compacted"),
            Ok(Err(status)) => tracing::debug!(month, error = status.message(), "rollups not compacted"),
            Err(error) => tracing::debug!(month, %error, "rollups not compacted"),
        }
    }
}

fn same_kind(one: &str, other: &str) -> bool {
    one.split('-').next() == other.split('-').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn shards_of_one_process_differ() {
        let shards = Shards::default();
        let mut taken = Vec::new();
        for _ in 0..SHARDS {
            taken.push(shards.acquire().await);
        }
        let mut numbers: Vec<usize> = taken.iter().map(|shard| shard.number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..SHARDS).collect::<Vec<_>>());
        let waiting = shards.acquire();
        let mut waiting = std::pin::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(taken);
        waiting.await;
    }
}
