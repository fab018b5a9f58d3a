//! The Temporal engine: one workflow for each job (`image-gen-<job id>`), whose activities perform the same steps as the local
//! engine, on every worker of the task queue.
//!
//! A worker process is both starter (its dispatcher starts workflows for due jobs, as many as it has slots) and worker. Two
//! starters see the same oldest jobs and start the same ids; the server rejects the second, so they need no coordination. Timers,
//! retries, heartbeats, cancellation and history are Temporal's; money is guarded by the document's compare-and-set, as
//! everywhere. Only the document decides the next step, so a job that was started under one engine can end under the other.
//!
//! # Other programs on the server
//!
//! The names of the task queue and of the workflow ids are a contract, so another backend may use the same ones. A worker polls no
//! queue that another program polls (`connection`); a job whose workflow id belongs to an open workflow of another type is held
//! (`runner`).
//!
//! # Activities
//!
//! `submit`, which polls the ticket for some seconds and stores an image that is ready by then; otherwise `wait`, which polls until
//! the ticket is final and stores the image. The workflow follows what each activity reports, so both came without a patch: `submit`
//! reports `done` where it always reported `wait`, and `wait` reports `done` where it reported a link before. Each activity saved is six
//! events of the job's history. Workflows whose `wait` was performed by an earlier version still get their `store`.
//!
//! A crash in `submit` before the receipt is saved is that of any submit: the document, and the journal on the same machine, decide.
//! After it, the next try of `submit` finds the job generating and reports `wait`, which polls the same ticket.
//!
//! # Changing the workflow
//!
//! A running workflow is replayed by the version of this program that picks it up. Therefore activities and their reports may change
//! only if older reports can still be read (new fields have a default), and any change to the sequence of activities, timers and
//! memo updates in [`workflow`] goes behind `ctx.patched("what-changed")`, which is kept until no workflow of the older version is
//! open, then replaced by `deprecate_patch`, then removed. The histories under `tests/histories` were recorded with released
//! versions and are replayed by the tests; a change that breaks one of them would break running jobs.
//! [`payloads::WorkflowInput`] carries the payload version.

mod activities;
mod activity_handlers;
mod connection;
mod options;
pub mod payloads;
pub mod policy;
mod report;
mod runner;
mod task_queue;
mod worker;
pub mod workflow;

pub use activities::Activities;
pub use connection::survey;
pub use options::{DEFAULT_TASK_QUEUE, InvalidProfile, TemporalOptions};

use super::scheduler::{self, EngineHandle, WorkerLock};
use super::{Ports, Settings};

/// Starts an engine whose jobs run as workflows. The server may start later.
pub fn start(ports: Ports, settings: Settings, worker_lock: WorkerLock, options: TemporalOptions) -> EngineHandle {
    scheduler::start(ports, settings, worker_lock, |context| runner::TemporalRunner::new(context, options))
}
