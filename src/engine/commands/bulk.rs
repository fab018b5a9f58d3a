//! What a bulk action does to a batch of its jobs. Each of these may be repeated after a crash: a job that was changed since it was
//! counted stays as it is, and a clone has an id that follows from its source.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use sha2::{Digest, Sha256};

use super::{CONCURRENCY, OperatorCommands, changes, rejection, undo};
use crate::catalog::Catalog;
use crate::engine::bulk::{clone_fingerprint, fingerprint, previous_of};
use crate::engine::{BulkAction, BulkItem, CommandKind, CommandOutcome, NewJob, SpecEdit, TagEdit};
use crate::jobs::{Job, JobId};
use crate::store::StoreError;

impl OperatorCommands {
    /// Applies a bulk action to some of its jobs. `id` is that of the action.
    pub(in crate::engine) async fn apply_bulk(
        &self,
        id: &str,
        action: &BulkAction,
        items: Vec<BulkItem>,
    ) -> Result<CommandOutcome, StoreError> {
        let ids = || items.iter().map(|(id, _)| id.clone()).collect();
        match action {
            BulkAction::Retry => self.retry_unchanged(items, |_| CHANGED.to_owned()).await,
            BulkAction::Cancel => self.cancel(ids()).await,
            BulkAction::Approve => self.approve(ids()).await,
            BulkAction::Reject => self.reject_images(ids()).await,
            BulkAction::Hide => self.hide(ids()).await,
            BulkAction::Unhide => self.unhide(ids()).await,
            BulkAction::Tag(edit) => self.tag(ids(), edit).await,
            BulkAction::Clone { edit, .. } => self.clone_unchanged(id, items, edit).await,
            BulkAction::Undo { of, action } => self.undo_bulk(of, action, &items).await,
            BulkAction::Mark => Ok(CommandOutcome::nothing(CommandKind::Undone)),
        }
    }

    /// The jobs among these that the action would change now, as they are.
    pub(in crate::engine) async fn changeable(
        &self,
        action: &BulkAction,
        items: &[BulkItem],
    ) -> Result<Vec<Job>, StoreError> {
        let ids: Vec<JobId> = items.iter().map(|(id, _)| id.clone()).collect();
        let read = |id: JobId| async move { self.store.get(&id).await };
        let jobs: Vec<_> = futures::stream::iter(ids).map(read).buffered(CONCURRENCY).collect().await;
        let mut changeable = Vec::new();
        for (job, (_, counted)) in jobs.into_iter().zip(items) {
            let job = match job {
                Ok(Some(job)) => job,
                Ok(None) | Err(StoreError::Unreadable { .. }) => continue,
                Err(error) => return Err(error),
            };
            let is_as_counted = *action != BulkAction::Retry || *counted == fingerprint(&job);
            if is_as_counted && changes::of_action(action, &mut job.clone(), self.clock.now()).is_ok() {
                changeable.push(job);
            }
        }
        Ok(changeable)
    }

    /// Those of the jobs that a run of the action which was cut short has changed: they are now what it leaves of `previous`.
    pub(in crate::engine) async fn changed_before(
        &self,
        action: &BulkAction,
        previous: &[&Job],
    ) -> Result<Vec<JobId>, StoreError> {
        let mut changed = Vec::new();
        for old in previous {
            match self.store.get(&old.id).await {
                Ok(Some(job)) if changes::is_left_by(action, old, &job) => changed.push(job.id),
                Ok(_) | Err(StoreError::Unreadable { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(changed)
    }

    /// The same commands, whose changes begin with these versions.
    pub(in crate::engine) fn with_read(&self, jobs: Vec<Job>) -> Self {
        let read = jobs.into_iter().map(|job| (job.id.clone(), job)).collect();
        Self { read: Arc::new(read), ..self.clone() }
    }

    /// Restores jobs to what they were before the bulk action `of`.
    async fn undo_bulk(&self, of: &str, action: &BulkAction, items: &[BulkItem]) -> Result<CommandOutcome, StoreError> {
        let previous = previous_of(self.store.as_ref(), of, items).await?;
        let ids = items.iter().map(|(id, _)| id.clone()).collect();
        let restore = |job: &mut Job, now: DateTime<Utc>| {
            let Some(old) = previous.get(&job.id) else { return Err("what it was before was not kept".to_owned()) };
            match action.undo_obstacle(job, old) {
                Some(why) => Err(why.to_owned()),
                None => undo::restore(action.command_kind(), action.tag_edit(), job, old, now),
            }
        };
        let mut outcome = self.apply_to_each(CommandKind::Undone, ids, restore).await?;
        outcome.previous.clear();
        Ok(outcome)
    }

    /// Adds and removes tags.
    pub async fn tag(&self, ids: Vec<JobId>, edit: &TagEdit) -> Result<CommandOutcome, StoreError> {
        let tag = |job: &mut Job, _| changes::tag(edit, job);
        let mut outcome = self.apply_to_each(CommandKind::Tagged, ids, tag).await?;
        outcome.tag_edit = Some(edit.clone());
        self.record_with("tag", &outcome, Some(&edit.summary())).await;
        Ok(outcome)
    }

    /// Creates a clone of each job, once: its id follows from the action and the source. A job whose clone would be another one than was
    /// counted, or have another price, is left out.
    async fn clone_unchanged(
        &self,
        action: &str,
        items: Vec<BulkItem>,
        edit: &SpecEdit,
    ) -> Result<CommandOutcome, StoreError> {
        let mut outcome = CommandOutcome::nothing(CommandKind::Submitted);
        for (source, counted) in items {
            let id = clone_id(action, &source);
            let job = match self.store.get(&source).await {
                Ok(job) => job.ok_or_else(|| "job not found".to_owned()),
                Err(error) => Err(rejection(error)?),
            };
            let request = match job.and_then(|job| edit.clone_of(&job)) {
                Ok(new) => match fingerprint_of_clone(&new).await? {
                    (now, _) if now == counted => Ok(new),
                    (_, true) => Err(CHANGED.to_owned()),
                    (_, false) => Err(UNMEASURED.to_owned()),
                },
                Err(why) => Err(why),
            };
            let request = match request {
                Ok(request) => request,
                // A batch that is repeated after a crash finds what it created, whatever the source is now.
                Err(_) if self.exists(&id).await? => {
                    outcome.succeeded.push(id);
                    continue;
                }
                Err(why) => {
                    outcome.rejected.push((source, why));
                    continue;
                }
            };
            let mut clone = Job::new(id.clone(), request.spec, self.simulated, self.clock.now());
            clone.tags = request.tags;
            match self.store.create(vec![clone]).await {
                Ok(()) | Err(StoreError::AlreadyExists(_)) => outcome.succeeded.push(id),
                Err(error) => outcome.rejected.push((source, rejection(error)?)),
            }
        }
        Ok(outcome)
    }

    async fn exists(&self, id: &JobId) -> Result<bool, StoreError> {
        match self.store.get(id).await {
            Ok(job) => Ok(job.is_some()),
            Err(StoreError::Unreadable { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

/// Why a job is left alone.
const CHANGED: &str = "it changed after it was counted";

/// The same, perhaps only because its files are on the machine where it was counted.
const UNMEASURED: &str = "it changed after it was counted, or this worker cannot read its input images";

/// The fingerprint of a clone, by the sizes that its input images have now, and whether all of them are known.
async fn fingerprint_of_clone(new: &NewJob) -> Result<(i64, bool), StoreError> {
    let (catalog, spec) = (Catalog::builtin(), new.spec.clone());
    let compute = move || {
        let sizes = catalog.measure_inputs(&spec);
        (clone_fingerprint(&spec, &sizes, catalog), catalog.has_sizes(&spec, &sizes))
    };
    if !catalog.has_inputs(&new.spec) {
        return Ok(compute());
    }
    tokio::task::spawn_blocking(compute).await.map_err(|error| StoreError::Unavailable(error.to_string()))
}

fn clone_id(action: &str, source: &JobId) -> JobId {
    let digest = Sha256::digest(format!("{action}/{}", source.as_str()));
    let mut bytes = [0; 20];
    bytes.copy_from_slice(&digest[..20]);
    JobId::from_random(bytes)
}
