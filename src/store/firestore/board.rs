//! Owns what this process knows of the documents: what a save has to know about the document that it replaces, the jobs that are
//! active, and which changes still have to be told to whom. Must not talk to the server.
//!
//! Only a document with a newer revision than the known one changes anything here, so that it does not matter in which order, how
//! often, and from where (a listener, a read, a write of our own) the same document arrives.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::super::Change;
use super::document::{Base, Known, Reading};
use super::watch::Waiting;
use crate::jobs::{Job, JobId};

/// How many documents are remembered beside those that are active.
const MEMORY: usize = 20_000;

/// What one process knows.
#[derive(Default)]
pub(super) struct Board {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seen: HashMap<JobId, Seen>,
    active: BTreeMap<JobId, Arc<Job>>,
    /// Whether `active` is all there is, kept up to date by a listener.
    complete: bool,
    waiting: Vec<Weak<Waiting>>,
    /// Counts what was learnt.
    version: u64,
    /// Counts what was learnt of documents that are not, or were not, active, or that were put out of sight.
    finished: u64,
    /// The newest write of our own that a listener must hear of.
    written: Option<Instant>,
    /// When the listener last had a proof that it hears.
    good: Option<Instant>,
}

struct Seen {
    revision: u64,
    /// The newest revision that the watches know.
    told: u64,
    /// One clean line for a document that cannot be read.
    base: Result<Base, String>,
}

impl Board {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here stops halfway: a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The document that a save of that revision replaces, where it is known.
    pub(super) fn base(&self, id: &JobId, revision: u64) -> Option<Base> {
        let state = self.state();
        state.seen.get(id).and_then(|seen| seen.base.as_ref().ok()).filter(|base| base.revision == revision).cloned()
    }

    /// A document that was read by whoever asked for it: it is known now, and nobody is told.
    pub(super) fn remember(&self, reading: &Reading) {
        self.state().learn(reading);
    }

    /// A document as a listener heard it: the watches are told what is new.
    pub(super) fn hear(&self, reading: &Reading) {
        let mut state = self.state();
        state.learn(reading);
        let Some(seen) = state.seen.get_mut(&reading.id) else { return };
        if reading.revision <= seen.told || reading.revision < seen.revision {
            return;
        }
        seen.told = reading.revision;
        let change = match &reading.content {
            Ok(known) => Change::Job(Arc::new(known.job.clone())),
            Err(reason) => Change::Unreadable { id: reading.id.clone(), reason: reason.clone() },
        };
        state.tell(&change);
    }

    /// What this process wrote itself. A listener will hear of it too, where the job was or is active.
    pub(super) fn wrote(&self, job: Job, base: Base) {
        let mut state = self.state();
        let active = job.stage_name().is_active() || state.active.contains_key(&job.id);
        if active && state.complete {
            state.written = Some(Instant::now());
        }
        let (id, revision) = (job.id.clone(), job.revision);
        let content = Ok(Box::new(Known { job: job.clone(), base }));
        state.learn(&Reading { id: id.clone(), revision, content });
        if let Some(seen) = state.seen.get_mut(&id).filter(|seen| seen.revision == revision) {
            seen.told = revision;
            state.tell(&Change::Job(Arc::new(job)));
        }
    }

    /// A document that is gone since `read_time` at the latest.
    pub(super) fn removed(&self, id: &JobId, read_time: u64) {
        let mut state = self.state();
        if state.seen.get(id).is_some_and(|seen| seen.revision <= read_time) {
            state.seen.remove(id);
            state.active.remove(id);
            state.finished += 1;
            state.tell(&Change::Removed(id.clone()));
        }
    }

    /// Whether that document is active as far as is known here, in a version that is not newer than `read_time`.
    pub(super) fn believes_active(&self, id: &JobId, read_time: u64) -> bool {
        let state = self.state();
        let old = state.seen.get(id).is_some_and(|seen| seen.revision <= read_time);
        old && (state.active.contains_key(id) || state.seen.get(id).is_some_and(|seen| seen.base.is_err()))
    }

    /// The known version of the document; 0 where none is.
    pub(super) fn revision(&self, id: &JobId) -> u64 {
        self.state().seen.get(id).map_or(0, |seen| seen.revision)
    }

    /// Whether a listener keeps the active jobs up to date from here on.
    pub(super) fn set_complete(&self, complete: bool) {
        let mut state = self.state();
        state.complete = complete;
        if !complete {
            state.written = None;
        }
    }

    /// Whether the watches know that version of the document.
    pub(super) fn is_told(&self, id: &JobId, revision: u64) -> bool {
        self.state().seen.get(id).is_some_and(|seen| seen.told >= revision)
    }

    /// A number that moves with everything that is learnt, while a listener keeps this up to date.
    pub(super) fn version(&self) -> Option<u64> {
        let state = self.state();
        state.complete.then_some(state.version)
    }

    /// A number that moves whenever the server's counts of what is not active, or of what is hidden, may have moved.
    pub(super) fn finished(&self) -> Option<u64> {
        let state = self.state();
        state.complete.then_some(state.finished)
    }

    /// All active jobs, where a listener keeps them up to date.
    pub(super) fn active(&self) -> Option<Vec<Arc<Job>>> {
        let state = self.state();
        state.complete.then(|| state.active.values().cloned().collect())
    }

    /// The listener heard something, or found that there was nothing to hear.
    pub(super) fn line_is_good(&self) {
        self.state().good = Some(Instant::now());
    }

    /// How long ago that was.
    pub(super) fn silent_for(&self) -> Duration {
        self.state().good.map_or(Duration::ZERO, |good| good.elapsed())
    }

    /// The newest write of our own that must be heard of, if there is one.
    pub(super) fn written(&self) -> Option<Instant> {
        self.state().written
    }

    /// A new reader of changes from now on. Documents that cannot be read are told at once: no page shows them.
    pub(super) fn register(&self) -> Arc<Waiting> {
        let waiting = Arc::new(Waiting::default());
        let mut state = self.state();
        state.waiting.retain(|other| other.strong_count() > 0);
        state.waiting.push(Arc::downgrade(&waiting));
        for (id, seen) in &state.seen {
            if let Err(reason) = &seen.base {
                waiting.add(Change::Unreadable { id: id.clone(), reason: reason.clone() });
            }
        }
        waiting
    }

    /// Tells all readers that they may have missed something.
    pub(super) fn break_off(&self, reason: &str) {
        self.state().waiting.iter().filter_map(Weak::upgrade).for_each(|waiting| waiting.break_off(reason));
    }
}

impl State {
    fn learn(&mut self, reading: &Reading) {
        let known = self.seen.get(&reading.id);
        if known.is_some_and(|seen| seen.revision >= reading.revision) {
            return;
        }
        let told = known.map_or(0, |seen| seen.told);
        let base = reading.content.as_ref().map(|known| known.base.clone()).map_err(Clone::clone);
        self.version += 1;
        self.seen.insert(reading.id.clone(), Seen { revision: reading.revision, told, base });
        let hidden_before = self.active.get(&reading.id).map(|job| job.hidden);
        let hidden = reading.content.as_ref().ok().filter(|known| known.job.stage_name().is_active());
        if hidden_before.is_none() || hidden.map(|known| known.job.hidden) != hidden_before {
            self.finished += 1;
        }
        match &reading.content {
            Ok(known) if known.job.stage_name().is_active() => {
                self.active.insert(reading.id.clone(), Arc::new(known.job.clone()));
            }
            _ => _ = self.active.remove(&reading.id),
        }
        if self.seen.len() > MEMORY + self.active.len() {
            // A save of what is forgotten costs one read more; a watch hears at worst twice of it.
            let active = &self.active;
            self.seen.retain(|id, _| active.contains_key(id) || *id == reading.id);
        }
    }

    fn tell(&self, change: &Change) {
        for waiting in self.waiting.iter().filter_map(Weak::upgrade) {
            waiting.add(change.clone());
        }
    }
}
