//! Owns the way of a finished image into the bucket, and the settling of its price. Everything here can be repeated: the
//! object's name is made of job id and attempt. Must not look at anything but a finished ticket.

use tokio_util::sync::CancellationToken;

use super::wait::note;
use super::{JobWorkflow, Ran, WorkflowError, jitter};
use crate::bucket::{BucketError, Stored};
use crate::costs::{Basis, Charge, Credits, Service, Usd};
use crate::engine::{Progress, crash};
use crate::jobs::{BillingStatus, FailureCode, Job, ObjectName, StepName, StoredImage, sha256_hex};
use crate::provider::{DownloadedImage, FetchError, ResultLink, TicketStatus};
use crate::time::backoff;

/// How often a download or an upload is tried before the job is put off.
const TRIES: u32 = 5;

/// What a ticket says of its link, once more.
enum LinkNow {
    /// A link that we have not tried.
    Other(ResultLink),
    /// The one that we have.
    Same,
    /// It could not be asked.
    NotKnown,
}

/// What fetching came to.
enum Fetched {
    DownloadedImage(DownloadedImage),
    Ran(Ran),
}

impl JobWorkflow {
    /// Generating → Done: downloads, stores, settles.
    pub(in crate::engine) async fn collect(
        &self,
        job: &mut Job,
        sample: ResultLink,
        cost: Option<Credits>,
        stop: &CancellationToken,
    ) -> Result<Ran, WorkflowError> {
        self.finish_step(job, StepName::Generate);
        let image = match self.fetch(job, sample, cost, stop).await? {
            Fetched::DownloadedImage(image) => image,
            Fetched::Ran(ran) => return Ok(ran),
        };
        crash::point("after_fetch");
        self.finish_step(job, StepName::Download);
        let name = ObjectName::for_attempt(&job.id, job.attempt_number(), image.format);
        let stored = match self.put(job, &name, &image, stop).await? {
            Ok(stored) => stored,
            Err(ran) => return Ok(ran),
        };
        crash::point("after_put");
        self.finish_step(job, StepName::Store);
        self.begin_step(job, StepName::Settle);
        let now = self.now();
        let image = StoredImage {
            sha256: sha256_hex(&image.bytes),
            object: name,
            url: stored.url,
            format: image.format,
            width: image.width,
            height: image.height,
            bytes: image.bytes.len() as u64,
        };
        let storage = stored.cost.map(|amount| Charge {
            service: Service::GoogleStorage,
            amount: Some(amount),
            basis: Basis::Estimated,
            model: job.spec.model.clone(),
            at: now,
            simulated: job.simulated,
        });
        job.complete(image, cost, storage, now)?;
        self.save(job).await?;
        crash::point("after_done");
        let paid = job.attempt().and_then(|attempt| attempt.charge.as_ref()).and_then(|charge| charge.amount);
        tracing::info!(
            job = %job.id, attempt = job.attempt_number(),
            "done: {}", paid.map_or_else(|| "price unknown".to_owned(), Usd::display),
        );
        Ok(Ran::Finished)
    }

    async fn fetch(
        &self,
        job: &mut Job,
        mut sample: ResultLink,
        cost: Option<Credits>,
        stop: &CancellationToken,
    ) -> Result<Fetched, WorkflowError> {
        for tries in 0.. {
            self.keep_claim(job).await?;
            self.begin_step(job, StepName::Download);
            let error = match self.ports.provider.fetch(&sample).await {
                Ok(image) => return Ok(Fetched::DownloadedImage(image)),
                Err(error) => error,
            };
            tracing::warn!(job = %job.id, attempt = job.attempt_number(), "the download failed: {error}");
            note(job, StepName::Download, &error.to_string());
            let last = tries + 1 >= TRIES;
            match error {
                FetchError::UntrustedHost { reason } => {
                    self.end(job, FailureCode::UntrustedHost, &reason, BillingStatus::Yes, cost).await?;
                    return Ok(Fetched::Ran(Ran::Finished));
                }
                FetchError::Corrupt { reason } if last => {
                    self.end(job, FailureCode::ImageCorrupt, &reason, BillingStatus::Yes, cost).await?;
                    return Ok(Fetched::Ran(Ran::Finished));
                }
                FetchError::Retryable { reason } if last && self.is_overdue(job) => {
                    // A link that never answers would be tried for ever: `Ready` comes before the deadline of waiting.
                    let message =
                        format!("made, but not downloaded in time: {reason}; a retry asks the same ticket first");
                    self.end(job, FailureCode::TimedOut, &message, BillingStatus::Yes, cost).await?;
                    return Ok(Fetched::Ran(Ran::Finished));
                }
                FetchError::Retryable { .. } if last => {
                    self.put_off(job, backoff(tries, None, jitter())).await?;
                    return Ok(Fetched::Ran(Ran::PutOff));
                }
                FetchError::Expired { reason } => match self.look_again(job, &sample).await {
                    LinkNow::Other(fresh) if !last => sample = fresh,
                    LinkNow::NotKnown if !last => {}
                    LinkNow::Other(_) | LinkNow::NotKnown | LinkNow::Same => {
                        let (code, message) = why_expired(job, &reason);
                        self.end(job, code, &message, BillingStatus::Yes, cost).await?;
                        return Ok(Fetched::Ran(Ran::Finished));
                    }
                },
                FetchError::Corrupt { .. } | FetchError::Retryable { .. } => {
                    if let LinkNow::Other(fresh) = self.look_again(job, &sample).await {
                        sample = fresh;
                    }
                }
            }
            if self.pause(job, tries, stop).await? {
                return Ok(Fetched::Ran(Ran::Stopped));
            }
        }
        Ok(Fetched::Ran(Ran::PutOff))
    }

    async fn put(
        &self,
        job: &mut Job,
        name: &ObjectName,
        image: &DownloadedImage,
        stop: &CancellationToken,
    ) -> Result<Result<Stored, Ran>, WorkflowError> {
        for tries in 0..TRIES {
            self.keep_claim(job).await?;
            self.begin_step(job, StepName::Store);
            let error = match self.ports.bucket.put(name, image.bytes.clone(), image.format).await {
                Ok(stored) => return Ok(Ok(stored)),
                Err(error) => error,
            };
            tracing::error!(job = %job.id, attempt = job.attempt_number(), "the image is not stored: {error}");
            if let Some(attempt) = job.attempts.last_mut() {
                attempt.fail_step(StepName::Store, &error.to_string(), self.ports.clock.now());
            }
            if let BucketError::Refused(reason) = &error {
                // Every job would meet the same: no more money is spent until a person has mended it. This one tries again
                // for as long as its link lasts.
                self.observer.account_trouble(&format!("images cannot be stored: {reason}"));
                break;
            }
            if self.pause(job, tries, stop).await? {
                return Ok(Err(Ran::Stopped));
            }
        }
        self.put_off(job, std::time::Duration::from_secs(15)).await?;
        Ok(Err(Ran::PutOff))
    }

    /// Waits a little; true when this worker shall stop, with the claim given back.
    async fn pause(&self, job: &mut Job, tries: u32, stop: &CancellationToken) -> Result<bool, WorkflowError> {
        tokio::select! {
            () = stop.cancelled() => {
                self.give_back(job).await?;
                Ok(true)
            }
            () = tokio::time::sleep(backoff(tries, None, jitter()) / 2) => Ok(false),
        }
    }

    /// What the ticket says now about its link.
    async fn look_again(&self, job: &Job, old: &ResultLink) -> LinkNow {
        let Some(receipt) = job.attempt().and_then(|attempt| attempt.receipt.as_ref()) else { return LinkNow::Same };
        match self.ports.provider.check(&receipt.ticket).await {
            Ok(TicketStatus::Ready { sample, .. }) if sample != *old => LinkNow::Other(sample),
            Ok(_) => LinkNow::Same,
            Err(error) => {
                tracing::warn!(job = %job.id, attempt = job.attempt_number(), "the look for another link failed: {error}");
                LinkNow::NotKnown
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

fn why_expired(job: &Job, reason: &str) -> (FailureCode, String) {
    let refused = job.attempt().and_then(|attempt| attempt.step(StepName::Store)).and_then(|step| step.note.as_deref());
    match refused {
        Some(why) => (FailureCode::BucketRefused, format!("not stored before its link ran out: {why}")),
        None => (FailureCode::SampleExpired, format!("{reason}; the image is lost, the ticket was billed")),
    }
}
