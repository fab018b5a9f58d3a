//! Why a queued job is not running. Until when is the job's `not_before`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::costs::Usd;
use crate::text::sanitize_line;

/// Why a queued job is not running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Hold {
    /// A cap on spending does not allow it.
    Budget {
        /// `day` or `month`.
        period: String,
        /// The model whose cap it is; `None` for the cap of all models.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// By how much; `None` where the price is unknown.
        over: Option<Usd>,
    },
    /// The provider has as many unfinished tickets as it accepts.
    RateLimit,
    /// A submit was certainly not accepted; it is retried later.
    RetryAt {
        /// One clean line: why the last submit was not accepted.
        reason: String,
    },
    /// The account cannot submit: bad key, no credits.
    Account {
        /// One clean line.
        reason: String,
    },
    /// It was made for another provider (simulated or real) than the one that is configured.
    OtherProvider,
    /// Another program requested it, and the configured provider is the simulator, which runs only jobs of darkroom's own. Never
    /// stored: it depends on the process that reads the job.
    External,
    /// Another program's workflow is open under the id of this job's.
    OtherWorkflow {
        /// Its type, sanitized.
        workflow_type: String,
        /// The command that ends it.
        terminate: String,
        /// When that was found.
        since: DateTime<Utc>,
    },
}

impl Hold {
    /// One short line for the last column of the queue.
    pub fn summary(&self) -> String {
        match self {
            Self::Budget { period, model, over } => {
                let period = if period == "month" { "monthly" } else { "daily" };
                let of = model.as_ref().map(|model| format!(" of {}", sanitize_line(model, 40))).unwrap_or_default();
                match over {
                    Some(over) => format!("{period} budget{of} exceeded by {}", over.display()),
                    None => format!("{period} budget{of}: price unknown"),
                }
            }
            Self::RateLimit => "provider is at its task limit".to_owned(),
            Self::RetryAt { reason } => format!("retrying later: {reason}"),
            Self::Account { reason } => format!("account: {reason}"),
            Self::OtherProvider => "made for another provider".to_owned(),
            Self::OtherWorkflow { workflow_type, terminate, .. } => {
                let workflow_type = sanitize_line(workflow_type, 60);
                format!("an old workflow ({workflow_type}) is still open: terminate it with '{terminate}'")
            }
            Self::External => {
                "requested by another program, so not simulated: use --provider bfl to run it for real money, or \
                               --simulate-external"
                    .to_owned()
            }
        }
    }
}
