//! What a bulk action does to a batch of its jobs. Each of these may be repeated after a crash: a job that was changed since it was
//! counted stays as it is, and a clone has an id that follows from its source.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::{OperatorCommands, undo};
use crate::engine::bulk::{fingerprint, previous_of};
use crate::engine::retry_price::likely_price;
use crate::engine::{BulkAction, BulkItem, CommandKind, CommandOutcome, SpecEdit, TagEdit};
use crate::jobs::{Job, JobId, StageName};
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
            BulkAction::Retry => self.retry_unchanged(items).await,
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

    /// Restores jobs to what they were before the bulk action `of`.
    async fn undo_bulk(&self, of: &str, action: &BulkAction, items: &[BulkItem]) -> Result<CommandOutcome, StoreError> {
        let previous = previous_of(self.store.as_ref(), of, items).await?;
        let ids = items.iter().map(|(id, _)| id.clone()).collect();
        let restore = |job: &mut Job, now: DateTime<Utc>| {
            let Some(old) = previous.get(&job.id) else { return Err("what it was before was not kept".to_owned()) };
            match action.undo_obstacle(job, old) {
                Some(why) => Err(why.to_owned()),
                None => undo::restore(action.command_kind(), job, old, now),
            }
        };
        let mut outcome = self.apply_to_each(CommandKind::Undone, ids, restore).await?;
        outcome.previous.clear();
        Ok(outcome)
    }

    /// Retries jobs that nothing has happened to since they were counted.
    async fn retry_unchanged(&self, items: Vec<BulkItem>) -> Result<CommandOutcome, StoreError> {
        let known: std::collections::HashMap<JobId, i64> = items.iter().cloned().collect();
        let ids = items.into_iter().map(|(id, _)| id).collect();
        let retry = |job: &mut Job, now: DateTime<Utc>| {
            if known.get(&job.id) != Some(&fingerprint(job)) {
                return Err(CHANGED.to_owned());
            }
            job.retry(now).map(|_| ()).map_err(|illegal| illegal.to_string())
        };
        let mut outcome = self.apply_to_each(CommandKind::Retried, ids, retry).await?;
        let is_free = |job: &&Job| job.retry_kind().is_ok_and(|kind| !kind.may_pay());
        let paid = outcome.previous.iter().filter(|job| !is_free(job)).map(|job| job.spec.clone());
        outcome.estimate = likely_price(paid.collect()).await;
        Ok(outcome)
    }

    /// Adds and removes tags. A job that a worker holds is not changed: its save must not fail while a request is in flight.
    pub async fn tag(&self, ids: Vec<JobId>, edit: &TagEdit) -> Result<CommandOutcome, StoreError> {
        let tag = |job: &mut Job, _| {
            if matches!(job.stage_name(), StageName::Submitting | StageName::Generating) {
                return Err(format!("it is {}; tag it when it has ended", job.stage_name()));
            }
            let tags = edit.applied_to(&job.tags)?;
            if tags == job.tags {
                return Err("it has these tags already".to_owned());
            }
            job.tags = tags;
            Ok(())
        };
        let outcome = self.apply_to_each(CommandKind::Tagged, ids, tag).await?;
        self.record_with("tag", &outcome, Some(&edit.summary())).await;
        Ok(outcome)
    }

    /// Creates a clone of each job, once: its id follows from the action and the source.
    async fn clone_unchanged(
        &self,
        action: &str,
        items: Vec<BulkItem>,
        edit: &SpecEdit,
    ) -> Result<CommandOutcome, StoreError> {
        let mut outcome = CommandOutcome::nothing(CommandKind::Submitted);
        for (source, _) in items {
            let id = clone_id(action, &source);
            let Some(job) = self.store.get(&source).await? else {
                outcome.rejected.push((source, "job not found".to_owned()));
                continue;
            };
            let request = match edit.clone_of(&job) {
                Ok(request) => request,
                Err(why) => {
                    outcome.rejected.push((source, why));
                    continue;
                }
            };
            let mut clone = Job::new(id.clone(), request.spec, self.simulated, self.clock.now());
            clone.tags = request.tags;
            match self.store.create(vec![clone]).await {
                // A batch that is repeated after a crash finds what it created.
                Ok(()) | Err(StoreError::AlreadyExists(_)) => outcome.succeeded.push(id),
                Err(error) => return Err(error),
            }
        }
        Ok(outcome)
    }
}

/// Why a job is left alone.
const CHANGED: &str = "it changed after it was counted";

fn clone_id(action: &str, source: &JobId) -> JobId {
    let digest = Sha256::digest(format!("{action}/{}", source.as_str()));
    let mut bytes = [0; 20];
    bytes.copy_from_slice(&digest[..20]);
    JobId::from_random(bytes)
}
