//! Owns everything before the POST: checks, input images, the estimate, the reservation, and the durable `Submitting` note.
//! Must not send an order.

use chrono::{DateTime, Duration, Utc};
use tokio_util::sync::CancellationToken;

use super::{JobWorkflow, WorkflowError, jitter};
use crate::catalog::Catalog;
use crate::costs::BudgetExceeded;
use crate::engine::crash;
use crate::jobs::{BillingStatus, Failure, FailureCode, Hold, Job};
use crate::provider::{PreparedRequest, SubmitError};
use crate::store::StoreError;
use crate::time::backoff;

/// How long a job that no budget allows is left alone at most: a cap may be raised, money may be released.
const BUDGET_LOOK: Duration = Duration::minutes(5);

/// How often an order gets another number: once is enough, unless another worker books at the same time.
const RENUMBERED: u32 = 3;

impl JobWorkflow {
    /// Queued → Submitting, durably; returns the order that may now be sent once. `None` where the job went elsewhere: put off,
    /// or rejected.
    pub(super) async fn begin(
        &self,
        job: &mut Job,
        stop: &CancellationToken,
    ) -> Result<Option<PreparedRequest>, WorkflowError> {
        crash::point("before_reserve");
        let now = self.now();
        let order = match self.order(job).await {
            Ok(order) => order,
            Err(Obstacle::Wrong(code, message)) => {
                tracing::warn!(job = %job.id, attempt = job.attempt_number(), "rejected: {message}");
                job.reject(Failure::new(code, &message, BillingStatus::No, now), now)?;
                self.save(job).await?;
                return Ok(None);
            }
            Err(Obstacle::Later(hold, until)) => {
                job.set_hold(Some(hold), Some(until), now)?;
                self.save(job).await?;
                return Ok(None);
            }
        };
        let estimate = Catalog::builtin().estimate(&job.spec);
        let budget = Some(self.settings.budget).filter(crate::costs::Budget::is_limited);
        let mut queued = job.clone();
        let mut tries = 0;
        loop {
            job.begin_submit(self.fresh_claim(now), estimate.amount, now)?;
            match self.save_note(job, budget, stop).await {
                Ok(()) => return Ok(Some(order)),
                Err(StoreError::BudgetExceeded(over)) => {
                    *job = queued;
                    self.hold_for_budget(job, &over, now).await?;
                    return Ok(None);
                }
                // The document lost its history, the books did not: this order must not take the place of an earlier one there.
                Err(StoreError::AttemptBooked { free, .. }) if tries < RENUMBERED => {
                    tries += 1;
                    if let Some(attempt) = queued.attempts.last_mut() {
                        attempt.number = attempt.number.max(free);
                    }
                    *job = queued.clone();
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn hold_for_budget(
        &self,
        job: &mut Job,
        over: &BudgetExceeded,
        now: DateTime<Utc>,
    ) -> Result<(), WorkflowError> {
        self.observer.over_budget();
        let hold = Hold::Budget { period: over.period.to_owned(), over: over.over };
        tracing::info!(job = %job.id, attempt = job.attempt_number(), "held: {}", hold.summary());
        job.set_hold(Some(hold), Some(over.until.min(now + BUDGET_LOOK)), now)?;
        self.save(job).await
    }

    async fn order(&self, job: &Job) -> Result<PreparedRequest, Obstacle> {
        if let Some(problem) = Catalog::builtin().validate(&job.spec).first() {
            let message = format!("{}: {}", problem.parameter, problem.message);
            return Err(Obstacle::Wrong(FailureCode::InvalidRequest, message));
        }
        self.ports.provider.prepare(&job.spec).await.map_err(|error| match error {
            SubmitError::Rejected { code, message } => Obstacle::Wrong(code, message),
            SubmitError::NotAccepted { reason, retry_after, .. } => self.later(job, &reason, retry_after),
            SubmitError::Account { message, .. } => {
                self.observer.account_trouble(&message);
                Obstacle::Later(Hold::Account { reason: message }, self.now())
            }
            // Preparing sends no order, so nothing can have been accepted.
            SubmitError::Unknown { reason } => self.later(job, &reason, None),
            SubmitError::AcceptedUntrusted { message, .. } => self.later(job, &message, None),
        })
    }

    fn later(&self, job: &Job, reason: &str, asked: Option<std::time::Duration>) -> Obstacle {
        let rejections = job.attempt().map_or(0, |attempt| attempt.rejections);
        Obstacle::Later(Hold::RetryAt { reason: reason.to_owned() }, self.now() + backoff(rejections, asked, jitter()))
    }
}

/// Why no order was made.
enum Obstacle {
    /// It never will be.
    Wrong(FailureCode, String),
    /// Not now.
    Later(Hold, DateTime<Utc>),
}
