//! Owns the making anew of the daily sums from the entries, and what differed: after an import, after another backend wrote entries
//! of its own, or to prove that they agree. Must not change an entry.

use std::collections::{BTreeMap, BTreeSet};

use firestore::gcloud_sdk::tonic::Code;

use super::super::StoreError;
use super::ledger::{self, COSTS, ChargeRow, OPEN};
use super::query::{NAME, Query};
use super::rollup::{self, Key, ROLLUPS, Sum, Sums};
use super::{FirestoreStore, errors, shards, value};

/// Entries that are read at once.
const PORTION: usize = 500;

/// How often it begins anew because charges were booked meanwhile.
const TRIES: usize = 5;

/// One daily sum that did not agree with the entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `simulated 2026-11-22 bfl_api flux-dev image`: what the sum is of.
    pub what: String,
    /// Charges and dollars as the sums had them.
    pub kept: (i64, String),
    /// Charges and dollars as the entries have them.
    pub counted: (i64, String),
}

impl FirestoreStore {
    /// Makes the daily sums anew from all entries and returns where they differed. One read for each entry and each of their jobs.
    /// Entries that cannot be read are in no sum; each is logged.
    pub async fn rebuild_sums(&self) -> Result<Vec<Difference>, StoreError> {
        self.compare_sums(true).await
    }

    /// The same; without `correct` the sums are left as they are.
    pub(super) async fn compare_sums(&self, correct: bool) -> Result<Vec<Difference>, StoreError> {
        let mut differences = Vec::new();
        for _ in 0..TRIES {
            // The months first: whoever books while the entries are read moves its month, and then it is begun anew.
            let months = self.shared.client.query(Query::of(ROLLUPS).build()).await?;
            let mut counted: BTreeMap<bool, Sums> = BTreeMap::new();
            for collection in [COSTS, OPEN] {
                self.count_entries(collection, &mut counted).await?;
            }
            let there = shards::by_month(&months);
            let ids: BTreeSet<String> = counted
                .iter()
                .flat_map(|(simulated, sums)| sums.keys().map(|key| rollup::month_id(key.day, *simulated)))
                .chain(there.keys().map(|month| (*month).to_owned()))
                .collect();
            let mut crossed = false;
            for month in ids {
                let simulated = month.starts_with("simulated");
                let documents = there.get(month.as_str()).cloned().unwrap_or_default();
                let kept = rollup::read(documents.iter().copied());
                let all = counted.get(&simulated).into_iter().flatten();
                let new: Sums = all
                    .filter(|(key, _)| rollup::month_id(key.day, simulated) == month)
                    .map(|(key, sum)| (key.clone(), *sum))
                    .collect();
                let found = compare(simulated, &kept, &new);
                if found.is_empty() {
                    continue;
                }
                if !correct {
                    differences.extend(found);
                    continue;
                }
                let writes = shards::replace(&self.shared.client, &month, &documents, &new, true);
                match self.shared.client.commit(writes).await? {
                    Ok(_) => differences.extend(found),
                    Err(status)
                        if matches!(status.code(), Code::FailedPrecondition | Code::AlreadyExists | Code::Aborted) =>
                    {
                        crossed = true;
                    }
                    Err(status) => return Err(errors::of_status(&status)),
                }
            }
            if !crossed {
                return Ok(differences);
            }
        }
        Err(StoreError::Unavailable(
            "charges are booked faster than their history is read: stop the workers first".to_owned(),
        ))
    }

    async fn count_entries(&self, collection: &str, counted: &mut BTreeMap<bool, Sums>) -> Result<(), StoreError> {
        let query = Query::of(collection).order(NAME, false).limit(PORTION);
        let mut next = Some(query.clone());
        while let Some(question) = next.take() {
            let documents = self.shared.client.query(question.build()).await?;
            let mut entries: Vec<(String, ChargeRow)> = Vec::new();
            for document in &documents {
                match ledger::read_entry(document) {
                    Ok(entry) => entries.push(entry),
                    Err(reason) => tracing::warn!("an entry of {collection} is in no sum: {reason}"),
                }
            }
            for (_, row) in self.with_causes(entries).await? {
                rollup::add(counted.entry(row.simulated).or_default(), &row, 1);
            }
            let last = documents.last().filter(|_| documents.len() >= PORTION);
            next = last.map(|last| query.clone().behind(vec![value::reference(&last.name)]));
        }
        Ok(())
    }
}

fn compare(simulated: bool, kept: &Sums, counted: &Sums) -> Vec<Difference> {
    let kind = if simulated { "simulated" } else { "real" };
    let keys: BTreeSet<&Key> = kept.keys().chain(counted.keys()).collect();
    let of = |sums: &Sums, key: &Key| sums.get(key).copied().unwrap_or_default();
    let told = |sum: Sum| (sum.count, sum.usd().to_string());
    keys.into_iter()
        .filter(|key| of(kept, key) != of(counted, key))
        .map(|key| Difference {
            what: format!("{kind} {} {} {} {} {}", key.day, key.service, key.class, key.model, key.cause),
            kept: told(of(kept, key)),
            counted: told(of(counted, key)),
        })
        .collect()
}
