//! Works on the bulk actions of the store in this process, one at a time, and reports those of other processes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Event, Ports, Settings};
use crate::engine::{BulkExecutor, BulkRecord, EventDetail, Mode};
use crate::store::StoreError;

/// Records that are read at the start and after a signal.
const NEWEST: usize = 20;

/// How often the progress of another process is read, for a screen.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

/// How often an open action of another process is checked without a screen.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// Wait after the store did not respond.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// How long an ended action is reported.
const REPORTED: chrono::Duration = chrono::Duration::hours(24);

/// How long a shutdown waits for the batch under way.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// The runner of this process.
pub(super) struct BulkRunner {
    wake: Arc<Notify>,
    stop: CancellationToken,
    is_busy: Arc<AtomicBool>,
    task: Option<JoinHandle<()>>,
}

impl BulkRunner {
    /// Starts it. Without a screen, and in a process that runs no jobs, nothing is read.
    pub(super) fn start(
        ports: &Ports,
        settings: &Settings,
        worker: &str,
        wake: Arc<Notify>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let (stop, is_busy) = (CancellationToken::new(), Arc::new(AtomicBool::new(false)));
        let works = settings.mode != Mode::Observe;
        let has_screen = settings.event_detail == EventDetail::Full;
        let executor = BulkExecutor::new(ports.store.clone(), ports.clock.clone(), worker, settings.simulated);
        let task = RunnerTask {
            ports: ports.clone(),
            executor,
            events,
            wake: wake.clone(),
            stop: stop.clone(),
            is_busy: is_busy.clone(),
            known: Vec::new(),
            reported: Vec::new(),
            works,
            has_screen,
        };
        let task = (works || has_screen).then(|| tokio::spawn(task.run()));
        Self { wake, stop, is_busy, task }
    }

    /// Whether an action is under way here.
    pub(super) fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::SeqCst)
    }

    /// An action was recorded or changed: looks at once.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Begins no further batch.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for the batch under way.
    pub(super) async fn close(&mut self) {
        self.stop();
        if let Some(task) = self.task.take()
            && tokio::time::timeout(SHUTDOWN_TIMEOUT, task).await.is_err()
        {
            tracing::warn!("bulk action still under way on shutdown; another worker continues when its lease ends");
        }
    }
}

struct RunnerTask {
    ports: Ports,
    executor: BulkExecutor,
    events: mpsc::Sender<Event>,
    wake: Arc<Notify>,
    stop: CancellationToken,
    is_busy: Arc<AtomicBool>,
    /// The newest records, newest first.
    known: Vec<BulkRecord>,
    reported: Vec<BulkRecord>,
    works: bool,
    has_screen: bool,
}

impl RunnerTask {
    async fn run(mut self) {
        let mut reads_all = true;
        while !self.stop.is_cancelled() {
            let read = if reads_all { self.read_newest().await } else { self.read_open().await };
            if let Err(error) = read {
                tracing::debug!(%error, "bulk actions not read");
                reads_all |= self.wait(RETRY_INTERVAL).await;
                continue;
            }
            self.report().await;
            let now = self.ports.clock.now();
            let due = |record: &&BulkRecord| self.works && self.executor.due_at(record).is_some_and(|at| at <= now);
            // The oldest first.
            if let Some(id) = self.known.iter().rev().find(due).map(|record| record.id.clone()) {
                self.work_on(&id).await;
                reads_all = true;
                continue;
            }
            let next = self.known.iter().filter_map(|record| self.executor.due_at(record)).filter(|_| self.works).min();
            let open = self.known.iter().any(BulkRecord::is_open);
            let interval = if self.has_screen { PROGRESS_INTERVAL } else { CHECK_INTERVAL };
            let wait = match (open, next) {
                (false, _) => None,
                (true, Some(at)) => Some((at - now).to_std().unwrap_or_default().min(interval)),
                (true, None) => Some(interval),
            };
            reads_all = if let Some(wait) = wait {
                self.wait(wait).await
            } else {
                tokio::select! {
                    () = self.stop.cancelled() => {}
                    () = self.wake.notified() => {}
                }
                true
            };
        }
    }

    /// Waits; `true` where a signal ended the wait.
    async fn wait(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = self.wake.notified() => true,
            () = tokio::time::sleep(time) => false,
        }
    }

    async fn read_newest(&mut self) -> Result<(), StoreError> {
        let newest = BulkRecord::newest(self.ports.store.as_ref(), NEWEST).await?;
        let oldest = self.ports.clock.now() - REPORTED;
        let is_current =
            |record: &BulkRecord| record.is_open() || record.ended_at.is_some_and(|ended_at| ended_at > oldest);
        self.known = newest.into_iter().filter(is_current).collect();
        Ok(())
    }

    /// Reads only what may have changed: every document that is read costs money.
    async fn read_open(&mut self) -> Result<(), StoreError> {
        for record in self.known.iter_mut().filter(|record| record.is_open()) {
            if let Some(newest) = BulkRecord::read(self.ports.store.as_ref(), &record.id).await? {
                *record = newest;
            }
        }
        Ok(())
    }

    async fn work_on(&mut self, id: &str) {
        self.is_busy.store(true, Ordering::SeqCst);
        let known: HashMap<String, BulkRecord> =
            self.known.iter().map(|record| (record.id.clone(), record.clone())).collect();
        let (events, has_screen) = (self.events.clone(), self.has_screen);
        let order: Vec<String> = self.known.iter().map(|record| record.id.clone()).collect();
        let progress = move |record: &BulkRecord| {
            if has_screen {
                let newest = |id: &String| if *id == record.id { Some(record.clone()) } else { known.get(id).cloned() };
                // A screen that does not keep up gets the next one.
                let _ = events.try_send(Event::BulkActions(order.iter().filter_map(newest).collect()));
            }
        };
        match self.executor.run(id, &self.stop, progress).await {
            Ok(Some(end)) if has_screen => {
                let has_effect = !end.outcome.succeeded.is_empty() || !end.outcome.rejected.is_empty();
                if has_effect && !end.record.is_open() {
                    self.emit(Event::CommandCompleted(end.outcome)).await;
                }
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, id, "bulk action interrupted");
                self.wait(RETRY_INTERVAL).await;
            }
        }
        self.is_busy.store(false, Ordering::SeqCst);
    }

    async fn report(&mut self) {
        if self.has_screen && self.reported != self.known {
            self.reported.clone_from(&self.known);
            self.emit(Event::BulkActions(self.known.clone())).await;
        }
    }

    async fn emit(&self, event: Event) {
        // Actions continue even if the reader is gone.
        let _ = self.events.send(event).await;
    }
}
