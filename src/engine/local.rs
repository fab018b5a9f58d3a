//! The local engine: a task of this process for each running job, as many as there are slots.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::scheduler::{self, RunError, Runner, RunnerContext};
pub use super::scheduler::{EngineEnd, EngineHandle, WorkerLock, WorkerLockError};
use super::workflow::{JobWorkflow, RunOutcome};
use super::{Ports, Settings};
use crate::jobs::{Job, WorkerId};

/// Starts an engine in this process.
pub fn start(ports: Ports, settings: Settings, worker_lock: WorkerLock) -> EngineHandle {
    scheduler::start(ports, settings, worker_lock, LocalRunner::new)
}

struct LocalRunner {
    workflow: JobWorkflow,
    worker: WorkerId,
}

impl LocalRunner {
    fn new(context: RunnerContext) -> Self {
        let worker = context.worker_lock.worker().clone();
        let workflow = JobWorkflow::new(context.ports, context.settings, worker.clone(), context.observer)
            .with_journal(context.journal)
            .with_image_spool(context.image_spool);
        Self { workflow, worker }
    }
}

#[async_trait]
impl Runner for LocalRunner {
    async fn run(&self, job: Job, stop: &CancellationToken) -> Result<RunOutcome, RunError> {
        Ok(self.workflow.run(job, stop).await?)
    }

    /// Another process took the job away.
    fn is_over(&self, changed: &Job) -> bool {
        let is_ours = changed.claim.as_ref().is_none_or(|claim| claim.worker == self.worker);
        !changed.stage_name().is_active() || !is_ours
    }
}
