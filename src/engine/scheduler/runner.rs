//! The port to what runs a job: a task of this process, or a workflow on a Temporal server.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::ChangedJobs;
use crate::engine::workflow::{RunOutcome, WorkflowError};
use crate::jobs::Job;

/// Why a run stopped without having moved the job on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::engine) enum RunError {
    /// In this process.
    #[error(transparent)]
    Workflow(#[from] WorkflowError),
    /// The server that runs jobs cannot be used now.
    #[error("{0}")]
    #[cfg_attr(not(feature = "temporal"), expect(dead_code, reason = "only the Temporal engine has a server"))]
    Server(String),
    /// It ended in a way that no retry fixes.
    #[error("{0}")]
    #[cfg_attr(not(feature = "temporal"), expect(dead_code, reason = "only the Temporal engine fails so"))]
    Fatal(String),
}

/// Runs jobs.
#[async_trait]
pub(in crate::engine) trait Runner: Send + Sync + 'static {
    /// Takes a due job as far as it goes now. `stop` ends the run at the next safe point.
    async fn run(&self, job: Job, stop: &CancellationToken) -> Result<RunOutcome, RunError>;

    /// Whether the run of a job need not be awaited any longer, now that the job has become this.
    fn is_over(&self, changed: &Job) -> bool;

    /// Jobs that changed, in any process.
    fn on_jobs_changed(&self, _changed: &ChangedJobs) {}

    /// The number of slots was changed.
    fn resize(&self, _slots: usize) {}

    /// No job is left in the store: what is still open elsewhere may close now.
    async fn settle(&self) {}

    /// Nothing more will be run: finishes what must be finished.
    async fn close(&self) {}
}
