//! Owns the line to the server: connects, keeps a worker running, tells how the fleet is. Must not touch a job.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use temporalio_client::Client;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::fleet::{self, words};
use super::hands::Hands;
use super::options::TemporalOptions;
use super::worker::{self, Running};
use crate::engine::{ConnectionState, Event, TemporalStatus};
use crate::time::backoff;

/// How often the task queue is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// How long an answer of the server may take before it counts as down.
const PATIENCE: Duration = Duration::from_secs(5);

/// A worker that broke after this time was sound: the next one may start soon.
const SOUND: Duration = Duration::from_mins(1);

/// How long a worker that leaves waits for a server that does not answer.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// So long a change of the number of slots waits for the next one.
const SETTLED: Duration = Duration::from_millis(400);

/// Keeps the line, for as long as `stop` lets it.
pub(super) struct Keeper {
    pub(super) options: TemporalOptions,
    pub(super) who: String,
    pub(super) hands: Arc<Hands>,
    /// Whether this process works, or only looks.
    pub(super) works: bool,
    pub(super) slots: watch::Receiver<usize>,
    pub(super) client: watch::Sender<Option<Client>>,
    pub(super) facts: mpsc::Sender<Event>,
    /// What was told last.
    pub(super) fleet: Option<TemporalStatus>,
}

impl Keeper {
    /// Runs until `stop`; then the worker finishes what must be finished.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let Some(mut client) = self.connect(&stop).await else { return };
        let mut worker = self.start(&client);
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut breaks, mut begun) = (0, Instant::now());
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                reason = broke(&mut worker) => {
                    tracing::error!("this process works no more for Temporal: {reason}");
                    self.down(&reason).await;
                    worker = None;
                    breaks = if begun.elapsed() > SOUND { 0 } else { breaks };
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = tokio::time::sleep(backoff(breaks, None, rand::random())) => {}
                    }
                    breaks += 1;
                    // Anew: the old line still counts the broken worker, and takes no second one.
                    let Some(again) = self.connect(&stop).await else { break };
                    client = again;
                    worker = self.start(&client);
                    begun = Instant::now();
                }
                Ok(()) = self.slots.changed(), if self.works => {
                    tokio::time::sleep(SETTLED).await;
                    self.slots.mark_unchanged();
                    self.leave(worker.take()).await;
                    self.hands.come_back();
                    worker = self.start(&client);
                }
                _ = look.tick() => self.look(&client).await,
            }
        }
        self.leave(worker).await;
    }

    async fn connect(&mut self, stop: &CancellationToken) -> Option<Client> {
        let mut tries = 0;
        loop {
            let connected = tokio::select! {
                () = stop.cancelled() => return None,
                connected = worker::connect(&self.options, &self.who) => connected,
            };
            match connected {
                Ok(client) => {
                    self.client.send_replace(Some(client.clone()));
                    return Some(client);
                }
                Err(reason) => self.down(&reason).await,
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                // Soon at first: whoever starts server and worker together waits for both.
                () = tokio::time::sleep(backoff(tries, None, rand::random()) / 4) => tries = (tries + 1).min(6),
            }
        }
    }

    fn start(&self, client: &Client) -> Option<Running> {
        let slots = *self.slots.borrow();
        self.works.then(|| Running::start(client.clone(), &self.options, self.hands.clone(), slots))
    }

    async fn leave(&self, worker: Option<Running>) {
        self.hands.leave();
        let Some(worker) = worker else { return };
        let mut stopped = pin!(worker.stop());
        loop {
            tokio::select! {
                () = &mut stopped => return,
                // Its last words find nobody, and everything but an order is put down already.
                () = tokio::time::sleep(LAST_WORDS) => if self.is_down() && !self.hands.is_ordering() {
                    return tracing::warn!("left without a word to the Temporal server, which does not answer");
                },
            }
        }
    }

    /// Looks at the task queue and tells.
    async fn look(&mut self, client: &Client) {
        match tokio::time::timeout(PATIENCE, fleet::look(client)).await {
            Ok(Ok(queue)) => {
                if self.is_down() {
                    tracing::info!("the Temporal server at {} can be used again", self.options.address);
                }
                let fleet = TemporalStatus {
                    workers: queue.workers,
                    backlog: queue.backlog,
                    server: ConnectionState::Connected,
                };
                self.say(fleet).await;
            }
            Ok(Err(status)) => self.down(&words(&status)).await,
            Err(_) => self.down("no answer").await,
        }
    }

    async fn down(&mut self, reason: &str) {
        let since =
            if let Some(ConnectionState::Disconnected { since, .. }) = self.fleet.as_ref().map(|fleet| &fleet.server) {
                *since
            } else {
                tracing::error!("the Temporal server at {} cannot be used: {reason}", self.options.address);
                Utc::now()
            };
        let reason = format!("{}: {reason}", self.options.address);
        let (workers, backlog) = self.fleet.as_ref().map_or((0, 0), |fleet| (fleet.workers, fleet.backlog));
        self.say(TemporalStatus { workers, backlog, server: ConnectionState::Disconnected { since, reason } }).await;
    }

    fn is_down(&self) -> bool {
        matches!(&self.fleet, Some(TemporalStatus { server: ConnectionState::Disconnected { .. }, .. }))
    }

    async fn say(&mut self, fleet: TemporalStatus) {
        if self.fleet.as_ref() != Some(&fleet) {
            self.fleet = Some(fleet.clone());
            // A reader that is gone needs no answer.
            let _ = self.facts.send(Event::Temporal(fleet)).await;
        }
    }
}

/// Waits until the worker, where there is one, ends by itself. Cancel-safe.
async fn broke(worker: &mut Option<Running>) -> String {
    match worker {
        Some(worker) => worker.broke().await,
        None => std::future::pending().await,
    }
}
