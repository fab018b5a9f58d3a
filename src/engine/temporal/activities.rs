//! Owns the activities by their names, and their heartbeats. Must not know what they do.
#![allow(missing_docs, reason = "the macros make items that nobody can write a word on")]

use std::sync::Arc;
use std::time::Duration;

use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tokio::sync::watch;

use super::hands::{Again, Hands};
use super::payloads::{Heartbeat, Pickup, Report, Task};
use super::policy;
use crate::engine::workflow::{Looks, Observer};
use crate::engine::{Ports, Settings, WorkerLock};

/// The activities of one worker.
pub struct Activities(Arc<Hands>);

impl Activities {
    /// The activities of the worker of that presence.
    pub fn new(ports: Ports, settings: Settings, presence: Arc<WorkerLock>, observer: Arc<dyn Observer>) -> Self {
        Self(Arc::new(Hands::new(ports, settings, presence, observer, String::new())))
    }

    pub(super) fn of(hands: Arc<Hands>) -> Self {
        Self(hands)
    }
}

#[activities]
impl Activities {
    #[activity(name = "submit")]
    pub async fn submit(self: Arc<Self>, ctx: ActivityContext, task: Task) -> Result<Report, ActivityError> {
        // Never dropped: a POST on its way is waited for, whatever else happens.
        let work = self.0.guarded(&task.job, &task.store, self.0.order(&task));
        alive(&ctx, Heartbeat::default, work).await
    }

    #[activity(name = "wait")]
    pub async fn wait(self: Arc<Self>, ctx: ActivityContext, task: Task) -> Result<Report, ActivityError> {
        let before: Heartbeat = ctx.heartbeat_details().deserialize().ok().flatten().unwrap_or_default();
        let looks = watch::Sender::new(Looks {
            count: before.looks,
            failures: before.failures,
            not_found: before.not_found,
            status: before.status,
        });
        let ticket = watch::Sender::new(before.ticket);
        let told = || {
            let Looks { count, failures, not_found, status } = looks.borrow().clone();
            Heartbeat { ticket: ticket.borrow().clone(), looks: count, failures, not_found, status }
        };
        let work = self.0.guarded(&task.job, &task.store, self.0.wait_for(&task, &looks, &ticket));
        tokio::select! {
            report = alive(&ctx, told, work) => report,
            () = ctx.cancelled() => Err(ActivityError::cancelled()),
        }
    }

    #[activity(name = "store")]
    pub async fn store(self: Arc<Self>, ctx: ActivityContext, pickup: Pickup) -> Result<Report, ActivityError> {
        let work = self.0.guarded(&pickup.job, &pickup.store, self.0.keep(&pickup));
        tokio::select! {
            report = alive(&ctx, Heartbeat::default, work) => report,
            () = ctx.cancelled() => Err(ActivityError::cancelled()),
        }
    }

    #[activity(name = "cancel")]
    pub async fn cancel(self: Arc<Self>, ctx: ActivityContext, task: Task) -> Result<Report, ActivityError> {
        let work = self.0.guarded(&task.job, &task.store, self.0.call_off(&task));
        alive(&ctx, Heartbeat::default, work).await
    }
}

/// Performs `work` and says all the while that this worker lives.
async fn alive(
    ctx: &ActivityContext,
    told: impl Fn() -> Heartbeat,
    work: impl Future<Output = Result<Report, Again>>,
) -> Result<Report, ActivityError> {
    let every = ctx.info().heartbeat_timeout.unwrap_or(policy::HEARTBEAT) / 4;
    let mut beat = tokio::time::interval(every.max(Duration::from_millis(100)));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // What is done within the first pause needs no word.
    beat.tick().await;
    tokio::pin!(work);
    loop {
        tokio::select! {
            report = &mut work => return report.map_err(Again::told),
            _ = beat.tick() => {
                if let Err(error) = ctx.record_heartbeat(told()).await {
                    tracing::warn!("a heartbeat cannot be written: {error}");
                }
            }
        }
    }
}
