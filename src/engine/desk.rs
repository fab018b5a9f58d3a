//! Owns what an operator's orders do to documents, whether a worker runs here or not. Must not carry out a job.

use std::sync::Arc;

use futures::StreamExt;

use super::{CommandKind, CommandOutcome, NewJob};
use crate::catalog::Catalog;
use crate::costs::Usd;
use crate::jobs::{Hold, Job, JobId, RetryKind};
use crate::store::{Save, Store, StoreError};
use crate::time::Clock;

/// How often an order is tried again when somebody else saved the job in between.
const PATIENCE: usize = 8;

/// How many documents are changed at once: stores commit together what arrives together.
const AT_ONCE: usize = 32;

/// Carries out operators' orders on documents.
#[derive(Clone)]
pub struct OperatorCommands {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    simulated: bool,
}

impl OperatorCommands {
    /// A desk over a store; `simulated` marks the jobs that it makes.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, simulated: bool) -> Self {
        Self { store, clock, simulated }
    }

    /// The jobs as they would be created, with fresh ids. Nothing is stored.
    pub fn draft(&self, orders: Vec<NewJob>) -> Vec<Job> {
        let now = self.clock.now();
        let make = |(index, order): (usize, NewJob)| {
            // A microsecond apart, so that a batch keeps its order.
            let at = now + chrono::Duration::microseconds(i64::try_from(index).unwrap_or(0));
            let mut job = Job::new(JobId::from_random(rand::random()), order.spec, self.simulated, at);
            job.tags = order.tags;
            job
        };
        orders.into_iter().enumerate().map(make).collect()
    }

    /// Makes these jobs, all or none. Does not check them: whoever asks a person does that before, the workflow does it again.
    pub async fn submit(&self, orders: Vec<NewJob>) -> Result<CommandOutcome, StoreError> {
        let jobs = self.draft(orders);
        let done = jobs.iter().map(|job| job.id.clone()).collect();
        let estimate = jobs.iter().map(|job| Catalog::builtin().estimate(&job.spec).amount).sum::<Option<Usd>>();
        self.store.create(jobs).await?;
        Ok(CommandOutcome {
            kind: CommandKind::Submitted,
            succeeded: done,
            rejected: Vec::new(),
            previous: Vec::new(),
            estimate,
        })
    }

    /// Tries these once more: an old ticket that may live is asked first, else it is a new attempt.
    pub async fn retry(&self, ids: Vec<JobId>) -> Result<CommandOutcome, StoreError> {
        let mut acted = self
            .each(CommandKind::Retried, ids, |job, now| match job.retry(now) {
                Ok(_) => Ok(()),
                Err(illegal) => Err(illegal.to_string()),
            })
            .await?;
        acted.estimate = acted
            .previous
            .iter()
            .map(|job| match job.retry_kind() {
                Ok(RetryKind::OldTicket) => Some(Usd::ZERO),
                _ => Catalog::builtin().estimate(&job.spec).amount,
            })
            .sum();
        Ok(acted)
    }

    /// Stops these.
    pub async fn cancel(&self, ids: Vec<JobId>) -> Result<CommandOutcome, StoreError> {
        self.each(CommandKind::Cancelled, ids, |job, now| job.cancel(now).map_err(|illegal| illegal.to_string())).await
    }

    /// These are good.
    pub async fn approve(&self, ids: Vec<JobId>) -> Result<CommandOutcome, StoreError> {
        self.each(CommandKind::Approved, ids, |job, now| job.approve(now).map_err(|illegal| illegal.to_string())).await
    }

    /// Puts these out of sight.
    pub async fn hide(&self, ids: Vec<JobId>) -> Result<CommandOutcome, StoreError> {
        self.each(CommandKind::Hidden, ids, |job, _| {
            if job.stage_name().is_active() {
                return Err(format!("a job that is {} cannot be hidden; cancel it first", job.stage_name()));
            }
            job.hidden = true;
            Ok(())
        })
        .await
    }

    /// Brings back what was put out of sight.
    pub async fn unhide(&self, ids: Vec<JobId>) -> Result<CommandOutcome, StoreError> {
        self.each(CommandKind::Undone, ids, |job, _| {
            if !job.hidden {
                return Err("it is in sight".to_owned());
            }
            job.hidden = false;
            Ok(())
        })
        .await
    }

    /// Says what holds these queued jobs, or lets go of them: then they are due at once.
    pub(super) async fn set_hold(&self, ids: Vec<JobId>, hold: Option<Hold>) -> Result<(), StoreError> {
        let change = |job: &mut Job, now| job.set_hold(hold.clone(), None, now).map_err(|illegal| illegal.to_string());
        for (_, result) in self.apply(ids, &change).await {
            // A job that is no longer queued needs no word.
            result?.ok();
        }
        Ok(())
    }

    /// Puts jobs back to what they were before `action`, where nothing has happened to them since.
    pub async fn undo(&self, action: CommandKind, before: Vec<Job>) -> Result<CommandOutcome, StoreError> {
        let ids = before.iter().map(|job| job.id.clone()).collect();
        let old: std::collections::HashMap<JobId, Job> = before.into_iter().map(|job| (job.id.clone(), job)).collect();
        let mut acted = self
            .each(CommandKind::Undone, ids, move |job, now| {
                let Some(old) = old.get(&job.id) else { return Err("it is not part of what was done".to_owned()) };
                super::undo::restore(action, job, old, now)
            })
            .await?;
        acted.previous.clear();
        Ok(acted)
    }

    /// Changes each job by compare-and-set; a conflict reads it again and asks anew.
    async fn each<F>(&self, action: CommandKind, ids: Vec<JobId>, change: F) -> Result<CommandOutcome, StoreError>
    where
        F: Fn(&mut Job, chrono::DateTime<chrono::Utc>) -> Result<(), String> + Sync,
    {
        let results = self.apply(ids, &change).await;
        let mut acted = CommandOutcome {
            kind: action,
            succeeded: Vec::new(),
            rejected: Vec::new(),
            previous: Vec::new(),
            estimate: None,
        };
        for (id, result) in results {
            match result {
                Ok(Ok(before)) => {
                    tracing::info!(job = %id, "{} by an operator", verb(action));
                    acted.previous.push(before);
                    acted.succeeded.push(id);
                }
                Ok(Err(why)) => acted.rejected.push((id, why)),
                Err(error) if acted.succeeded.is_empty() && acted.rejected.is_empty() => return Err(error),
                Err(error) => acted.rejected.push((id, error.to_string())),
            }
        }
        Ok(acted)
    }

    async fn apply<F>(&self, ids: Vec<JobId>, change: &F) -> Vec<(JobId, Result<Result<Job, String>, StoreError>)>
    where
        F: Fn(&mut Job, chrono::DateTime<chrono::Utc>) -> Result<(), String> + Sync,
    {
        futures::stream::iter(ids)
            .map(|id| async move {
                let result = self.change_one(&id, change).await;
                (id, result)
            })
            .buffered(AT_ONCE)
            .collect()
            .await
    }

    async fn change_one<F>(&self, id: &JobId, change: &F) -> Result<Result<Job, String>, StoreError>
    where
        F: Fn(&mut Job, chrono::DateTime<chrono::Utc>) -> Result<(), String>,
    {
        for _ in 0..PATIENCE {
            let Some(before) = self.store.get(id).await? else {
                return Ok(Err("there is no such job".to_owned()));
            };
            let mut job = before.clone();
            if let Err(why) = change(&mut job, self.clock.now()) {
                return Ok(Err(why));
            }
            match self.store.save(Save::new(&job)).await {
                Ok(_) => return Ok(Ok(before)),
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Err("it changes too quickly just now; try again".to_owned()))
    }
}

fn verb(action: CommandKind) -> &'static str {
    match action {
        CommandKind::Submitted => "submitted",
        CommandKind::Retried => "retried",
        CommandKind::Cancelled => "cancelled",
        CommandKind::Approved => "approved",
        CommandKind::Hidden => "hidden",
        CommandKind::Undone => "put back",
    }
}
