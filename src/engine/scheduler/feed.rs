//! Owns what a screen is told of the store: jobs as they change, counts, costs, the state of the line. Must not change
//! anything, and must not be needed for jobs to run.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::overview::Overview;
use super::{Event, Ports, Settings};
use crate::engine::{ConnectionState, EventDetail};
use crate::jobs::{Job, StageName};
use crate::store::{Change, ChangeStream, PageQuery, SortOrder, StoreError};
use crate::time::backoff;

/// Jobs that changed.
pub(in crate::engine) type Hint = Vec<Arc<Job>>;

/// How many jobs a screen gets to begin with.
const FIRST_PAGE: usize = 500;

/// Longest pause before the changes are followed again: a person who mends a line wants to see it.
const FOLLOW_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Counts and costs are added up again at most this often for a screen.
const ADD_UP_EVERY: Duration = Duration::from_millis(400);

/// The same for meters, which are read four times a minute or so: in a shared store every sum costs reads.
const ADD_UP_FOR_METERS_EVERY: Duration = Duration::from_secs(5);

/// A handle to ask for costs now.
#[derive(Clone)]
pub(super) struct Feed {
    refresh: Arc<Notify>,
}

impl Feed {
    pub(super) fn refresh_costs(&self) {
        self.refresh.notify_one();
    }
}

/// Starts the feed; it ends with `stop`, or when nobody listens.
pub(super) fn start(
    ports: Ports,
    settings: &Settings,
    facts: mpsc::Sender<Event>,
    stop: CancellationToken,
) -> (Feed, mpsc::Receiver<Hint>) {
    let (hints, received) = mpsc::channel(16);
    let refresh = Arc::new(Notify::new());
    let feed = Feed { refresh: refresh.clone() };
    let mut reader = Reader {
        overview: Overview::new(ports.clone(), settings),
        ports,
        audience: settings.audience,
        facts,
        hints,
        refresh,
        changed: true,
        money: true,
        added_up: None,
    };
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = reader.run() => {}
        }
    });
    (feed, received)
}

struct Reader {
    ports: Ports,
    audience: EventDetail,
    overview: Overview,
    facts: mpsc::Sender<Event>,
    hints: mpsc::Sender<Hint>,
    refresh: Arc<Notify>,
    changed: bool,
    money: bool,
    added_up: Option<Instant>,
}

impl Reader {
    async fn run(&mut self) {
        // How old the data is: tries that fail make it no newer.
        let mut since = self.ports.clock.now();
        let mut failures = 0;
        loop {
            let before = since;
            let Err(error) = self.follow(&mut since).await;
            if since != before {
                failures = 0;
            }
            tracing::warn!("the store's changes cannot be followed: {error}");
            self.say(Event::Connection(ConnectionState::Disconnected { since, reason: error.to_string() })).await;
            tokio::time::sleep(backoff(failures, None, rand::random()).min(FOLLOW_AGAIN_AFTER)).await;
            failures += 1;
        }
    }

    /// Follows the changes until that fails; `since` becomes the time until which all were heard of.
    async fn follow(&mut self, since: &mut DateTime<Utc>) -> Result<std::convert::Infallible, StoreError> {
        // First listen, then read: what changes in between is told twice rather than never.
        let mut watch = self.ports.store.watch().await?;
        self.first_pages().await?;
        self.say(Event::Connection(ConnectionState::Connected)).await;
        let Err(error) = self.listen(&mut *watch).await;
        let silent = chrono::Duration::from_std(watch.since_last_contact()).unwrap_or_default();
        *since = self.ports.clock.now() - silent;
        Err(error)
    }

    async fn listen(&mut self, watch: &mut dyn ChangeStream) -> Result<std::convert::Infallible, StoreError> {
        loop {
            let due = self.next_sum();
            tokio::select! {
                changes = watch.next() => self.changes(changes?).await,
                () = self.refresh.notified() => self.money = true,
                () = sleep_until(due), if due.is_some() => self.add_up().await?,
            }
        }
    }

    async fn first_pages(&mut self) -> Result<(), StoreError> {
        if self.audience != EventDetail::Full {
            return Ok(());
        }
        let newest = PageQuery { limit: FIRST_PAGE, ..PageQuery::default() };
        let active = PageQuery {
            stages: StageName::ALL.into_iter().filter(|stage| stage.is_active()).collect(),
            order: SortOrder::OldestFirst,
            ..newest.clone()
        };
        for query in [newest, active] {
            let page = self.ports.store.list(query).await?;
            self.say(Event::Jobs(page.jobs.into_iter().map(Arc::new).collect())).await;
            for (id, reason) in page.unreadable {
                self.say(Event::Unreadable { id, reason }).await;
            }
        }
        Ok(())
    }

    async fn changes(&mut self, changes: Vec<Change>) {
        let mut jobs = Vec::with_capacity(changes.len());
        for change in changes {
            match change {
                Change::Job(job) => jobs.push(job),
                Change::Unreadable { id, reason } => self.say(Event::Unreadable { id, reason }).await,
                Change::Removed(id) => self.say(Event::Removed(id)).await,
            }
        }
        self.changed = true;
        self.money |= jobs.iter().any(|job| job.charges().next().is_some());
        // A hint that finds no room is not missed: the dispatcher has others to read, and looks by itself anyway.
        let _ = self.hints.try_send(jobs.clone());
        if self.audience == EventDetail::Full {
            self.say(Event::Jobs(jobs)).await;
        }
    }

    fn next_sum(&self) -> Option<Instant> {
        let every = match self.audience {
            EventDetail::None => return None,
            EventDetail::Metrics => ADD_UP_FOR_METERS_EVERY,
            EventDetail::Full => ADD_UP_EVERY,
        };
        let wanted = self.changed || self.money || self.overview.is_stale();
        wanted.then(|| self.added_up.map_or_else(Instant::now, |at| at + every))
    }

    async fn add_up(&mut self) -> Result<(), StoreError> {
        self.added_up = Some(Instant::now());
        if std::mem::take(&mut self.changed) {
            let counts = self.ports.store.counts().await?;
            self.say(Event::Counts(counts)).await;
        }
        if std::mem::take(&mut self.money) || self.overview.is_stale() {
            let overview = self.overview.compute().await?;
            self.say(Event::Costs(Box::new(overview))).await;
        }
        Ok(())
    }

    async fn say(&self, event: Event) {
        // Nobody listens: jobs run all the same.
        let _ = self.facts.send(event).await;
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
