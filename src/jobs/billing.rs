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
}

impl Resolution {
    /// `booked as billed by ada@studio, 2026-11-22 12:00 UTC`; `time` writes a time.
    pub fn summary(&self, time: impl Fn(DateTime<Utc>) -> String) -> String {
        let by = sanitize_line(&self.by, 60);
        let what = if self.billed { "booked as billed" } else { "released as not billed" };
        let line = format!("{what} by {by}, {}", time(self.at));
        match self.overruled_at {
            Some(at) => format!("{line}; overruled by the provider's reply, {}", time(at)),
            None => line,
        }
    }
}
