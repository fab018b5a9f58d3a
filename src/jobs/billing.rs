//! What an operator found on the provider's bill.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::costs::{Charge, Usd};
use crate::text::sanitize_line;

/// Whether an uncertain charge is on the provider's bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BillingAnswer {
    /// It is, with this amount; `None` is the amount that was recorded.
    Billed(Option<Usd>),
    /// It is not: the charge is removed.
    NotBilled,
}

/// The record of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// Whether it was billed.
    pub billed: bool,
    /// The uncertain charge before the answer.
    pub charge: Charge,
    /// Who answered: `user@host`.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// When the provider named a price, which overruled the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overruled_at: Option<DateTime<Utc>>,
    /// The answers that this one corrects, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrected: Vec<CorrectedAnswer>,
}

/// An answer that a later one replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorrectedAnswer {
    /// Whether it was billed.
    pub billed: bool,
    /// What was booked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Usd>,
    /// Who answered: `user@host`.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl Resolution {
    /// `booked as billed by ada@studio, 2026-11-22 12:00 UTC`, and the answers that it corrects, newest first; `time` writes a time.
    pub fn summary(&self, time: impl Fn(DateTime<Utc>) -> String) -> String {
        let answer = |billed: bool, amount: Option<Usd>, by: &str, at: DateTime<Utc>| {
            let what = if billed { "booked as billed" } else { "released as not billed" };
            let amount = amount.map(|amount| format!(" ({})", amount.display())).unwrap_or_default();
            format!("{what}{amount} by {}, {}", sanitize_line(by, 60), time(at))
        };
        let mut line = answer(self.billed, None, &self.by, self.at);
        for old in self.corrected.iter().rev() {
            line = format!("{line}; corrects: {}", answer(old.billed, old.amount, &old.by, old.at));
        }
        match self.overruled_at {
            Some(at) => format!("{line}; overruled by the provider's reply, {}", time(at)),
            None => line,
        }
    }

    /// The answers as those that the next one corrects; `amount` is what this one booked.
    pub(super) fn into_corrected(self, amount: Option<Usd>) -> Vec<CorrectedAnswer> {
        let Self { billed, by, at, mut corrected, .. } = self;
        corrected.push(CorrectedAnswer { billed, amount: amount.filter(|_| billed), by, at });
        corrected
    }
}
