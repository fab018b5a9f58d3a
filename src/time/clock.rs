//! The present and the pauses of the workflow, as a trait, so that tests can move them.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, Utc};

/// Where the present and the pauses come from.
#[async_trait]
pub trait Clock: Debug + Send + Sync + 'static {
    /// The present, in UTC.
    fn now(&self) -> DateTime<Utc>;

    /// Completes after `time`. Cancel-safe.
    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// A random number from 0 to 1, which spreads the pauses of many jobs.
    fn jitter(&self) -> f64 {
        rand::random()
    }
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
