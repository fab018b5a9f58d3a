//! The caps that this store keeps for all its processes, and the record of their changes: one document.

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, DocumentMask, Precondition, Write};
use firestore::gcloud_sdk::tonic::Code;

use super::months::{ROLLUPS, guard_id, month_id};
use super::rollup;
use crate::costs::{BudgetRecord, BudgetSettings};
use crate::store::firestore::FirestoreStore;
use crate::store::firestore::connection::errors;
use crate::store::firestore::documents::json;
use crate::store::firestore::documents::value::{self, Fields};
use crate::store::{BudgetChange, StoreError};

/// The collection and the document of the caps.
pub(crate) const BUDGETS: &str = "darkroom_budgets";
const CAPS: &str = "caps";

/// The changes as JSON texts, newest first.
const HISTORY: &str = "history";

/// Changes that are kept.
const MAX_HISTORY: usize = 100;

/// How often a change is tried again that met another one.
const MAX_CONFLICT_RETRIES: u32 = 8;

impl FirestoreStore {
    /// The caps that apply now.
    pub(crate) async fn budget_settings(&self) -> Result<BudgetSettings, StoreError> {
        let (records, _) = self.read_budgets().await?;
        Ok(records.into_iter().next().map(|record| record.settings).unwrap_or_default())
    }

    pub(crate) async fn read_budget_history(&self, limit: usize) -> Result<Vec<BudgetRecord>, StoreError> {
        let (mut records, _) = self.read_budgets().await?;
        records.truncate(limit);
        Ok(records)
    }

    /// Moves the guards of the month in the same commit: a reservation that was checked under the old caps is checked again.
    pub(crate) async fn write_budget_change(&self, change: &BudgetChange) -> Result<(), StoreError> {
        for _ in 0..MAX_CONFLICT_RETRIES {
            let (mut records, condition) = self.read_budgets().await?;
            let mut settings = records.first().map(|record| record.settings.clone()).unwrap_or_default();
            change.edit.apply(&mut settings);
            let record = BudgetRecord { at: change.at, by: change.by.clone(), change: change.edit.summary(), settings };
            records.insert(0, record);
            records.truncate(MAX_HISTORY);
            let history = records
                .iter()
                .map(|record| serde_json::to_string(record).map(value::text))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| StoreError::Unusable(error.to_string()))?;
            let mut writes = vec![Write {
                current_document: Some(Precondition { condition_type: Some(condition) }),
                operation: Some(Operation::Update(Document {
                    name: self.shared.client.name(BUDGETS, CAPS),
                    fields: Fields::from([(HISTORY.to_owned(), value::list(history))]),
                    ..Default::default()
                })),
                ..Default::default()
            }];
            for simulated in [false, true] {
                let guard = guard_id(&month_id(change.at.date_naive(), simulated));
                writes.push(Write {
                    update_mask: Some(DocumentMask::default()),
                    update_transforms: vec![rollup::increment("guard".to_owned(), 1)],
                    operation: Some(Operation::Update(Document {
                        name: self.shared.client.name(ROLLUPS, &guard),
                        ..Default::default()
                    })),
                    ..Default::default()
                });
            }
            match self.shared.client.commit(writes).await? {
                Ok(_) => return Ok(()),
                Err(status) => match status.code() {
                    Code::Aborted | Code::FailedPrecondition | Code::AlreadyExists | Code::NotFound => {}
                    _ => return Err(errors::of_status(&status)),
                },
            }
        }
        Err(StoreError::Unavailable("the budget is being changed by another process".to_owned()))
    }

    /// Caps that cannot be read must not count as "no cap".
    async fn read_budgets(&self) -> Result<(Vec<BudgetRecord>, ConditionType), StoreError> {
        let found = self.shared.client.get(vec![self.shared.client.name(BUDGETS, CAPS)]).await?;
        let Some(document) = found.first() else { return Ok((Vec::new(), ConditionType::Exists(false))) };
        let unreadable =
            |why: &str| StoreError::Unusable(format!("the document {BUDGETS}/{CAPS} cannot be read: {why}"));
        let fields = json::to_json(&document.fields);
        let history = fields.get(HISTORY).and_then(|history| history.as_array());
        let history = history.ok_or_else(|| unreadable("no history"))?;
        let records = history
            .iter()
            .map(|text| serde_json::from_str(text.as_str().unwrap_or_default()))
            .collect::<Result<Vec<BudgetRecord>, _>>()
            .map_err(|error| unreadable(&error.to_string()))?;
        let at = document.update_time.ok_or_else(|| unreadable("no update time"))?;
        Ok((records, ConditionType::UpdateTime(at)))
    }
}
