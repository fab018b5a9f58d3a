//! The connection to the Temporal server: connects, keeps a worker running, reports the state of server and task queue.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use temporalio_client::errors::ClientConnectError;
use temporalio_client::{Client, ClientOptions, Connection};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::activity_handlers::ActivityHandlers;
use super::options::{TASK_QUEUE, TemporalOptions};
use super::task_queue::{self, status_line};
use super::worker::WorkerHandle;
use crate::engine::{ConnectionState, Event, TemporalStatus};
use crate::text::sanitize_line;
use crate::time::backoff;

/// How often the task queue is described.
const REFRESH_INTERVAL: Duration = Duration::from_secs(3);

/// How long a reply of the server may take before it counts as disconnected.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// After how many consecutive failed requests the server counts as disconnected: servers close connections by age, and the next
/// request opens a new one.
const REFRESH_FAILURE_LIMIT: u32 = 3;

/// A worker that fails after this time was healthy: the next one may start soon.
const HEALTHY_AFTER: Duration = Duration::from_mins(1);

/// How long a worker that shuts down waits for a server that does not answer.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a change of the number of slots waits for the next change.
const SLOTS_DEBOUNCE: Duration = Duration::from_millis(400);

/// Connects to the server with the identity `darkroom <name>`. One sanitized line if it cannot.
pub(super) async fn connect(options: &TemporalOptions, name: &str) -> Result<Client, String> {
    let mut connection = options.connection.clone();
    connection.identity = format!("darkroom {name}");
    let connection = Connection::connect(connection).await.map_err(|error| {
        let reason = match &error {
            ClientConnectError::SystemInfoCallError(status) => status_line(status),
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

/// Checks once whether the server answers and which workers poll the task queue: one sanitized line either way.
pub async fn probe(options: &TemporalOptions) -> Result<String, String> {
    let failed = |reason: String| format!("{}, namespace {}: {reason}", options.address, options.namespace);
    let client = connect(options, "doctor").await.map_err(failed)?;
    let queue = task_queue::describe(&client).await.map_err(|status| failed(status_line(&status)))?;
    let workers = if queue.workers == 1 { "1 worker".to_owned() } else { format!("{} workers", queue.workers) };
    Ok(format!(
        "{} answers, namespace {}, {workers} on {TASK_QUEUE}, {} tasks waiting",
        options.address, options.namespace, queue.backlog
    ))
}

/// Keeps the connection, and the worker on it, until it is stopped.
pub(super) struct ConnectionSupervisor {
    pub(super) options: TemporalOptions,
    /// The worker's name in the connection's identity.
    pub(super) name: String,
    pub(super) handlers: Arc<ActivityHandlers>,
    /// Whether this process runs jobs, or is read-only.
    pub(super) runs_jobs: bool,
    pub(super) slots: watch::Receiver<usize>,
    pub(super) client: watch::Sender<Option<Client>>,
    pub(super) events: mpsc::Sender<Event>,
    /// What was published last.
    pub(super) status: Option<TemporalStatus>,
    /// Consecutive failed descriptions of the task queue.
    pub(super) refresh_failures: u32,
}

impl ConnectionSupervisor {
    /// Runs until `stop`; then the worker finishes what must be finished.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let Some(mut client) = self.connect(&stop).await else { return };
        let mut worker = self.start_worker(&client);
        let mut refresh = tokio::time::interval(REFRESH_INTERVAL);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut failures, mut started) = (0, Instant::now());
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                reason = worker_failure(&mut worker) => {
                    worker = None;
                    if started.elapsed() > HEALTHY_AFTER {
                        // The first failure of a healthy worker: a new connection usually suffices.
                        tracing::info!(%reason, "Temporal worker stopped, reconnecting");
                        failures = 0;
                    } else {
                        tracing::error!(%reason, "Temporal worker stopped");
                        self.mark_disconnected(&reason).await;
                        tokio::select! {
                            () = stop.cancelled() => break,
                            () = tokio::time::sleep(backoff(failures, None, rand::random())) => {}
                        }
                    }
                    failures += 1;
                    // A new connection: the old one still counts the failed worker, and accepts no second one.
                    let Some(new_client) = self.connect(&stop).await else { break };
                    client = new_client;
                    worker = self.start_worker(&client);
                    started = Instant::now();
                }
                Ok(()) = self.slots.changed(), if self.runs_jobs => {
                    tokio::time::sleep(SLOTS_DEBOUNCE).await;
                    self.slots.mark_unchanged();
                    self.stop_worker(worker.take(), &client).await;
                    self.handlers.resume();
                    worker = self.start_worker(&client);
                }
                _ = refresh.tick() => self.refresh(&client).await,
            }
        }
        self.stop_worker(worker, &client).await;
    }

    async fn connect(&mut self, stop: &CancellationToken) -> Option<Client> {
        let mut tries = 0;
        loop {
            let connected = tokio::select! {
                () = stop.cancelled() => return None,
                connected = connect(&self.options, &self.name) => connected,
            };
            match connected {
                Ok(client) => {
                    self.client.send_replace(Some(client.clone()));
                    return Some(client);
                }
                Err(reason) => self.mark_disconnected(&reason).await,
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                // Soon at first: server and worker are often started together.
                () = tokio::time::sleep(backoff(tries, None, rand::random()) / 4) => tries = (tries + 1).min(6),
            }
        }
    }

    fn start_worker(&self, client: &Client) -> Option<WorkerHandle> {
        let slots = *self.slots.borrow();
        self.runs_jobs.then(|| WorkerHandle::start(client.clone(), &self.options, self.handlers.clone(), slots))
    }

    async fn stop_worker(&self, worker: Option<WorkerHandle>, client: &Client) {
        self.handlers.begin_shutdown();
        let Some(worker) = worker else { return };
        let mut stopped = pin!(worker.stop());
        loop {
            tokio::select! {
                () = &mut stopped => return,
                // The server cannot be notified, and everything but a submit has ended already.
                () = tokio::time::sleep(SHUTDOWN_TIMEOUT) => {
                    if !self.handlers.has_submit_in_flight() && !self.responds(client).await {
                        return tracing::warn!("exited without notifying the Temporal server, which does not respond");
                    }
                }
            }
        }
    }

    /// Describes the task queue and publishes the status.
    async fn refresh(&mut self, client: &Client) {
        match tokio::time::timeout(REQUEST_TIMEOUT, task_queue::describe(client)).await {
            Ok(Ok(queue)) => {
                self.refresh_failures = 0;
                if self.is_disconnected() {
                    tracing::info!(address = %self.options.address, "Temporal server connected");
                }
                let server = ConnectionState::Connected;
                self.publish(TemporalStatus { workers: queue.workers, backlog: queue.backlog, server }).await;
            }
            Ok(Err(status)) => self.on_refresh_failed(&status_line(&status)).await,
            Err(_) => self.on_refresh_failed("no reply").await,
        }
    }

    async fn on_refresh_failed(&mut self, reason: &str) {
        self.refresh_failures += 1;
        if self.refresh_failures >= REFRESH_FAILURE_LIMIT || self.is_disconnected() {
            self.mark_disconnected(reason).await;
        } else {
            tracing::debug!(%reason, failures = self.refresh_failures, "Temporal request failed");
        }
    }

    /// Whether the server answers now.
    async fn responds(&self, client: &Client) -> bool {
        let described = tokio::time::timeout(SHUTDOWN_TIMEOUT, task_queue::describe(client)).await;
        !self.is_disconnected() && matches!(described, Ok(Ok(_)))
    }

    async fn mark_disconnected(&mut self, reason: &str) {
        let server = self.status.as_ref().map(|status| &status.server);
        let since = if let Some(ConnectionState::Disconnected { since, .. }) = server {
            *since
        } else {
            tracing::error!(address = %self.options.address, %reason, "Temporal server unavailable");
            Utc::now()
        };
        let reason = format!("{}: {reason}", self.options.address);
        let (workers, backlog) = self.status.as_ref().map_or((0, 0), |status| (status.workers, status.backlog));
        let server = ConnectionState::Disconnected { since, reason };
        self.publish(TemporalStatus { workers, backlog, server }).await;
    }

    fn is_disconnected(&self) -> bool {
        matches!(&self.status, Some(TemporalStatus { server: ConnectionState::Disconnected { .. }, .. }))
    }

    async fn publish(&mut self, status: TemporalStatus) {
        if self.status.as_ref() != Some(&status) {
            self.status = Some(status.clone());
            // If the reader is gone, no one needs the status.
            let _ = self.events.send(Event::Temporal(status)).await;
        }
    }
}

/// Waits until the worker, if one runs, stops by itself. Cancel-safe.
async fn worker_failure(worker: &mut Option<WorkerHandle>) -> String {
    match worker {
        Some(worker) => worker.failed().await,
        None => std::future::pending().await,
    }
}
