//! This process as a worker of the task queue: the SDK's worker on a thread of its own.

use std::sync::Arc;

use temporalio_client::Client;
use temporalio_common::worker::WorkerDeploymentOptions;
use temporalio_sdk::runtime::RuntimeOptions;
use temporalio_sdk::runtime::worker_tuner::{FixedSizeSlotSupplier, TunerHolder};
use temporalio_sdk::{Runtime, Worker, WorkerOptions};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::activities::Activities;
use super::activity_handlers::ActivityHandlers;
use super::options::TemporalOptions;
use super::policy;
use super::workflow::ImageGeneration;
use crate::text::sanitize_line;

/// Workflow tasks at once: each takes milliseconds.
const WORKFLOW_TASK_SLOTS: usize = 50;

/// A running worker.
pub(super) struct WorkerHandle {
    /// Shuts it down: nothing new is taken, what runs is finished. `None` once it was requested.
    shutdown: Option<oneshot::Sender<()>>,
    /// How it stopped, with one sanitized line if it failed; nothing if its thread panicked.
    stopped: oneshot::Receiver<Result<(), String>>,
}

impl WorkerHandle {
    /// Starts a worker with that many slots. Must be called within the runtime that its activities run on.
    pub(super) fn start(
        client: Client,
        options: &TemporalOptions,
        handlers: Arc<ActivityHandlers>,
        slots: usize,
    ) -> Self {
        let (shutdown, shutdown_requested) = oneshot::channel();
        let options = options.clone();
        let (report, stopped) = oneshot::channel();
        // The SDK's worker is bound to one thread, because workflows are. Not a thread of the runtime: a runtime that is dropped
        // waits for those, however long the worker takes to shut down.
        let runtime = Handle::current();
        std::thread::spawn(move || {
            // The receiver may be dropped.
            let _ = report.send(runtime.block_on(run(client, options, handlers, slots, shutdown_requested)));
        });
        Self { shutdown: Some(shutdown), stopped }
    }

    /// Waits until it stops; one sanitized line why, `None` if that was requested. Cancel-safe.
    pub(super) async fn stopped(&mut self) -> Option<String> {
        match (&mut self.stopped).await {
            Ok(Ok(())) if self.is_stopping() => None,
            Ok(Ok(())) => Some("the worker stopped".to_owned()),
            Ok(Err(reason)) => Some(reason),
            Err(_) => Some("the worker's thread panicked".to_owned()),
        }
    }

    /// Takes nothing new from now on; what runs is finished, and then it stops by itself.
    pub(super) fn begin_stop(&mut self) {
        if let Some(shutdown) = self.shutdown.take() {
            // An error means that it has stopped already.
            let _ = shutdown.send(());
        }
    }

    /// Whether it was requested to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.shutdown.is_none()
    }

    /// Shuts it down and waits until it has stopped.
    pub(super) async fn stop(mut self) {
        self.begin_stop();
        match (&mut self.stopped).await {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => tracing::warn!(%reason, "Temporal worker failed during shutdown"),
            Err(_) => tracing::error!("Temporal worker thread panicked"),
        }
    }
}

async fn run(
    client: Client,
    options: TemporalOptions,
    handlers: Arc<ActivityHandlers>,
    slots: usize,
    shutdown_requested: oneshot::Receiver<()>,
) -> Result<(), String> {
    let line = |error: &dyn std::fmt::Display| sanitize_line(&error.to_string(), 200);
    let runtime = RuntimeOptions::builder().heartbeat_interval(None).build().map_err(|error| line(&error))?;
    let runtime = Runtime::from_current_tokio(runtime).map_err(|error| line(&error))?;
    let tuner = TunerHolder::builder()
        .workflow_task_slot_supplier(FixedSizeSlotSupplier::new(WORKFLOW_TASK_SLOTS))
        .activity_task_slot_supplier(FixedSizeSlotSupplier::new(slots))
        .local_activity_task_slot_supplier(FixedSizeSlotSupplier::new(1))
        .nexus_task_slot_supplier(FixedSizeSlotSupplier::new(1))
        .build();
    let worker = WorkerOptions::new(&options.task_queue)
        .register_activities(Activities::from_handlers(handlers))
        .register_workflow::<ImageGeneration>()
        .map_err(|error| line(&error))?
        .tuner(tuner)
        // The crate's version: the default would read the whole executable to compute a checksum.
        .deployment_options(WorkerDeploymentOptions::from_build_id(env!("CARGO_PKG_VERSION").to_owned()))
        // A workflow that is cached by a dead worker is given to another after this time.
        .sticky_queue_schedule_to_start_timeout(policy::sticky_timeout(options.heartbeat))
        .maybe_max_task_queue_activities_per_second(options.rate)
        .build();
    let mut worker = Worker::new(&runtime, client, worker).map_err(|error| line(&error))?;
    let begin_shutdown = worker.shutdown_handle();
    let shutdown = async move {
        // The sender is dropped without a message if this process exits: shutting down is right then as well.
        let _ = shutdown_requested.await;
        begin_shutdown();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        result = worker.run() => result.map_err(|error| line(&error)),
        () = shutdown => Ok(()),
    }
}
