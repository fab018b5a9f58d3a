//! The local engine: a task for each running job in this process, as many as there are slots.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::scheduler::{self, Bench, RunError, Runner};
pub use super::scheduler::{EngineEnd, EngineHandle, WorkerLock, WorkerLockError};
use super::workflow::{JobWorkflow, Ran};
use super::{Ports, Settings};
use crate::jobs::{Job, WorkerId};

/// Starts an engine in this process.
pub fn start(ports: Ports, settings: Settings, presence: WorkerLock) -> EngineHandle {
    scheduler::start(ports, settings, presence, Local::new)
}

struct Local {
    effects: JobWorkflow,
    worker: WorkerId,
}

impl Local {
    fn new(bench: Bench) -> Self {
        let worker = bench.presence.worker().clone();
        Self { effects: JobWorkflow::new(bench.ports, bench.settings, worker.clone(), bench.observer), worker }
    }
}

#[async_trait]
impl Runner for Local {
    async fn run(&self, job: Job, stop: &CancellationToken) -> Result<Ran, RunError> {
        Ok(self.effects.run(job, stop).await?)
    }

    /// Somebody took it away.
    fn is_over(&self, changed: &Job) -> bool {
        let ours = changed.claim.as_ref().is_none_or(|claim| claim.worker == self.worker);
        !changed.stage_name().is_active() || !ours
    }
}
