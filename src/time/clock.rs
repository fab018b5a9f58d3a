//! The present, as a trait, so that tests can move it.

use std::fmt::Debug;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};

/// Where the present comes from.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The present, in UTC.
    fn now(&self) -> DateTime<Utc>;
}

/// A clock with several owners.
pub type SharedClock = Arc<dyn Clock>;

/// The clock of the machine, in microseconds: the precision that every store keeps.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}
