//! How many unfinished tasks the provider's account may have: a setting of the store, for all its workers.

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

use crate::store::{SharedRecord, Store, StoreError};

/// The record's name. Stored.
const KIND: &str = "account";
const ID: &str = "tasks";

/// How old the known setting may get: a worker reads it at most once a minute, and only before a submit.
const MAX_AGE: TimeDelta = TimeDelta::minutes(1);

/// How often a change is tried when other processes change the setting in between.
const MAX_CONFLICT_RETRIES: usize = 8;

/// The setting, with who changed it and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountTasks {
    /// Unfinished tasks at once; `None` where every process follows its own configuration.
    pub limit: Option<u32>,
    /// `user@host`.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl AccountTasks {
    /// The store's setting; `None` where there never was one.
    pub async fn read(store: &dyn Store) -> Result<Option<Self>, StoreError> {
        let record = store.shared_record(KIND, ID).await?;
        record.map(|record| Self::of(&record)).transpose()
    }

    /// Changes the setting; `None` removes it.
    pub async fn change(store: &dyn Store, limit: Option<u32>, by: &str, at: DateTime<Utc>) -> Result<(), StoreError> {
        let mut tries = 0;
        loop {
            let revision = store.shared_record(KIND, ID).await?.map_or(0, |record| record.revision);
            let body = serde_json::json!({ "limit": limit });
            let record = SharedRecord { revision, ..SharedRecord::new(KIND, ID, at, by, body) };
            match store.put_shared_record(record).await {
                Err(StoreError::RecordConflict { .. }) if tries < MAX_CONFLICT_RETRIES => tries += 1,
                result => return result.map(|_| ()),
            }
        }
    }

    fn of(record: &SharedRecord) -> Result<Self, StoreError> {
        let limit = match record.body.get("limit") {
            None | Some(serde_json::Value::Null) => None,
            Some(limit) => Some(limit.as_u64().and_then(|limit| u32::try_from(limit).ok()).ok_or_else(|| {
                StoreError::Unusable(
                    "the task limit in the store cannot be read; 'darkroom tasks set' replaces it".to_owned(),
                )
            })?),
        };
        Ok(Self { limit, by: record.by.clone(), at: record.at })
    }
}

/// The setting as one worker knows it.
#[derive(Debug, Default)]
pub(super) struct KnownAccountTasks(Mutex<Option<(DateTime<Utc>, Option<u32>)>>);

impl KnownAccountTasks {
    /// The limit that applies: the store's, or else that of the configuration.
    pub(super) async fn limit(&self, store: &dyn Store, configured: u32, now: DateTime<Utc>) -> u32 {
        let mut known = self.0.lock().await;
        if let Some((read_at, limit)) = *known
            && (now - read_at).abs() < MAX_AGE
        {
            return limit.unwrap_or(configured);
        }
        match AccountTasks::read(store).await {
            Ok(setting) => {
                let limit = setting.and_then(|setting| setting.limit);
                *known = Some((now, limit));
                limit.unwrap_or(configured)
            }
            Err(error) => {
                tracing::warn!(%error, "task limit of the store not read");
                (*known).and_then(|(_, limit)| limit).unwrap_or(configured)
            }
        }
    }
}
