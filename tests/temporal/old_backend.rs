//! A worker of another backend on the same server: it polls a task queue under an identity of its own and knows one workflow type,
//! which waits for ever, as one does whose worker was stopped.
#![allow(missing_docs)]

use std::thread::JoinHandle;

use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions};
use temporalio_common::worker::WorkerDeploymentOptions;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::runtime::RuntimeOptions;
use temporalio_sdk::{Runtime, Worker, WorkerOptions, WorkflowContext, WorkflowResult};
use tokio::sync::oneshot;

use crate::support::temporal_server::TemporalServer;

/// The type of the old backend's workflows.
pub const OLD_TYPE: &str = "ImageGenerationWorkflow";

/// The identity of the old backend's worker.
pub const OLD_IDENTITY: &str = "4711@old-backend";

/// The task queue of the data contract.
pub const CONTRACT_QUEUE: &str = "image-generation-queue";

/// A job's workflow of the old backend.
#[workflow]
#[derive(Default)]
pub struct OldWorkflow;

#[workflow_methods]
impl OldWorkflow {
    #[run(name = "ImageGenerationWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        Ok(ctx.wait_condition(|_| false).await?)
    }
}

/// Starts the old backend's workflow of a job; no worker is needed.
pub fn start_old_workflow(server: &TemporalServer, namespace: &str, job: &str) {
    let workflow = format!("image-gen-{job}");
    let arguments =
        ["workflow", "start", "--type", OLD_TYPE, "--task-queue", CONTRACT_QUEUE, "--workflow-id", &workflow];
    server.cli(namespace, &arguments);
}

/// A running worker of the old backend. It stops when this value is dropped.
pub struct OldWorker {
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl OldWorker {
    pub fn start(server: &TemporalServer, namespace: &str) -> Self {
        let (shutdown, shutdown_requested) = oneshot::channel();
        let (address, namespace) = (format!("http://{}", server.address()), namespace.to_owned());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(poll(&address, &namespace, shutdown_requested));
        });
        Self { shutdown: Some(shutdown), thread: Some(thread) }
    }
}

impl Drop for OldWorker {
    fn drop(&mut self) {
        drop(self.shutdown.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn poll(address: &str, namespace: &str, shutdown_requested: oneshot::Receiver<()>) {
    let mut options = ConnectionOptions::new(address.parse::<url::Url>().unwrap()).build();
    OLD_IDENTITY.clone_into(&mut options.identity);
    let connection = Connection::connect(options).await.unwrap();
    let client = Client::new(connection, ClientOptions::new(namespace).build()).unwrap();
    let runtime = RuntimeOptions::builder().heartbeat_interval(None).build().unwrap();
    let runtime = Runtime::from_current_tokio(runtime).unwrap();
    let options = WorkerOptions::new(CONTRACT_QUEUE)
        .register_workflow::<OldWorkflow>()
        .unwrap()
        .deployment_options(WorkerDeploymentOptions::from_build_id("old".to_owned()))
        .build();
    let mut worker = Worker::new(&runtime, client, options).unwrap();
    let begin_shutdown = worker.shutdown_handle();
    let shutdown = async move {
        let _ = shutdown_requested.await;
        begin_shutdown();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        result = worker.run() => result.unwrap(),
        () = shutdown => {}
    }
}
