//! The options of a simulator: address, directory, speed, faults, credits.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;

use super::faults::Faults;
use crate::time::{SharedClock, SystemClock};

/// How long a link to an image lasts (BFL documents 10 minutes for images; recorded links agree to the second).
pub const LINK_LIFETIME: Duration = Duration::from_mins(10);

/// Unfinished tickets of one account at once (BFL's documentation).
pub const MAX_ACTIVE: usize = 24;

/// How a simulator is wanted.
#[derive(Debug, Clone)]
pub struct SimulatorOptions {
    /// Where the API listens. With port 0 both listeners take any free port; otherwise the cluster is at the next port.
    pub listen: SocketAddr,
    /// Where tickets and bill are kept; in memory without one.
    pub directory: Option<PathBuf>,
    /// How fast images are made.
    pub speed: Speed,
    /// What goes wrong by itself. Directives in prompts work in any case.
    pub faults: Faults,
    /// Credits that were ever bought: the balance is this less the whole bill, restarts included.
    pub credits: Decimal,
    /// Unfinished tickets at once.
    pub max_active: usize,
    /// Whether models with a limit of their own (six for `flux-kontext-max`) have it. Not named by BFL any more, so off.
    pub model_limits: bool,
    /// When a ticket is billed.
    pub bill_at: BillAt,
    /// Whether a key must be sent at all.
    pub key_required: bool,
    /// Keys that are refused.
    pub bad_keys: BTreeSet<String>,
    /// How long a link to an image lasts.
    pub link_lifetime: Duration,
    /// What time it is.
    pub clock: SharedClock,
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            directory: None,
            speed: Speed::default(),
            faults: Faults::default(),
            credits: Decimal::from(1_000_000),
            max_active: MAX_ACTIVE,
            model_limits: false,
            bill_at: BillAt::Submit,
            key_required: true,
            bad_keys: BTreeSet::from(["bad".to_owned()]),
            link_lifetime: LINK_LIFETIME,
            clock: Arc::new(SystemClock),
        }
    }
}

/// When a ticket is billed; the real moment is not documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum BillAt {
    /// Every accepted task, at once
    #[default]
    Submit,
    /// Finished images only
    Ready,
}

/// How fast images are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// Ready at once.
    Instant,
    /// So many times faster than the real API was measured to be; 1 is realistic.
    Times(f64),
}

impl Default for Speed {
    fn default() -> Self {
        Self::Times(1.0)
    }
}

/// Text that is no speed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a speed; give a number such as 1 (realistic) or 10 (ten times faster), or `instant`")]
pub struct InvalidSpeed(String);

impl Speed {
    /// What takes the real API so many seconds.
    pub(super) fn takes(self, seconds: f64) -> Duration {
        match self {
            Self::Instant => Duration::ZERO,
            Self::Times(times) => {
                Duration::try_from_secs_f64((seconds / times).min(86_400.0)).unwrap_or(Duration::ZERO)
            }
        }
    }
}

impl std::fmt::Display for Speed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Instant => formatter.write_str("instant"),
            Self::Times(factor) => write!(formatter, "{factor}"),
        }
    }
}

impl FromStr for Speed {
    type Err = InvalidSpeed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidSpeed(crate::text::sanitize_line(text, 40));
        match text.trim() {
            "instant" => Ok(Self::Instant),
            number => match number.parse::<f64>() {
                Ok(0.0) => Ok(Self::Instant),
                Ok(times) if times.is_finite() && times > 0.0 => Ok(Self::Times(times)),
                _ => Err(invalid()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_read() {
        for (text, expected) in [("instant", Speed::Instant), ("0", Speed::Instant), ("2.5", Speed::Times(2.5))] {
            assert_eq!(text.parse::<Speed>().unwrap(), expected);
        }
        for text in ["", "-1", "fast", "NaN", "inf"] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
        }
    }

    #[test]
    fn time_shrinks_with_speed() {
        assert_eq!(Speed::Times(4.0).takes(12.0), Duration::from_secs(3));
        assert_eq!(Speed::Instant.takes(12.0), Duration::ZERO);
        assert_eq!(Speed::Times(1e-300).takes(12.0), Duration::from_hours(24));
    }
}
