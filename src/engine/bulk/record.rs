//! The durable record of a bulk action: what is done to which jobs, by whom, and how far it is. Any worker of the store continues it.
//!
//! ```text
//! bulk_jobs/ID-0000…  the jobs, written first; never read before the header exists
//! bulk/ID             the header: state, position, lease; every change is a compare-and-set
//! bulk_signal/open    changed last: every worker learns at once that a header is new or changed
//! ```
//!
//! A crash between two writes leaves jobs without a header, which nothing reads, or a header whose signal is missing: the next start of
//! any worker finds it. The position is saved after its jobs were changed, so that a crash repeats at most one batch; a job that was
//! changed since it was counted is never changed again (`fingerprint`), nor cloned with other contents or at another price. What jobs
//! were is kept before they are changed: the repeated batch counts those as changed that are what the action leaves of that, and an undo
//! restores no others.

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

use super::{BulkAction, BulkPlan};
use crate::costs::Usd;
use crate::engine::Operator;
use crate::jobs::JobId;
use crate::store::{SharedRecord, Store, StoreError};
use crate::text::{format, sanitize_line};

/// The kind of the headers.
const KIND: &str = "bulk";

/// The kind of the lists of jobs.
const JOBS_KIND: &str = "bulk_jobs";

/// The record that changes whenever a header is created or an operator changes it.
const SIGNAL: (&str, &str) = ("bulk_signal", "open");

/// Jobs of one list: a document of a shared store has at most a megabyte.
const CHUNK_SIZE: usize = 5_000;

/// How often a write is tried when other processes change the record in between.
const MAX_CONFLICT_RETRIES: usize = 8;

/// Reasons that are kept.
const MAX_REASONS: usize = 5;

/// From so many jobs on, an action is recorded and counted down; fewer are changed at once by one command.
pub const MIN_JOBS: usize = 10;

/// The time in which an action can be cancelled before its first job.
const COUNTDOWN: chrono::Duration = chrono::Duration::seconds(5);

/// Where a bulk action is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum BulkState {
    /// It waits for its start, or for a worker, or is under way.
    Running,
    /// An operator paused it.
    Paused,
    /// An operator stopped it.
    Stopped,
    /// Every job was handled.
    Done,
}

/// What an operator may do to a bulk action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkControl {
    /// Continue a paused one.
    Resume,
    /// Handle no further jobs until it is resumed.
    Pause,
    /// Handle no further jobs, finally.
    Stop,
}

/// When a bulk action begins, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BulkStart {
    /// After the countdown, in any worker.
    Countdown,
    /// At once, in the worker of that name; in another one if it dies.
    By(String),
}

/// How long a silent worker keeps an action.
pub(in crate::engine) const LEASE: chrono::Duration = chrono::Duration::seconds(30);

/// Which process works on it, until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkLease {
    /// The worker.
    pub worker: String,
    /// When another one may continue.
    pub until: DateTime<Utc>,
}

/// A bulk action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkRecord {
    /// Unique in the store.
    #[serde(skip_deserializing)]
    pub id: String,
    #[serde(skip)]
    revision: u64,
    /// What is done.
    pub action: BulkAction,
    /// How the jobs were chosen: the filter as it was typed, or `marked`.
    pub chosen: String,
    /// Who: `user@host`.
    pub by: String,
    /// From where: `console` or `cli`.
    pub from: String,
    /// When it was confirmed.
    pub created_at: DateTime<Utc>,
    /// When the first job may be changed.
    pub starts_at: DateTime<Utc>,
    /// Where it is.
    pub state: BulkState,
    /// All jobs.
    pub total: u64,
    /// Jobs that were handled.
    pub position: u64,
    /// Of these, jobs that were changed.
    pub changed: u64,
    /// Of these, jobs that were not changed.
    pub unchanged: u64,
    /// Why jobs were not changed, each reason once.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// What it costs at most likely, where it costs and that is known.
    #[serde(default)]
    pub price_usd: Option<Usd>,
    /// Who works on it.
    #[serde(default)]
    pub lease: Option<BulkLease>,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<DateTime<Utc>>,
    /// Whether what its jobs were before is kept.
    #[serde(default)]
    pub undoable: bool,
    /// The id of the action that undoes it.
    #[serde(default)]
    pub undone_by: Option<String>,
}

/// A job of a bulk action, with its fingerprint when it was counted; of an undo, with the position of the batch that changed it.
pub type BulkItem = (JobId, i64);

/// The jobs of one list.
#[derive(Serialize, Deserialize)]
struct Jobs {
    jobs: Vec<BulkItem>,
}

impl BulkRecord {
    /// Records a confirmed plan. Nothing is changed yet.
    pub async fn create(
        store: &dyn Store,
        plan: BulkPlan,
        chosen: &str,
        operator: &Operator,
        now: DateTime<Utc>,
        start: BulkStart,
    ) -> Result<Self, StoreError> {
        let now = now.trunc_subsecs(6);
        let id = format!("{}-{:08x}", now.timestamp_micros(), rand::random::<u32>());
        if let BulkAction::Undo { of, .. } = &plan.action {
            Self::mark_undone(store, of, &id, now).await?;
        }
        let price_usd = plan.amount();
        let undoable = plan.action.can_be_undone() && plan.action.limit_of_undo(plan.ids.len()).is_none();
        let total = plan.ids.len() as u64;
        let items = plan.items();
        for (number, jobs) in items.chunks(CHUNK_SIZE).enumerate() {
            let body = encode(&Jobs { jobs: jobs.to_vec() })?;
            store.put_shared_record(SharedRecord::new(JOBS_KIND, &chunk(&id, number), now, &operator.by, body)).await?;
        }
        let mut record = Self {
            id,
            revision: 0,
            action: plan.action,
            chosen: sanitize_line(chosen, 300),
            by: operator.by.clone(),
            from: operator.from.to_owned(),
            created_at: now,
            starts_at: if start == BulkStart::Countdown { now + COUNTDOWN } else { now },
            state: BulkState::Running,
            total,
            position: 0,
            changed: 0,
            unchanged: 0,
            reasons: Vec::new(),
            price_usd,
            lease: match start {
                BulkStart::Countdown => None,
                BulkStart::By(worker) => Some(BulkLease { worker, until: now + LEASE }),
            },
            ended_at: None,
            undoable,
            undone_by: None,
        };
        record.save(store, now).await?;
        record.signal(store, now).await;
        Ok(record)
    }

    /// The record of that id.
    pub async fn read(store: &dyn Store, id: &str) -> Result<Option<Self>, StoreError> {
        Ok(store.shared_record(KIND, id).await?.as_ref().and_then(Self::of))
    }

    /// The newest ones, newest first. A record that cannot be read is left out.
    pub async fn newest(store: &dyn Store, limit: usize) -> Result<Vec<Self>, StoreError> {
        let mut records: Vec<Self> = store.shared_records(KIND, limit).await?.iter().filter_map(Self::of).collect();
        records.sort_by(|left, right| right.id.cmp(&left.id));
        Ok(records)
    }

    /// Whether a change stream reported that a bulk action is new or changed.
    pub fn is_signal(record: &SharedRecord) -> bool {
        record.kind == SIGNAL.0
    }

    fn of(record: &SharedRecord) -> Option<Self> {
        let mut parsed: Self = serde_json::from_value(record.body.clone()).ok()?;
        parsed.id = sanitize_line(&record.id, 60);
        parsed.revision = record.revision;
        parsed.by = sanitize_line(&parsed.by, 120);
        parsed.from = sanitize_line(&parsed.from, 20);
        parsed.chosen = sanitize_line(&parsed.chosen, 300);
        parsed.reasons = parsed.reasons.iter().map(|reason| sanitize_line(reason, 200)).collect();
        Some(parsed)
    }

    /// Whether jobs of it are still to be handled.
    pub fn is_open(&self) -> bool {
        matches!(self.state, BulkState::Running | BulkState::Paused)
    }

    /// When a worker may work on it; `None` where it must not now.
    pub fn due_at(&self, worker: &str) -> Option<DateTime<Utc>> {
        let other = self.lease.as_ref().filter(|lease| lease.worker != worker);
        let free_at = other.map_or(self.starts_at, |lease| lease.until.max(self.starts_at));
        (self.state == BulkState::Running).then_some(free_at)
    }

    /// Takes or renews the lease. Errors: `RecordConflict` where another process was faster.
    pub async fn acquire(
        &mut self,
        store: &dyn Store,
        worker: &str,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.lease = Some(BulkLease { worker: worker.to_owned(), until });
        self.save(store, now).await
    }

    /// The next jobs, at most `limit`; none at the end.
    pub async fn batch(&self, store: &dyn Store, limit: usize) -> Result<Vec<BulkItem>, StoreError> {
        let position = usize::try_from(self.position).unwrap_or(usize::MAX);
        if self.position >= self.total {
            return Ok(Vec::new());
        }
        let name = chunk(&self.id, position / CHUNK_SIZE);
        let record = store.shared_record(JOBS_KIND, &name).await?;
        let record =
            record.ok_or_else(|| StoreError::Unusable(format!("bulk action {}: its jobs are missing", self.id)))?;
        let jobs: Jobs =
            serde_json::from_value(record.body).map_err(|error| StoreError::Unusable(error.to_string()))?;
        Ok(jobs.jobs.into_iter().skip(position % CHUNK_SIZE).take(limit).collect())
    }

    /// Saves what a batch did, on the record's newest version: an operator may have paused or stopped it meanwhile. `false` where
    /// another worker holds the lease by now.
    pub async fn advance(
        &mut self,
        store: &dyn Store,
        batch: &BatchResult,
        lease: BulkLease,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        for _ in 0..MAX_CONFLICT_RETRIES {
            let mut next = self.clone();
            next.position += batch.handled;
            next.changed += batch.changed;
            next.unchanged += batch.handled.saturating_sub(batch.changed);
            for reason in &batch.reasons {
                if next.reasons.len() < MAX_REASONS && !next.reasons.contains(reason) {
                    next.reasons.push(reason.clone());
                }
            }
            let is_done = next.position >= next.total;
            if is_done && next.is_open() {
                next.state = BulkState::Done;
                next.ended_at = Some(now.trunc_subsecs(6));
            }
            next.lease = (next.state == BulkState::Running).then(|| lease.clone());
            match next.save(store, now).await {
                Ok(()) => {
                    *self = next;
                    return Ok(true);
                }
                Err(StoreError::RecordConflict { .. }) => {
                    let Some(newest) = Self::read(store, &self.id).await? else { return Ok(false) };
                    if !newest.is_of(&lease.worker) || newest.position != self.position {
                        return Ok(false);
                    }
                    *self = newest;
                }
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Unavailable("the record of the bulk action changes too often".to_owned()))
    }

    /// Whether no other worker has taken the action, or completed the batch at this position, since it was read.
    pub async fn is_current(&self, store: &dyn Store, worker: &str) -> Result<bool, StoreError> {
        let newest = Self::read(store, &self.id).await?;
        Ok(newest.is_some_and(|newest| newest.is_of(worker) && newest.position == self.position))
    }

    /// Whether no other worker has the lease.
    fn is_of(&self, worker: &str) -> bool {
        self.lease.as_ref().is_none_or(|held| held.worker == worker)
    }

    /// Gives the lease back, so that another worker continues at once.
    pub async fn release(&mut self, store: &dyn Store, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.lease = None;
        self.save(store, now).await?;
        self.signal(store, now).await;
        Ok(())
    }

    /// Ends an action that no worker can continue.
    pub async fn abandon(&mut self, store: &dyn Store, why: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.state = BulkState::Stopped;
        self.lease = None;
        self.ended_at = Some(now.trunc_subsecs(6));
        self.reasons.push(sanitize_line(why, 200));
        self.save(store, now).await
    }

    /// Pauses, resumes or stops it. Errors: it has ended, or there is none of that id.
    pub async fn control(
        store: &dyn Store,
        id: &str,
        control: BulkControl,
        now: DateTime<Utc>,
    ) -> Result<Result<Self, String>, StoreError> {
        for _ in 0..MAX_CONFLICT_RETRIES {
            let Some(mut record) = Self::read(store, id).await? else {
                return Ok(Err(format!("no bulk action has the id '{}'", sanitize_line(id, 60))));
            };
            if !record.is_open() {
                return Ok(Err(format!("the bulk action is {} already", record.state)));
            }
            record.state = match control {
                BulkControl::Resume => BulkState::Running,
                BulkControl::Pause => BulkState::Paused,
                BulkControl::Stop => BulkState::Stopped,
            };
            if control == BulkControl::Stop {
                record.ended_at = Some(now.trunc_subsecs(6));
            }
            match record.save(store, now).await {
                Ok(()) => {
                    record.signal(store, now).await;
                    return Ok(Ok(record));
                }
                Err(StoreError::RecordConflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Unavailable("the record of the bulk action changes too often; try again".to_owned()))
    }

    pub(super) async fn save(&mut self, store: &dyn Store, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut record = SharedRecord::new(KIND, &self.id, now.trunc_subsecs(6), &self.by, encode(self)?);
        record.revision = self.revision;
        self.revision = store.put_shared_record(record).await?;
        Ok(())
    }

    /// Wakes the workers. One that does not learn of it finds the record when it starts.
    async fn signal(&self, store: &dyn Store, now: DateTime<Utc>) {
        for _ in 0..MAX_CONFLICT_RETRIES {
            let written = async {
                let revision = store.shared_record(SIGNAL.0, SIGNAL.1).await?.map_or(0, |record| record.revision);
                let body = serde_json::json!({"id": self.id, "nonce": rand::random::<u32>()});
                let record = SharedRecord::new(SIGNAL.0, SIGNAL.1, now.trunc_subsecs(6), &self.by, body);
                store.put_shared_record(SharedRecord { revision, ..record }).await
            };
            match written.await {
                Ok(_) => return,
                Err(StoreError::RecordConflict { .. }) => {}
                Err(error) => {
                    return tracing::warn!(%error, id = self.id, "other workers not notified of a bulk action");
                }
            }
        }
    }

    /// `retry 244 jobs`, `tag 12 jobs: +cover`, `undo retry of 244 jobs`.
    pub fn title(&self) -> String {
        let jobs = format::count(usize::try_from(self.total).unwrap_or(usize::MAX), "job");
        match self.action.detail() {
            Some(detail) if matches!(self.action, BulkAction::Undo { .. }) => {
                format!("{} {detail} of {jobs}", self.action.verb())
            }
            Some(detail) => format!("{} {jobs}: {detail}", self.action.verb()),
            None => format!("{} {jobs}", self.action.verb()),
        }
    }
}

/// What a batch did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchResult {
    /// Jobs that were handled.
    pub handled: u64,
    /// Jobs that were changed.
    pub changed: u64,
    /// Why others were not.
    pub reasons: Vec<String>,
}

fn chunk(id: &str, number: usize) -> String {
    format!("{id}-{number:04}")
}

pub(super) fn encode(value: &impl Serialize) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(value).map_err(|error| StoreError::Unusable(error.to_string()))
}
