//! An operator's answer to whether an uncertain charge was billed.
//!
//! The answer replaces the one charge of its attempt, so that nothing is counted twice. A price that the provider names later
//! overrules it: the charge of the attempt is replaced once more, and the record says so. An operator can correct an answer that the
//! provider did not overrule: the new answer replaces the same charge, and the record keeps both.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::{
    Attempt, BillingAnswer, BillingStatus, CorrectedAnswer, Failure, Job, Outcome, Resolution, Stage, StageName,
    WorkerId,
};
use crate::costs::{Basis, Charge, MAX_CHARGE_USD, Usd};

/// An answer that does not apply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// No attempt has an uncertain charge.
    #[error("no charge of this job is uncertain")]
    Certain,
    /// The attempt has none.
    #[error("the charge of attempt {0} is not uncertain")]
    CertainAttempt(u32),
    /// There is no such attempt.
    #[error("attempt {0} does not exist")]
    NoAttempt(u32),
    /// It was answered already.
    #[error("the charge of attempt {attempt} was already resolved as {} by {by}", if *.billed { "billed" } else { "not billed" })]
    AlreadyResolved {
        /// The attempt.
        attempt: u32,
        /// The answer.
        billed: bool,
        /// Who gave it.
        by: String,
    },
    /// More than one attempt has an uncertain charge.
    #[error("attempts {} have uncertain charges: choose one with --attempt", list(.0))]
    Several(Vec<u32>),
    /// More than one attempt has an answer.
    #[error("attempts {} have answers: choose one with --attempt", list(.0))]
    SeveralAnswers(Vec<u32>),
    /// There is nothing to correct.
    #[error("no answer of this job can be corrected: a charge is still uncertain, or the provider's reply counts")]
    NoAnswer,
    /// The correction changes nothing.
    #[error("attempt {0} has this answer already")]
    SameAnswer(u32),
    /// The provider may still name the price.
    #[error("attempt {0} is generating: its price may still be reported")]
    Running(u32),
    /// A booked charge needs an amount.
    #[error("no amount is recorded for attempt {0}: pass the amount on the bill")]
    NoAmount(u32),
    /// Not an amount of one charge.
    #[error(
        "the amount of a charge is above zero, at most {MAX_CHARGE_USD} dollars, with at most {MAX_DECIMALS} decimals"
    )]
    InvalidAmount,
}

/// Decimals of a dollar that an answer may have.
const MAX_DECIMALS: u32 = 12;

fn list(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

impl Attempt {
    /// The provider's charge, where it is not certain whether or how much was billed.
    pub fn uncertain_charge(&self) -> Option<&Charge> {
        self.charge.as_ref().filter(|charge| !charge.basis.is_counted())
    }

    /// Why the provider's charge is uncertain, in one line; `None` where it is certain.
    pub fn uncertainty(&self) -> Option<String> {
        let charge = self.uncertain_charge()?;
        Some(match (&self.outcome, charge.basis) {
            (Some(Outcome::Failed { failure }), Basis::Unconfirmed) => failure.message.clone(),
            (Some(Outcome::Failed { failure }), _) => {
                format!("accepted, then {}: {}", failure.code.as_str(), failure.message)
            }
            (_, Basis::Unconfirmed) => "the request was sent, no answer arrived".to_owned(),
            (None, _) => "accepted without a price, still generating".to_owned(),
            (Some(_), _) => "accepted without a price".to_owned(),
        })
    }

    /// Books the charge of an acceptance that arrived after the attempt had been given up. An amount that an operator took from
    /// the bill outranks an estimate.
    pub(super) fn book_late(&mut self, charge: Charge, now: DateTime<Utc>) {
        let is_booked = self.resolution.as_ref().is_some_and(|resolution| resolution.billed) && self.charge.is_some();
        if is_booked && charge.basis != Basis::Quoted {
            return;
        }
        self.charge = Some(charge);
        self.overrule(now);
    }

    /// Books the price on the finished ticket, also where an operator had answered that nothing was billed.
    pub(super) fn book_settled(&mut self, amount: Usd, now: DateTime<Utc>) {
        let released = || self.resolution.as_ref().map(|resolution| resolution.charge.clone());
        let Some(charge) = self.charge.clone().or_else(released) else { return };
        self.charge = Some(Charge { amount: Some(amount), basis: Basis::Settled, ..charge });
        self.overrule(now);
    }

    /// Books the charge of an image that exists, also where an operator had answered that nothing was billed.
    pub(super) fn book_confirmed(&mut self, charge: Charge, now: DateTime<Utc>) {
        if self.charge.replace(charge).is_none() {
            self.overrule(now);
        }
    }

    fn overrule(&mut self, now: DateTime<Utc>) {
        if let Some(resolution) = &mut self.resolution {
            resolution.overruled_at = Some(now);
        }
    }
}

impl Job {
    /// Replaces an uncertain charge by what the bill says: a settled charge, or none. Without a number, that of the one attempt
    /// that has one. Returns the attempt's number.
    pub fn resolve_charge(
        &mut self,
        number: Option<u32>,
        answer: BillingAnswer,
        by: &str,
        now: DateTime<Utc>,
    ) -> Result<u32, ResolveError> {
        let number = self.uncertain_attempt(number)?;
        let attempt = self.attempt_numbered(number).ok_or(ResolveError::NoAttempt(number))?;
        let charge = attempt.charge.clone().ok_or(ResolveError::CertainAttempt(number))?;
        self.book_answer(number, charge, Vec::new(), answer, by, now)?;
        Ok(number)
    }

    /// Replaces an operator's answer by another one, which replaces the same uncertain charge; the record keeps both. What the provider
    /// reported since stands. Without a number, that of the one attempt that has an answer. Returns the attempt's number.
    pub fn correct_answer(
        &mut self,
        number: Option<u32>,
        answer: BillingAnswer,
        by: &str,
        now: DateTime<Utc>,
    ) -> Result<u32, ResolveError> {
        let number = self.answered_attempt(number)?;
        let attempt = self.attempt_numbered(number).ok_or(ResolveError::NoAttempt(number))?;
        let old = attempt.resolution.clone().ok_or(ResolveError::NoAnswer)?;
        let (booked, charge) = (attempt.charge.as_ref().and_then(|charge| charge.amount), old.charge.clone());
        let is_same = match answer {
            BillingAnswer::Billed(amount) => old.billed && amount.or(charge.amount) == booked,
            BillingAnswer::NotBilled => !old.billed,
        };
        if is_same {
            return Err(ResolveError::SameAnswer(number));
        }
        self.book_answer(number, charge, old.into_corrected(booked), answer, by, now)?;
        Ok(number)
    }

    /// Replaces what the attempt is charged by the answer to its uncertain `charge`. Errors: nothing is changed.
    fn book_answer(
        &mut self,
        number: u32,
        charge: Charge,
        corrected: Vec<CorrectedAnswer>,
        answer: BillingAnswer,
        by: &str,
        now: DateTime<Utc>,
    ) -> Result<(), ResolveError> {
        if self.attempt_number() == number && self.stage_name() == StageName::Generating {
            return Err(ResolveError::Running(number));
        }
        let attempt = self.attempts.iter_mut().find(|attempt| attempt.number == number);
        let attempt = attempt.ok_or(ResolveError::NoAttempt(number))?;
        let billed = match answer {
            BillingAnswer::Billed(amount) => {
                let amount = amount.or(charge.amount).ok_or(ResolveError::NoAmount(number))?;
                let limit = Usd::new(Decimal::from(MAX_CHARGE_USD));
                if amount <= Usd::ZERO || amount > limit || amount.decimal().normalize().scale() > MAX_DECIMALS {
                    return Err(ResolveError::InvalidAmount);
                }
                attempt.charge = Some(Charge { amount: Some(amount), basis: Basis::Settled, ..charge.clone() });
                true
            }
            BillingAnswer::NotBilled => {
                attempt.charge = None;
                false
            }
        };
        attempt.resolution =
            Some(Resolution { billed, charge, by: by.to_owned(), at: now, overruled_at: None, corrected });
        let status = if billed { BillingStatus::Yes } else { BillingStatus::No };
        if let Some(Outcome::Failed { failure }) = &mut attempt.outcome {
            failure.billed = status;
        }
        if let Stage::Failed { failure } = &mut self.stage
            && self.attempts.last().is_some_and(|last| last.number == number)
        {
            failure.billed = status;
        }
        self.updated_at = now;
        Ok(())
    }

    /// Releases the unconfirmed charge of a submit that certainly was not accepted: `worker` wrote its record, and knows. Returns
    /// whether that changed anything; an operator's answer stands.
    pub fn release_unaccepted(&mut self, number: u32, worker: &WorkerId, by: &str, now: DateTime<Utc>) -> bool {
        let is_unanswered = |attempt: &Attempt| {
            let is_own = attempt.number == number && attempt.submitted_by.as_ref() == Some(worker);
            let is_open = attempt.charge.as_ref().is_some_and(|charge| charge.basis == Basis::Unconfirmed);
            is_own && is_open && attempt.receipt.is_none()
        };
        if !self.attempts.iter().any(is_unanswered) {
            return false;
        }
        if self.resolve_charge(Some(number), BillingAnswer::NotBilled, by, now).is_err() {
            return false;
        }
        let message = "the request was not accepted: the journal of its worker shows it; a retry is not billed twice";
        let failure = |failure: &mut Failure| message.clone_into(&mut failure.message);
        let is_last = self.attempt_number() == number;
        if let Stage::Failed { failure: last } = &mut self.stage
            && is_last
        {
            failure(last);
        }
        let attempt = self.attempts.iter_mut().find(|attempt| attempt.number == number);
        if let Some(Outcome::Failed { failure: last }) = attempt.and_then(|attempt| attempt.outcome.as_mut()) {
            failure(last);
        }
        true
    }

    fn answered_attempt(&self, number: Option<u32>) -> Result<u32, ResolveError> {
        let is_answered = |attempt: &&Attempt| {
            attempt.resolution.as_ref().is_some_and(|resolution| resolution.overruled_at.is_none())
                && attempt.uncertain_charge().is_none()
        };
        if let Some(number) = number
            && self.attempts.iter().all(|attempt| attempt.number != number)
        {
            return Err(ResolveError::NoAttempt(number));
        }
        let is_meant = |attempt: &&Attempt| number.is_none_or(|number| attempt.number == number);
        let answered = self.attempts.iter().filter(is_meant).filter(is_answered);
        let answered: Vec<u32> = answered.map(|attempt| attempt.number).collect();
        match answered.as_slice() {
            [number] => Ok(*number),
            [] => Err(ResolveError::NoAnswer),
            several => Err(ResolveError::SeveralAnswers(several.to_vec())),
        }
    }

    fn uncertain_attempt(&self, number: Option<u32>) -> Result<u32, ResolveError> {
        let resolved = |attempt: &Attempt| {
            let resolution = attempt.resolution.as_ref().filter(|resolution| resolution.overruled_at.is_none())?;
            let (billed, by) = (resolution.billed, crate::text::sanitize_line(&resolution.by, 60));
            Some(ResolveError::AlreadyResolved { attempt: attempt.number, billed, by })
        };
        if let Some(number) = number {
            let attempt = self.attempt_numbered(number);
            let attempt = attempt.ok_or(ResolveError::NoAttempt(number))?;
            return match attempt.uncertain_charge() {
                Some(_) => Ok(number),
                None => Err(resolved(attempt).unwrap_or(ResolveError::CertainAttempt(number))),
            };
        }
        let uncertain = self.attempts.iter().filter(|attempt| attempt.uncertain_charge().is_some());
        let uncertain: Vec<u32> = uncertain.map(|attempt| attempt.number).collect();
        match uncertain.as_slice() {
            [number] => Ok(*number),
            [] => Err(self.attempts.iter().rev().find_map(resolved).unwrap_or(ResolveError::Certain)),
            several => Err(ResolveError::Several(several.to_vec())),
        }
    }
}
