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
//! retry of a job whose ticket may still produce the image: Failed ──▶ Generating, without a new charge; see `retry`
//! cancel: Queued | Generating ──▶ Cancelled
//! ```
//!
//! A transition changes a value only; the engine saves it with a compare-and-set.

use chrono::{DateTime, Utc};

use super::{
    Attempt, BillingStatus, Claim, Failure, FailureCode, Hold, Job, MAX_ATTEMPT_NUMBER, Outcome, Receipt, Spec, Stage,
    StageName, StepName, StoredImage,
};
use crate::costs::{Basis, Charge, Credits, Service, Usd};

/// A move that the job's stage does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {from} cannot be {what}")]
pub struct IllegalTransition {
    /// Where the job is.
    pub from: StageName,
    /// What was requested: `cancelled`, `retried`.
    pub what: &'static str,
}

pub(super) type Transition = Result<(), IllegalTransition>;

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
        let worker = claim.worker.clone();
        self.claim = Some(claim);
        self.not_before = None;
        self.move_to(Stage::Submitting, now);
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.reserved = reserved;
            attempt.submitted_at = Some(now);
            attempt.submitted_by = Some(worker);
            if attempt.step(StepName::Claim).is_none() {
                attempt.finish(StepName::Claim, now);
            }
            attempt.begin(StepName::Reserve, now);
            attempt.finish(StepName::Reserve, now);
            attempt.begin(StepName::Submit, now);
        }
        Ok(())
    }

    /// Submitting → Queued: the provider clearly did not take it. Nothing was spent; it is tried again after `not_before`. Or, for a
    /// retry during which the receipt of the request before it arrived, → Generating of that request.
    pub fn requeue(&mut self, hold: Hold, not_before: DateTime<Utc>, now: DateTime<Utc>) -> Transition {
        self.require(&[StageName::Submitting], "put back")?;
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.reserved = None;
            attempt.storage_reserved = None;
            attempt.rejections = attempt.rejections.saturating_add(1);
            attempt.fail_step(StepName::Submit, &hold.summary(), now);
        }
        self.claim = None;
        self.not_before = Some(not_before);
        self.move_to(Stage::Queued { hold: Some(hold) }, now);
        self.continue_late_ticket(now);
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
        let updated_at = self.updated_at;
        if let Some(attempt) = self.attempts.last_mut() {
            // The record was written for this POST: the charge falls into the period whose cap was checked. Other writes of the
            // document do not move it.
            let at = attempt.submitted_at.unwrap_or(updated_at);
            let amount = attempt.reserved.take();
            attempt.charge =
                Some(Charge { service: Service::BflApi, amount, basis: Basis::Unconfirmed, model, at, simulated });
        }
        let failure = Failure::new(FailureCode::SubmitUnknown, why, BillingStatus::Unknown, now);
        self.end_failed(failure, now);
        Ok(())
    }

    /// Submitting → Generating: books the charge in the same save as the receipt. Where the reply named no price, `estimate` is
    /// charged: the most that the submit can cost, so that a cap holds until the price is settled.
    pub fn accept(&mut self, receipt: Receipt, estimate: Option<Usd>, now: DateTime<Utc>) -> Transition {
        self.require(&[StageName::Submitting], "accepted")?;
        let submitted_at = self.attempt().and_then(|attempt| attempt.submitted_at);
        let charge = self.charge_of(&receipt, submitted_at, estimate, self.spec.model.clone());
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.reserved = None;
            attempt.estimate = attempt.estimate.or(estimate);
            attempt.charge = Some(charge);
            attempt.receipt = Some(receipt);
            attempt.finish(StepName::Submit, now);
            attempt.begin(StepName::Generate, now);
        }
        self.move_to(Stage::Generating, now);
        Ok(())
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
        self.confirm_charge_of_image(now);
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.storage_charge = storage_charge;
            attempt.storage_reserved = None;
            attempt.finish(StepName::Settle, now);
            attempt.outcome = Some(Outcome::Done { image: image.clone() });
            attempt.end_recheck();
            attempt.link_expires_at = None;
        }
        self.claim = None;
        self.not_before = None;
        self.move_to(Stage::Done { image }, now);
        Ok(())
    }

    /// Generating → Failed; or, after a retry that checked the old ticket in vain and whose price covers a new attempt, Generating →
    /// Queued with that attempt. `settled` is the price on the dead ticket, where it names one.
    pub fn fail(&mut self, failure: Failure, settled: Option<Credits>, now: DateTime<Utc>) -> Transition {
        self.require(&[StageName::Generating], "failed")?;
        self.settle(settled, now);
        let has_number = self.has_free_attempt_number();
        let mut pays = false;
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.image_reported |= failure.code.implies_image();
        }
        if self.attempt().is_some_and(|attempt| attempt.image_reported) {
            self.confirm_charge_of_image(now);
        }
        if let Some(attempt) = self.attempts.last_mut() {
            pays = attempt.end_recheck() && failure.code.permits_new_attempt() && has_number;
            if settled.is_none()
                && failure.billed == BillingStatus::Unknown
                && !attempt.image_reported
                && let Some(charge) = attempt.charge.as_mut()
                && matches!(charge.basis, Basis::Estimated | Basis::Quoted)
            {
                charge.basis = Basis::Unknown;
            }
        }
        self.end_failed(failure, now);
        if pays {
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
            attempt.abandon_recheck();
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
        self.set_rejected(false);
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

    /// The same job requested once more with another spec: always a new attempt, the old ones keep what they requested.
    pub fn resubmit_with(&mut self, spec: Spec, now: DateTime<Utc>) -> Transition {
        self.require(&[StageName::Failed, StageName::Cancelled, StageName::Done, StageName::Approved], "changed")?;
        if !self.has_free_attempt_number() {
            return Err(self.illegal("changed"));
        }
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

    /// Whether another attempt can follow: only a job that another program wrote uses up the numbers.
    pub(super) fn has_free_attempt_number(&self) -> bool {
        self.attempt_number() < MAX_ATTEMPT_NUMBER
    }

    pub(super) fn begin_attempt(&mut self, now: DateTime<Utc>) {
        let number = self.attempt_number().saturating_add(1);
        self.attempts.push(Attempt::new(number, now));
        self.claim = None;
        self.not_before = None;
        self.move_to(Stage::QUEUED, now);
    }

    pub(super) fn end_failed(&mut self, failure: Failure, now: DateTime<Utc>) {
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

    /// An image exists, so that its charge is certain, even if an earlier check made it doubtful or an operator released it.
    fn confirm_charge_of_image(&mut self, now: DateTime<Utc>) {
        let Some((attempt, receipt)) = self.attempts.last().and_then(|last| Some((last, last.receipt.as_ref()?)))
        else {
            return;
        };
        let released = || attempt.resolution.as_ref().map(|resolution| &resolution.charge);
        let Some(charge) = attempt.charge.as_ref().or_else(released) else { return };
        if attempt.charge.as_ref().is_some_and(|charge| charge.basis != Basis::Unknown) {
            return;
        }
        let confirmed = self.charge_of(receipt, Some(charge.at), charge.amount, charge.model.clone());
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.book_confirmed(confirmed, now);
        }
    }

    /// Dated by the record before the submit: a reply after midnight does not move the charge out of the period whose cap was checked.
    pub(super) fn charge_of(
        &self,
        receipt: &Receipt,
        submitted_at: Option<DateTime<Utc>>,
        estimate: Option<Usd>,
        model: String,
    ) -> Charge {
        let (amount, basis) = match (receipt.cost, estimate) {
            (Some(credits), _) => (Some(credits.to_usd()), Basis::Quoted),
            (None, Some(amount)) => (Some(amount), Basis::Estimated),
            (None, None) => (None, Basis::Unknown),
        };
        let at = submitted_at.unwrap_or(receipt.accepted_at);
        Charge { service: Service::BflApi, amount, basis, model, at, simulated: self.simulated }
    }

    pub(super) fn require(&self, allowed: &[StageName], what: &'static str) -> Transition {
        if allowed.contains(&self.stage_name()) { Ok(()) } else { Err(self.illegal(what)) }
    }

    pub(super) fn illegal(&self, what: &'static str) -> IllegalTransition {
        IllegalTransition { from: self.stage_name(), what }
    }

    pub(super) fn move_to(&mut self, stage: Stage, now: DateTime<Utc>) {
        self.stage = stage;
        self.updated_at = now;
    }
}
