//! Everything before the POST: checks, input images, the estimate, the reservation, and the durable `Submitting` record.

use chrono::{DateTime, Duration, Utc};
use tokio_util::sync::CancellationToken;

use super::{JobWorkflow, WorkflowError};
use crate::catalog::Catalog;
use crate::costs::BudgetExceeded;
use crate::engine::submit_journal::{JournalError, SubmitKey};
use crate::engine::{Dependency, failpoints};
use crate::jobs::{BillingStatus, Failure, FailureCode, Hold, Job};
use crate::provider::{MAX_IMAGE_BYTES, PreparedRequest, SubmitError};
use crate::store::{StoreError, TaskLimits};
use crate::time::backoff;

/// How long a request of another program, which this process must not simulate, is not picked again.
const EXTERNAL_RECHECK_INTERVAL: Duration = Duration::minutes(5);

/// How often an attempt gets another number. Once suffices, unless another worker records a charge at the same time.
const MAX_RENUMBERINGS: u32 = 3;

/// Why no request was prepared.
enum NotSubmitted {
    /// It will never be accepted as it stands.
    Rejected(FailureCode, String),
    /// Not before that time.
    Deferred(Hold, DateTime<Utc>),
}

impl JobWorkflow {
    /// Queued → Submitting, durably; returns the request, which may now be sent once. `None` if the job was deferred or rejected.
    pub(super) async fn prepare(
        &self,
        job: &mut Job,
        stop: &CancellationToken,
    ) -> Result<Option<PreparedRequest>, WorkflowError> {
        failpoints::hit("before_reserve");
        let now = self.now();
        if job.external && self.settings.simulated && !self.settings.simulate_external {
            job.set_hold(Some(Hold::External), Some(now + EXTERNAL_RECHECK_INTERVAL), now)?;
            self.save(job).await?;
            return Ok(None);
        }
        let request = match self.prepare_request(job).await {
            Ok(request) => request,
            Err(NotSubmitted::Rejected(code, message)) => {
                tracing::warn!(
                    job = %job.id, attempt = job.attempt_number(), code = code.as_str(), reason = %message,
                    "request rejected before submit",
                );
                job.reject(Failure::new(code, &message, BillingStatus::No, now), now)?;
                self.save(job).await?;
                return Ok(None);
            }
            Err(NotSubmitted::Deferred(hold, until)) => {
                job.set_hold(Some(hold), Some(until), now)?;
                self.save(job).await?;
                return Ok(None);
            }
        };
        // The most that this submit and storing its image can cost, or a cap could be exceeded by what the server chooses.
        let estimate = Catalog::builtin().estimate_sized(&job.spec, &request.input_sizes);
        job.reserve_storage(self.ports.bucket.cost(MAX_IMAGE_BYTES as u64));
        if let Some(attempt) = job.attempts.last_mut() {
            // The likely price is what a report compares with the bill; the bound is only what a cap needs. A job that is held shows
            // it, too.
            attempt.estimate = estimate.amount;
        }
        let mut queued = job.clone();
        let mut renumberings = 0;
        loop {
            let limits = self.task_limits(job, self.now()).await;
            // After the input images were loaded: claim and charge count from the POST.
            let now = self.now();
            job.begin_submit(self.new_claim(now), estimate.at_most, now)?;
            let key = SubmitKey::of(job);
            if let Some(Err(error)) = self.journal.as_ref().map(|journal| journal.begin(&key)) {
                *job = queued;
                self.hold_for_journal(job, &error).await?;
                return Ok(None);
            }
            failpoints::hit("after_begin");
            let saved = self.save_submit_intent(job, Some(self.settings.budget), limits, stop).await;
            if !matches!(saved, Ok(()) | Err(StoreError::Unavailable(_) | StoreError::Unusable(_))) {
                self.settle_in_journal(&key);
            }
            match saved {
                Ok(()) => return Ok(Some(request)),
                Err(StoreError::TaskLimit(model)) => {
                    *job = queued;
                    return Err(WorkflowError::TaskLimit(model));
                }
                Err(StoreError::BudgetExceeded(exceeded)) => {
                    *job = queued;
                    self.hold_for_budget(job, &exceeded, now).await?;
                    return Ok(None);
                }
                // The document lost its history, the ledger did not: this attempt must not replace an earlier one there.
                Err(StoreError::AttemptBooked { free, .. }) if renumberings < MAX_RENUMBERINGS => {
                    renumberings += 1;
                    if let Some(attempt) = queued.attempts.last_mut() {
                        attempt.number = attempt.number.max(free);
                    }
                    *job = queued.clone();
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The limits of the account, which all workers of the store share, and of the job's model.
    async fn task_limits(&self, job: &Job, now: DateTime<Utc>) -> TaskLimits {
        let model = Catalog::builtin().model(&job.spec.model).and_then(|model| model.max_active);
        let total = self.account_tasks.limit(self.ports.store.as_ref(), self.settings.account_tasks, now).await;
        TaskLimits { now, total: Some(total), model }
    }

    /// Without a journal nothing is sent: every job would meet the same, so the intake pauses until an operator acts.
    async fn hold_for_journal(&self, job: &mut Job, error: &JournalError) -> Result<(), WorkflowError> {
        let now = self.now();
        job.set_hold(Some(self.journal_hold(job, error)), Some(now), now)?;
        self.save(job).await
    }

    pub(super) fn journal_hold(&self, job: &Job, error: &JournalError) -> Hold {
        let reason = error.to_string();
        tracing::error!(job = %job.id, attempt = job.attempt_number(), %reason, "request not sent");
        self.observer.account_blocked(Dependency::Journal, &reason);
        Hold::Account { reason }
    }

    async fn hold_for_budget(
        &self,
        job: &mut Job,
        exceeded: &BudgetExceeded,
        now: DateTime<Utc>,
    ) -> Result<(), WorkflowError> {
        self.observer.budget_exceeded(exceeded);
        let hold =
            Hold::Budget { period: exceeded.period.to_owned(), model: exceeded.model.clone(), over: exceeded.over };
        tracing::info!(
            job = %job.id, attempt = job.attempt_number(), hold = %hold.summary(), "job held by the budget",
        );
        // The scheduler tries it before that time where a cap is raised or money is released.
        let is_held = job.hold() == Some(&hold) && job.not_before == Some(exceeded.until);
        if is_held {
            return Ok(());
        }
        job.set_hold(Some(hold), Some(exceeded.until), now)?;
        self.save(job).await
    }

    async fn prepare_request(&self, job: &Job) -> Result<PreparedRequest, NotSubmitted> {
        if let Some(problem) = Catalog::builtin().validate(&job.spec).first() {
            let message = format!("{}: {}", problem.parameter, problem.message);
            return Err(NotSubmitted::Rejected(FailureCode::InvalidRequest, message));
        }
        self.ports.provider.prepare(&job.spec).await.map_err(|error| match error {
            SubmitError::Rejected { code, message } => NotSubmitted::Rejected(code, message),
            SubmitError::NotAccepted { reason, retry_after, .. } => self.deferred(job, &reason, retry_after),
            SubmitError::Account { code, message } => {
                self.observer.account_blocked(Dependency::of_account(code), &message);
                NotSubmitted::Deferred(Hold::Account { reason: message }, self.now())
            }
            // Preparing sends no request, so nothing can have been accepted.
            SubmitError::Unknown { reason } => self.deferred(job, &reason, None),
            SubmitError::AcceptedUntrusted { message, .. } => self.deferred(job, &message, None),
        })
    }

    fn deferred(&self, job: &Job, reason: &str, retry_after: Option<std::time::Duration>) -> NotSubmitted {
        let rejections = job.attempt().map_or(0, |attempt| attempt.rejections);
        let delay = backoff(rejections, retry_after, self.ports.clock.jitter());
        NotSubmitted::Deferred(Hold::RetryAt { reason: reason.to_owned() }, self.now() + delay)
    }
}
