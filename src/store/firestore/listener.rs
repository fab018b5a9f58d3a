//! Owns one listen stream with its two narrow targets: what is active, and the newest jobs. Feeds the board, and finds out whether
//! the stream can be trusted. Must not decide when to open it again.
//!
//! A silent stream is no proof of a quiet collection: the emulator can spoil one for good while it is being opened, and a line can
//! be cut without a word. So a write of our own that is not heard of in time, and a count that differs from what was heard, end the
//! stream with an error.

use std::sync::Arc;
use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::listen_response::ResponseType;
use firestore::gcloud_sdk::google::firestore::v1::target_change::TargetChangeType;
use firestore::gcloud_sdk::google::firestore::v1::{
    Document, ListenRequest, ListenResponse, StructuredQuery, Target, TargetChange, listen_request, target,
};
use futures::StreamExt;
use tokio::time::{Instant, MissedTickBehavior};

use super::super::StoreError;
use super::document::Status;
use super::query::Query;
use super::queue::WINDOW;
use super::snapshot::Snapshot;
use super::{JOBS, Shared, errors, stretch, value};
use crate::jobs::JobId;

/// Jobs that are heard of whatever their status is.
const NEWEST: usize = 50;

/// How long the server may take until it has sent everything for the first time.
const OPENING: Duration = Duration::from_secs(8);

/// How long a write of our own may take until it is heard of.
const ECHO: Duration = Duration::from_secs(4);

/// When a stream is counted against the collection: soon after it was opened, and then whenever it was silent for so long. One
/// read each: 30 an hour at rest.
const FIRST_COUNT: Duration = Duration::from_secs(2);
const SILENCE: Duration = Duration::from_mins(2);

const ACTIVE_TARGET: i32 = 1;
const NEWEST_TARGET: i32 = 2;

/// The two targets across streams.
pub(super) struct Listener {
    shared: Arc<Shared>,
    active: Snapshot,
    newest: Snapshot,
    /// What left without a word of where it is now.
    lost: Vec<JobId>,
    read_time: u64,
    live: bool,
    heard: Instant,
    count_at: Instant,
}

impl Listener {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        Self {
            shared,
            active: Snapshot::default(),
            newest: Snapshot::default(),
            lost: Vec::new(),
            read_time: 0,
            live: false,
            heard: now,
            count_at: now,
        }
    }

    /// Opens a stream and follows it until it fails; calls `live` when everything is heard.
    pub(super) async fn follow(&mut self, mut live: impl FnMut()) -> StoreError {
        match self.run(&mut live).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn run(&mut self, live: &mut impl FnMut()) -> Result<std::convert::Infallible, StoreError> {
        self.active.reset();
        self.newest.reset();
        self.live = false;
        let opened = Instant::now();
        let targets = [(ACTIVE_TARGET, active()), (NEWEST_TARGET, newest())];
        let requests = targets.map(|(number, query)| self.request(number, query)).to_vec();
        let mut stream = self.shared.client.listen(requests).await?;
        let mut look = tokio::time::interval(Duration::from_millis(250));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = stream.next() => {
                    let message = message.ok_or_else(|| ended("the server closed the stream"))?;
                    self.message(message.map_err(|status| errors::of_status(&status))?)?;
                    if self.live && !self.lost.is_empty() {
                        self.look_for_lost().await?;
                    }
                    if self.live {
                        let complete = !self.overflows();
                        if complete != self.shared.board.version().is_some() {
                            self.shared.board.set_complete(complete);
                        }
                        live();
                    }
                }
                _ = look.tick() => self.check(opened).await?,
            }
        }
    }

    fn request(&self, target_id: i32, query: StructuredQuery) -> ListenRequest {
        let query = target::QueryTarget {
            parent: self.shared.client.parent(),
            query_type: Some(target::query_target::QueryType::StructuredQuery(query)),
        };
        let target_type = Some(target::TargetType::Query(query));
        let added = Target { target_id, target_type, ..Default::default() };
        ListenRequest {
            database: self.shared.client.database(),
            target_change: Some(listen_request::TargetChange::AddTarget(added)),
            ..Default::default()
        }
    }

    fn message(&mut self, message: ListenResponse) -> Result<(), StoreError> {
        self.heard = Instant::now();
        self.shared.board.line_is_good();
        self.count_at = self.count_at.max(self.heard + SILENCE);
        match message.response_type {
            Some(ResponseType::TargetChange(change)) => self.target_change(&change),
            Some(ResponseType::DocumentChange(change)) => {
                let Some(document) = change.document else { return Ok(()) };
                self.shared.client.count_reads(1);
                self.document(&document, &change.target_ids, &change.removed_target_ids);
                Ok(())
            }
            Some(ResponseType::DocumentDelete(delete)) => {
                if let Some(id) = id_of(&delete.document) {
                    let read_time = delete.read_time.as_ref().map_or(self.read_time, value::nanoseconds);
                    self.active.left(&id);
                    self.newest.left(&id);
                    self.shared.board.removed(&id, read_time);
                }
                Ok(())
            }
            Some(ResponseType::DocumentRemove(remove)) => {
                if let Some(id) = id_of(&remove.document) {
                    self.left(&id, &remove.removed_target_ids);
                }
                Ok(())
            }
            // The server has counted what we should have: where that differs, the stream is begun anew.
            Some(ResponseType::Filter(filter)) => {
                let here = if filter.target_id == ACTIVE_TARGET { self.active.len() } else { self.newest.len() };
                let there = usize::try_from(filter.count).unwrap_or(0);
                if here == there { Ok(()) } else { Err(ended("the stream has lost documents")) }
            }
            None => Ok(()),
        }
    }

    fn document(&mut self, document: &Document, targets: &[i32], removed: &[i32]) {
        let Some(id) = id_of(&document.name) else { return };
        let revision = document.update_time.as_ref().map_or(0, value::nanoseconds);
        // The emulator sends everything after every write: what is known already is not read again.
        let news = revision > self.shared.board.revision(&id) || !self.shared.board.is_told(&id, revision);
        if let Some(reading) = news.then(|| self.shared.read(document)).flatten() {
            self.shared.board.hear(&reading);
        }
        if targets.contains(&ACTIVE_TARGET) {
            self.active.contains(&id);
        }
        if targets.contains(&NEWEST_TARGET) {
            self.newest.contains(&id);
        }
        self.left(&id, removed);
    }

    fn left(&mut self, id: &JobId, targets: &[i32]) {
        if targets.contains(&ACTIVE_TARGET) && self.active.left(id) {
            self.lost.push(id.clone());
        }
        if targets.contains(&NEWEST_TARGET) {
            self.newest.left(id);
        }
    }

    fn target_change(&mut self, change: &TargetChange) -> Result<(), StoreError> {
        let all = change.target_ids.is_empty();
        let kind = TargetChangeType::try_from(change.target_change_type).unwrap_or(TargetChangeType::NoChange);
        for (number, snapshot) in [(ACTIVE_TARGET, &mut self.active), (NEWEST_TARGET, &mut self.newest)] {
            if all || change.target_ids.contains(&number) {
                match kind {
                    TargetChangeType::Reset => snapshot.reset(),
                    TargetChangeType::Current => snapshot.is_current(),
                    _ => {}
                }
            }
        }
        if kind == TargetChangeType::Remove {
            let why = change.cause.as_ref().map_or("no reason given", |cause| cause.message.as_str());
            return Err(ended(&format!("the server ended the listener: {}", crate::text::sanitize_line(why, 300))));
        }
        if kind == TargetChangeType::NoChange && all && change.read_time.is_some() {
            self.read_time = change.read_time.as_ref().map_or(0, value::nanoseconds);
            if let (Some(gone), Some(pushed)) = (self.active.consistent(), self.newest.consistent()) {
                self.lost.extend(gone);
                // Newer jobs push older ones out; where there is room, one that left was deleted.
                if self.newest.len() < NEWEST {
                    self.lost.extend(pushed);
                }
                self.live = true;
            }
        }
        Ok(())
    }

    /// Looks at the documents that left the active ones, unless they were already heard of in their new state.
    async fn look_for_lost(&mut self) -> Result<(), StoreError> {
        // Forgotten only once they are found: after an error they are still lost.
        let mut lost = self.lost.clone();
        lost.sort_unstable();
        lost.dedup();
        let read_time = self.read_time;
        let names = |lost: &[JobId]| lost.iter().map(|id| self.shared.client.name(JOBS, id.as_str())).collect();
        let has_room = self.newest.len() < NEWEST;
        lost.retain(|id| {
            let deleted = has_room && self.shared.board.revision(id) > 0 && !self.newest.has(id);
            deleted || self.shared.board.believes_active(id, read_time)
        });
        for some in lost.chunks(300) {
            let found = self.shared.client.get(names(some)).await?;
            for document in &found {
                if let Some(reading) = self.shared.read(document) {
                    self.shared.board.hear(&reading);
                }
            }
            let there: Vec<JobId> = found.iter().filter_map(|document| id_of(&document.name)).collect();
            for id in some.iter().filter(|id| !there.contains(id)) {
                self.shared.board.removed(id, read_time);
            }
        }
        self.lost.clear();
        Ok(())
    }

    /// Whether the stream can still be trusted.
    async fn check(&mut self, opened: Instant) -> Result<(), StoreError> {
        let now = Instant::now();
        if !self.live {
            self.count_at = now + FIRST_COUNT;
            return if now - opened > OPENING { Err(self.silent("the listener stays silent")) } else { Ok(()) };
        }
        if self.shared.board.written().is_some_and(|written| written > self.heard && now - written > ECHO) {
            return Err(self.silent("the listener misses writes"));
        }
        if now >= self.count_at {
            self.count_at = now + SILENCE;
            let heard = self.heard;
            let there = self.shared.client.count(active()).await?;
            // What arrived meanwhile may or may not be in the count.
            if self.heard == heard && there != self.active.len() as u64 {
                return Err(ended("the listener missed documents"));
            }
            self.shared.board.line_is_good();
        }
        Ok(())
    }

    /// That it may be the connection: the next stream gets another one.
    fn silent(&self, why: &str) -> StoreError {
        self.shared.client.renew();
        ended(why)
    }

    fn overflows(&self) -> bool {
        self.active.len() >= WINDOW
    }
}

/// Everything that a worker has something to do with, up to a limit that protects a console from a million of them.
fn active() -> StructuredQuery {
    let statuses = [Status::Pending, Status::Processing].map(|status| value::text(status.as_str()));
    Query::of(JOBS).one_of("status", statuses).limit(WINDOW).build()
}

fn newest() -> StructuredQuery {
    // Without the bound, documents with a text for a date would stand before all others for good.
    stretch::dated(Query::of(JOBS)).order("createdAt", true).limit(NEWEST).build()
}

fn id_of(name: &str) -> Option<JobId> {
    JobId::new(name.rsplit('/').next()?).ok()
}

fn ended(why: &str) -> StoreError {
    StoreError::Unavailable(why.to_owned())
}
