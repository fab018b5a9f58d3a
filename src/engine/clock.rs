//! Owns the present, as a port: tests inject it. Must not sleep.

use chrono::{DateTime, SubsecRound, Utc};

/// Where the present comes from.
pub trait Clock: Send + Sync + 'static {
    /// The present, in UTC.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's own clock, to the microsecond: what every store keeps.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}
