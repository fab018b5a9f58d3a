//! Owns the port to whatever runs a job: a task of this process, or a workflow on a fleet. Must not decide which job runs.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::Hint;
use crate::engine::workflow::{Ran, WorkflowError};
use crate::jobs::Job;

/// Why a run stopped without having moved the job on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::engine) enum RunError {
    /// In this process.
    #[error(transparent)]
    Effect(#[from] WorkflowError),
    /// The server that runs jobs cannot be used just now.
    #[error("{0}")]
    #[cfg_attr(not(feature = "temporal"), expect(dead_code, reason = "only a fleet has a server"))]
    Server(String),
    /// It ended in a way that no second try mends.
    #[error("{0}")]
    #[cfg_attr(not(feature = "temporal"), expect(dead_code, reason = "only a fleet tells so late"))]
    Broken(String),
}

/// Whatever runs jobs.
#[async_trait]
pub(in crate::engine) trait Runner: Send + Sync + 'static {
    /// Takes a due job as far as it goes now. `stop` ends the waiting for it at the next safe place.
    async fn run(&self, job: Job, stop: &CancellationToken) -> Result<Ran, RunError>;

    /// Whether a job that runs here need not be waited for any more, now that it has become this.
    fn is_over(&self, changed: &Job) -> bool;

    /// Jobs that changed, whoever runs them.
    fn heard(&self, _hint: &Hint) {}

    /// The number of slots was changed.
    fn resize(&self, _slots: usize) {}

    /// Nothing is left to do in the whole store: what is still open elsewhere on its account may end now.
    async fn settle(&self) {}

    /// Nothing more will be run: finishes what must be finished.
    async fn close(&self) {}
}
