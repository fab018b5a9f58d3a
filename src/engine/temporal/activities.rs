//! The activities by their registered names, and their heartbeats. What they do is in `activity_handlers`.
#![allow(missing_docs, reason = "the macros generate items that cannot be documented")]

use std::sync::Arc;
use std::time::Duration;

use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tokio::sync::watch;

use super::activity_handlers::{ActivityFailure, ActivityHandlers};
use super::payloads::{Heartbeat, JobInput, JobReport, StoreInput};
use super::policy;
use crate::engine::workflow::{Observer, PollStats};
use crate::engine::{Ports, Settings, WorkerLock};

/// The activities of one worker.
pub struct Activities(Arc<ActivityHandlers>);

impl Activities {
    /// The activities of the worker that holds this lock.
    pub fn new(ports: Ports, settings: Settings, worker_lock: Arc<WorkerLock>, observer: Arc<dyn Observer>) -> Self {
        let journal = Arc::new(worker_lock.journal(&settings.store_id));
        Self(Arc::new(ActivityHandlers::new(ports, settings, worker_lock, journal, observer, String::new())))
    }

    pub(super) fn from_handlers(handlers: Arc<ActivityHandlers>) -> Self {
        Self(handlers)
    }
}

#[activities]
impl Activities {
    #[activity(name = "submit")]
    pub async fn submit(self: Arc<Self>, ctx: ActivityContext, input: JobInput) -> Result<JobReport, ActivityError> {
        // Never dropped: a POST in flight is awaited in any case.
        let work = self.0.guarded(&input.job, &input.store, self.0.submit(&input));
        Box::pin(with_heartbeats(&ctx, Heartbeat::default, work)).await
    }

    #[activity(name = "wait")]
    pub async fn wait(self: Arc<Self>, ctx: ActivityContext, input: JobInput) -> Result<JobReport, ActivityError> {
        let before: Heartbeat = ctx.heartbeat_details().deserialize().ok().flatten().unwrap_or_default();
        let stats = watch::Sender::new(PollStats {
            polls: before.polls,
            failures: before.failures,
            not_found: before.not_found,
            status: before.status,
        });
        let ticket = watch::Sender::new(before.ticket);
        let details = || {
            let PollStats { polls, failures, not_found, status } = stats.borrow().clone();
            Heartbeat { ticket: ticket.borrow().clone(), polls, failures, not_found, status }
        };
        let work = self.0.guarded(&input.job, &input.store, self.0.poll_and_store(&input, &stats, &ticket));
        tokio::select! {
            report = with_heartbeats(&ctx, details, work) => report,
            () = ctx.cancelled() => Err(ActivityError::cancelled()),
        }
    }

    #[activity(name = "store")]
    pub async fn store(self: Arc<Self>, ctx: ActivityContext, input: StoreInput) -> Result<JobReport, ActivityError> {
        let work = self.0.guarded(&input.job, &input.store, self.0.store(&input));
        tokio::select! {
            report = with_heartbeats(&ctx, Heartbeat::default, work) => report,
            () = ctx.cancelled() => Err(ActivityError::cancelled()),
        }
    }

    #[activity(name = "cancel")]
    pub async fn cancel(self: Arc<Self>, ctx: ActivityContext, input: JobInput) -> Result<JobReport, ActivityError> {
        let work = self.0.guarded(&input.job, &input.store, self.0.cancel(&input));
        with_heartbeats(&ctx, Heartbeat::default, work).await
    }
}

/// Performs `work` and sends heartbeats with `details` meanwhile.
async fn with_heartbeats(
    ctx: &ActivityContext,
    details: impl Fn() -> Heartbeat,
    work: impl Future<Output = Result<JobReport, ActivityFailure>>,
) -> Result<JobReport, ActivityError> {
    let interval = ctx.info().heartbeat_timeout.unwrap_or(policy::HEARTBEAT_TIMEOUT) / 4;
    let mut beat = tokio::time::interval(interval.max(Duration::from_millis(100)));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Work that ends within the first interval needs no heartbeat.
    beat.tick().await;
    tokio::pin!(work);
    loop {
        tokio::select! {
            report = &mut work => return report.map_err(ActivityFailure::into_activity_error),
            _ = beat.tick() => {
                if let Err(error) = ctx.record_heartbeat(details()).await {
                    tracing::warn!(%error, "heartbeat not encoded");
                }
            }
        }
    }
}
