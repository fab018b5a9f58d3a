//! The operator's commands: what they change on job documents, with or without a worker in this process. No command runs a job.

mod bulk;
mod changes;
mod retry;
mod undo;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::StreamExt;

use super::retry_price::likely_price;
use super::{BulkControl, BulkPlan, BulkRecord, BulkStart, CommandKind, CommandOutcome, NewJob, Operator};
use crate::catalog::Catalog;
use crate::jobs::{BillingAnswer, Hold, Job, JobId, Resolution};
use crate::store::{Save, Store, StoreError};
use crate::time::Clock;

/// How often a change is tried when other processes save the job in between.
const MAX_CONFLICT_RETRIES: usize = 8;

/// Jobs of one command that can be undone at most: each is kept as it was before.
const MAX_UNDOABLE: usize = 2_000;

/// Jobs whose earlier documents are in memory at once.
const BATCH_SIZE: usize = 500;

/// How many documents are changed at once: stores commit together what arrives together.
const CONCURRENCY: usize = 32;

/// Applies operator commands to the documents of a store.
#[derive(Clone)]
pub struct OperatorCommands {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    simulated: bool,
    /// Who gives the commands: then each one is recorded.
    operator: Option<Operator>,
    /// Jobs that were just read: a change begins with these versions.
    read: Arc<HashMap<JobId, Job>>,
}

impl OperatorCommands {
    /// Commands on a store; `simulated` marks the jobs that they create.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, simulated: bool) -> Self {
        Self { store, clock, simulated, operator: None, read: Arc::default() }
    }

    /// The same, with a record of each command that changes something.
    #[must_use]
    pub fn recorded_as(self, operator: Option<Operator>) -> Self {
        Self { operator, ..self }
    }

    /// Records that the intake of all workers was paused or resumed.
    pub(super) async fn record_pause(&self, action: &str, reason: Option<&str>) {
        if let Some(operator) = &self.operator {
            operator.record(self.store.as_ref(), action, &[], reason, self.clock.now()).await;
        }
    }

    /// Records what a command changed.
    async fn record(&self, action: &str, outcome: &CommandOutcome) {
        self.record_with(action, outcome, None).await;
    }

    async fn record_with(&self, action: &str, outcome: &CommandOutcome, note: Option<&str>) {
        if let Some(operator) = self.operator.as_ref().filter(|_| !outcome.succeeded.is_empty()) {
            operator.record(self.store.as_ref(), action, &outcome.succeeded, note, self.clock.now()).await;
        }
    }

    /// Records a confirmed bulk action; any worker carries it out.
    pub async fn start_bulk(&self, plan: BulkPlan, chosen: &str, start: BulkStart) -> Result<BulkRecord, StoreError> {
        let unknown = || Operator { by: "unknown".to_owned(), from: "cli" };
        let operator = self.operator.clone().unwrap_or_else(unknown);
        let (now, ids) = (self.clock.now(), plan.ids.clone());
        let record = BulkRecord::create(self.store.as_ref(), plan, chosen, &operator, now, start).await?;
        let note = format!("bulk action {}: {}", record.id, record.chosen);
        operator.record(self.store.as_ref(), record.action.verb(), &ids, Some(&note), now).await;
        Ok(record)
    }

    /// Pauses, resumes or stops a bulk action. Errors: why it cannot be.
    pub async fn control_bulk(&self, id: &str, control: BulkControl) -> Result<Result<BulkRecord, String>, StoreError> {
        let now = self.clock.now();
        let changed = BulkRecord::control(self.store.as_ref(), id, control, now).await?;
        if let (Ok(record), Some(operator)) = (&changed, &self.operator) {
            let action = match control {
                BulkControl::Resume => "bulk resume",
                BulkControl::Pause => "bulk pause",
                BulkControl::Stop => "bulk stop",
            };
            let note = format!("bulk action {}: {}", record.id, record.title());
            operator.record(self.store.as_ref(), action, &[], Some(&note), now).await;
        }
        Ok(changed)
    }

    /// The jobs as they would be created, with new ids and absolute paths of their input images. Nothing is stored.
    pub fn new_jobs(&self, requests: Vec<NewJob>) -> Vec<Job> {
        let now = self.clock.now();
        let working_dir = std::env::current_dir().unwrap_or_default();
        let new_job = |(index, request): (usize, NewJob)| {
            // A microsecond apart, so that a batch keeps its order.
            let at = now + chrono::Duration::microseconds(i64::try_from(index).unwrap_or(0));
            let spec = Catalog::builtin().with_absolute_inputs(request.spec, &working_dir);
            let mut job = Job::new(JobId::from_random(rand::random()), spec, self.simulated, at);
            job.tags = request.tags;
            job
        };
        requests.into_iter().enumerate().map(new_job).collect()
    }

    /// Creates these jobs, all or none. Does not validate them: callers do that before they ask for confirmation, and the
    /// workflow does it again.
    pub async fn submit(&self, requests: Vec<NewJob>) -> Result<CommandOutcome, StoreError> {
        let jobs = self.new_jobs(requests);
        let succeeded = jobs.iter().map(|job| job.id.clone()).collect();
        let estimate = likely_price(jobs.iter().map(|job| job.spec.clone()).collect()).await;
        self.store.create(jobs).await?;
        let outcome = CommandOutcome { succeeded, estimate, ..CommandOutcome::nothing(CommandKind::Submitted) };
        self.record("submit", &outcome).await;
        Ok(outcome)
    }

    /// Cancels these.
    pub async fn cancel(&self, ids: Vec<JobId>) -> Result<CommandOutcome, StoreError> {
        let outcome = self.apply_to_each(CommandKind::Cancelled, ids, changes::cancel).await?;
        self.record("cancel", &outcome).await;
        Ok(outcome)
    }

    /// Approves these.
    pub async fn approve(&self, ids: Vec<JobId>) -> Result<CommandOutcome, StoreError> {
        let outcome = self.apply_to_each(CommandKind::Approved, ids, changes::approve).await?;
        self.record("approve", &outcome).await;
        Ok(outcome)
    }

    /// Rejects the images of these.
    pub async fn reject_images(&self, ids: Vec<JobId>) -> Result<CommandOutcome, StoreError> {
        let outcome = self.apply_to_each(CommandKind::ImagesRejected, ids, changes::reject_image).await?;
        self.record("reject", &outcome).await;
        Ok(outcome)
    }

    /// Hides these from lists. Nothing is deleted.
    pub async fn hide(&self, ids: Vec<JobId>) -> Result<CommandOutcome, StoreError> {
        let outcome = self.apply_to_each(CommandKind::Hidden, ids, changes::hide).await?;
        self.record("hide", &outcome).await;
        Ok(outcome)
    }

    /// Shows hidden jobs again.
    pub async fn unhide(&self, ids: Vec<JobId>) -> Result<CommandOutcome, StoreError> {
        let outcome = self.apply_to_each(CommandKind::Undone, ids, changes::unhide).await?;
        self.record("unhide", &outcome).await;
        Ok(outcome)
    }

    /// Replaces an uncertain charge by what the bill says: a settled charge, or none.
    pub async fn resolve_charge(
        &self,
        id: JobId,
        attempt: Option<u32>,
        answer: BillingAnswer,
        by: &str,
    ) -> Result<CommandOutcome, StoreError> {
        let resolve = |job: &mut Job, now| {
            let number = job.resolve_charge(attempt, answer, by, now).map_err(|error| error.to_string())?;
            tracing::info!(job = %job.id, attempt = number, ?answer, by, "uncertain charge resolved");
            Ok(())
        };
        let mut outcome = self.apply_to_each(CommandKind::Resolved, vec![id], resolve).await?;
        self.record("resolve", &outcome).await;
        outcome.previous.clear();
        Ok(outcome)
    }

    /// Replaces the answer `replaced` by another one. An attempt whose answer changed since stays as it is.
    pub async fn correct_answer(
        &self,
        id: JobId,
        attempt: u32,
        replaced: &Resolution,
        answer: BillingAnswer,
        by: &str,
    ) -> Result<CommandOutcome, StoreError> {
        let correct = |job: &mut Job, now| {
            let current = job.attempt_numbered(attempt);
            if current.and_then(|current| current.resolution.as_ref()) != Some(replaced) {
                return Err("its answer was changed since".to_owned());
            }
            job.correct_answer(Some(attempt), answer, by, now).map_err(|error| error.to_string())?;
            tracing::info!(job = %job.id, attempt, ?answer, by, corrected = replaced.by, "answer to a charge corrected");
            Ok(())
        };
        let mut outcome = self.apply_to_each(CommandKind::Resolved, vec![id], correct).await?;
        self.record_with("resolve", &outcome, Some(&format!("corrects the answer of {}", replaced.by))).await;
        outcome.previous.clear();
        Ok(outcome)
    }

    /// Sets what holds these queued jobs, or releases them: then they are due at once.
    pub(super) async fn set_hold(&self, ids: Vec<JobId>, hold: Option<Hold>) -> Result<(), StoreError> {
        let change = |job: &mut Job, now| job.set_hold(hold.clone(), None, now).map_err(|illegal| illegal.to_string());
        for (_, result) in self.apply_concurrently(ids, &change).await {
            // A job that is no longer queued has no hold.
            result?.ok();
        }
        Ok(())
    }

    /// Restores the jobs of a command to what they were before it, if nothing has happened to them since.
    pub async fn undo(&self, command: CommandOutcome) -> Result<CommandOutcome, StoreError> {
        let CommandOutcome { kind, previous, tag_edit, .. } = command;
        let ids = previous.iter().map(|job| job.id.clone()).collect();
        let previous: HashMap<JobId, Job> = previous.into_iter().map(|job| (job.id.clone(), job)).collect();
        let mut outcome = self
            .apply_to_each(CommandKind::Undone, ids, move |job, now| {
                let Some(old) = previous.get(&job.id) else {
                    return Err("it was not part of that command".to_owned());
                };
                undo::restore(kind, tag_edit.as_ref(), job, old, now)
            })
            .await?;
        self.record("undo", &outcome).await;
        outcome.previous.clear();
        Ok(outcome)
    }

    /// Changes each job by compare-and-set; after a conflict the job is read and changed again. An error means that the store
    /// failed for every job.
    async fn apply_to_each<F>(
        &self,
        kind: CommandKind,
        ids: Vec<JobId>,
        change: F,
    ) -> Result<CommandOutcome, StoreError>
    where
        F: Fn(&mut Job, DateTime<Utc>) -> Result<(), String> + Sync,
    {
        let is_undoable = ids.len() <= MAX_UNDOABLE;
        let mut errors = Vec::new();
        let mut outcome = CommandOutcome::nothing(kind);
        for batch in ids.chunks(BATCH_SIZE) {
            for (id, result) in self.apply_concurrently(batch.to_vec(), &change).await {
                match result {
                    Ok(Ok(before)) => {
                        tracing::info!(job = %id, command = command_name(kind), "operator command applied");
                        if is_undoable {
                            outcome.previous.push(before);
                        }
                        outcome.succeeded.push(id);
                    }
                    Ok(Err(reason)) => outcome.rejected.push((id, reason)),
                    Err(error) => errors.push((id, error)),
                }
            }
        }
        // Once a job is changed, the command is not an error: repeating a retry as a whole might pay twice.
        if outcome.succeeded.is_empty() && outcome.rejected.is_empty() && !errors.is_empty() {
            return Err(errors.swap_remove(0).1);
        }
        outcome.rejected.extend(errors.into_iter().map(|(id, error)| (id, error.to_string())));
        Ok(outcome)
    }

    async fn apply_concurrently<F>(
        &self,
        ids: Vec<JobId>,
        change: &F,
    ) -> Vec<(JobId, Result<Result<Job, String>, StoreError>)>
    where
        F: Fn(&mut Job, DateTime<Utc>) -> Result<(), String> + Sync,
    {
        futures::stream::iter(ids)
            .map(|id| async move {
                let result = self.update_with_retry(&id, change).await;
                (id, result)
            })
            .buffered(CONCURRENCY)
            .collect()
            .await
    }

    /// Returns the job as it was before the change, or why it cannot be changed. An error is not about this job alone.
    async fn update_with_retry<F>(&self, id: &JobId, change: &F) -> Result<Result<Job, String>, StoreError>
    where
        F: Fn(&mut Job, DateTime<Utc>) -> Result<(), String>,
    {
        let mut read = self.read.get(id).cloned();
        for _ in 0..MAX_CONFLICT_RETRIES {
            let before = match read.take() {
                Some(job) => job,
                None => match self.store.get(id).await {
                    Ok(Some(job)) => job,
                    Ok(None) => return Ok(Err("job not found".to_owned())),
                    Err(error) => return rejection(error).map(Err),
                },
            };
            let mut job = before.clone();
            if let Err(reason) = change(&mut job, self.clock.now()) {
                return Ok(Err(reason));
            }
            match self.store.save(Save::new(&job)).await {
                Ok(_) => return Ok(Ok(before)),
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return rejection(error).map(Err),
            }
        }
        Ok(Err("too many concurrent updates, try again".to_owned()))
    }
}

/// Why the store refuses this one job, as a line. Errors: the store's own, which the next job meets as well.
fn rejection(error: StoreError) -> Result<String, StoreError> {
    match error {
        StoreError::Unreadable { .. } | StoreError::NotFound(_) => Ok(error.to_string()),
        error => Err(error),
    }
}

fn command_name(kind: CommandKind) -> &'static str {
    match kind {
        CommandKind::Submitted => "submit",
        CommandKind::Retried => "retry",
        CommandKind::Cancelled => "cancel",
        CommandKind::Approved => "approve",
        CommandKind::ImagesRejected => "reject",
        CommandKind::Hidden => "hide",
        CommandKind::Undone => "undo",
        CommandKind::Resolved => "resolve",
        CommandKind::Tagged => "tag",
    }
}
