//! Saves of a job: one compare-and-set, and the persistent saves around a POST.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{JobWorkflow, WorkflowError};
use crate::costs::{Budget, Usd};
use crate::engine::JobFinished;
use crate::jobs::{AnsweredSubmit, IllegalTransition, Job, Receipt, Stage, StageName};
use crate::store::{Save, StoreError, TaskLimits};
use crate::time::backoff;

/// Longest pause before a submit record is saved again.
const MAX_INTENT_RETRY_DELAY: Duration = Duration::from_secs(2);

/// The outcome of a POST, as it must reach the store.
pub(super) enum SubmitOutcome<'a> {
    /// Accepted: the receipt exists nowhere else.
    Accepted { receipt: &'a Receipt, estimate: Option<Usd> },
    /// Anything else: the transition that the outcome causes, for a document that was changed in the meantime.
    NotAccepted(&'a (dyn Fn(&mut Job) -> Result<(), IllegalTransition> + Sync)),
}

impl JobWorkflow {
    /// Saves the job as it is; on success it carries its new revision. Where another program deleted the document of a job whose
    /// image is paid for, the document is created again.
    pub(super) async fn save(&self, job: &mut Job) -> Result<(), WorkflowError> {
        match self.save_document(job).await {
            Err(StoreError::NotFound(_)) if job.attempt().is_some_and(|attempt| attempt.receipt.is_some()) => {
                self.create_again(job).await?;
            }
            result => result?,
        }
        self.report_finished(job);
        Ok(())
    }

    async fn create_again(&self, job: &mut Job) -> Result<(), WorkflowError> {
        match self.ports.store.create(vec![job.clone()]).await {
            Ok(()) => {}
            Err(StoreError::AlreadyExists(_)) => return Err(WorkflowError::Superseded),
            Err(error) => return Err(error.into()),
        }
        tracing::warn!(
            job = %job.id, attempt = job.attempt_number(), "job deleted while its image was generated, created again",
        );
        let created = self.ports.store.get(&job.id).await?.ok_or(WorkflowError::Superseded)?;
        job.revision = created.revision;
        if *job == created { Ok(()) } else { Err(WorkflowError::Superseded) }
    }

    /// Reports a job whose end was just saved.
    fn report_finished(&self, job: &Job) {
        let stage = job.stage_name();
        if matches!(stage, StageName::Done | StageName::Failed | StageName::Cancelled) {
            let code = if let Stage::Failed { failure } = &job.stage { Some(failure.code) } else { None };
            self.observer.job_finished(JobFinished { stage, code });
        }
    }

    pub(super) async fn save_document(&self, job: &mut Job) -> Result<(), StoreError> {
        job.revision = self.ports.store.save(Save::new(job)).await?;
        Ok(())
    }

    /// Saves the record that a POST may happen. If it is uncertain whether the record was written, it is saved again until that is
    /// certain: only this worker knows that nothing was sent, and a worker that found the record later would have to declare
    /// the outcome of the submit unknown.
    ///
    /// Errors: also `TaskLimit`, after which nothing was written.
    pub(super) async fn save_submit_intent(
        &self,
        job: &mut Job,
        budget: Option<Budget>,
        limits: TaskLimits,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let mut tries = 0;
        loop {
            let save = Save { job: Arc::new(job.clone()), budget };
            let error = match self.ports.store.save_submit(save, limits).await {
                Ok(revision) => {
                    job.revision = revision;
                    return Ok(());
                }
                Err(error @ StoreError::Unavailable(_)) => error,
                Err(error) => return Err(error),
            };
            tracing::warn!(
                job = %job.id, attempt = job.attempt_number(), %error, "submit postponed, its record is not saved",
            );
            tokio::select! {
                biased;
                () = stop.cancelled() => return Err(error),
                () = self.ports.clock.sleep(backoff(tries, None, self.ports.clock.jitter()).min(MAX_INTENT_RETRY_DELAY)) => tries += 1,
            }
        }
    }

    /// Saves the outcome of a POST. Money may have moved, so the save is retried until the store acknowledges it; only the end of
    /// this process stops that, and then the durable `Submitting` record stands.
    ///
    /// If another worker gave the job up meanwhile (this one was suspended), the receipt is added to the current document; if the
    /// document was deleted, it is created again with its charge. A receipt exists nowhere but here: a store that refuses it is
    /// retried until an operator has fixed that.
    pub(super) async fn save_until_acknowledged(
        &self,
        job: &mut Job,
        outcome: SubmitOutcome<'_>,
    ) -> Result<(), WorkflowError> {
        // The record of the submit, by which its attempt is found again in a document that another process wrote.
        let own = job.clone();
        let number = own.attempt_number();
        let (mut tries, mut is_late) = (0, false);
        loop {
            let error = match self.save_document(job).await {
                // The receipt is safe; what follows is up to the process that moved the job.
                Ok(()) if is_late && !is_generating(job, &own) => return Err(WorkflowError::Superseded),
                Ok(()) => {
                    // A late receipt ends nothing: that job had ended before.
                    if !is_late {
                        self.report_finished(job);
                    }
                    return Ok(());
                }
                Err(error) => error,
            };
            let error = match (error, &outcome) {
                (StoreError::Conflict(_), SubmitOutcome::NotAccepted(apply)) => {
                    match self.ports.store.get(&job.id).await {
                        // A write that did not touch this submit: its outcome is still to be saved.
                        Ok(Some(current)) if self.is_submitting(&current, &own) => {
                            *job = current;
                            apply(job)?;
                            continue;
                        }
                        Ok(_) => return Err(WorkflowError::Superseded),
                        Err(error) => error,
                    }
                }
                (StoreError::Conflict(_) | StoreError::NotFound(_), SubmitOutcome::Accepted { receipt, estimate }) => {
                    match self.ports.store.get(&job.id).await {
                        Ok(None) => match self.ports.store.create(vec![job.clone()]).await {
                            // The next try finds our own receipt there, or a document of another process.
                            Ok(()) | Err(StoreError::AlreadyExists(_)) => {
                                tracing::warn!(
                                    job = %job.id, attempt = number, "job deleted during its submit, created again with its charge",
                                );
                                continue;
                            }
                            Err(error) => error,
                        },
                        Ok(Some(current)) => {
                            let is_saved = current.has_receipt(receipt);
                            *job = current;
                            if is_saved {
                                // Our own save, whose acknowledgement was lost.
                                return if is_generating(job, &own) { Ok(()) } else { Err(WorkflowError::Superseded) };
                            }
                            let submit = AnsweredSubmit { job: &own, receipt, estimate: *estimate };
                            if !job.apply_answered_submit(&submit, self.now()) {
                                return Err(WorkflowError::Superseded);
                            }
                            is_late = true;
                            tracing::warn!(job = %job.id, attempt = number, "late submit reply added to the job");
                            continue;
                        }
                        Err(error) => error,
                    }
                }
                (error, _) => error,
            };
            match &error {
                StoreError::Unavailable(_) => {}
                StoreError::Unusable(_) | StoreError::Unreadable { .. } | StoreError::NotOwned
                    if matches!(outcome, SubmitOutcome::Accepted { .. }) => {}
                _ => return Err(error.into()),
            }
            tracing::error!(job = %job.id, attempt = number, %error, "submit reply not saved yet, will retry");
            self.ports.clock.sleep(backoff(tries, None, self.ports.clock.jitter())).await;
            tries += 1;
        }
    }

    /// Whether the document still holds this worker's record of that submit.
    fn is_submitting(&self, job: &Job, own: &Job) -> bool {
        let is_ours = job.claim.as_ref().is_some_and(|claim| claim.worker == self.worker);
        job.stage_name() == StageName::Submitting && is_same_submit(job, own) && is_ours
    }
}

/// Whether the job waits for the ticket of that submit, so that the worker with the ticket continues.
fn is_generating(job: &Job, own: &Job) -> bool {
    job.stage_name() == StageName::Generating && is_same_submit(job, own)
}

/// Whether the current attempts of both are one: a number may be moved by a late receipt, the time of the record is not.
fn is_same_submit(job: &Job, own: &Job) -> bool {
    let submitted_at = |job: &Job| job.attempt().and_then(|attempt| attempt.submitted_at);
    submitted_at(job) == submitted_at(own)
}
