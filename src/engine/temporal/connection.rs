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
use super::options::TemporalOptions;
use super::task_queue::{self, TaskQueueStatus, status_line};
use super::worker::WorkerHandle;
use crate::engine::{ConnectionState, Event, QueueConflict, QueuePoller, TemporalStatus, TemporalSurvey};
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

/// Connects to the server under the identity of that name. One sanitized line if it cannot.
pub(super) async fn connect(options: &TemporalOptions, name: &str) -> Result<Client, String> {
    let mut connection = options.connection.clone();
    connection.identity = task_queue::identity(name);
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

/// Asks the server once who polls the task queue, and which workflows of other programs are open. One sanitized line if it cannot.
pub async fn survey(options: &TemporalOptions) -> Result<TemporalSurvey, String> {
    let failed = |reason: String| format!("{}, namespace {}: {reason}", options.address, options.namespace);
    let client = connect(options, "doctor").await.map_err(failed)?;
    task_queue::survey(&client, options).await.map_err(failed)
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
    /// Runs until `stop`; then the worker finishes what must be finished. A worker runs only on a task queue that no other program
    /// polls: its activities would fail here, and those of darkroom there.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let Some(mut client) = self.connect(&stop).await else { return };
        let mut worker = None;
        // Whether jobs may start on this connection.
        let mut is_open = false;
        let mut refresh = tokio::time::interval(REFRESH_INTERVAL);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut failures, mut started) = (0, Instant::now());
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                reason = worker_stopped(&mut worker) => {
                    worker = None;
                    let Some(reason) = reason else { continue };
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
                    is_open = false;
                    refresh.reset_immediately();
                }
                Ok(()) = self.slots.changed(), if is_open && worker.is_some() => {
                    tokio::time::sleep(SLOTS_DEBOUNCE).await;
                    self.slots.mark_unchanged();
                    self.stop_worker(worker.take(), &client).await;
                    worker = self.start_worker(&client);
                }
                _ = refresh.tick() => match self.refresh(&client).await {
                    Some(queue) if queue.other_poller().is_some() => {
                        // No job starts. What runs is finished: its images are paid for.
                        is_open = false;
                        self.client.send_replace(None);
                        self.handlers.begin_drain();
                        if let Some(worker) = &mut worker {
                            worker.begin_stop();
                        }
                    }
                    Some(_) if !is_open && worker.is_none() => {
                        is_open = true;
                        worker = self.start_worker(&client);
                        started = Instant::now();
                        self.client.send_replace(Some(client.clone()));
                    }
                    Some(_) | None => {}
                },
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
                Ok(client) => return Some(client),
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
        self.handlers.resume();
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

    /// Describes the task queue and publishes the status; `None` if the server does not answer.
    async fn refresh(&mut self, client: &Client) -> Option<TaskQueueStatus> {
        let described = task_queue::describe(client, &self.options.task_queue);
        match tokio::time::timeout(REQUEST_TIMEOUT, described).await {
            Ok(Ok(queue)) => {
                self.refresh_failures = 0;
                if self.is_disconnected() {
                    tracing::info!(address = %self.options.address, "Temporal server connected");
                }
                let conflict = queue.other_poller().map(|poller| self.conflict_with(poller));
                if conflict.is_none() && self.status.as_ref().is_some_and(|status| status.conflict.is_some()) {
                    tracing::info!(queue = %self.options.task_queue, "Temporal task queue is free again");
                }
                let (workers, server) = (queue.workers(), ConnectionState::Connected);
                self.publish(TemporalStatus { workers, backlog: queue.backlog, server, conflict }).await;
                return Some(queue);
            }
            Ok(Err(status)) => self.on_refresh_failed(&status_line(&status)).await,
            Err(_) => self.on_refresh_failed("no reply").await,
        }
        None
    }

    fn conflict_with(&self, poller: &QueuePoller) -> QueueConflict {
        let queue = &self.options.task_queue;
        let reason = format!(
            "another program ({}) polls the task queue '{queue}': stop it (see 'darkroom takeover'), or set \
             DARKROOM_TEMPORAL_QUEUE to another name",
            poller.identity
        );
        if let Some(known) = self.status.as_ref().and_then(|status| status.conflict.as_ref()) {
            return QueueConflict { since: known.since, reason };
        }
        tracing::error!(poller = %poller.identity, %queue, "Temporal task queue is polled by another program");
        QueueConflict { since: Utc::now(), reason }
    }

    async fn on_refresh_failed(&mut self, reason: &str) {
        self.refresh_failures += 1;
        // Before the first reply nothing is known to work: the address or the namespace may be wrong.
        if self.refresh_failures >= REFRESH_FAILURE_LIMIT || self.status.is_none() || self.is_disconnected() {
            self.mark_disconnected(reason).await;
        } else {
            tracing::debug!(%reason, failures = self.refresh_failures, "Temporal request failed");
        }
    }

    /// Whether the server answers now.
    async fn responds(&self, client: &Client) -> bool {
        let described = task_queue::describe(client, &self.options.task_queue);
        let described = tokio::time::timeout(SHUTDOWN_TIMEOUT, described).await;
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
        let server = ConnectionState::Disconnected { since, reason, retry_at: None };
        let conflict = self.status.as_ref().and_then(|status| status.conflict.clone());
        self.publish(TemporalStatus { workers, backlog, server, conflict }).await;
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

/// Waits until the worker, if one runs, stops; why, unless that was requested. Cancel-safe.
async fn worker_stopped(worker: &mut Option<WorkerHandle>) -> Option<String> {
    match worker {
        Some(worker) => worker.stopped().await,
        None => std::future::pending().await,
    }
}
