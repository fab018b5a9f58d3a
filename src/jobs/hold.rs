//! Owns why a queued job is not running. Must not say until when: that is the job's `not_before`.

use serde::{Deserialize, Serialize};

use crate::costs::Usd;

/// Why a queued job is not running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Hold {
    /// A cap on spending does not allow it.
    Budget {
        /// `day` or `month`.
        period: String,
        /// By how much; `None` where the price is unknown.
        over: Option<Usd>,
    },
    /// The provider has as many unfinished tickets as it takes.
    RateLimit,
    /// A submit was clearly not accepted; it is tried again later.
    RetryAt {
        /// One clean line: what the last try met.
        reason: String,
    },
    /// The account cannot order: bad key, no credits.
    Account {
        /// One clean line.
        reason: String,
    },
    /// It was made for another provider (simulated or real) than the one that is configured.
    OtherProvider,
}

impl Hold {
    /// One short line for the last column of the queue.
    pub fn summary(&self) -> String {
        match self {
            Self::Budget { period, over: Some(over) } => format!("budget of the {period}, {} over", over.display()),
            Self::Budget { period, over: None } => format!("budget of the {period}: price unknown"),
            Self::RateLimit => "provider is full".to_owned(),
            Self::RetryAt { reason } => format!("tried again later: {reason}"),
            Self::Account { reason } => format!("account: {reason}"),
            Self::OtherProvider => "made for another provider".to_owned(),
        }
    }
}
