//! The Temporal engine: one workflow for each job (`image-gen-<job id>`), whose activities perform the same effects as the local
//! engine, on every worker of the task queue.
//!
//! A process that works is both starter (its dispatcher starts workflows for due jobs, as many as it has slots) and worker. Two
//! starters see the same oldest jobs and start the same ids; the server refuses the second, which needs no coordination. Timers,
//! retries, heartbeats, cancellation and history are Temporal's own; money is guarded by the document's compare-and-set, as
//! everywhere. Nothing but the document decides what is done next, so a job that was begun under one engine ends under the other.
//!
//! # Changing the workflow
//!
//! A running workflow is replayed by whatever version of this program picks it up. So: the activities and their reports may change
//! as long as older reports can still be read (new fields get a default), and any change to the order of activities, timers and
//! memo updates in [`workflow`] goes behind `ctx.patched("what-changed")`, kept until no workflow of the older version is open,
//! then `deprecate_patch`, then away. The histories under `tests/histories` were recorded with released versions and are replayed
//! by the tests; a change that breaks one of them would break somebody's running jobs. [`payloads::Order`] carries the version of
//! the program's side.

mod activities;
mod fleet;
mod hands;
mod keeper;
mod options;
pub mod payloads;
pub mod policy;
mod report;
mod runner;
mod worker;
pub mod workflow;

pub use activities::Activities;
pub use fleet::probe;
pub use options::{InvalidProfile, TASK_QUEUE, TemporalOptions};

use super::scheduler::{self, EngineHandle, WorkerLock};
use super::{Ports, Settings};

/// Starts an engine whose jobs run as workflows. The server need not be there yet.
pub fn start(ports: Ports, settings: Settings, presence: WorkerLock, options: TemporalOptions) -> EngineHandle {
    scheduler::start(ports, settings, presence, |bench| runner::Workflows::new(bench, options))
}
