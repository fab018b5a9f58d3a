//! Owns what can be set on an engine. Must not read the environment: configuration is resolved elsewhere, once.

use std::time::Duration;

use crate::costs::Budget;

/// What an engine is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Runs jobs until it is stopped.
    Work,
    /// Runs jobs until none is queued or running, then ends by itself.
    UntilIdle,
    /// Only looks: carries out no job.
    Observe,
}

/// Who hears what an engine says, beside whoever waits for its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventDetail {
    /// Nobody: nothing is read from the store for the sake of telling.
    None,
    /// Somebody who counts: stages and sums, slots and posts, but no jobs.
    Metrics,
    /// A screen: also the jobs themselves, as they change.
    Full,
}

/// What can be set on an engine.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Tickets open at once in this process.
    pub slots: usize,
    /// Hard caps.
    pub budget: Budget,
    /// Whether the provider is the simulator: only jobs of the same kind are touched.
    pub simulated: bool,
    /// What it is there for.
    pub mode: Mode,
    /// Who listens: then changed jobs, counts and costs are told.
    pub audience: EventDetail,
    /// How long a claim lasts. Longer than `submit_timeout`, so that no claim runs out over a POST.
    pub lease: Duration,
    /// Longest time that the provider client lets a submit take.
    pub submit_timeout: Duration,
    /// Shortest deadline from acceptance to image; slow models get ten times their usual time.
    pub deadline: Duration,
}

impl Settings {
    /// The same with claims of that length, and with submits that end in time before one runs out.
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
            budget: Budget::default(),
            simulated: true,
            mode: Mode::Work,
            audience: EventDetail::Full,
            lease: Duration::from_secs(150),
            submit_timeout: Duration::from_secs(90),
            // The official client drops its polling URLs after 30 minutes.
            deadline: Duration::from_mins(20),
        }
    }
}
