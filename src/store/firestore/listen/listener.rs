//! One listen stream with its narrow targets: the active jobs, the newest ones, and the caps. It feeds the cache, and detects when the
//! stream cannot be trusted.
//!
//! A silent stream does not prove a quiet collection: the emulator can break one for good while it is being opened, and a connection
//! can be cut without notice. So an own write that is not received in time, and a count that differs from the received documents,
//! end the stream with an error.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::listen_response::ResponseType;
use firestore::gcloud_sdk::google::firestore::v1::target_change::TargetChangeType;
use firestore::gcloud_sdk::google::firestore::v1::{
    Document, ListenRequest, ListenResponse, StructuredQuery, Target, TargetChange, listen_request, target,
};
use futures::StreamExt;
use tokio::time::{Instant, MissedTickBehavior};

use super::snapshot::Snapshot;
use crate::jobs::JobId;
use crate::store::firestore::connection::errors;
use crate::store::firestore::connection::query::{CREATED_AT, MAX_ACTIVE, Query};
use crate::store::firestore::documents::value;
use crate::store::firestore::ledger::budgets::BUDGETS;
use crate::store::firestore::{JOBS, Shared, shared_records};
use crate::store::schema::Status;
use crate::store::{SharedRecord, StoreError};

/// Jobs whose changes are received whatever their status is.
const NEWEST: usize = 50;

/// How long the server may take to send the first complete snapshot.
const OPEN_TIMEOUT: Duration = Duration::from_secs(8);

/// How long an own write may take until the stream returns it.
const ECHO_TIMEOUT: Duration = Duration::from_secs(4);

/// When a stream is checked against the server's count: soon after it was opened, and then whenever it was silent for so long. One
/// read each: 30 an hour at rest.
const FIRST_COUNT_AFTER: Duration = Duration::from_secs(2);
const COUNT_INTERVAL: Duration = Duration::from_mins(2);

/// Documents that one request fetches.
const BATCH_SIZE: usize = 300;

const ACTIVE_TARGET: i32 = 1;
const NEWEST_TARGET: i32 = 2;
const BUDGET_TARGET: i32 = 3;
/// The shared records that every worker applies at once. One read for each stream, and one for each change.
const RECORDS_TARGET: i32 = 4;

/// The targets across streams.
pub(crate) struct Listener {
    shared: Arc<Shared>,
    active: Snapshot,
    newest: Snapshot,
    /// Documents that left a target, whose present state is unknown.
    departed: Vec<JobId>,
    /// Active jobs that are no members of the target, in the version that was fetched.
    verified: HashSet<(JobId, u64)>,
    /// The known revision of the caps; `None` before the first stream is complete.
    budget: Option<u64>,
    /// Whether the settings of the store were changed, so that waiting requests are to be read again.
    settings_changed: bool,
    read_time: u64,
    live: bool,
    last_message: Instant,
    count_at: Instant,
}

impl Listener {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        Self {
            shared,
            active: Snapshot::default(),
            newest: Snapshot::default(),
            departed: Vec::new(),
            verified: HashSet::new(),
            budget: None,
            settings_changed: false,
            read_time: 0,
            live: false,
            last_message: now,
            count_at: now,
        }
    }

    /// Opens a stream and follows it until it fails; calls `live` when the snapshot is complete.
    pub(crate) async fn follow(&mut self, mut live: impl FnMut()) -> StoreError {
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
        let targets = [(ACTIVE_TARGET, active()), (NEWEST_TARGET, newest()), (BUDGET_TARGET, budgets())];
        let mut requests = targets.map(|(number, query)| self.request(number, query)).to_vec();
        requests.push(self.request_records());
        let mut stream = self.shared.client.listen(requests).await?;
        let mut ticks = tokio::time::interval(Duration::from_millis(250));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = stream.next() => {
                    let message = message.ok_or_else(|| failed("the server closed the change stream"))?;
                    self.message(message.map_err(|status| errors::of_status(&status))?)?;
                    if self.live && !self.departed.is_empty() {
                        self.fetch_departed().await?;
                    }
                    if self.live && std::mem::take(&mut self.settings_changed) {
                        self.reinterpret_requests().await?;
                    }
                    if self.live {
                        let complete = !self.overflows();
                        if complete != self.shared.cache.version().is_some() {
                            self.shared.cache.set_complete(complete);
                        }
                        live();
                    }
                }
                _ = ticks.tick() => self.check(opened).await?,
            }
        }
    }

    fn request(&self, target_id: i32, query: StructuredQuery) -> ListenRequest {
        let query = target::QueryTarget {
            parent: self.shared.client.parent(),
            query_type: Some(target::query_target::QueryType::StructuredQuery(query)),
        };
        self.add_target(target_id, target::TargetType::Query(query))
    }

    fn request_records(&self) -> ListenRequest {
        let client = &self.shared.client;
        let documents = SharedRecord::WATCHED.iter().map(|(kind, id)| shared_records::record_name(client, kind, id));
        let documents = target::DocumentsTarget { documents: documents.collect() };
        self.add_target(RECORDS_TARGET, target::TargetType::Documents(documents))
    }

    fn add_target(&self, target_id: i32, target_type: target::TargetType) -> ListenRequest {
        let added = Target { target_id, target_type: Some(target_type), ..Default::default() };
        ListenRequest {
            database: self.shared.client.database(),
            target_change: Some(listen_request::TargetChange::AddTarget(added)),
            ..Default::default()
        }
    }

    fn message(&mut self, message: ListenResponse) -> Result<(), StoreError> {
        self.last_message = Instant::now();
        self.shared.cache.mark_contact();
        self.count_at = self.count_at.max(self.last_message + COUNT_INTERVAL);
        match message.response_type {
            Some(ResponseType::TargetChange(change)) => self.target_change(&change),
            Some(ResponseType::DocumentChange(change)) => {
                let Some(document) = change.document else { return Ok(()) };
                self.shared.client.count_reads(1);
                if change.target_ids.contains(&RECORDS_TARGET) {
                    match shared_records::parse(&document) {
                        Ok(record) => {
                            self.settings_changed |= self.shared.apply_changed_settings(&record);
                            self.shared.cache.publish_record(record);
                        }
                        Err(error) => tracing::warn!(%error, "shared record skipped"),
                    }
                    return Ok(());
                }
                if change.target_ids.contains(&BUDGET_TARGET) {
                    self.budget(&document);
                    return Ok(());
                }
                self.document(&document, &change.target_ids, &change.removed_target_ids);
                Ok(())
            }
            Some(ResponseType::DocumentDelete(delete)) => {
                if let Some(id) = id_of(&delete.document) {
                    let read_time = delete.read_time.as_ref().map_or(self.read_time, value::nanoseconds);
                    self.active.remove(&id);
                    self.newest.remove(&id);
                    self.shared.cache.removed(&id, read_time);
                }
                Ok(())
            }
            Some(ResponseType::DocumentRemove(remove)) => {
                if let Some(id) = id_of(&remove.document) {
                    self.left(&id, &remove.removed_target_ids);
                }
                Ok(())
            }
            Some(ResponseType::Filter(filter)) if filter.target_id == BUDGET_TARGET => Ok(()),
            // The server's count of the documents that should be here: a difference restarts the stream.
            Some(ResponseType::Filter(filter)) if filter.target_id == RECORDS_TARGET => Ok(()),
            Some(ResponseType::Filter(filter)) => {
                let here = if filter.target_id == ACTIVE_TARGET { self.active.len() } else { self.newest.len() };
                let stored = usize::try_from(filter.count).unwrap_or(0);
                if here == stored { Ok(()) } else { Err(failed("the change stream lost documents")) }
            }
            None => Ok(()),
        }
    }

    /// The caps, which the first stream sends without a change.
    fn budget(&mut self, document: &Document) {
        let revision = document.update_time.as_ref().map_or(0, value::nanoseconds);
        if self.budget.is_some_and(|known| revision > known) {
            self.shared.cache.publish_budget_change();
        }
        self.budget = self.budget.max(Some(revision));
    }

    fn document(&mut self, document: &Document, targets: &[i32], removed: &[i32]) {
        let Some(id) = id_of(&document.name) else { return };
        let revision = document.update_time.as_ref().map_or(0, value::nanoseconds);
        // The emulator sends everything after every write: known revisions are not parsed again.
        let is_new = revision > self.shared.cache.revision(&id) || !self.shared.cache.is_published(&id, revision);
        if let Some(parsed) = is_new.then(|| self.shared.read(document)).flatten() {
            self.shared.cache.apply_snapshot(&parsed);
        }
        if targets.contains(&ACTIVE_TARGET) {
            self.active.insert(&id);
        }
        if targets.contains(&NEWEST_TARGET) {
            self.newest.insert(&id);
        }
        self.left(&id, removed);
    }

    fn left(&mut self, id: &JobId, targets: &[i32]) {
        if targets.contains(&ACTIVE_TARGET) && self.active.remove(id) {
            self.departed.push(id.clone());
        }
        if targets.contains(&NEWEST_TARGET) {
            self.newest.remove(id);
        }
    }

    fn target_change(&mut self, change: &TargetChange) -> Result<(), StoreError> {
        let all = change.target_ids.is_empty();
        let kind = TargetChangeType::try_from(change.target_change_type).unwrap_or(TargetChangeType::NoChange);
        for (number, snapshot) in [(ACTIVE_TARGET, &mut self.active), (NEWEST_TARGET, &mut self.newest)] {
            if all || change.target_ids.contains(&number) {
                match kind {
                    TargetChangeType::Reset => snapshot.reset(),
                    TargetChangeType::Current => snapshot.mark_current(),
                    _ => {}
                }
            }
        }
        if kind == TargetChangeType::Remove {
            let why = change.cause.as_ref().map_or("no reason given", |cause| cause.message.as_str());
            return Err(failed(&format!(
                "the server closed the change stream: {}",
                crate::text::sanitize_line(why, 300)
            )));
        }
        if kind == TargetChangeType::NoChange && all && change.read_time.is_some() {
            self.read_time = change.read_time.as_ref().map_or(0, value::nanoseconds);
            if let (Some(gone), Some(pushed)) = (self.active.consistent(), self.newest.consistent()) {
                self.departed.extend(gone);
                // Newer jobs push older ones out; where there is room, one that left was deleted.
                if self.newest.len() < NEWEST {
                    self.departed.extend(pushed);
                }
                self.live = true;
                // A store without caps sends no document for them: the first one is a change.
                self.budget = self.budget.or(Some(0));
            }
        }
        Ok(())
    }

    /// Fetches the documents that left the active ones, unless they already arrived in their new state.
    async fn fetch_departed(&mut self) -> Result<(), StoreError> {
        // Cleared only once they are fetched: after an error they are still departed.
        let mut departed = self.departed.clone();
        departed.sort_unstable();
        departed.dedup();
        let read_time = self.read_time;
        let names = |departed: &[JobId]| departed.iter().map(|id| self.shared.client.name(JOBS, id.as_str())).collect();
        let has_room = self.newest.len() < NEWEST;
        departed.retain(|id| {
            let deleted = has_room && self.shared.cache.revision(id) > 0 && !self.newest.has(id);
            deleted || self.shared.cache.is_believed_active(id, read_time)
        });
        for batch in departed.chunks(BATCH_SIZE) {
            let found = self.shared.client.get(names(batch)).await?;
            for document in &found {
                if let Some(parsed) = self.shared.read(document) {
                    self.shared.cache.apply_snapshot(&parsed);
                }
            }
            let existing: Vec<JobId> = found.iter().filter_map(|document| id_of(&document.name)).collect();
            for id in batch.iter().filter(|id| !existing.contains(id)) {
                self.shared.cache.removed(id, read_time);
            }
        }
        self.departed.clear();
        Ok(())
    }

    /// Reads the waiting requests of other programs again, under the present settings of the store.
    async fn reinterpret_requests(&self) -> Result<(), StoreError> {
        let waiting = self.shared.cache.waiting_requests();
        for batch in waiting.chunks(BATCH_SIZE) {
            let names = batch.iter().map(|id| self.shared.client.name(JOBS, id.as_str())).collect();
            for document in self.shared.client.get(names).await? {
                if let Some(parsed) = self.shared.read(&document) {
                    self.shared.cache.apply_snapshot(&parsed);
                    self.shared.cache.reinterpret(&parsed);
                }
            }
        }
        Ok(())
    }

    /// Fetches active jobs that the stream does not list: read before the stream was complete, they may have ended without a message.
    async fn verify_unlisted(&mut self) -> Result<(), StoreError> {
        if self.overflows() {
            return Ok(());
        }
        let mut unlisted = self.shared.cache.active_beside(self.read_time, |id| self.active.has(id));
        unlisted.retain(|known| !self.verified.contains(known));
        if unlisted.is_empty() {
            return Ok(());
        }
        self.departed.extend(unlisted.iter().map(|(id, _)| id.clone()));
        self.verified.extend(unlisted);
        self.fetch_departed().await
    }

    /// Whether the stream can still be trusted.
    async fn check(&mut self, opened: Instant) -> Result<(), StoreError> {
        let now = Instant::now();
        if !self.live {
            self.count_at = now + FIRST_COUNT_AFTER;
            return if now - opened > OPEN_TIMEOUT { Err(self.stalled("the change stream timed out")) } else { Ok(()) };
        }
        self.verify_unlisted().await?;
        if self
            .shared
            .cache
            .last_write()
            .is_some_and(|written| written > self.last_message && now - written > ECHO_TIMEOUT)
        {
            return Err(self.stalled("the change stream is behind"));
        }
        if now >= self.count_at {
            self.count_at = now + COUNT_INTERVAL;
            let last_message = self.last_message;
            let stored = self.shared.client.count(active()).await?;
            // What arrived meanwhile may or may not be in the count.
            if self.last_message == last_message && stored != self.active.len() as u64 {
                return Err(failed("the change stream missed documents"));
            }
            self.shared.cache.mark_contact();
        }
        Ok(())
    }

    /// The connection may be the cause: the next stream gets another one.
    fn stalled(&self, why: &str) -> StoreError {
        self.shared.client.reconnect();
        failed(why)
    }

    fn overflows(&self) -> bool {
        self.active.len() >= MAX_ACTIVE
    }
}

/// The documents that a worker may act on, up to a limit that protects a console from a million of them.
fn active() -> StructuredQuery {
    Query::of(JOBS).under_way_or(&[Status::Pending, Status::Processing]).limit(MAX_ACTIVE).build()
}

fn newest() -> StructuredQuery {
    // Without the bound, documents with a text for a date would come before all others.
    Query::of(JOBS).with_timestamp().order(CREATED_AT, true).limit(NEWEST).build()
}

fn budgets() -> StructuredQuery {
    Query::of(BUDGETS).build()
}

fn id_of(name: &str) -> Option<JobId> {
    JobId::new(name.rsplit('/').next()?).ok()
}

fn failed(why: &str) -> StoreError {
    StoreError::Unavailable(why.to_owned())
}
