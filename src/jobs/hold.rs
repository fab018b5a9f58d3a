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
    /// One short line.
    pub fn summary(&self) -> String {
        self.summary_with(None, None)
    }

    /// The same where it is known what the job `needs` at most, and what the cap has `left`.
    pub fn summary_with(&self, needs: Option<Usd>, left: Option<Usd>) -> String {
        match self {
            Self::Budget { period, model, over } => {
                let period = if period == "month" { "monthly" } else { "daily" };
                let of = model.as_ref().map(|model| format!(" of {}", sanitize_line(model, 40))).unwrap_or_default();
                let budget = format!("{period} budget{of}");
                match (over, needs, left) {
                    (None, ..) => format!("{budget}: price unknown"),
                    (Some(_), Some(needs), Some(left)) => {
                        let left = if left > Usd::ZERO { left.display() } else { "nothing".to_owned() };
                        format!("needs up to {}, {left} of the {budget} left", needs.display())
                    }
                    (Some(_), Some(needs), None) => {
                        format!("needs up to {}, more than the {budget} has left", needs.display())
                    }
                    (Some(over), None, _) => format!("needs up to {} more than the {budget} has left", over.display()),
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

    /// What the cap had left when it was last checked for a job that needs so much at most.
    pub fn left_at_check(&self, needs: Usd) -> Option<Usd> {
        match self {
            Self::Budget { over: Some(over), .. } => Some(needs - *over),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_hold_names_need_and_what_is_left() {
        let usd = |text: &str| text.parse::<Usd>().unwrap();
        let hold = Hold::Budget { period: "day".into(), model: None, over: Some(usd("0.01")) };
        let needs = Some(usd("0.075"));
        let left = hold.left_at_check(usd("0.075"));
        assert_eq!(hold.summary_with(needs, left), "needs up to $0.075, $0.065 of the daily budget left");
        assert_eq!(hold.summary_with(needs, Some(usd("-0.1"))), "needs up to $0.075, nothing of the daily budget left");
        assert_eq!(hold.summary_with(needs, None), "needs up to $0.075, more than the daily budget has left");
        assert_eq!(hold.summary(), "needs up to $0.01 more than the daily budget has left");
        let unpriced = Hold::Budget { period: "month".into(), model: Some("flux-dev".into()), over: None };
        assert_eq!(unpriced.summary(), "monthly budget of flux-dev: price unknown");
    }
}
