//! Undo of a bulk action, by any process: what its jobs were before it is kept in the store, batch by batch. The undo is a bulk action
//! itself: recorded, counted down, paused, stopped, and continued by another worker.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

use super::record::encode;
use super::{BulkAction, BulkItem, BulkPlan, BulkRecord, BulkState, TagEdit};
use crate::engine::{CommandKind, RetryPrice};
use crate::jobs::{Job, JobId, StageName};
use crate::store::{SharedRecord, Store, StoreError};

/// The kind of the records of what jobs were.
const KIND: &str = "bulk_undo";

/// Jobs of an action that can be undone: what they were takes about a kilobyte each.
const MAX_UNDOABLE: usize = 20_000;

/// Bytes of one record: a document of a shared store has at most a megabyte.
const MAX_BYTES: usize = 400_000;

/// Bytes of a job in a record of its own. A larger one, such as with an image in its request, has no undo: a record that the store
/// refuses would stop the action itself.
const MAX_JOB_BYTES: usize = 900_000;

/// Jobs as they were before a batch: written before the batch is applied, so that a crash loses none.
#[derive(Serialize, Deserialize)]
struct Kept {
    jobs: Vec<serde_json::Value>,
    /// Jobs of this part, or of an earlier one, that the batch did not change after all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unchanged: Vec<JobId>,
}

impl BulkAction {
    /// The command whose outcome describes the action, and which an undo reverses.
    pub(in crate::engine) fn command_kind(&self) -> CommandKind {
        match self {
            Self::Retry => CommandKind::Retried,
            Self::Cancel => CommandKind::Cancelled,
            Self::Approve => CommandKind::Approved,
            Self::Reject => CommandKind::ImagesRejected,
            Self::Hide => CommandKind::Hidden,
            Self::Unhide | Self::Mark | Self::Undo { .. } => CommandKind::Undone,
            Self::Tag(_) => CommandKind::Tagged,
            Self::Clone { .. } => CommandKind::Submitted,
        }
    }

    /// Whether there is an undo of it.
    pub(super) fn can_be_undone(&self) -> bool {
        !matches!(self.command_kind(), CommandKind::Undone | CommandKind::Submitted)
    }

    /// That there is no undo for so many jobs, where there is one for fewer.
    pub(super) fn limit_of_undo(&self, jobs: usize) -> Option<String> {
        let is_too_large = self.can_be_undone() && jobs > MAX_UNDOABLE;
        is_too_large.then(|| format!("More than {MAX_UNDOABLE} jobs: there is no undo"))
    }

    /// What was made of the tags.
    pub(in crate::engine) fn tag_edit(&self) -> Option<&TagEdit> {
        if let Self::Tag(edit) = self { Some(edit) } else { None }
    }

    /// Why a job does not go back to what it was: its tags are not those that the action left.
    pub(in crate::engine) fn undo_obstacle(&self, job: &Job, old: &Job) -> Option<&'static str> {
        let edit = self.tag_edit()?;
        (!edit.has_left(&job.tags, &old.tags)).then_some("its tags were changed since")
    }
}

impl BulkRecord {
    /// What undoes it.
    pub fn undo_action(&self) -> BulkAction {
        BulkAction::Undo { of: self.id.clone(), action: Box::new(self.action.clone()) }
    }

    /// Why it cannot be undone; `None` where it can. A worker whose action is stopped still completes its batch: it gives its lease
    /// back then, and loses it where it has died.
    pub fn undo_obstacle(&self, now: DateTime<Utc>) -> Option<&'static str> {
        if !self.action.can_be_undone() {
            Some("there is no undo of this action")
        } else if self.is_open() {
            Some("it has not ended; stop it first")
        } else if self.is_ending(now) {
            Some("a worker still completes its last jobs; try again in half a minute")
        } else if self.changed == 0 && self.lease.is_none() {
            Some("it changed no job")
        } else if !self.undoable {
            Some("what its jobs were before was not kept")
        } else {
            None
        }
    }

    /// Whether it is stopped, and a worker still completes its batch.
    pub fn is_ending(&self, now: DateTime<Utc>) -> bool {
        !self.is_open() && self.lease.as_ref().is_some_and(|lease| lease.until > now)
    }

    /// How far its undo is, by the other records, which include every newer one; `None` where there is no undo.
    pub fn undo_progress(&self, records: &[Self], now: DateTime<Utc>) -> Option<&'static str> {
        let by = self.undone_by.as_ref()?;
        let Some(undo) = records.iter().find(|record| record.id == *by) else {
            // The process died before it recorded the undo: no worker knows of it.
            return Some("undo interrupted: undo it again");
        };
        match undo.state {
            BulkState::Stopped if undo.position == 0 => None,
            BulkState::Stopped => Some("undone in part"),
            BulkState::Done => Some("undone"),
            BulkState::Running if undo.starts_at > now => Some("undo begins soon"),
            BulkState::Running | BulkState::Paused => Some("undo under way"),
        }
    }

    /// Marks it as undone by the action of that id. Errors: it cannot be undone, or another action undoes it.
    pub(super) async fn mark_undone(
        store: &dyn Store,
        id: &str,
        by: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let refused = |why: &str| StoreError::Unusable(format!("bulk action {id} cannot be undone: {why}"));
        let Some(mut record) = Self::read(store, id).await? else { return Err(refused("it does not exist")) };
        if let Some(why) = record.undo_obstacle(now) {
            return Err(refused(why));
        }
        if record.is_undone(store).await? {
            return Err(refused("it is undone already"));
        }
        record.undone_by = Some(by.to_owned());
        record.save(store, now).await
    }

    /// Whether an action that was not stopped undoes it, or has undone it.
    async fn is_undone(&self, store: &dyn Store) -> Result<bool, StoreError> {
        let Some(by) = &self.undone_by else { return Ok(false) };
        // A process may have died before it recorded the undo.
        Ok(Self::read(store, by).await?.is_some_and(|undo| undo.state != BulkState::Stopped))
    }
}

impl BulkPlan {
    /// Adds the jobs that a bulk action changed: only those are restored.
    pub(super) async fn add_changed_by(
        &mut self,
        store: &dyn Store,
        id: &str,
        simulated: &mut RetryPrice,
    ) -> Result<(), StoreError> {
        let Some(record) = BulkRecord::read(store, id).await? else {
            self.reason = Some("the bulk action does not exist".to_owned());
            return Ok(());
        };
        self.reason = record.undo_obstacle(Utc::now()).map(str::to_owned);
        if self.reason.is_none() && record.is_undone(store).await? {
            self.reason = Some("it is undone already".to_owned());
        }
        if self.reason.is_some() {
            return Ok(());
        }
        // A worker may have died within the batch at the position.
        for position in (0..=record.position).step_by(super::BATCH_SIZE).take_while(|position| *position < record.total)
        {
            let kept = kept_jobs(store, id, position).await?;
            for job in &kept {
                self.ids.push(job.id.clone());
                self.fingerprints.push(i64::try_from(position).unwrap_or(i64::MAX));
                self.generating += usize::from(job.stage_name() == StageName::Generating);
            }
            let paid: Vec<Job> = kept.into_iter().filter(|job| self.action.is_paid_again(job)).collect();
            self.real += paid.iter().filter(|job| !job.simulated).count();
            self.add_price(paid, simulated).await?;
        }
        if self.ids.is_empty() {
            self.reason = Some("it changed no job".to_owned());
        }
        Ok(())
    }
}

impl BulkAction {
    /// Whether undoing brings the job back into the queue, where it will be submitted.
    fn is_paid_again(&self, old: &Job) -> bool {
        self.may_pay() && old.stage_name() == StageName::Queued
    }
}

/// Keeps what jobs were before the batch at the position of an action. Errors of the store: the same call may be repeated.
pub(in crate::engine) async fn keep_previous(
    store: &dyn Store,
    record: &BulkRecord,
    previous: &[Job],
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut kept = Kept { jobs: Vec::new(), unchanged: Vec::new() };
    let mut bytes = 0;
    let mut part = 0;
    for job in previous {
        let job = encode(job)?;
        let length = job.to_string().len();
        if length > MAX_JOB_BYTES {
            continue;
        }
        if bytes + length > MAX_BYTES && !kept.jobs.is_empty() {
            part = keep(store, record, part, &kept, at).await?;
            kept.jobs.clear();
            bytes = 0;
        }
        bytes += length;
        kept.jobs.push(job);
    }
    if !kept.jobs.is_empty() {
        keep(store, record, part, &kept, at).await?;
    }
    Ok(())
}

/// Keeps that the batch at the position of an action did not change these jobs, although they were kept for it.
pub(in crate::engine) async fn keep_unchanged(
    store: &dyn Store,
    record: &BulkRecord,
    unchanged: Vec<JobId>,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    if unchanged.is_empty() {
        return Ok(());
    }
    keep(store, record, 0, &Kept { jobs: Vec::new(), unchanged }, at).await.map(|_| ())
}

/// Writes the first free part from `part` on; returns the next one. A batch that is repeated after a crash finds what was kept before.
async fn keep(
    store: &dyn Store,
    record: &BulkRecord,
    mut part: usize,
    kept: &Kept,
    at: DateTime<Utc>,
) -> Result<usize, StoreError> {
    let body = encode(kept)?;
    loop {
        let id = part_id(&record.id, record.position, part);
        part += 1;
        match store.put_shared_record(SharedRecord::new(KIND, &id, at.trunc_subsecs(6), &record.by, body.clone())).await
        {
            Ok(_) => return Ok(part),
            Err(StoreError::RecordConflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

/// What the jobs that the batch at that position changed were before it. A later part replaces an earlier one.
pub(in crate::engine) async fn kept_jobs(store: &dyn Store, id: &str, position: u64) -> Result<Vec<Job>, StoreError> {
    let mut jobs: Vec<Job> = Vec::new();
    for part in 0.. {
        let Some(record) = store.shared_record(KIND, &part_id(id, position, part)).await? else { break };
        let kept: Result<Kept, _> = serde_json::from_value(record.body);
        let kept = kept.map_err(|error| StoreError::Unusable(error.to_string()))?;
        // A job that another version wrote and this one cannot read stays as it is.
        for job in kept.jobs.into_iter().filter_map(|job| serde_json::from_value::<Job>(job).ok()) {
            jobs.retain(|known| known.id != job.id);
            jobs.push(job);
        }
        jobs.retain(|job| !kept.unchanged.contains(&job.id));
    }
    Ok(jobs)
}

/// What these jobs of an undo were before, by id.
pub(in crate::engine) async fn previous_of(
    store: &dyn Store,
    of: &str,
    items: &[BulkItem],
) -> Result<HashMap<JobId, Job>, StoreError> {
    let positions: BTreeSet<i64> = items.iter().map(|(_, position)| *position).collect();
    let mut previous = HashMap::new();
    for position in positions {
        let kept = kept_jobs(store, of, u64::try_from(position).unwrap_or(0)).await?;
        previous.extend(kept.into_iter().map(|job| (job.id.clone(), job)));
    }
    Ok(previous)
}

fn part_id(id: &str, position: u64, part: usize) -> String {
    format!("{id}-{position:08}-{part:02}")
}
