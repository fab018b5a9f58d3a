//! Owns this process as a worker of the task queue: the connection, and the SDK's worker on a thread of its own. Must not decide
//! what becomes of a job.

use std::sync::Arc;

use temporalio_client::errors::ClientConnectError;
use temporalio_client::{Client, ClientOptions, Connection};
use temporalio_common::worker::WorkerDeploymentOptions;
use temporalio_sdk::runtime::RuntimeOptions;
use temporalio_sdk::runtime::worker_tuner::{FixedSizeSlotSupplier, TunerHolder};
use temporalio_sdk::{Runtime, Worker, WorkerOptions};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::Activities;
use super::fleet::words;
use super::hands::Hands;
use super::options::{TASK_QUEUE, TemporalOptions};
use super::policy;
use super::workflow::ImageGeneration;
use crate::text::sanitize_line;

/// Workflow tasks at once: they are computations of a moment.
const WORKFLOW_TASKS: usize = 50;

/// A running worker.
pub(super) struct Running {
    /// Asks it to leave: nothing new is taken, what runs is finished.
    leave: oneshot::Sender<()>,
    /// How it ended, with one clean line where it left by itself; nothing where its thread broke.
    ended: oneshot::Receiver<Result<(), String>>,
}

impl Running {
    /// Starts a worker with so many slots. Must be called within the runtime that its activities shall run on.
    pub(super) fn start(client: Client, options: &TemporalOptions, hands: Arc<Hands>, slots: usize) -> Self {
        let (leave, asked) = oneshot::channel();
        let options = options.clone();
        let (end, ended) = oneshot::channel();
        // The SDK's worker is bound to one thread, because workflows are. Not one of the runtime's: those are waited for when
        // a runtime is dropped, however long a worker takes to leave.
        let runtime = Handle::current();
        std::thread::spawn(move || {
            // Whoever started it may be gone.
            let _ = end.send(runtime.block_on(run(client, options, hands, slots, asked)));
        });
        Self { leave, ended }
    }

    /// Waits until it ends by itself; one clean line why. Cancel-safe.
    pub(super) async fn broke(&mut self) -> String {
        match (&mut self.ended).await {
            Ok(Ok(())) => "the worker ended".to_owned(),
            Ok(Err(why)) => why,
            Err(_) => "the worker's thread broke".to_owned(),
        }
    }

    /// Asks it to leave and waits until it has.
    pub(super) async fn stop(self) {
        // It may have left already.
        let _ = self.leave.send(());
        match self.ended.await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => tracing::warn!("the worker did not leave in order: {why}"),
            Err(_) => tracing::error!("the worker's thread broke"),
        }
    }
}

async fn run(
    client: Client,
    options: TemporalOptions,
    hands: Arc<Hands>,
    slots: usize,
    asked: oneshot::Receiver<()>,
) -> Result<(), String> {
    let line = |what: &dyn std::fmt::Display| sanitize_line(&what.to_string(), 200);
    let runtime = RuntimeOptions::builder().heartbeat_interval(None).build().map_err(|why| line(&why))?;
    let runtime = Runtime::from_current_tokio(runtime).map_err(|why| line(&why))?;
    let tuner = TunerHolder::builder()
        .workflow_task_slot_supplier(FixedSizeSlotSupplier::new(WORKFLOW_TASKS))
        .activity_task_slot_supplier(FixedSizeSlotSupplier::new(slots))
        .local_activity_task_slot_supplier(FixedSizeSlotSupplier::new(1))
        .nexus_task_slot_supplier(FixedSizeSlotSupplier::new(1))
        .build();
    let worker = WorkerOptions::new(TASK_QUEUE)
        .register_activities(Activities::of(hands))
        .register_workflow::<ImageGeneration>()
        .map_err(|why| line(&why))?
        .tuner(tuner)
        // Its own version, because the default reads the whole program to make a checksum of it.
        .deployment_options(WorkerDeploymentOptions::from_build_id(env!("CARGO_PKG_VERSION").to_owned()))
        // What only a worker that has died still knows is given to another after this time.
        .sticky_queue_schedule_to_start_timeout(policy::forgotten_after(options.heartbeat))
        .maybe_max_task_queue_activities_per_second(options.rate)
        .build();
    let mut worker = Worker::new(&runtime, client, worker).map_err(|why| line(&why))?;
    let leave = worker.shutdown_handle();
    let watched = async move {
        // Dropped unasked where this process ends: leaving is right then as well.
        let _ = asked.await;
        leave();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        result = worker.run() => result.map_err(|why| line(&why)),
        () = watched => Ok(()),
    }
}

/// Connects to the server as `who`. One clean line where it cannot.
pub(super) async fn connect(options: &TemporalOptions, who: &str) -> Result<Client, String> {
    let mut connection = options.connection.clone();
    connection.identity = format!("darkroom {who}");
    let connection = Connection::connect(connection).await.map_err(|error| {
        let reason = match &error {
            ClientConnectError::SystemInfoCallError(status) => words(status),
            ClientConnectError::TonicTransportError(error) => innermost(error),
            other => other.to_string(),
        };
        sanitize_line(&reason, 160)
    })?;
    let options = ClientOptions::new(options.namespace.clone()).build();
    Client::new(connection, options).map_err(|error| sanitize_line(&error.to_string(), 160))
}

/// The last cause in a chain: `Connection refused`, not `transport error`.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
