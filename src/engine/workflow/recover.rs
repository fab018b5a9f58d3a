//! What follows from the journal of a worker that died: a job whose request was certainly not sent is queued again, and a receipt that
//! reached no store is saved. All of this can be repeated, by several processes at once: the compare-and-set decides.

use super::save::SubmitOutcome;
use super::{JobWorkflow, WorkflowError};
use crate::engine::submit_journal::{AcceptedJob, DeadJournal, SubmitKey, SubmitProgress, SubmitVerdict};
use crate::jobs::{Hold, Job, StageName, WorkerId};
use crate::store::StoreError;

impl JobWorkflow {
    /// Submitting → Queued, Generating, or Failed with `submit_unknown`: the record of a worker that no longer runs this job.
    pub(in crate::engine) async fn recover_submit(&self, job: &mut Job) -> Result<(), WorkflowError> {
        match self.submit_verdict(job) {
            SubmitVerdict::NotAccepted => {
                tracing::warn!(
                    job = %job.id, attempt = job.attempt_number(), "request of a stopped worker not accepted, queued again",
                );
                let now = self.now();
                let hold = Hold::RetryAt { reason: "the worker stopped before the request was accepted".to_owned() };
                job.requeue(hold, now, now)?;
                self.save(job).await
            }
            SubmitVerdict::Accepted(accepted) => {
                *job = self.save_journaled_receipt(*accepted).await?;
                Ok(())
            }
            SubmitVerdict::Unknown => self.mark_submit_unknown(job).await,
        }
    }

    /// Whether journals of dead workers may have open submits. Reads the data directory only.
    pub(in crate::engine) fn has_dead_journals(&self) -> bool {
        self.journal.as_ref().is_some_and(|journal| !journal.dead.unrecovered().is_empty())
    }

    /// Settles the open submits of every dead worker of this machine.
    pub async fn recover_journals(&self) -> Result<(), WorkflowError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        for dead in journal.dead.unrecovered() {
            for (key, progress) in &dead.open {
                self.recover_open_submit(&dead, key, progress).await?;
            }
            tracing::info!(worker = %dead.worker, submits = dead.open.len(), "journal of a stopped worker settled");
            journal.dead.mark_recovered(&dead.worker);
        }
        Ok(())
    }

    async fn recover_open_submit(
        &self,
        dead: &DeadJournal,
        key: &SubmitKey,
        progress: &SubmitProgress,
    ) -> Result<(), WorkflowError> {
        let current = match self.ports.store.get(&key.job).await {
            // Its worker would not have been able to save it either; an accepted request is saved once the document is repaired.
            Err(StoreError::Unreadable { .. }) if !matches!(progress, SubmitProgress::Accepted(_)) => return Ok(()),
            Err(StoreError::Unreadable { .. }) => None,
            other => other?,
        };
        let result = match (progress, current) {
            // Where the document was replaced meanwhile, the receipt becomes an attempt of its own.
            (SubmitProgress::Accepted(accepted), _) => {
                self.save_journaled_receipt((**accepted).clone()).await.map(|_| ())
            }
            (_, Some(mut job)) if is_left_by(&job, dead, key) => self.recover_submit(&mut job).await,
            // Another worker gave the job up, without this journal.
            (_, Some(job)) if dead.verdict(key) == SubmitVerdict::NotAccepted => {
                self.release_unaccepted(job, key, &dead.worker).await
            }
            _ => Ok(()),
        };
        match result {
            Err(WorkflowError::Superseded) => Ok(()),
            Err(WorkflowError::Illegal(error)) => {
                tracing::error!(job = %key.job, attempt = key.attempt, %error, "submit of a stopped worker not settled");
                Ok(())
            }
            other => other,
        }
    }

    /// Releases the charge of a submit that another process gave up, although it certainly was not accepted.
    async fn release_unaccepted(&self, mut job: Job, key: &SubmitKey, worker: &WorkerId) -> Result<(), WorkflowError> {
        let by = format!("journal of {worker}");
        while job.release_unaccepted(key.attempt, worker, &by, self.now()) {
            match self.save_document(&mut job).await {
                Ok(()) => {
                    tracing::warn!(
                        job = %key.job, attempt = key.attempt, %worker, "request not accepted, uncertain charge released",
                    );
                    break;
                }
                Err(StoreError::Conflict(_)) => match self.ports.store.get(&key.job).await? {
                    Some(current) => job = current,
                    None => break,
                },
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The same for a submit of this worker, whose job another process gave up in the meantime.
    pub(super) async fn release_own_unaccepted(&self, key: &SubmitKey) -> Result<(), WorkflowError> {
        match self.ports.store.get(&key.job).await? {
            Some(job) => self.release_unaccepted(job, key, &self.worker).await,
            None => Ok(()),
        }
    }

    /// Saves the receipt as its worker would have; returns the job as it is saved.
    async fn save_journaled_receipt(&self, accepted: AcceptedJob) -> Result<Job, WorkflowError> {
        let AcceptedJob { mut job, revision, estimate } = accepted;
        job.revision = revision;
        // Its worker is dead: any worker may continue at once.
        job.claim = None;
        let Some(receipt) = job.attempt().and_then(|attempt| attempt.receipt.clone()) else {
            return Err(WorkflowError::Superseded);
        };
        let attempt = job.attempt_number();
        self.save_until_acknowledged(&mut job, SubmitOutcome::Accepted { receipt: &receipt, estimate }).await?;
        tracing::warn!(job = %job.id, attempt, "submit reply of a stopped worker is in the store");
        Ok(job)
    }

    fn submit_verdict(&self, job: &Job) -> SubmitVerdict {
        let (Some(journal), Some(claim)) = (&self.journal, &job.claim) else { return SubmitVerdict::Unknown };
        let key = SubmitKey::of(job);
        if claim.worker != self.worker {
            return journal.dead.verdict(&claim.worker, &key);
        }
        match journal.progress(&key) {
            // A task of this process that is about to send checks its claim after it has recorded that: it will find none.
            Some(SubmitProgress::Begun | SubmitProgress::NotAccepted) => SubmitVerdict::NotAccepted,
            Some(SubmitProgress::Accepted(accepted)) => SubmitVerdict::Accepted(accepted),
            Some(SubmitProgress::Posted) | None => SubmitVerdict::Unknown,
        }
    }
}

/// Whether the job stands as that worker left it.
fn is_left_by(job: &Job, dead: &DeadJournal, key: &SubmitKey) -> bool {
    let is_claimed = job.claim.as_ref().is_some_and(|claim| claim.worker == dead.worker);
    job.stage_name() == StageName::Submitting && job.attempt_number() == key.attempt && is_claimed
}
