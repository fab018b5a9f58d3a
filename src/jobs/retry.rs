//! Retries: what is checked before anything is paid again.
//!
//! A ticket that was never seen in a final state is checked first. The first retry only checks it, free of charge: if the check finds no
//! image, the job fails again, and nothing is submitted, because no price was confirmed. The price of every later retry covers a new
//! attempt, which follows once the ticket was checked again without an image. Both facts are in the document before the check begins,
//! so that a crash between the check and a submit changes neither.

use chrono::{DateTime, Utc};

use super::{IllegalTransition, Job, Stage, StageName, StepName};

/// What a retry comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryKind {
    /// Only the old ticket is checked: this costs nothing.
    OldTicket,
    /// The old ticket, which an earlier retry found without an image, is checked again; a new attempt follows, which costs money.
    OldTicketThenNewAttempt,
    /// Nothing of the current attempt was ever accepted: it goes on, no new attempt is needed.
    SameAttempt,
    /// A new attempt, which costs money.
    NewAttempt,
}

impl RetryKind {
    /// Whether the old ticket is checked first.
    pub fn checks_ticket(self) -> bool {
        matches!(self, Self::OldTicket | Self::OldTicketThenNewAttempt)
    }

    /// Whether it may cost money.
    pub fn may_pay(self) -> bool {
        self != Self::OldTicket
    }
}

impl Job {
    /// What `retry` would come to, without doing it: whether it costs money.
    pub fn retry_kind(&self) -> Result<RetryKind, IllegalTransition> {
        self.require(&[StageName::Failed, StageName::Cancelled, StageName::Done, StageName::Approved], "retried")?;
        let Some(attempt) = self.attempt() else { return Ok(RetryKind::NewAttempt) };
        let new_attempt =
            || self.has_free_attempt_number().then_some(RetryKind::NewAttempt).ok_or(self.illegal("retried"));
        let may_live = match &self.stage {
            Stage::Failed { failure } => !failure.code.is_final_without_image(),
            Stage::Cancelled => true,
            _ => false,
        };
        Ok(match (&attempt.receipt, &attempt.charge) {
            (Some(receipt), _) if may_live && receipt.ticket.is_collectable() => match attempt.failed_rechecks {
                0 => RetryKind::OldTicket,
                _ => RetryKind::OldTicketThenNewAttempt,
            },
            // The retry was refused; the receipt of the request before it arrived meanwhile.
            (None, None) if self.late_ticket().is_some() => RetryKind::OldTicket,
            // The request of a released charge was sent: its answer may still arrive and must not meet a second one.
            (None, None) if attempt.resolution.is_none() => RetryKind::SameAttempt,
            _ => new_attempt()?,
        })
    }

    /// Failed | Cancelled | Done | Approved → Queued with a new attempt, or → Generating to check the old ticket first: a finished
    /// image is fetched, not paid for again.
    pub fn retry(&mut self, now: DateTime<Utc>) -> Result<RetryKind, IllegalTransition> {
        let kind = self.retry_kind()?;
        // The review was of the image that was there, also where the same attempt goes on.
        self.set_rejected(false);
        match kind {
            RetryKind::OldTicket | RetryKind::OldTicketThenNewAttempt => {
                self.continue_late_ticket(now);
                if let Some(attempt) = self.attempts.last_mut() {
                    attempt.recheck_first = true;
                    attempt.recheck_since = Some(now);
                    attempt.recheck_may_pay = kind.may_pay();
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
}
