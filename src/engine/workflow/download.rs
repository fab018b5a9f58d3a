//! A finished image's way into the bucket, and the settling of its price. All of this can be repeated: the object's name is made
//! of job id and attempt.

use tokio_util::sync::CancellationToken;

use super::poll::note;
use super::{JobWorkflow, RunOutcome, WorkflowError};
use crate::bucket::{BucketError, Stored};
use crate::costs::{Basis, Charge, Credits, Service, Usd};
use crate::engine::image_spool::UnstoredImage;
use crate::engine::{Dependency, Progress, failpoints};
use crate::jobs::{BillingStatus, FailureCode, Job, ObjectName, StepName, StoredImage, sha256_hex};
use crate::provider::{DownloadedImage, FetchError, ResultLink, TicketStatus};
use crate::time::backoff;

/// How often a download or an upload is tried before the job is deferred.
const MAX_TRIES: u32 = 5;

/// The shortest time that a job whose link is about to expire waits.
const MIN_RETRY_DELAY: std::time::Duration = std::time::Duration::from_secs(1);

/// How long a job waits after its image could not be stored.
const STORE_RETRY_DELAY: std::time::Duration = std::time::Duration::from_secs(15);

/// The ticket's result link, polled again.
enum RefreshedLink {
    /// A link that was not tried yet.
    Changed(ResultLink),
    /// The link that failed.
    Unchanged,
    /// The ticket could not be polled.
    Unavailable,
}

/// How fetching ended.
enum FetchOutcome {
    Image(DownloadedImage),
    /// Without an image; the run ends so.
    Ended(RunOutcome),
}

impl JobWorkflow {
    /// Generating → Done: downloads, stores, settles.
    pub(in crate::engine) async fn download_and_store(
        &self,
        job: &mut Job,
        link: ResultLink,
        cost: Option<Credits>,
        stop: &CancellationToken,
    ) -> Result<RunOutcome, WorkflowError> {
        self.finish_step(job, StepName::Generate);
        if let Some(attempt) = job.attempts.last_mut() {
            attempt.image_reported = true;
            attempt.link_expires_at = link.expires_at();
        }
        note_result(job, &link);
        let image = match self.fetch(job, link, cost, stop).await? {
            FetchOutcome::Image(image) => image,
            FetchOutcome::Ended(outcome) => return Ok(outcome),
        };
        failpoints::hit("after_fetch");
        self.finish_step(job, StepName::Download);
        self.store(job, UnstoredImage { image, cost, is_kept: false }, stop).await
    }

    /// Generating → Done: stores an image that was downloaded before the bucket was lost, and settles.
    pub(in crate::engine) async fn store_unstored(
        &self,
        job: &mut Job,
        kept: UnstoredImage,
        stop: &CancellationToken,
    ) -> Result<RunOutcome, WorkflowError> {
        tracing::info!(job = %job.id, attempt = job.attempt_number(), "image that was kept on this machine is stored");
        self.store(job, kept, stop).await
    }

    /// The image of the job's attempt, if it was downloaded before and could not be stored.
    pub(super) async fn find_unstored(&self, job: &Job) -> Option<UnstoredImage> {
        self.image_spool.as_ref()?.find(job).await
    }

    async fn store(
        &self,
        job: &mut Job,
        mut unstored: UnstoredImage,
        stop: &CancellationToken,
    ) -> Result<RunOutcome, WorkflowError> {
        let name = ObjectName::for_attempt(&job.id, job.attempt_number(), unstored.image.format);
        let stored = match self.put(job, &name, &mut unstored, stop).await? {
            Ok(stored) => stored,
            Err(outcome) => return Ok(outcome),
        };
        failpoints::hit("after_put");
        self.finish_step(job, StepName::Store);
        self.begin_step(job, StepName::Settle);
        let now = self.now();
        let (image, cost) = (&unstored.image, unstored.cost);
        let image = StoredImage {
            sha256: sha256_hex(&image.bytes),
            object: name,
            url: stored.url,
            format: image.format,
            width: image.width,
            height: image.height,
            bytes: image.bytes.len() as u64,
        };
        let storage_charge = stored.cost.map(|amount| Charge {
            service: Service::GoogleStorage,
            amount: Some(amount),
            basis: Basis::Estimated,
            model: job.spec.model.clone(),
            at: now,
            simulated: job.simulated,
        });
        let generating = job.clone();
        job.complete(image, cost, storage_charge, now)?;
        if let Err(error) = self.save(job).await {
            // The document may be reachable again only after the link has expired.
            self.keep(&generating, &mut unstored).await;
            return Err(error);
        }
        failpoints::hit("after_done");
        if unstored.is_kept
            && let Some(spool) = &self.image_spool
        {
            spool.remove(job).await;
        }
        let charged = job.attempt().and_then(|attempt| attempt.charge.as_ref()).and_then(|charge| charge.amount);
        tracing::info!(
            job = %job.id, attempt = job.attempt_number(),
            cost = charged.map_or_else(|| "unknown".to_owned(), Usd::display), "job done",
        );
        Ok(RunOutcome::Finished)
    }

    async fn fetch(
        &self,
        job: &mut Job,
        mut link: ResultLink,
        cost: Option<Credits>,
        stop: &CancellationToken,
    ) -> Result<FetchOutcome, WorkflowError> {
        for tries in 0.. {
            self.renew_claim_if_reachable(job).await?;
            self.begin_step(job, StepName::Download);
            let error = match self.ports.provider.fetch(&link).await {
                Ok(image) => return Ok(FetchOutcome::Image(image)),
                Err(error) => error,
            };
            tracing::warn!(job = %job.id, attempt = job.attempt_number(), tries = tries + 1, %error, "download failed");
            note(job, StepName::Download, &error.to_string());
            let is_last = tries + 1 >= MAX_TRIES;
            match error {
                FetchError::UntrustedHost { reason } => {
                    self.fail(job, FailureCode::UntrustedHost, &reason, BillingStatus::Yes, cost).await?;
                    return Ok(FetchOutcome::Ended(RunOutcome::Finished));
                }
                FetchError::Corrupt { reason } if is_last => {
                    self.fail(job, FailureCode::ImageCorrupt, &reason, BillingStatus::Yes, cost).await?;
                    return Ok(FetchOutcome::Ended(RunOutcome::Finished));
                }
                FetchError::Retryable { reason } if is_last && self.is_past_deadline(job) => {
                    // A link that never answers would be tried for ever: the deadline of polling does not cover downloads.
                    self.fail_at_deadline(job, &reason, cost).await?;
                    return Ok(FetchOutcome::Ended(RunOutcome::Finished));
                }
                FetchError::Retryable { .. } if is_last => {
                    self.defer_fetch(job, backoff(tries, None, self.ports.clock.jitter())).await?;
                    return Ok(FetchOutcome::Ended(RunOutcome::Deferred));
                }
                FetchError::Expired { reason } => {
                    let refreshed = self.refresh_link(job, &link).await;
                    let is_unchanged = matches!(refreshed, RefreshedLink::Unchanged);
                    if let RefreshedLink::Changed(fresh) = refreshed {
                        link = fresh;
                        note_expiry(job, &link);
                    }
                    // A link whose signature is still valid was rejected for another reason, which may pass.
                    let is_valid = link.expires_at().is_some_and(|at| at > self.now());
                    if is_last && is_valid {
                        // A provider that signs a new link at each poll would keep the job here for ever.
                        if self.is_past_deadline(job) {
                            self.fail_at_deadline(job, &reason, cost).await?;
                            return Ok(FetchOutcome::Ended(RunOutcome::Finished));
                        }
                        self.defer_fetch(job, backoff(tries, None, self.ports.clock.jitter())).await?;
                        return Ok(FetchOutcome::Ended(RunOutcome::Deferred));
                    }
                    if !is_valid && (is_last || is_unchanged) {
                        let (code, message) = expired_failure(job, &reason);
                        self.fail(job, code, &message, BillingStatus::Yes, cost).await?;
                        return Ok(FetchOutcome::Ended(RunOutcome::Finished));
                    }
                }
                FetchError::Corrupt { .. } | FetchError::Retryable { .. } => {
                    if let RefreshedLink::Changed(fresh) = self.refresh_link(job, &link).await {
                        link = fresh;
                        note_expiry(job, &link);
                    }
                }
            }
            if self.stopped_before_retry(job, tries, stop).await? {
                return Ok(FetchOutcome::Ended(RunOutcome::Stopped));
            }
        }
        Ok(FetchOutcome::Ended(RunOutcome::Deferred))
    }

    /// The image exists, its link is valid, and the download does not succeed. Nothing is paid again for it, whatever was confirmed.
    async fn fail_at_deadline(&self, job: &mut Job, reason: &str, cost: Option<Credits>) -> Result<(), WorkflowError> {
        if let Some(attempt) = job.attempts.last_mut() {
            attempt.recheck_may_pay = false;
        }
        let message = format!(
            "image generated but not downloaded in time: {reason}; a retry fetches it from the same task first, at no extra cost"
        );
        self.fail(job, FailureCode::TimedOut, &message, BillingStatus::Yes, cost).await
    }

    /// Defers a job whose image waits behind its link, at most by half of the time that the link has left.
    async fn defer_fetch(&self, job: &mut Job, delay: std::time::Duration) -> Result<(), WorkflowError> {
        let expires_at = job.attempt().and_then(|attempt| attempt.link_expires_at);
        let left = expires_at.and_then(|at| (at - self.now()).to_std().ok());
        self.defer(job, left.map_or(delay, |left| delay.min(left / 2).max(MIN_RETRY_DELAY))).await
    }

    async fn put(
        &self,
        job: &mut Job,
        name: &ObjectName,
        unstored: &mut UnstoredImage,
        stop: &CancellationToken,
    ) -> Result<Result<Stored, RunOutcome>, WorkflowError> {
        let (bytes, format) = (unstored.image.bytes.clone(), unstored.image.format);
        for tries in 0..MAX_TRIES {
            self.renew_claim_if_reachable(job).await?;
            self.begin_step(job, StepName::Store);
            let error = match self.ports.bucket.put(name, bytes.clone(), format).await {
                Ok(stored) => return Ok(Ok(stored)),
                Err(error) => error,
            };
            tracing::error!(job = %job.id, attempt = job.attempt_number(), tries = tries + 1, %error, "image not stored");
            if let Some(attempt) = job.attempts.last_mut() {
                attempt.fail_step(StepName::Store, &error.to_string(), self.ports.clock.now());
            }
            self.keep(job, unstored).await;
            if let BucketError::Refused(reason) = &error {
                // Every job would meet the same, so no more money is spent until an operator acts. This job is tried again.
                self.observer.account_blocked(Dependency::Bucket, &format!("images cannot be stored: {reason}"));
                break;
            }
            if self.stopped_before_retry(job, tries, stop).await? {
                return Ok(Err(RunOutcome::Stopped));
            }
        }
        if unstored.is_kept {
            self.defer(job, STORE_RETRY_DELAY).await?;
        } else {
            self.defer_fetch(job, STORE_RETRY_DELAY).await?;
        }
        Ok(Err(RunOutcome::Deferred))
    }

    /// Keeps an image on this machine: its link may expire before it can be stored.
    async fn keep(&self, job: &Job, unstored: &mut UnstoredImage) {
        let Some(spool) = self.image_spool.as_ref().filter(|_| !unstored.is_kept) else { return };
        match spool.keep(job, unstored).await {
            Ok(()) => unstored.is_kept = true,
            Err(error) => {
                tracing::warn!(job = %job.id, attempt = job.attempt_number(), %error, "image not kept on this machine");
            }
        }
    }

    /// Waits before the next try; true if this worker stops instead, with the claim released.
    async fn stopped_before_retry(
        &self,
        job: &mut Job,
        tries: u32,
        stop: &CancellationToken,
    ) -> Result<bool, WorkflowError> {
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                self.release_claim(job).await?;
                Ok(true)
            }
            () = self.ports.clock.sleep(backoff(tries, None, self.ports.clock.jitter()) / 2) => Ok(false),
        }
    }

    /// Polls the ticket for its current link.
    async fn refresh_link(&self, job: &Job, failed: &ResultLink) -> RefreshedLink {
        let Some(receipt) = job.attempt().and_then(|attempt| attempt.receipt.as_ref()) else {
            return RefreshedLink::Unchanged;
        };
        match self.ports.provider.check(&receipt.ticket).await {
            Ok(TicketStatus::Ready { sample, .. }) if sample != *failed => RefreshedLink::Changed(sample),
            Ok(_) => RefreshedLink::Unchanged,
            Err(error) => {
                tracing::warn!(job = %job.id, attempt = job.attempt_number(), %error, "poll for a new result link failed");
                RefreshedLink::Unavailable
            }
        }
    }

    fn begin_step(&self, job: &mut Job, step: StepName) {
        let now = self.now();
        if let Some(attempt) = job.attempts.last_mut() {
            attempt.begin(step, now);
        }
        self.observer.progress(Progress {
            id: job.id.clone(),
            attempt: job.attempt_number(),
            step,
            fraction: None,
            status: step.as_str().to_owned(),
        });
    }

    fn finish_step(&self, job: &mut Job, step: StepName) {
        let now = self.now();
        if let Some(attempt) = job.attempts.last_mut() {
            attempt.finish(step, now);
        }
    }
}

/// Keeps what the provider reports of the image, where the request does not say the same.
fn note_result(job: &mut Job, link: &ResultLink) {
    let requested = job.spec.parameters.get("seed").and_then(serde_json::Value::as_u64);
    let rewritten = link.prompt.clone().filter(|prompt| !prompt.trim().is_empty() && *prompt != job.spec.prompt);
    if let Some(attempt) = job.attempts.last_mut() {
        attempt.provider_seed = link.seed.filter(|seed| Some(*seed) != requested);
        attempt.rewritten_prompt = rewritten;
    }
}

fn note_expiry(job: &mut Job, link: &ResultLink) {
    if let Some(attempt) = job.attempts.last_mut() {
        attempt.link_expires_at = link.expires_at();
    }
}

fn expired_failure(job: &Job, reason: &str) -> (FailureCode, String) {
    let store_error =
        job.attempt().and_then(|attempt| attempt.step(StepName::Store)).and_then(|step| step.note.as_deref());
    match store_error {
        Some(error) => (FailureCode::BucketRefused, format!("not stored before its link expired: {error}")),
        None => (FailureCode::SampleExpired, format!("{reason}; image lost, but the task was billed")),
    }
}
