//! The pause of the intake: a record of the store that every worker applies. Jobs under way continue.

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

use crate::store::{SharedRecord, Store, StoreError};
use crate::text::{format, sanitize_line};

/// The kind of the record. A change stream of the store reports its changes.
const KIND: &str = "intake";

/// Its id.
const ID: &str = "pause";

/// How often the record is written again when another process changes it in between.
const MAX_CONFLICT_RETRIES: usize = 8;

/// Longest reason, in characters.
const MAX_REASON: usize = 200;

/// The intake is paused for all workers of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// Who paused it: `user@host`.
    pub by: String,
    /// When.
    pub since: DateTime<Utc>,
    /// Why, if that was given.
    pub reason: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Body {
    paused: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Pause {
    /// Whether it is the record of the pause.
    pub fn is_stated_by(record: &SharedRecord) -> bool {
        record.kind == KIND && record.id == ID
    }

    /// The pause that its record states.
    pub fn of(record: &SharedRecord) -> Option<Self> {
        let (paused, reason) = match serde_json::from_value::<Body>(record.body.clone()) {
            Ok(body) => (body.paused, body.reason),
            // A worker that cannot read the record must not spend money.
            Err(error) => (true, Some(format!("the record of the pause cannot be read ({error})"))),
        };
        let pause = Self {
            by: sanitize_line(&record.by, 120),
            since: record.at,
            reason: reason.map(|reason| sanitize_line(&reason, MAX_REASON)).filter(|reason| !reason.is_empty()),
        };
        paused.then_some(pause)
    }

    /// The pause of this store, if the intake is paused.
    pub async fn read(store: &dyn Store) -> Result<Option<Self>, StoreError> {
        let record = store.shared_record(KIND, ID).await?;
        Ok(record.as_ref().and_then(Self::of))
    }

    /// Pauses the intake of every worker on the store. A pause that stands keeps its author, unless a reason is given.
    pub async fn set(
        store: &dyn Store,
        by: &str,
        reason: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        let body = Body { paused: true, reason: reason.map(|reason| sanitize_line(reason, MAX_REASON)) };
        let pause = change(store, by, now, &body, |old| old.is_some() && reason.is_none()).await?;
        pause.ok_or_else(|| StoreError::Unavailable("the pause was not stored".to_owned()))
    }

    /// Lets every worker start jobs again.
    pub async fn clear(store: &dyn Store, by: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        change(store, by, now, &Body { paused: false, reason: None }, |old| old.is_none()).await.map(|_| ())
    }

    /// `paused by ana@studio 5m ago: invoice to be checked`.
    pub fn line(&self, now: DateTime<Utc>) -> String {
        let age = format::age(now - self.since);
        let reason = self.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("paused by {} {age} ago{reason}", self.by)
    }
}

async fn change(
    store: &dyn Store,
    by: &str,
    now: DateTime<Utc>,
    body: &Body,
    is_done: impl Fn(Option<&Pause>) -> bool,
) -> Result<Option<Pause>, StoreError> {
    let body = serde_json::to_value(body).map_err(|error| StoreError::Unusable(error.to_string()))?;
    for _ in 0..MAX_CONFLICT_RETRIES {
        let old = store.shared_record(KIND, ID).await?;
        let pause = old.as_ref().and_then(Pause::of);
        if is_done(pause.as_ref()) {
            return Ok(pause);
        }
        let mut record = SharedRecord::new(KIND, ID, now.trunc_subsecs(6), by, body.clone());
        record.revision = old.map_or(0, |old| old.revision);
        match store.put_shared_record(record.clone()).await {
            Ok(_) => return Ok(Pause::of(&record)),
            Err(StoreError::RecordConflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Unavailable("the pause is changed by many processes at once; try again".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::SqliteStore;

    #[tokio::test]
    async fn pause_names_its_author_until_it_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let open = || SqliteStore::open(&folder.path().join("darkroom.db")).unwrap();
        let (store, other) = (open(), open());
        let at = |seconds| DateTime::UNIX_EPOCH + chrono::Duration::seconds(seconds);
        assert_eq!(Pause::read(&store).await, Ok(None));
        Pause::set(&store, "ana@studio", Some("check\nthe invoice"), at(60)).await.unwrap();
        let pause = Pause::read(&other).await.unwrap().unwrap();
        assert_eq!(pause.line(at(360)), "paused by ana@studio 5m ago: check the invoice");
        let kept = Pause::set(&other, "ben@studio", None, at(400)).await.unwrap();
        assert_eq!(kept, pause, "a second pause keeps the author of the first");
        Pause::clear(&other, "ben@studio", at(500)).await.unwrap();
        Pause::clear(&store, "ana@studio", at(600)).await.unwrap();
        assert_eq!(Pause::read(&store).await, Ok(None));
        Pause::set(&store, "ben@studio", None, at(700)).await.unwrap();
        let pause = Pause::read(&other).await.unwrap().unwrap();
        assert_eq!((pause.by.as_str(), pause.since, pause.reason), ("ben@studio", at(700), None));
    }

    #[test]
    fn unreadable_record_pauses() {
        let record = SharedRecord::new(KIND, ID, DateTime::UNIX_EPOCH, "x", serde_json::json!({"paused": "maybe"}));
        let reason = Pause::of(&record).and_then(|pause| pause.reason);
        assert!(reason.is_some_and(|reason| reason.contains("cannot be read")));
        let other = SharedRecord::new("settings", ID, DateTime::UNIX_EPOCH, "x", serde_json::Value::Null);
        assert!(SharedRecord::WATCHED.contains(&(KIND, ID)));
        assert!(Pause::is_stated_by(&record) && !Pause::is_stated_by(&other));
    }
}
