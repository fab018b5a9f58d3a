//! Owns what time it is for the simulator. Must not wait.

use std::fmt::Debug;
use std::sync::Arc;

use chrono::{DateTime, Utc};

/// A clock that can be replaced, so that a link's hour can pass within a test.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// A clock that is shared.
pub type SharedClock = Arc<dyn Clock>;
