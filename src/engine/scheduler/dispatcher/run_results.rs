//! What the dispatcher does with the result of a run.

use std::time::Duration;

use tokio::task::{Id, JoinError};

use super::{Dispatcher, UNAVAILABLE_PAUSE};
use crate::engine::Dependency;
use crate::engine::scheduler::RunError;
use crate::engine::workflow::{RunOutcome, WorkflowError};
use crate::store::StoreError;

/// How long nothing new is submitted while the account is at its task limit, unless a job ends before.
const TASK_LIMIT_PAUSE: Duration = Duration::from_secs(2);

/// How long a job that runs elsewhere is not picked again.
const RUNNING_ELSEWHERE_DELAY: Duration = Duration::from_secs(2);

/// A task of a run, and its result.
pub(super) type Finished = Result<(Id, Result<RunOutcome, RunError>), JoinError>;

impl Dispatcher {
    pub(super) async fn on_run_finished(&mut self, finished: Finished) {
        let (task, result) = match finished {
            Ok((task, result)) => (task, Ok(result)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some(id) = self.ids.remove(&task) else { return };
        self.running.remove(&id);
        self.due_queue.on_run_finished(&id, matches!(result, Ok(Ok(RunOutcome::Finished))));
        let is_at_limit = matches!(result, Ok(Err(RunError::Workflow(WorkflowError::TaskLimit(_)))));
        if !is_at_limit {
            self.due_queue.end_task_limit_pauses();
            // Also for a run that submitted nothing.
            self.submit_tokens = self.submit_tokens.map(|tokens| tokens.max(1));
        }
        match result {
            // Only a query with nothing running shows that nothing is left.
            Ok(Ok(RunOutcome::Finished)) if !self.running.is_empty() => {}
            Ok(Ok(RunOutcome::Finished | RunOutcome::Deferred | RunOutcome::Stopped)) => self.due_queue.invalidate(),
            Ok(Ok(RunOutcome::RunningElsewhere)) => self.due_queue.defer(id, RUNNING_ELSEWHERE_DELAY),
            Ok(Ok(RunOutcome::Superseded) | Err(RunError::Workflow(WorkflowError::Superseded))) => {
                tracing::debug!(job = %id, "job saved by another process");
                // If the other write did not take the job, this worker's claim still stands: run on at once from the new document.
                self.due_queue.abandon(id);
                self.due_queue.clear();
            }
            // Found at the first save only where the store was unreachable when this process started.
            Ok(Err(RunError::Workflow(WorkflowError::Store(error @ StoreError::NotOwned)))) => {
                self.due_queue.abandon(id);
                self.block_intake(Dependency::Store, error.to_string()).await;
            }
            Ok(Err(RunError::Workflow(WorkflowError::TaskLimit(model)))) => {
                if model.is_none() {
                    // One submit shows whether there is room again; each that succeeds allows two more.
                    self.submit_tokens = Some(1);
                }
                self.due_queue.pause_at_task_limit(model, TASK_LIMIT_PAUSE);
            }
            Ok(Err(RunError::Workflow(WorkflowError::Store(error)))) => {
                tracing::warn!(job = %id, %error, "job not saved");
                self.due_queue.abandon(id);
                self.pause_after_outage();
            }
            Ok(Err(RunError::Workflow(WorkflowError::Illegal(error)))) => {
                tracing::error!(job = %id, %error, "job document contradicts itself, not run again by this process");
                self.due_queue.quarantine(id);
            }
            Ok(Err(RunError::Server(reason))) => {
                // The connection supervisor logs the outage once.
                tracing::debug!(job = %id, %reason, "job not run, its server is unavailable");
                self.pause_after_outage();
            }
            Ok(Err(RunError::Fatal(reason))) => {
                tracing::error!(job = %id, %reason, "job failed to run, not run again by this process");
                self.due_queue.quarantine(id);
            }
            Err(panic) => {
                tracing::error!(job = %id, error = %panic, "job task panicked");
                self.command_tasks.mark_internal_failure(id);
            }
        }
        self.emit_slots().await;
    }

    /// A job that a cap holds was not tried: the outage says nothing of the cap.
    fn pause_after_outage(&mut self) {
        self.due_queue.wake_held();
        self.due_queue.pause_for(UNAVAILABLE_PAUSE);
    }
}
