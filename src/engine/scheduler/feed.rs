//! The feed: events about the store (changed jobs, counts, costs, connection) for a screen or for metrics. It changes nothing, and
//! jobs run without it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::overview::Overview;
use super::pause_watch::StreamedPause;
use super::{Event, Ports, Settings};
use crate::engine::{BulkRecord, ConnectionState, EventDetail, Pause, StoreAlarm};
use crate::jobs::{Job, StageName};
use crate::store::{
    Change, ChangeStream, ForeignActivity, PageQuery, SharedRecord, SortOrder, StoreError, StoreSettings,
};
use crate::time::backoff;

/// Jobs that changed.
pub(in crate::engine) type ChangedJobs = Vec<Arc<Job>>;

/// How many jobs a screen receives at the start.
const FIRST_PAGE_SIZE: usize = 500;

/// Longest pause before the change stream is opened again: an operator who fixes the connection wants to see it.
const MAX_RECONNECT_DELAY: Duration = Duration::from_secs(2);

/// Shortest time between two reads of the change stream where no screen shows the changes: a job that is saved three times meanwhile is
/// read once.
const CHANGES_INTERVAL: Duration = Duration::from_millis(50);

/// Shortest time between two refreshes of counts and costs for a screen.
const SCREEN_REFRESH_INTERVAL: Duration = Duration::from_millis(400);

/// The same for metrics, which are read about four times a minute: in a shared store every refresh costs reads.
const METRICS_REFRESH_INTERVAL: Duration = Duration::from_secs(5);

/// Time between two looks for another backend; they cost nothing unless the store has something new.
const ACTIVITY_INTERVAL: Duration = Duration::from_secs(2);

/// Shortest time between two alarms about another backend.
const ALARM_INTERVAL: chrono::TimeDelta = chrono::TimeDelta::minutes(1);

/// A handle to request costs now.
#[derive(Clone)]
pub(super) struct Feed {
    refresh: Arc<Notify>,
    budget_changes: Arc<Notify>,
    bulk_changes: Arc<Notify>,
}

impl Feed {
    /// Notified when a bulk action of the store is new, or an operator changed it.
    pub(super) fn bulk_changes(&self) -> Arc<Notify> {
        self.bulk_changes.clone()
    }

    pub(super) fn refresh_costs(&self) {
        self.refresh.notify_one();
    }

    /// Notified when the caps of the store may have changed.
    pub(super) fn budget_changes(&self) -> Arc<Notify> {
        self.budget_changes.clone()
    }
}

/// Starts the feed; it ends with `stop`.
pub(super) fn start(
    ports: Ports,
    settings: &Settings,
    events: mpsc::Sender<Event>,
    stop: CancellationToken,
) -> (Feed, mpsc::Receiver<ChangedJobs>, watch::Receiver<StreamedPause>) {
    let (changes, received) = mpsc::channel(16);
    let (pause, streamed_pause) = watch::channel(None);
    let refresh = Arc::new(Notify::new());
    let feed = Feed { refresh: refresh.clone(), budget_changes: Arc::default(), bulk_changes: Arc::default() };
    let mut task = FeedTask {
        overview: Overview::new(ports.clone(), settings),
        ports,
        event_detail: settings.event_detail,
        events,
        changes,
        pause,
        refresh,
        budget_changes: feed.budget_changes(),
        bulk_changes: feed.bulk_changes(),
        counts_changed: true,
        costs_changed: true,
        refreshed_at: None,
        checked_at: None,
        alarm: None,
        is_refused: settings.alarm.is_some(),
    };
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = task.run() => {}
        }
    });
    (feed, received, streamed_pause)
}

struct FeedTask {
    ports: Ports,
    event_detail: EventDetail,
    overview: Overview,
    events: mpsc::Sender<Event>,
    changes: mpsc::Sender<ChangedJobs>,
    pause: watch::Sender<StreamedPause>,
    refresh: Arc<Notify>,
    bulk_changes: Arc<Notify>,
    budget_changes: Arc<Notify>,
    counts_changed: bool,
    costs_changed: bool,
    refreshed_at: Option<Instant>,
    /// When another backend was last looked for.
    checked_at: Option<Instant>,
    /// The activity of another backend that was reported.
    alarm: Option<ForeignActivity>,
    /// Whether the store was not taken over when the engine started.
    is_refused: bool,
}

impl FeedTask {
    async fn run(&mut self) {
        // How old the data is: failed tries make it no newer.
        let mut since = self.ports.clock.now();
        let mut failures = 0;
        loop {
            let before = since;
            let Err(error) = self.follow(&mut since).await;
            if since != before {
                failures = 0;
            }
            self.pause.send_replace(None);
            tracing::warn!(%error, "change stream lost");
            let delay = backoff(failures, None, rand::random()).min(MAX_RECONNECT_DELAY);
            let retry_at = Some(self.ports.clock.now() + delay);
            let reason = error.to_string();
            self.emit(Event::Connection(ConnectionState::Disconnected { since, reason, retry_at })).await;
            tokio::time::sleep(delay).await;
            failures += 1;
        }
    }

    /// Follows the changes until that fails; `since` becomes the time of the last contact.
    async fn follow(&mut self, since: &mut DateTime<Utc>) -> Result<std::convert::Infallible, StoreError> {
        // First subscribe, then read: a change in between is emitted twice rather than never.
        let mut stream = self.ports.store.watch().await?;
        self.pause.send_replace(Some(Pause::read(self.ports.store.as_ref()).await?.into()));
        self.emit_first_pages().await?;
        self.emit(Event::Connection(ConnectionState::Connected)).await;
        let Err(error) = self.listen(&mut *stream).await;
        let silence = chrono::Duration::from_std(stream.since_last_contact()).unwrap_or_default();
        *since = self.ports.clock.now() - silence;
        Err(error)
    }

    async fn listen(&mut self, stream: &mut dyn ChangeStream) -> Result<std::convert::Infallible, StoreError> {
        let mut next_changes = Instant::now();
        loop {
            let next_refresh = self.next_refresh();
            let next_check = self.checked_at.map_or_else(Instant::now, |at| at + ACTIVITY_INTERVAL);
            tokio::select! {
                changes = next_after(next_changes, stream) => {
                    self.on_changes(changes?).await;
                    if self.event_detail != EventDetail::Full {
                        next_changes = Instant::now() + CHANGES_INTERVAL;
                    }
                }
                () = self.refresh.notified() => self.costs_changed = true,
                () = sleep_until(next_refresh), if next_refresh.is_some() => self.emit_sums().await?,
                () = sleep_until(Some(next_check)) => self.check_activity().await,
            }
        }
    }

    /// Raises an alarm where another backend works on the store, and ends it when that has stopped.
    async fn check_activity(&mut self) {
        self.checked_at = Some(Instant::now());
        let found = match self.ports.store.foreign_activity().await {
            Ok(found) => found,
            Err(error) => return tracing::debug!(%error, "another backend not looked for"),
        };
        match (found, self.alarm.as_ref().map(|reported| reported.at)) {
            (None, None) => {}
            (None, Some(_)) => {
                self.alarm = None;
                tracing::info!("no activity of another backend for an hour");
                self.emit(Event::StoreAlarm(None)).await;
            }
            (Some(found), Some(reported_at)) if found.at - reported_at < ALARM_INTERVAL => {}
            (Some(found), _) => {
                tracing::warn!(job = %found.job, at = %found.at, is_charge = found.is_charge, "another backend works on this store");
                let alarm = StoreAlarm { summary: "second backend".to_owned(), message: found.to_string() };
                self.alarm = Some(found);
                self.emit(Event::StoreAlarm(Some(alarm))).await;
            }
        }
    }

    async fn emit_first_pages(&mut self) -> Result<(), StoreError> {
        if self.event_detail != EventDetail::Full {
            return Ok(());
        }
        let newest = PageQuery { limit: FIRST_PAGE_SIZE, ..PageQuery::default() };
        let active = PageQuery {
            stages: StageName::ALL.into_iter().filter(|stage| stage.is_active()).collect(),
            order: SortOrder::OldestFirst,
            ..newest.clone()
        };
        for query in [newest, active] {
            let page = self.ports.store.list(query).await?;
            self.emit(Event::Jobs(page.jobs.into_iter().map(Arc::new).collect())).await;
            for (id, reason) in page.unreadable {
                self.emit(Event::Unreadable { id, reason }).await;
            }
        }
        Ok(())
    }

    async fn on_changes(&mut self, changes: Vec<Change>) {
        let concerns_jobs = changes.iter().any(|change| !matches!(change, Change::Budget | Change::SharedRecord(_)));
        let mut jobs = Vec::with_capacity(changes.len());
        for change in changes {
            match change {
                Change::Job(job) => jobs.push(job),
                Change::Unreadable { id, reason } => self.emit(Event::Unreadable { id, reason }).await,
                Change::Removed(id) => self.emit(Event::Removed(id)).await,
                Change::SharedRecord(record) if Pause::is_stated_by(&record) => {
                    self.pause.send_replace(Some(Pause::of(&record).into()));
                }
                Change::SharedRecord(record) if BulkRecord::is_signal(&record) => self.bulk_changes.notify_one(),
                Change::SharedRecord(record) => self.on_record(&record).await,
                Change::Budget => {
                    self.costs_changed = true;
                    self.budget_changes.notify_one();
                }
            }
        }
        tracing::trace!(jobs = jobs.len(), "store changed");
        self.counts_changed |= concerns_jobs;
        self.costs_changed |= jobs.iter().any(|job| job.charges().next().is_some());
        // If the channel is full, the dispatcher has changes to process already, and it queries the store regularly anyway.
        let _ = self.changes.try_send(jobs.clone());
        if self.event_detail == EventDetail::Full {
            self.emit(Event::Jobs(jobs)).await;
        }
    }

    /// A store that was not taken over is darkroom's now.
    async fn on_record(&mut self, record: &SharedRecord) {
        let is_owned = record.kind == StoreSettings::KIND
            && StoreSettings::parse(record).is_ok_and(|settings| settings.ownership.is_some());
        if is_owned && std::mem::take(&mut self.is_refused) {
            tracing::info!(by = %record.by, "store taken over");
            self.emit(Event::StoreAlarm(None)).await;
        }
    }

    fn next_refresh(&self) -> Option<Instant> {
        let interval = match self.event_detail {
            EventDetail::None => return None,
            EventDetail::Metrics => METRICS_REFRESH_INTERVAL,
            EventDetail::Full => SCREEN_REFRESH_INTERVAL,
        };
        let is_needed = self.counts_changed || self.costs_changed || self.overview.is_stale();
        is_needed.then(|| self.refreshed_at.map_or_else(Instant::now, |at| at + interval))
    }

    async fn emit_sums(&mut self) -> Result<(), StoreError> {
        self.refreshed_at = Some(Instant::now());
        if std::mem::take(&mut self.counts_changed) {
            let counts = self.ports.store.counts().await?;
            self.emit(Event::Counts(counts)).await;
        }
        if std::mem::take(&mut self.costs_changed) || self.overview.is_stale() {
            let overview = self.overview.compute().await?;
            self.emit(Event::Costs(Box::new(overview))).await;
        }
        Ok(())
    }

    async fn emit(&self, event: Event) {
        // Jobs run even if the reader is gone.
        let _ = self.events.send(event).await;
    }
}

/// The next changes, not before that time. Cancel-safe, as the stream is.
async fn next_after(time: Instant, stream: &mut dyn ChangeStream) -> Result<Vec<Change>, StoreError> {
    tokio::time::sleep_until(time).await;
    stream.next().await
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
