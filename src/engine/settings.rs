//! The settings of an engine. The configuration is resolved elsewhere.

use std::time::Duration;

use super::{Operator, StoreAlarm};
use crate::costs::Budget;

/// What an engine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Runs jobs until it is stopped.
    Work,
    /// Runs jobs until none is queued or running, or a cap holds all that are left, then stops by itself.
    UntilIdle,
    /// Read-only: runs no job.
    Observe,
}

/// Which events an engine emits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventDetail {
    /// Only what a command without a screen needs: nothing is read from the store for events.
    None,
    /// Also what metrics need: counts and costs, slots and submits, but no jobs.
    Metrics,
    /// Everything: also the jobs themselves, as they change.
    Full,
}

/// What can be set on an engine.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Tickets open at once in this process.
    pub slots: usize,
    /// Unfinished tasks of the provider's account that all workers of the store share, unless the store has a setting of its own.
    pub account_tasks: u32,
    /// Hard caps.
    pub budget: Budget,
    /// Distinguishes the store from others that workers of this data directory may use.
    pub store_id: String,
    /// Whether the provider is the simulator. Jobs of the other kind are not run.
    pub simulated: bool,
    /// Whether the simulator runs jobs that other programs requested.
    pub simulate_external: bool,
    /// What the engine does.
    pub mode: Mode,
    /// Whether the intake of this process stays paused until an operator opens it.
    pub starts_paused: bool,
    /// Which events it emits.
    pub event_detail: EventDetail,
    /// Who gives commands to this engine: then each one is recorded.
    pub operator: Option<Operator>,
    /// What an operator must know of the store from the start.
    pub alarm: Option<StoreAlarm>,
    /// How long a claim lasts. Longer than `submit_timeout`, so that no claim expires during a POST.
    pub lease: Duration,
    /// Longest time that a submit may take.
    pub submit_timeout: Duration,
    /// Shortest deadline from acceptance to image; slow models get ten times their usual time.
    pub deadline: Duration,
}

impl Settings {
    /// The same with claims of that length, and with submits that end before a claim expires.
    #[must_use]
    pub fn with_lease(self, lease: Duration) -> Self {
        let longest = Self::default().submit_timeout;
        Self { lease, submit_timeout: longest.min(lease * 3 / 5), ..self }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // 24 unfinished tickets is the provider's own limit (bfl.ai docs, "24 active tasks").
            slots: 24,
            account_tasks: 24,
            budget: Budget::default(),
            store_id: String::new(),
            simulated: true,
            simulate_external: false,
            mode: Mode::Work,
            starts_paused: false,
            event_detail: EventDetail::Full,
            operator: None,
            alarm: None,
            lease: Duration::from_secs(150),
            submit_timeout: Duration::from_secs(90),
            // The official client drops its polling URLs after 30 minutes.
            deadline: Duration::from_mins(20),
        }
    }
}
