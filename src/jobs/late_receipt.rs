//! Receipts that arrive after the document was saved by another process: no receipt is lost, and none replaces another one's charge.

use chrono::{DateTime, Utc};

use super::{Attempt, FailureCode, Job, Outcome, Receipt, Spec, Stage, StepName};
use crate::costs::Usd;

/// The submit that a receipt answers, as its worker recorded it.
#[derive(Debug, Clone)]
pub struct AnsweredSubmit<'a> {
    /// The job, as it was when its `Submitting` record was written.
    pub job: &'a Job,
    /// The provider's reply.
    pub receipt: &'a Receipt,
    /// What is charged where the reply named no price.
    pub estimate: Option<Usd>,
}

impl Job {
    /// Adds a receipt that arrived after the job had been given up (the worker was suspended): the charge becomes certain, and where
    /// no operator has decided yet, the job continues. So does a job whose retry has not been sent. Returns whether it changed anything.
    ///
    /// The attempt `number` may not be the one that was submitted: another program that sets the document as a whole removes its
    /// history, and the numbers begin again. Then the receipt becomes an attempt of its own.
    pub fn apply_late_receipt(
        &mut self,
        number: u32,
        receipt: Receipt,
        estimate: Option<Usd>,
        now: DateTime<Utc>,
    ) -> bool {
        let accepted_at = receipt.accepted_at;
        let is_answered = |attempt: &Attempt| {
            // A reply that came before the record was written answers an earlier submit.
            attempt.number == number && attempt.submitted_at.is_none_or(|at| at <= accepted_at)
        };
        self.add_receipt((number, None, None), is_answered, receipt, estimate, now)
    }

    /// The same for the receipt of a submit whose record is known: the attempt is the one with this very record.
    pub fn apply_answered_submit(&mut self, submit: &AnsweredSubmit<'_>, now: DateTime<Utc>) -> bool {
        let Some(own) = submit.job.attempt() else { return false };
        let is_answered = |attempt: &Attempt| match own.submitted_at {
            Some(_) => attempt.submitted_at == own.submitted_at,
            None => attempt.number == own.number,
        };
        let ordered = (own.number, Some(submit.job.spec_of(own)), own.submitted_at);
        self.add_receipt(ordered, is_answered, submit.receipt.clone(), submit.estimate, now)
    }

    /// Whether one of the attempts has this receipt.
    pub fn has_receipt(&self, receipt: &Receipt) -> bool {
        let is_same =
            |other: &Receipt| other == receipt || (other.ticket == receipt.ticket && !receipt.ticket.id.is_empty());
        self.attempts.iter().any(|attempt| attempt.receipt.as_ref().is_some_and(is_same))
    }

    fn add_receipt(
        &mut self,
        (number, ordered, submitted_at): (u32, Option<&Spec>, Option<DateTime<Utc>>),
        is_answered: impl Fn(&Attempt) -> bool,
        receipt: Receipt,
        estimate: Option<Usd>,
        now: DateTime<Utc>,
    ) -> bool {
        if self.has_receipt(&receipt) {
            return false;
        }
        let is_open = |attempt: &Attempt| attempt.receipt.is_none() && attempt.was_submitted() && is_answered(attempt);
        let Some(index) = self.attempts.iter().position(is_open) else {
            let mut attempt = Attempt::new(number, receipt.accepted_at);
            attempt.finish(StepName::Submit, receipt.accepted_at);
            let model = ordered.unwrap_or(&self.spec).model.clone();
            attempt.estimate = estimate;
            attempt.charge = Some(self.charge_of(&receipt, submitted_at, estimate, model));
            attempt.submitted_at = submitted_at;
            attempt.spec = ordered.filter(|spec| **spec != self.spec).cloned();
            attempt.receipt = Some(receipt);
            // The request was replaced while it was in flight; the document that replaced it goes on by itself.
            attempt.outcome = Some(Outcome::Cancelled);
            self.insert_before_current(attempt);
            self.updated_at = now;
            return true;
        };
        let is_withdrawn = self.withdraw_unsent_retry(index);
        // Submitting: the document was saved under a POST that is still unanswered, such as for an earlier attempt's receipt.
        let undecided = index + 1 == self.attempts.len()
            && match &self.stage {
                Stage::Failed { failure } => failure.code == FailureCode::SubmitUnknown,
                stage => *stage == Stage::Submitting || is_withdrawn,
            };
        let Some(answered) = self.attempts.get(index) else { return false };
        let charge = self.charge_of(&receipt, answered.submitted_at, estimate, self.spec_of(answered).model.clone());
        let Some(attempt) = self.attempts.get_mut(index) else { return false };
        attempt.reserved = None;
        attempt.estimate = attempt.estimate.or(estimate);
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

    /// Removes the attempts after that one if they were queued by a retry of the same request and the provider accepted nothing for
    /// them: the ticket that turned up may have the image, and nothing is paid before it is polled.
    fn withdraw_unsent_retry(&mut self, index: usize) -> bool {
        let is_withdrawn = matches!(self.stage, Stage::Queued { .. }) && self.is_given_up_before_unsent(index);
        if is_withdrawn {
            self.attempts.truncate(index + 1);
            self.not_before = None;
            self.claim = None;
        }
        is_withdrawn
    }

    /// Whether that attempt was given up as unknown, and only retries follow that the provider did not accept.
    fn is_given_up_before_unsent(&self, index: usize) -> bool {
        let Some((answered, later)) = self.attempts.get(index..).and_then(<[Attempt]>::split_first) else {
            return false;
        };
        let is_given_up = matches!(&answered.outcome, Some(Outcome::Failed { failure })
            if failure.code == FailureCode::SubmitUnknown);
        let is_unsent =
            |attempt: &Attempt| attempt.receipt.is_none() && attempt.charge.is_none() && attempt.resolution.is_none();
        is_given_up && answered.spec.is_none() && !later.is_empty() && later.iter().all(is_unsent)
    }

    /// The attempt whose receipt arrived while its retry was being sent, where the provider did not accept the retry: its ticket may
    /// have the image.
    pub(super) fn late_ticket(&self) -> Option<usize> {
        let is_collectable =
            |attempt: &Attempt| attempt.receipt.as_ref().is_some_and(|receipt| receipt.ticket.is_collectable());
        let index = self.attempts.iter().rposition(is_collectable)?;
        self.is_given_up_before_unsent(index).then_some(index)
    }

    /// Queued | Failed → Generating: goes on with [`Self::late_ticket`] in place of the retry.
    pub(super) fn continue_late_ticket(&mut self, now: DateTime<Utc>) {
        let Some(index) = self.late_ticket() else { return };
        self.attempts.truncate(index + 1);
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.outcome = None;
            attempt.finish(StepName::Submit, now);
            attempt.begin(StepName::Generate, now);
        }
        self.claim = None;
        self.not_before = None;
        self.move_to(Stage::Generating, now);
    }

    /// Inserts a finished attempt before the current one, with the next free number; the current one is renumbered behind it. A store
    /// moves the charges of a renumbered attempt in the same write.
    fn insert_before_current(&mut self, mut attempt: Attempt) {
        let index = self.attempts.len().saturating_sub(1);
        let before = index.checked_sub(1).and_then(|last| self.attempts.get(last)).map_or(0, |attempt| attempt.number);
        attempt.number = attempt.number.max(before.saturating_add(1));
        if let Some(current) = self.attempts.last_mut() {
            current.number = current.number.max(attempt.number.saturating_add(1));
        }
        self.attempts.insert(index, attempt);
    }
}
