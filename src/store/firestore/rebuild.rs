//! Owns the making anew of the daily sums from the entries, and what differed: after an import, after another backend wrote entries
//! of its own, or to prove that they agree. Must not change an entry.

use std::collections::{BTreeMap, BTreeSet};

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, Precondition, Write};
use firestore::gcloud_sdk::tonic::Code;

use super::super::StoreError;
use super::ledger::{self, COSTS, ChargeRow, OPEN};
use super::query::{NAME, Query};
use super::rollup::{self, Key, ROLLUPS, Sum, Sums};
use super::{FirestoreStore, errors, value};

/// Entries that are read at once.
const PORTION: usize = 500;

/// How often it begins anew because charges were booked meanwhile.
const TRIES: usize = 5;

/// One daily sum that did not agree with the entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `simulated 2026-11-22 bfl_api flux-dev picture`: what the sum is of.
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
        for _ in 0..TRIES {
            // The months first: whoever books while the entries are read moves its month, and then it is begun anew.
            let months = self.shared.client.query(Query::of(ROLLUPS).build()).await?;
            let mut counted: BTreeMap<bool, Sums> = BTreeMap::new();
            for collection in [COSTS, OPEN] {
                self.count_entries(collection, &mut counted).await?;
            }
            let ids: BTreeSet<String> = counted
                .iter()
                .flat_map(|(simulated, sums)| sums.keys().map(|key| rollup::month_id(key.day, *simulated)))
                .chain(months.iter().filter_map(|month| Some(month.name.rsplit('/').next()?.to_owned())))
                .collect();
            let (mut differences, mut writes) = (Vec::new(), Vec::new());
            for id in ids {
                let simulated = id.starts_with("simulated");
                let name = self.shared.client.name(ROLLUPS, &id);
                let there = months.iter().find(|month| month.name == name);
                let kept = there.map(rollup::read_month).unwrap_or_default();
                let all = counted.get(&simulated).cloned().unwrap_or_default();
                let new: Sums = all.into_iter().filter(|(key, _)| rollup::month_id(key.day, simulated) == id).collect();
                let found = compare(simulated, &kept, &new);
                if found.is_empty() {
                    continue;
                }
                differences.extend(found);
                let condition = match there.and_then(|month| month.update_time) {
                    Some(at) => ConditionType::UpdateTime(at),
                    None => ConditionType::Exists(false),
                };
                writes.push(Write {
                    current_document: Some(Precondition { condition_type: Some(condition) }),
                    operation: Some(Operation::Update(Document {
                        name,
                        fields: rollup::month_fields(&new),
                        ..Default::default()
                    })),
                    ..Default::default()
                });
            }
            if writes.is_empty() || !correct {
                return Ok(differences);
            }
            match self.shared.client.commit(writes).await? {
                Ok(_) => return Ok(differences),
                Err(status)
                    if matches!(status.code(), Code::FailedPrecondition | Code::AlreadyExists | Code::Aborted) => {}
                Err(status) => return Err(errors::of_status(&status)),
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
