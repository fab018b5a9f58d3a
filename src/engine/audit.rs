//! What operators did: a record in the store for each command that changed something, with who, when and from where.

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

use crate::jobs::JobId;
use crate::store::{SharedRecord, Store, StoreError};
use crate::text::sanitize_line;

/// The kind of the records.
const KIND: &str = "audit";

/// Ids of jobs that one record names; their number is always complete.
const MAX_IDS: usize = 100;

/// Who gives commands, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// `user@host`.
    pub by: String,
    /// `console` or `cli`.
    pub from: &'static str,
}

/// One command of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// When.
    pub at: DateTime<Utc>,
    /// Who: `user@host`.
    pub by: String,
    /// From where: `console` or `cli`.
    pub from: String,
    /// What: `submit`, `retry`, `cancel`, `approve`, `reject`, `hide`, `unhide`, `undo`, `resolve`, `pause`, `resume`, `prune`.
    pub action: String,
    /// How many jobs it changed.
    pub count: u64,
    /// Their ids, at most a hundred.
    pub jobs: Vec<String>,
    /// More about it, such as the reason of a pause.
    pub note: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    from: String,
    action: String,
    #[serde(default)]
    count: u64,
    #[serde(default)]
    jobs: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl Operator {
    /// Records a command. A store that does not answer loses the entry, not the command: that is done already.
    pub async fn record(
        &self,
        store: &dyn Store,
        action: &str,
        jobs: &[JobId],
        note: Option<&str>,
        now: DateTime<Utc>,
    ) {
        if let Err(error) = self.begin(action, note, now).add(store, jobs).await {
            tracing::warn!(%error, action, jobs = jobs.len(), "operator command not recorded");
        }
    }

    /// The record of a command that changes jobs batch by batch. Nothing is written before the first batch.
    pub(super) fn begin(&self, action: &str, note: Option<&str>, now: DateTime<Utc>) -> AuditRecord {
        AuditRecord {
            id: format!("{}-{:08x}", now.timestamp_micros(), rand::random::<u32>()),
            revision: 0,
            at: now.trunc_subsecs(6),
            by: self.by.clone(),
            body: Body {
                from: self.from.to_owned(),
                action: action.to_owned(),
                count: 0,
                jobs: Vec::new(),
                note: note.map(|note| sanitize_line(note, 200)),
            },
        }
    }
}

/// A record that grows with each batch of its command: kept with the batch, so that another process completes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AuditRecord {
    id: String,
    #[serde(skip)]
    revision: u64,
    at: DateTime<Utc>,
    by: String,
    body: Body,
}

impl AuditRecord {
    /// Writes that the command changed these jobs, too.
    pub(super) async fn add(&mut self, store: &dyn Store, jobs: &[JobId]) -> Result<(), StoreError> {
        self.body.count += jobs.len() as u64;
        let room = MAX_IDS.saturating_sub(self.body.jobs.len());
        self.body.jobs.extend(jobs.iter().take(room).map(|id| id.as_str().to_owned()));
        let body = serde_json::to_value(&self.body).map_err(|error| StoreError::Unusable(error.to_string()))?;
        let record = SharedRecord::new(KIND, &self.id, self.at, &self.by, body);
        self.revision = store.put_shared_record(SharedRecord { revision: self.revision, ..record }).await?;
        Ok(())
    }

    /// The same for the jobs of a batch that was interrupted. `self` is the record before the batch: one that has grown since has
    /// these jobs.
    pub(super) async fn complete(mut self, store: &dyn Store, jobs: &[JobId]) -> Result<(), StoreError> {
        let stored = store.shared_record(KIND, &self.id).await?;
        let count = stored.as_ref().and_then(|stored| serde_json::from_value::<Body>(stored.body.clone()).ok());
        if jobs.is_empty() || count.is_some_and(|body| body.count > self.body.count) {
            return Ok(());
        }
        self.revision = stored.map_or(0, |stored| stored.revision);
        self.add(store, jobs).await
    }
}

impl AuditEntry {
    /// The newest entries, newest first; those of one job where it is given. A record that cannot be read is left out.
    pub async fn newest(store: &dyn Store, limit: usize, job: Option<&JobId>) -> Result<Vec<Self>, StoreError> {
        let records = store.shared_records(KIND, limit).await?;
        let entries = records.into_iter().filter_map(|record| {
            let body: Body = serde_json::from_value(record.body).ok()?;
            Some(Self {
                at: record.at,
                by: sanitize_line(&record.by, 120),
                from: sanitize_line(&body.from, 20),
                action: sanitize_line(&body.action, 20),
                count: body.count,
                jobs: body.jobs.iter().map(|id| sanitize_line(id, 128)).collect(),
                note: body.note.map(|note| sanitize_line(&note, 200)),
            })
        });
        Ok(entries.filter(|entry| job.is_none_or(|job| entry.jobs.iter().any(|id| *id == job.to_string()))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::SqliteStore;

    #[tokio::test]
    async fn entries_name_who_did_what() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("darkroom.db")).unwrap();
        let at = |seconds| DateTime::UNIX_EPOCH + chrono::Duration::seconds(seconds);
        let ids: Vec<JobId> = (0..150).map(|number| JobId::new(format!("job-{number}")).unwrap()).collect();
        let ana = Operator { by: "ana@studio".to_owned(), from: "console" };
        ana.record(&store, "retry", &ids, None, at(1)).await;
        ana.record(&store, "pause", &[], Some("check\nthe invoice"), at(2)).await;
        let entries = AuditEntry::newest(&store, 10, None).await.unwrap();
        let shown: Vec<(&str, &str, u64)> =
            entries.iter().map(|entry| (entry.by.as_str(), entry.action.as_str(), entry.count)).collect();
        assert_eq!(shown, [("ana@studio", "pause", 0), ("ana@studio", "retry", 150)]);
        assert_eq!(entries[0].note.as_deref(), Some("check the invoice"));
        assert_eq!(entries[1].jobs.len(), MAX_IDS);
        assert_eq!(AuditEntry::newest(&store, 10, Some(&ids[3])).await.unwrap().len(), 1);
        let unknown = JobId::new("unknown").unwrap();
        assert!(AuditEntry::newest(&store, 10, Some(&unknown)).await.unwrap().is_empty());
    }
}
