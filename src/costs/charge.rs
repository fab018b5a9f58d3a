use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Usd;

/// A single charge above this is a mistake, and a few of them would overflow the sums.
pub const MAX_CHARGE_USD: u32 = 1_000_000;

/// Whose bill a charge is on. The names are the data contract's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// The FLUX API.
    BflApi,
    /// Google Cloud Storage.
    GoogleStorage,
}

impl Service {
    /// The name in documents and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BflApi => "bfl_api",
            Self::GoogleStorage => "google_storage",
        }
    }
}

/// How an amount is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Accepted; the reply named no price, so this is our own table's.
    Estimated,
    /// Accepted; the reply named this price.
    Quoted,
    /// The finished ticket named this price.
    Settled,
    /// Accepted, but it is not documented whether the outcome (moderated, failed) is billed.
    Unknown,
    /// A submit with an unknown outcome: it may have been billed, or never have arrived.
    Unconfirmed,
}

impl Basis {
    /// The name in documents, reports and `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Estimated => "estimated",
            Self::Quoted => "quoted",
            Self::Settled => "settled",
            Self::Unknown => "unknown",
            Self::Unconfirmed => "unconfirmed",
        }
    }

    /// Whether the amount belongs into a total. Unknown and unconfirmed money is shown beside it, never in it.
    pub fn is_counted(self) -> bool {
        matches!(self, Self::Estimated | Self::Quoted | Self::Settled)
    }
}

/// Money for one accepted submit (or one stored object). At most one for each job, attempt and service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// Whose bill it is on.
    pub service: Service,
    /// Dollars; `None` where no price is known at all. Never zero in place of unknown.
    pub amount: Option<Usd>,
    /// How the amount is known.
    pub basis: Basis,
    /// The requested model.
    pub model: String,
    /// When the money was first committed; settling keeps it.
    pub at: DateTime<Utc>,
    /// Whether the money is the simulator's.
    pub simulated: bool,
}
