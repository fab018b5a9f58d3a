//! What both engines share: which job gets a slot, the operator's commands, the events of a screen, the lock file of each worker.
//!
//! The dispatcher owns what runs in this process; the feed task reports what changed in the store. They share channels, nothing
//! else. How a job is run is up to a [`Runner`]. The jobs of a dead process are found by its lock file ([`WorkerLock`]) or when its
//! claims expire: recovery is not a special path.

mod bucket_gate;
mod bulk_runner;
mod command_tasks;
mod dispatcher;
mod due_queue;
mod feed;
mod held_jobs;
mod loads;
mod overview;
mod pause_watch;
mod reporter;
mod runner;
mod worker_lock;

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use futures::FutureExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::image_spool::ImageSpool;
use super::outages::OutageMonitor;
use super::submit_journal::SubmitJournal;
use super::workflow::{JobWorkflow, Observer};
use super::{Command, Event, EventDetail, Mode, Ports, Settings};
#[cfg(feature = "temporal")]
pub(super) use command_tasks::mark_internal_failure;
pub use dispatcher::EngineEnd;
pub(super) use feed::ChangedJobs;
pub(super) use runner::{RunError, Runner};
pub use worker_lock::{WorkerLock, WorkerLockError};

/// How many events may wait for the reader before the engine waits for it.
const EVENT_BUFFER: usize = 1024;

/// How many commands may wait for the engine.
const COMMAND_BUFFER: usize = 256;

/// A running engine.
pub struct EngineHandle {
    /// Commands in. When every sender is dropped, the engine stops as by `Command::Stop`.
    pub commands: mpsc::Sender<Command>,
    /// Events out; must be read, or the engine waits.
    pub events: mpsc::Receiver<Event>,
    /// Completes when the engine has stopped.
    pub finished: JoinHandle<EngineEnd>,
}

/// What a runner is made from.
pub(super) struct RunnerContext {
    pub(super) ports: Ports,
    pub(super) settings: Settings,
    pub(super) worker_lock: Arc<WorkerLock>,
    /// The journal of the worker's submits.
    pub(super) journal: Arc<SubmitJournal>,
    /// The images that could not be stored.
    pub(super) image_spool: Arc<ImageSpool>,
    /// What the requests of this process show of the provider and the bucket.
    #[cfg_attr(
        not(feature = "temporal"),
        expect(dead_code, reason = "only activities start jobs beside the dispatcher")
    )]
    pub(super) outages: Arc<OutageMonitor>,
    /// Receives what steps report while they run.
    pub(super) observer: Arc<dyn Observer>,
    /// The engine's events.
    #[cfg_attr(
        not(feature = "temporal"),
        expect(dead_code, reason = "only the Temporal engine emits events of its own")
    )]
    pub(super) events: mpsc::Sender<Event>,
}

/// Starts a dispatcher in this process whose jobs are run by what `make_runner` makes.
pub(super) fn start<Run: Runner>(
    ports: Ports,
    settings: Settings,
    worker_lock: WorkerLock,
    make_runner: impl FnOnce(RunnerContext) -> Run,
) -> EngineHandle {
    let (commands, command_receiver) = mpsc::channel(COMMAND_BUFFER);
    let (event_sender, events) = mpsc::channel(EVENT_BUFFER);
    let worker_lock = Arc::new(worker_lock);
    let (outages, ports) = OutageMonitor::of(ports);
    let (observer, signals) = reporter::new(event_sender.clone(), settings.event_detail == EventDetail::Full);
    let journal = Arc::new(worker_lock.journal(&settings.store_id));
    let recovery = JobWorkflow::new(ports.clone(), settings.clone(), worker_lock.worker().clone(), observer.clone())
        .with_journal(journal.clone());
    let image_spool = Arc::new(worker_lock.image_spool(&settings.store_id));
    if settings.mode != Mode::Observe {
        tokio::spawn(image_spool.clone().remove_settled(ports.store.clone()));
    }
    let context = RunnerContext {
        ports: ports.clone(),
        settings: settings.clone(),
        worker_lock: worker_lock.clone(),
        journal,
        image_spool,
        outages: outages.clone(),
        observer,
        events: event_sender.clone(),
    };
    let runner = Arc::new(make_runner(context));
    let runners = (runner as Arc<dyn Runner>, Arc::new(recovery));
    let stop = CancellationToken::new();
    let inputs = (command_receiver, signals, outages, stop.clone());
    let engine = dispatcher::run(ports, settings, worker_lock, runners, inputs, event_sender.clone());
    let finished = tokio::spawn(report_panic(engine, stop, event_sender));
    EngineHandle { commands, events, finished }
}

/// Runs the dispatcher. Where it panics, its reader learns that the engine stopped: the channel of the events does not close, because
/// other tasks hold it, and a process without a dispatcher would look idle.
async fn report_panic(
    engine: impl Future<Output = EngineEnd>,
    stop: CancellationToken,
    events: mpsc::Sender<Event>,
) -> EngineEnd {
    match AssertUnwindSafe(engine).catch_unwind().await {
        Ok(end) => end,
        Err(panic) => {
            stop.cancel();
            // An error means that there is no reader.
            let _ = events.send(Event::Stopped).await;
            resume_unwind(panic)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panic_of_the_dispatcher_ends_the_engine() {
        let (sender, mut events) = mpsc::channel(1);
        let stop = CancellationToken::new();
        // As the feed does.
        let _held = sender.clone();
        let engine = async { panic!("a job that cannot be sorted") };
        let finished = tokio::spawn(report_panic(engine, stop.clone(), sender));
        assert!(matches!(events.recv().await, Some(Event::Stopped)));
        assert!(finished.await.unwrap_err().is_panic() && stop.is_cancelled());
    }
}
