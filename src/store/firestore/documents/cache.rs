//! The documents that this process knows: what a save has to know about the document that it replaces, the active jobs, and the
//! changes for each subscriber.
//!
//! Only a document with a newer revision than the known one changes anything here. So it does not matter in which sequence, how often,
//! and from where (a listener, a read, an own write) the same document arrives.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::jobs::{Job, JobId, StageName};
use crate::store::firestore::documents::subscriber::Subscriber;
use crate::store::firestore::documents::{BaseVersion, LoadedJob, ParsedDocument};
use crate::store::{Change, SharedRecord};

/// Documents that are cached in addition to the active ones.
const MAX_CACHED: usize = 20_000;

/// Earlier revisions of a document that are remembered as equal.
const MAX_EQUAL: usize = 16;

/// The documents that one process knows.
#[derive(Default)]
pub(crate) struct DocumentCache {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    documents: HashMap<JobId, CachedDocument>,
    active: BTreeMap<JobId, Arc<Job>>,
    /// Whether a listener keeps `active` complete.
    complete: bool,
    subscribers: Vec<Weak<Subscriber>>,
    /// Counts the merged documents.
    version: u64,
    /// Counts the merged documents that are not, or were not, active, or whose `hidden` changed.
    inactive_version: u64,
    /// The newest own write that a listener must receive.
    last_write: Option<Instant>,
    /// When the listener last had a proof that it misses nothing.
    last_contact: Option<Instant>,
}

struct CachedDocument {
    revision: u64,
    /// The newest revision that the subscribers have.
    published: u64,
    /// One line for a document that cannot be read.
    base: Result<BaseVersion, String>,
    /// Whether the document is a request that is to be rejected.
    is_bad_request: bool,
    /// Earlier revisions with the same job, newest last: other programs changed only what is theirs.
    equal: Vec<u64>,
    /// What another program removed together with the map `darkroom`, while the job was under way.
    removed: Option<Box<RemovedMap>>,
}

#[derive(Clone)]
struct RemovedMap {
    base: BaseVersion,
    equal: Vec<u64>,
}

impl DocumentCache {
    fn state(&self) -> MutexGuard<'_, State> {
        // No update here is partial: a panic elsewhere leaves the state consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The document that a save of that revision replaces, where it is known: the present one, where only other programs have written
    /// since, and nothing that the job depends on.
    pub(crate) fn base(&self, id: &JobId, revision: u64) -> Option<BaseVersion> {
        let state = self.state();
        let document = state.documents.get(id)?;
        let is_of = |base: &BaseVersion, equal: &[u64]| base.revision == revision || equal.contains(&revision);
        if let Some(removed) = document.removed.as_ref().filter(|removed| is_of(&removed.base, &removed.equal)) {
            return removed.base.restored(document.revision);
        }
        document.base.as_ref().ok().filter(|base| is_of(base, &document.equal)).cloned()
    }

    /// A document that was read: it is cached, and no subscriber is notified.
    pub(crate) fn record_read(&self, parsed: &ParsedDocument) {
        self.state().merge(parsed);
    }

    /// A document that a listener received: the subscribers get what is new.
    pub(crate) fn apply_snapshot(&self, parsed: &ParsedDocument) {
        let mut state = self.state();
        state.merge(parsed);
        let Some(document) = state.documents.get_mut(&parsed.id) else { return };
        if parsed.revision <= document.published || parsed.revision < document.revision {
            return;
        }
        document.published = parsed.revision;
        let change = match &parsed.content {
            Ok(known) => Change::Job(Arc::new(known.job.clone())),
            Err(reason) => Change::Unreadable { id: parsed.id.clone(), reason: reason.clone() },
        };
        state.publish(&change);
    }

    /// The waiting requests of other programs: what they do not name depends on the settings of the store.
    pub(crate) fn waiting_requests(&self) -> Vec<JobId> {
        let state = self.state();
        let is_waiting = |job: &&Arc<Job>| job.external && job.stage_name() == StageName::Queued;
        state.active.values().filter(is_waiting).map(|job| job.id.clone()).collect()
    }

    /// The cached version of a document, read again under other settings: the subscribers get what it means now.
    pub(crate) fn reinterpret(&self, parsed: &ParsedDocument) {
        let mut state = self.state();
        let is_current = |document: &&mut CachedDocument| document.revision == parsed.revision;
        let Some(document) = state.documents.get_mut(&parsed.id).filter(is_current) else { return };
        let Ok(known) = &parsed.content else { return };
        document.base = Ok(known.base.clone());
        document.equal.clear();
        let job = Arc::new(known.job.clone());
        if state.active.contains_key(&parsed.id) {
            state.active.insert(parsed.id.clone(), job.clone());
        }
        state.version += 1;
        state.publish(&Change::Job(job));
    }

    /// An own write. A listener will receive it too, where the job was or is active.
    pub(crate) fn record_write(&self, job: Job, base: BaseVersion) {
        let mut state = self.state();
        let active = job.stage_name().is_active() || state.active.contains_key(&job.id);
        if active && state.complete {
            state.last_write = Some(Instant::now());
        }
        let (id, revision) = (job.id.clone(), job.revision);
        let content = Ok(Box::new(LoadedJob { job: job.clone(), base }));
        let parsed = ParsedDocument {
            id: id.clone(),
            revision,
            content,
            is_bad_request: false,
            has_map: true,
            moved_by_backend: None,
        };
        state.merge(&parsed);
        if let Some(document) = state.documents.get_mut(&id).filter(|document| document.revision == revision) {
            document.published = revision;
            state.publish(&Change::Job(Arc::new(job)));
        }
    }

    /// The requests that cannot be read and were not rejected yet, with their revisions and reasons.
    pub(crate) fn bad_requests(&self) -> Vec<(JobId, u64, String)> {
        let state = self.state();
        let bad = state.documents.iter().filter(|(_, document)| document.is_bad_request);
        let reason = |document: &CachedDocument| document.base.as_ref().err().cloned().unwrap_or_default();
        bad.map(|(id, document)| (id.clone(), document.revision, reason(document))).collect()
    }

    /// That revision of the request needs no rejection any more.
    pub(crate) fn clear_bad_request(&self, id: &JobId, revision: u64) {
        let mut state = self.state();
        if let Some(document) = state.documents.get_mut(id).filter(|document| document.revision == revision) {
            document.is_bad_request = false;
        }
    }

    /// A shared record that a listener received.
    pub(crate) fn publish_record(&self, record: SharedRecord) {
        self.state().publish(&Change::SharedRecord(record));
    }

    /// A document that is gone since `read_time` at the latest.
    pub(crate) fn removed(&self, id: &JobId, read_time: u64) {
        let mut state = self.state();
        if state.documents.get(id).is_some_and(|document| document.revision <= read_time) {
            state.documents.remove(id);
            state.active.remove(id);
            state.inactive_version += 1;
            state.publish(&Change::Removed(id.clone()));
        }
    }

    /// Whether that document is active in its cached version, and that version is not newer than `read_time`.
    pub(crate) fn is_believed_active(&self, id: &JobId, read_time: u64) -> bool {
        let state = self.state();
        let old = state.documents.get(id).is_some_and(|document| document.revision <= read_time);
        old && (state.active.contains_key(id) || state.documents.get(id).is_some_and(|document| document.base.is_err()))
    }

    /// The cached active jobs, in versions not newer than `read_time`, that are not members of the target.
    pub(crate) fn active_beside(&self, read_time: u64, is_member: impl Fn(&JobId) -> bool) -> Vec<(JobId, u64)> {
        let state = self.state();
        let revision = |id: &JobId| state.documents.get(id).map_or(u64::MAX, |document| document.revision);
        let known = state.active.keys().filter(|id| !is_member(id)).map(|id| (id.clone(), revision(id)));
        known.filter(|(_, revision)| *revision <= read_time).collect()
    }

    /// The cached revision of the document; 0 for none.
    pub(crate) fn revision(&self, id: &JobId) -> u64 {
        self.state().documents.get(id).map_or(0, |document| document.revision)
    }

    /// Sets whether a listener keeps the active jobs complete.
    pub(crate) fn set_complete(&self, complete: bool) {
        let mut state = self.state();
        state.complete = complete;
        if !complete {
            state.last_write = None;
        }
    }

    /// Whether the subscribers have that revision of the document.
    pub(crate) fn is_published(&self, id: &JobId, revision: u64) -> bool {
        self.state().documents.get(id).is_some_and(|document| document.published >= revision)
    }

    /// A number that changes with every merged document, while a listener keeps the cache complete.
    pub(crate) fn version(&self) -> Option<u64> {
        let state = self.state();
        state.complete.then_some(state.version)
    }

    /// A number that changes whenever the server's counts of inactive or hidden jobs may have changed.
    pub(crate) fn inactive_version(&self) -> Option<u64> {
        let state = self.state();
        state.complete.then_some(state.inactive_version)
    }

    /// All active jobs, where a listener keeps them complete.
    pub(crate) fn active(&self) -> Option<Vec<Arc<Job>>> {
        let state = self.state();
        state.complete.then(|| state.active.values().cloned().collect())
    }

    /// The listener received a message, or verified that there was none.
    pub(crate) fn mark_contact(&self) {
        self.state().last_contact = Some(Instant::now());
    }

    /// Time since then.
    pub(crate) fn since_last_contact(&self) -> Duration {
        self.state().last_contact.map_or(Duration::ZERO, |last_contact| last_contact.elapsed())
    }

    /// The newest own write that a listener must receive.
    pub(crate) fn last_write(&self) -> Option<Instant> {
        self.state().last_write
    }

    /// A new subscriber to changes from now on. Unreadable documents are pushed at once.
    pub(crate) fn subscribe(&self) -> Arc<Subscriber> {
        let subscriber = Arc::new(Subscriber::default());
        let mut state = self.state();
        state.subscribers.retain(|other| other.strong_count() > 0);
        state.subscribers.push(Arc::downgrade(&subscriber));
        for (id, document) in &state.documents {
            if let Err(reason) = &document.base {
                subscriber.push(Change::Unreadable { id: id.clone(), reason: reason.clone() });
            }
        }
        subscriber
    }

    /// The caps of the store were changed.
    pub(crate) fn publish_budget_change(&self) {
        self.state().publish(&Change::Budget);
    }

    /// Fails all subscribers: they may have missed changes.
    pub(crate) fn fail_subscribers(&self, reason: &str) {
        self.state().subscribers.iter().filter_map(Weak::upgrade).for_each(|subscriber| subscriber.fail(reason));
    }
}

impl CachedDocument {
    /// The revisions up to this one that hold the job of `next`.
    fn equal_revisions(&self, next: &BaseVersion) -> Vec<u64> {
        let is_equal = self.base.as_ref().is_ok_and(|base| base.job == next.job);
        if !is_equal {
            return Vec::new();
        }
        let mut equal = self.equal.clone();
        equal.push(self.revision);
        let excess = equal.len().saturating_sub(MAX_EQUAL);
        equal.drain(..excess);
        equal
    }

    /// What a version without the map `darkroom` removes from this one.
    fn removed_map(&self) -> Option<Box<RemovedMap>> {
        let base = self.base.as_ref().ok().filter(|base| base.under_way);
        base.map(|base| Box::new(RemovedMap { base: base.clone(), equal: self.equal.clone() })).or(self.removed.clone())
    }
}

impl State {
    fn merge(&mut self, parsed: &ParsedDocument) {
        let known = self.documents.get(&parsed.id);
        if known.is_some_and(|document| document.revision >= parsed.revision) {
            return;
        }
        let published = known.map_or(0, |document| document.published);
        let base = parsed.content.as_ref().map(|known| known.base.clone()).map_err(Clone::clone);
        let equal = known.zip(base.as_ref().ok()).map_or_else(Vec::new, |(known, base)| known.equal_revisions(base));
        let removed = known.filter(|_| !parsed.has_map).and_then(CachedDocument::removed_map);
        self.version += 1;
        self.documents.insert(
            parsed.id.clone(),
            CachedDocument {
                revision: parsed.revision,
                published,
                base,
                is_bad_request: parsed.is_bad_request,
                equal,
                removed,
            },
        );
        let hidden_before = self.active.get(&parsed.id).map(|job| job.hidden);
        let hidden = parsed.content.as_ref().ok().filter(|known| known.job.stage_name().is_active());
        if hidden_before.is_none() || hidden.map(|known| known.job.hidden) != hidden_before {
            self.inactive_version += 1;
        }
        match &parsed.content {
            Ok(known) if known.job.stage_name().is_active() => {
                self.active.insert(parsed.id.clone(), Arc::new(known.job.clone()));
            }
            _ => _ = self.active.remove(&parsed.id),
        }
        if self.documents.len() > MAX_CACHED + self.active.len() {
            // A save of an evicted document costs one more read; a subscriber gets it at worst twice.
            let active = &self.active;
            self.documents.retain(|id, _| active.contains_key(id) || *id == parsed.id);
        }
    }

    fn publish(&self, change: &Change) {
        for subscribers in self.subscribers.iter().filter_map(Weak::upgrade) {
            subscribers.push(change.clone());
        }
    }
}
