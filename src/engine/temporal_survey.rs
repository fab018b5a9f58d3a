//! What a Temporal server reports about the task queue and about other programs. Plain data, also in a build without Temporal.

use chrono::{DateTime, Utc};

/// Who polls the task queue, and which open workflows of other programs are in the way of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemporalSurvey {
    /// The server's address.
    pub address: String,
    /// The namespace.
    pub namespace: String,
    /// The task queue of this configuration.
    pub task_queue: String,
    /// The pollers of the task queue, by identity.
    pub pollers: Vec<QueuePoller>,
    /// Tasks that wait for a worker.
    pub backlog: u64,
    /// Open workflows of other types on the task queue, or under the id of a job; at most [`Self::MAX_WORKFLOWS`].
    pub other_workflows: Vec<OtherWorkflow>,
}

/// A poller of the task queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuePoller {
    /// The identity that the poller reported, sanitized.
    pub identity: String,
    /// The last poll, where the server reports it.
    pub last_access: Option<DateTime<Utc>>,
    /// Whether it is a worker of darkroom.
    pub is_ours: bool,
    /// Whether it polled so recently that it still runs.
    pub is_live: bool,
}

/// An open workflow that darkroom did not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherWorkflow {
    /// The workflow id, sanitized.
    pub id: String,
    /// The run id.
    pub run_id: String,
    /// The workflow type, sanitized.
    pub workflow_type: String,
    /// The task queue, sanitized.
    pub task_queue: String,
    /// When it was started.
    pub started: Option<DateTime<Utc>>,
    /// The command that ends it.
    pub terminate: String,
}

impl TemporalSurvey {
    /// How many workflows are listed at most.
    pub const MAX_WORKFLOWS: usize = 1_000;

    /// The workers of darkroom that poll now.
    pub fn workers(&self) -> usize {
        self.pollers.iter().filter(|poller| poller.is_ours && poller.is_live).count()
    }

    /// The identities of other programs that poll now.
    pub fn other_pollers(&self) -> Vec<&str> {
        let others = self.pollers.iter().filter(|poller| !poller.is_ours && poller.is_live);
        others.map(|poller| poller.identity.as_str()).collect()
    }
}
