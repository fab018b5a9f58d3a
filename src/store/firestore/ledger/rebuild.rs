//! The comparison of all rollups with all entries, and their correction. Entries are never changed.

use std::collections::{BTreeMap, BTreeSet};

use firestore::gcloud_sdk::google::firestore::v1::Document;
use firestore::gcloud_sdk::tonic::Code;

use super::entries::{COSTS, OPEN_CHARGES, parse_entry, warn_excluded};
use super::months::{ROLLUPS, by_month, month_id};
use super::rollup::{self, Key, Sum, Sums};
use super::shards;
use crate::store::StoreError;
use crate::store::charges::ChargeRow;
use crate::store::firestore::FirestoreStore;
use crate::store::firestore::connection::errors;
use crate::store::firestore::connection::query::{NAME, Query};
use crate::store::firestore::documents::{json, value};
use crate::store::schema::{RollupCheck, RollupMismatch, UnreadableEntry};
use crate::text::sanitize_line;

/// Entries of one read.
const BATCH_SIZE: usize = 500;

/// Attempts while other processes record charges.
const MAX_ATTEMPTS: usize = 5;

impl FirestoreStore {
    /// Replaces the rollups by the sums of all entries and returns the differences. One read for each entry and each of their jobs.
    /// Entries that cannot be read are excluded and logged.
    pub async fn rebuild_rollups(&self) -> Result<Vec<RollupMismatch>, StoreError> {
        Ok(self.compare_rollups(true).await?.mismatches)
    }

    /// The same; without `correct` the rollups stay.
    pub(crate) async fn compare_rollups(&self, correct: bool) -> Result<RollupCheck, StoreError> {
        let mut mismatches = Vec::new();
        for _ in 0..MAX_ATTEMPTS {
            // The months first: a charge that is recorded while the entries are read moves its month, and the next attempt includes it.
            let months = self.shared.client.query(Query::of(ROLLUPS).build()).await?;
            let mut counted: BTreeMap<bool, Sums> = BTreeMap::new();
            let mut unreadable = Vec::new();
            for collection in [COSTS, OPEN_CHARGES] {
                self.count_entries(collection, &mut counted, &mut unreadable).await?;
            }
            let stored = by_month(&months);
            let ids: BTreeSet<String> = counted
                .iter()
                .flat_map(|(simulated, sums)| sums.keys().map(|key| month_id(key.day, *simulated)))
                .chain(stored.keys().map(|month| (*month).to_owned()))
                .collect();
            let mut contended = false;
            for month in ids {
                let simulated = month.starts_with("simulated");
                let documents = stored.get(month.as_str()).cloned().unwrap_or_default();
                let kept = rollup::read(documents.iter().copied());
                let all = counted.get(&simulated).into_iter().flatten();
                let new: Sums = all
                    .filter(|(key, _)| month_id(key.day, simulated) == month)
                    .map(|(key, sum)| (key.clone(), *sum))
                    .collect();
                let found = compare(simulated, &kept, &new);
                if found.is_empty() {
                    continue;
                }
                if !correct {
                    mismatches.extend(found);
                    continue;
                }
                let writes = shards::replace(&self.shared.client, &month, &documents, &new, true);
                match self.shared.client.commit(writes).await? {
                    Ok(_) => mismatches.extend(found),
                    Err(status)
                        if matches!(status.code(), Code::FailedPrecondition | Code::AlreadyExists | Code::Aborted) =>
                    {
                        contended = true;
                    }
                    Err(status) => return Err(errors::of_status(&status)),
                }
            }
            if !contended {
                return Ok(RollupCheck { mismatches, unreadable });
            }
        }
        Err(StoreError::Unavailable(
            "charges are recorded faster than the history can be read: stop the workers, then try again".to_owned(),
        ))
    }

    async fn count_entries(
        &self,
        collection: &str,
        counted: &mut BTreeMap<bool, Sums>,
        unreadable: &mut Vec<UnreadableEntry>,
    ) -> Result<(), StoreError> {
        let query = Query::of(collection).order(NAME, false).limit(BATCH_SIZE);
        let mut next = Some(query.clone());
        while let Some(batch) = next.take() {
            let documents = self.shared.client.query(batch.build()).await?;
            let mut entries: Vec<(String, ChargeRow)> = Vec::new();
            for document in &documents {
                match parse_entry(document) {
                    Ok(entry) => entries.push(entry),
                    Err(reason) => {
                        warn_excluded(collection, document, &reason);
                        unreadable.push(unreadable_entry(collection, document, &reason));
                    }
                }
            }
            for (_, row) in self.with_causes(entries).await? {
                rollup::add(counted.entry(row.simulated).or_default(), &row, 1);
            }
            let last = documents.last().filter(|_| documents.len() >= BATCH_SIZE);
            next = last.map(|last| query.clone().start_after(vec![value::reference(&last.name)]));
        }
        Ok(())
    }
}

fn unreadable_entry(collection: &str, document: &Document, reason: &str) -> UnreadableEntry {
    let cost = json::to_json(&document.fields).get("cost_usd").map(ToString::to_string).unwrap_or_default();
    UnreadableEntry {
        collection: collection.to_owned(),
        id: sanitize_line(document.name.rsplit('/').next().unwrap_or_default(), 200),
        cost_usd: sanitize_line(&cost, 80),
        reason: sanitize_line(reason, 200),
    }
}

fn compare(simulated: bool, kept: &Sums, counted: &Sums) -> Vec<RollupMismatch> {
    let kind = if simulated { "simulated" } else { "real" };
    let keys: BTreeSet<&Key> = kept.keys().chain(counted.keys()).collect();
    let of = |sums: &Sums, key: &Key| sums.get(key).copied().unwrap_or_default();
    let shown = |sum: Sum| (sum.count, sum.usd().to_string());
    // The sum of other programs' charges, which are in others as well, comes last.
    let (by_others, sums): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| key.is_by_others());
    sums.into_iter()
        .chain(by_others)
        .filter(|key| of(kept, key) != of(counted, key))
        .map(|key| RollupMismatch {
            what: match &key.tag {
                Some(_) if key.is_by_others() => format!("{kind} {} charges of other programs", key.day),
                None => format!("{kind} {} {} {} {} {}", key.day, key.service, key.class, key.model, key.cause),
                Some(tag) => format!("{kind} {} {} tag '{tag}'", key.day, key.class),
            },
            stored: shown(of(kept, key)),
            computed: shown(of(counted, key)),
        })
        .collect()
}
