//! The stage machine: every transition by name. An illegal transition is an error and changes nothing.
//!
//! ```text
//!             begin_submit              accept                   complete                  approve
//! Queued ────────────────▶ Submitting ──────────▶ Generating ──────────────▶ Done ────────────────▶ Approved
//!    ▲                       │      │                  │                      │
//!    ├─ requeue ─────────────┘      │ reject_by_provider, fail                │
//!    │                              │ mark_submit_unknown                     │
//!    │                              └─────▶ Failed ◀───┘                      │
//!    └─────────────── retry ─────────────────┴────────────────────────────────┘
//!
//! retry of a job whose ticket may still produce the image: Failed ──▶ Generating, without a new charge
//! cancel: Queued | Generating ──▶ Cancelled
//! ```
//!
//! A transition changes a value only; the engine saves it with a compare-and-set.

use chrono::{DateTime, Utc};

use super::{
    Attempt, BillingStatus, Claim, Failure, FailureCode, Hold, Job, Outcome, Receipt, Spec, Stage, StageName, StepName,
    StoredImage,
};
use crate::costs::{Basis, Charge, Credits, Service, Usd};

/// A move that the job's stage does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {from} cannot be {what}")]
pub struct IllegalTransition {
    /// Where the job is.
    pub from: StageName,
    /// What was asked for: `cancelled`, `retried`.
    pub what: &'static str,
}

/// What a retry came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryKind {
    /// The old ticket is asked first; it costs nothing unless that ticket is dead.
    OldTicket,
    /// Nothing of the current attempt was ever accepted: it goes on, no new attempt is needed.
    SameAttempt,
    /// A new attempt, which costs money.
    NewAttempt,
}

type Transition = Result<(), IllegalTransition>;

impl Job {
    /// Sets money aside for storing the image, beside what the submit reserves.
    pub fn reserve_storage(&mut self, amount: Option<Usd>) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.storage_reserved = amount;
        }
    }

    /// Queued → Submitting: a POST may happen from here on. Sets `reserved` aside and takes the claim.
    pub fn begin_submit(&mut self, claim: Claim, reserved: Option<Usd>, now: DateTime<Utc>) -> Transition {
        self.require(&[StageName::Queued], "submitted")?;
        self.claim = Some(claim);
        self.not_before = None;
        self.move_to(Stage::Submitting, now);
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.reserved = reserved;
            if attempt.step(StepName::Claim).is_none() {
                attempt.finish(StepName::Claim, now);
            }
            attempt.begin(StepName::Reserve, now);
            attempt.finish(StepName::Reserve, now);
            attempt.begin(StepName::Submit, now);
        }
        Ok(())
    }

    /// Submitting → Queued: the provider clearly did not take it. Nothing was spent; it is tried again after `not_before`.
    pub fn requeue(&mut self, hold: Hold, not_before: DateTime<Utc>, now: DateTime<Utc>) -> Transition {
        self.require(&[StageName::Submitting], "put back")?;
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.reserved = None;
            attempt.storage_reserved = None;
            attempt.rejections += 1;
            attempt.fail_step(StepName::Submit, &hold.summary(), now);
        }
        self.claim = None;
        self.not_before = Some(not_before);
        self.move_to(Stage::Queued { hold: Some(hold) }, now);
        Ok(())
    }

    /// Submitting → Failed: the provider refused it for good. Nothing was spent.
    pub fn reject_by_provider(&mut self, failure: Failure, now: DateTime<Utc>) -> Transition {
        self.require(&[StageName::Submitting], "refused")?;
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.reserved = None;
        }
        self.end_failed(failure, now);
        Ok(())
    }

    /// Queued → Failed: found wrong before anything was sent.
    pub fn reject(&mut self, failure: Failure, now: DateTime<Utc>) -> Transition {
        self.require(&[StageName::Queued], "rejected")?;
        self.end_failed(failure, now);
        Ok(())
    }

    /// Submitting → Failed with `submit_unknown`: a POST may have been accepted. The reservation becomes an
    /// unconfirmed charge. A worker never resubmits such a job; a person decides.
    pub fn mark_submit_unknown(&mut self, why: &str, now: DateTime<Utc>) -> Transition {
        self.require(&[StageName::Submitting], "given up")?;
        let (model, simulated) = (self.spec.model.clone(), self.simulated);
        // The `Submitting` record was written for this POST: the charge falls into the period whose cap was checked.
        let at = self.updated_at;
        if let Some(attempt) = self.attempts.last_mut() {
            let amount = attempt.reserved.take();
            attempt.charge =
                Some(Charge { service: Service::BflApi, amount, basis: Basis::Unconfirmed, model, at, simulated });
        }
        let failure = Failure::new(FailureCode::SubmitUnknown, why, BillingStatus::Unknown, now);
        self.end_failed(failure, now);
        Ok(())
    }

    /// Submitting → Generating: books the charge in the same save as the receipt. `estimate` is used where the reply named no
    /// price.
    pub fn accept(&mut self, receipt: Receipt, estimate: Option<Usd>, now: DateTime<Utc>) -> Transition {
        self.require(&[StageName::Submitting], "accepted")?;
        let charge = self.charge_of(&receipt, estimate);
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.reserved = None;
            attempt.estimate = estimate;
            attempt.charge = Some(charge);
            attempt.receipt = Some(receipt);
            attempt.finish(StepName::Submit, now);
            attempt.begin(StepName::Generate, now);
        }
        self.move_to(Stage::Generating, now);
        Ok(())
    }

    /// A receipt that arrived after the job had been given up (the worker was suspended): the charge becomes certain, and where
    /// no operator has decided yet, the job continues. Returns whether it changed anything.
    pub fn apply_late_receipt(
        &mut self,
        number: u32,
        receipt: Receipt,
        estimate: Option<Usd>,
        now: DateTime<Utc>,
    ) -> bool {
        let charge = self.charge_of(&receipt, estimate);
        let current = self.attempt_number() == number;
        // Submitting: the document was saved under a POST that is still unanswered, such as for an earlier attempt's receipt.
        let undecided = current
            && match &self.stage {
                Stage::Failed { failure } => failure.code == FailureCode::SubmitUnknown,
                stage => *stage == Stage::Submitting,
            };
        let Some(attempt) = self.attempts.iter_mut().find(|attempt| attempt.number == number) else { return false };
        if attempt.receipt.is_some() {
            return false;
        }
        attempt.reserved = None;
        attempt.estimate = estimate;
        attempt.book_late(charge, now);
        attempt.receipt = Some(receipt);
        if undecided {
            attempt.outcome = None;
            attempt.finish(StepName::Submit, now);
            attempt.begin(StepName::Generate, now);
            self.move_to(Stage::Generating, now);
        } else {
            self.updated_at = now;
        }
        true
    }

    /// Generating stays Generating, untouched until `not_before`: the slot is free for others meanwhile.
    pub fn defer_until(&mut self, not_before: DateTime<Utc>, now: DateTime<Utc>) -> Transition {
        self.require(&[StageName::Generating], "deferred")?;
        self.claim = None;
        self.not_before = Some(not_before);
        self.updated_at = now;
        Ok(())
    }

    /// Generating → Done: the image is in the bucket. `settled` is the price on the finished ticket, where it names one.
    pub fn complete(
        &mut self,
        image: StoredImage,
        settled: Option<Credits>,
        storage_charge: Option<Charge>,
        now: DateTime<Utc>,
    ) -> Transition {
        self.require(&[StageName::Generating], "stored")?;
        self.settle(settled, now);
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.storage_charge = storage_charge;
            attempt.storage_reserved = None;
            attempt.finish(StepName::Settle, now);
            attempt.outcome = Some(Outcome::Done { image: image.clone() });
            attempt.recheck_first = false;
        }
        self.claim = None;
        self.not_before = None;
        self.move_to(Stage::Done { image }, now);
        Ok(())
    }

    /// Generating → Failed; or, after a retry that asked the old ticket in vain, Generating → Queued with a new attempt.
    /// `settled` is the price on the dead ticket, where it names one.
    pub fn fail(&mut self, failure: Failure, settled: Option<Credits>, now: DateTime<Utc>) -> Transition {
        self.require(&[StageName::Generating], "failed")?;
        self.settle(settled, now);
        let recheck_first = self.attempt().is_some_and(|attempt| attempt.recheck_first);
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.recheck_first = false;
            if settled.is_none()
                && failure.billed == BillingStatus::Unknown
                && let Some(charge) = attempt.charge.as_mut()
                && matches!(charge.basis, Basis::Estimated | Basis::Quoted)
            {
                charge.basis = Basis::Unknown;
            }
        }
        self.end_failed(failure, now);
        if recheck_first {
            self.begin_attempt(now);
        }
        Ok(())
    }

    /// Queued | Generating → Cancelled. A ticket that was accepted stays on the bill.
    pub fn cancel(&mut self, now: DateTime<Utc>) -> Transition {
        self.require(&[StageName::Queued, StageName::Generating], "cancelled")?;
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.fail_running("cancelled", now);
            attempt.storage_reserved = None;
            attempt.outcome = Some(Outcome::Cancelled);
        }
        self.claim = None;
        self.not_before = None;
        self.move_to(Stage::Cancelled, now);
        Ok(())
    }

    /// Done → Approved.
    pub fn approve(&mut self, now: DateTime<Utc>) -> Transition {
        let Stage::Done { image } = &self.stage else { return Err(self.illegal("approved")) };
        let image = image.clone();
        self.move_to(Stage::Approved { image }, now);
        Ok(())
    }

    /// Approved → Done: undoes an approval.
    pub fn unapprove(&mut self, now: DateTime<Utc>) -> Transition {
        let Stage::Approved { image } = &self.stage else { return Err(self.illegal("unapproved")) };
        let image = image.clone();
        self.move_to(Stage::Done { image }, now);
        Ok(())
    }

    /// What `retry` would come to, without doing it: whether it costs money.
    pub fn retry_kind(&self) -> Result<RetryKind, IllegalTransition> {
        self.require(&[StageName::Failed, StageName::Cancelled, StageName::Done, StageName::Approved], "retried")?;
        let Some(attempt) = self.attempt() else { return Ok(RetryKind::NewAttempt) };
        let may_live = match &self.stage {
            Stage::Failed { failure } => failure.code.may_still_produce_image(),
            Stage::Cancelled => true,
            _ => false,
        };
        Ok(match (&attempt.receipt, &attempt.charge) {
            (Some(receipt), _) if may_live && !receipt.ticket.polling_url.is_empty() => RetryKind::OldTicket,
            // The request of a released charge was sent: its answer may still arrive and must not meet a second one.
            (None, None) if attempt.resolution.is_none() => RetryKind::SameAttempt,
            _ => RetryKind::NewAttempt,
        })
    }

    /// Failed | Cancelled | Done | Approved → Queued with a new attempt, or → Generating to ask the old ticket first: a finished
    /// image is fetched, not paid for again.
    pub fn retry(&mut self, now: DateTime<Utc>) -> Result<RetryKind, IllegalTransition> {
        let kind = self.retry_kind()?;
        match kind {
            RetryKind::OldTicket => {
                if let Some(attempt) = self.attempts.last_mut() {
                    attempt.recheck_first = true;
                    attempt.outcome = None;
                    attempt.begin(StepName::Generate, now);
                }
                self.claim = None;
                self.not_before = None;
                self.move_to(Stage::Generating, now);
            }
            RetryKind::SameAttempt => {
                if let Some(attempt) = self.attempts.last_mut() {
                    attempt.outcome = None;
                    attempt.rejections = 0;
                }
                self.claim = None;
                self.not_before = None;
                self.move_to(Stage::QUEUED, now);
            }
            RetryKind::NewAttempt => self.begin_attempt(now),
        }
        Ok(kind)
    }

    /// The same job asked for once more with another spec: always a new attempt, the old ones keep what they ordered.
    pub fn resubmit_with(&mut self, spec: Spec, now: DateTime<Utc>) -> Transition {
        self.require(&[StageName::Failed, StageName::Cancelled, StageName::Done, StageName::Approved], "changed")?;
        if spec != self.spec {
            let old = std::mem::replace(&mut self.spec, spec);
            for attempt in self.attempts.iter_mut().filter(|attempt| attempt.spec.is_none()) {
                attempt.spec = Some(old.clone());
            }
        }
        self.begin_attempt(now);
        Ok(())
    }

    /// Queued stays Queued, with or without something that holds it.
    pub fn set_hold(
        &mut self,
        hold: Option<Hold>,
        not_before: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Transition {
        self.require(&[StageName::Queued], "held")?;
        self.not_before = not_before;
        self.claim = None;
        self.move_to(Stage::Queued { hold }, now);
        Ok(())
    }

    fn begin_attempt(&mut self, now: DateTime<Utc>) {
        let number = self.attempt_number() + 1;
        self.attempts.push(Attempt::new(number, now));
        self.claim = None;
        self.not_before = None;
        self.move_to(Stage::QUEUED, now);
    }

    fn end_failed(&mut self, failure: Failure, now: DateTime<Utc>) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.storage_reserved = None;
            attempt.fail_running(&failure.message, now);
            attempt.outcome = Some(Outcome::Failed { failure: failure.clone() });
        }
        self.claim = None;
        self.not_before = None;
        self.move_to(Stage::Failed { failure }, now);
    }

    fn settle(&mut self, settled: Option<Credits>, now: DateTime<Utc>) {
        if let (Some(attempt), Some(credits)) = (self.attempts.last_mut(), settled) {
            attempt.book_settled(credits.to_usd(), now);
        }
    }

    fn charge_of(&self, receipt: &Receipt, estimate: Option<Usd>) -> Charge {
        let (amount, basis) = match (receipt.cost, estimate) {
            (Some(credits), _) => (Some(credits.to_usd()), Basis::Quoted),
            (None, Some(amount)) => (Some(amount), Basis::Estimated),
            (None, None) => (None, Basis::Unknown),
        };
        Charge {
            service: Service::BflApi,
            amount,
            basis,
            model: self.spec.model.clone(),
            at: receipt.accepted_at,
            simulated: self.simulated,
        }
    }

    fn require(&self, allowed: &[StageName], what: &'static str) -> Transition {
        if allowed.contains(&self.stage_name()) { Ok(()) } else { Err(self.illegal(what)) }
    }

    fn illegal(&self, what: &'static str) -> IllegalTransition {
        IllegalTransition { from: self.stage_name(), what }
    }

    fn move_to(&mut self, stage: Stage, now: DateTime<Utc>) {
        self.stage = stage;
        self.updated_at = now;
    }
}
