//! Owns the saving of a job: one compare-and-set, and the firm one behind a POST. Must not change what is saved.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{JobWorkflow, WorkflowError, jitter};
use crate::costs::{Budget, Usd};
use crate::engine::JobFinished;
use crate::jobs::{Job, Receipt, Stage, StageName};
use crate::store::{Save, StoreError};
use crate::time::backoff;

/// Longest pause before a note is saved again.
const NOTE_AGAIN_AFTER: Duration = Duration::from_secs(2);

impl JobWorkflow {
    /// Saves the job as it is; on success it carries its new revision.
    pub(super) async fn save(&self, job: &mut Job) -> Result<(), WorkflowError> {
        self.save_under(job, None).await?;
        self.tell_end(job);
        Ok(())
    }

    /// Tells of a job whose end was just saved.
    fn tell_end(&self, job: &Job) {
        let stage = job.stage_name();
        if matches!(stage, StageName::Done | StageName::Failed | StageName::Cancelled) {
            let code = if let Stage::Failed { failure } = &job.stage { Some(failure.code) } else { None };
            self.observer.ended(JobFinished { stage, code });
        }
    }

    /// Saves the job, its reservation checked against `budget` in the same write.
    pub(super) async fn save_under(&self, job: &mut Job, budget: Option<Budget>) -> Result<(), StoreError> {
        job.revision = self.ports.store.save(Save { job: Arc::new(job.clone()), budget }).await?;
        Ok(())
    }

    /// Saves the note that a POST may happen. Where nobody can say whether it was written, it is saved again until somebody can: this
    /// worker alone knows that nothing was sent, and whoever found the note later would have to call the order's outcome unknown.
    pub(super) async fn save_note(
        &self,
        job: &mut Job,
        budget: Option<Budget>,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let mut tries = 0;
        loop {
            let error = match self.save_under(job, budget).await {
                Err(error @ StoreError::Unavailable(_)) => error,
                answer => return answer,
            };
            tracing::warn!(job = %job.id, attempt = job.attempt_number(), "the order is not sent yet: {error}");
            tokio::select! {
                () = stop.cancelled() => return Err(error),
                () = tokio::time::sleep(backoff(tries, None, jitter()).min(NOTE_AGAIN_AFTER)) => tries += 1,
            }
        }
    }

    /// Saves what became of a POST. Money may have moved, so a store that does not answer is asked until it does; only the end
    /// of this process can break this off, and then the durable `Submitting` note stands.
    ///
    /// Where somebody gave the job up meanwhile (this worker was suspended), the receipt is added to what is there now; where
    /// somebody deleted its document, it is made again with its charge. A receipt lives nowhere else than here: a store that
    /// refuses it is asked until a person has mended that.
    pub(super) async fn save_firmly(
        &self,
        job: &mut Job,
        receipt: Option<(&Receipt, Option<Usd>)>,
    ) -> Result<(), WorkflowError> {
        let number = job.attempt_number();
        let (mut tries, mut late) = (0, false);
        loop {
            let error = match self.save_under(job, None).await {
                // The receipt is safe; what follows on the job is up to whoever has moved it on.
                Ok(()) if late && !goes_on(job, number) => return Err(WorkflowError::Lost),
                Ok(()) => {
                    // A late receipt ends nothing: that job had its end before.
                    if !late {
                        self.tell_end(job);
                    }
                    return Ok(());
                }
                Err(error) => error,
            };
            let error = match (error, receipt) {
                (StoreError::Conflict(_) | StoreError::NotFound(_), Some((receipt, estimate))) => {
                    match self.ports.store.get(&job.id).await {
                        Ok(None) => match self.ports.store.create(vec![job.clone()]).await {
                            // The next look finds our own receipt there, or somebody else's document.
                            Ok(()) | Err(StoreError::AlreadyExists(_)) => {
                                tracing::warn!(job = %job.id, attempt = number, "deleted while its order was on its way: it is there again, with its charge");
                                continue;
                            }
                            Err(error) => error,
                        },
                        Ok(Some(current)) => {
                            let known = current.attempts.iter().find(|attempt| attempt.number == number);
                            let ours = known.and_then(|attempt| attempt.receipt.as_ref()) == Some(receipt);
                            *job = current;
                            if ours {
                                // Our own save, whose acknowledgement was lost.
                                return if goes_on(job, number) { Ok(()) } else { Err(WorkflowError::Lost) };
                            }
                            if !job.apply_late_receipt(number, receipt.clone(), estimate, self.now()) {
                                return Err(WorkflowError::Lost);
                            }
                            late = true;
                            tracing::warn!(job = %job.id, attempt = number, "a late answer to a submit is added to the job");
                            continue;
                        }
                        Err(error) => error,
                    }
                }
                (error, _) => error,
            };
            match &error {
                StoreError::Unavailable(_) => {}
                StoreError::Unusable(_) | StoreError::Unreadable { .. } if receipt.is_some() => {}
                _ => return Err(error.into()),
            }
            tracing::error!(job = %job.id, attempt = number, "the answer to a submit is not saved yet: {error}");
            tokio::time::sleep(backoff(tries, None, jitter())).await;
            tries += 1;
        }
    }
}

/// Whether the job waits for the ticket of that attempt, so that whoever has the ticket goes on with it.
fn goes_on(job: &Job, number: u32) -> bool {
    job.stage_name() == StageName::Generating && job.attempt_number() == number
}
