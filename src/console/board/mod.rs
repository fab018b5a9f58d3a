//! The console's model of the jobs: newest first, which of them the filter shows, which are marked. Independent of the screen.
//!
//! A job is found in O(log n), and the screen reads a range of rows: a frame costs the same for any number of jobs.

mod filter;
mod sorted_ids;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

pub use filter::Filter;
pub use sorted_ids::SortedIds;

use crate::engine::Progress;
use crate::jobs::{Job, JobId};
use crate::text::fold_for_search;

/// How long a row stays marked as changed a moment ago.
pub const HIGHLIGHT_DURATION: Duration = Duration::seconds(2);

/// What is known under one id.
#[derive(Debug)]
pub struct Entry {
    /// The job, or why its document cannot be read.
    pub row: Row,
    /// When its stage last changed while the console was running.
    pub changed_at: Option<DateTime<Utc>>,
    /// Its current progress, if it runs.
    pub progress: Option<Progress>,
    at: DateTime<Utc>,
    haystack: Box<str>,
}

/// A row of the queue.
#[derive(Debug)]
pub enum Row {
    /// A job.
    Job(Arc<Job>),
    /// A document that cannot be read; one clean line why.
    Unreadable(String),
}

impl Entry {
    /// The job, unless the document cannot be read.
    pub fn job(&self) -> Option<&Arc<Job>> {
        match &self.row {
            Row::Job(job) => Some(job),
            Row::Unreadable(_) => None,
        }
    }

    fn is_held(&self) -> bool {
        self.job().is_some_and(|job| job.hold().is_some() && !job.hidden)
    }

    fn is_hidden(&self) -> bool {
        self.job().is_some_and(|job| job.hidden)
    }

    /// Whether it changed a moment ago.
    pub fn is_recent(&self, now: DateTime<Utc>) -> bool {
        self.changed_at.is_some_and(|at| now - at < HIGHLIGHT_DURATION)
    }
}

/// The jobs as last reported.
#[derive(Debug, Default)]
pub struct Board {
    entries: HashMap<JobId, Entry>,
    all: SortedIds,
    /// Hidden jobs; only a filter that asks for them shows them.
    hidden: SortedIds,
    filter: Filter,
    /// What the filter shows; unused while the filter is empty.
    matching: SortedIds,
    marks: HashSet<JobId>,
    /// Known jobs that are held.
    held: usize,
    /// The newest change of a stage, so that the screen knows when no row is fresh any more.
    last_change: Option<DateTime<Utc>>,
}

impl Board {
    /// Inserts or updates a job; a revision older than the known one changes nothing. Returns whether anything changed.
    ///
    /// `live` is false for requested history: such a row did not just change.
    pub fn upsert(&mut self, job: Arc<Job>, live: bool, now: DateTime<Utc>) -> bool {
        let id = job.id.clone();
        let old = self.entries.get(&id);
        let known = old.and_then(Entry::job);
        if known
            .is_some_and(|known| known.revision > job.revision || (known.revision == job.revision && **known == *job))
        {
            return false;
        }
        let moved = known.is_none_or(|known| {
            known.stage_name() != job.stage_name() || known.attempt_number() != job.attempt_number()
        });
        let born = known.is_some() || now - job.updated_at < HIGHLIGHT_DURATION;
        let changed_at = if moved && live && born { Some(now) } else { old.and_then(|old| old.changed_at) };
        let progress = self
            .entries
            .get_mut(&id)
            .and_then(|old| old.progress.take())
            .filter(|progress| !moved && progress.attempt == job.attempt_number());
        if changed_at == Some(now) {
            self.last_change = Some(now);
        }
        let entry = Entry {
            at: job.created_at,
            haystack: filter::haystack(&job).into_boxed_str(),
            row: Row::Job(job),
            changed_at,
            progress,
        };
        self.insert(id, entry);
        true
    }

    /// Takes in a document that cannot be read.
    pub fn upsert_unreadable(&mut self, id: JobId, reason: &str, now: DateTime<Utc>) {
        let at = self.entries.get(&id).map_or(now, |entry| entry.at);
        let haystack = fold_for_search(&format!("{}\n{reason}", id.as_str())).into_boxed_str();
        let row = Row::Unreadable(reason.to_owned());
        self.insert(id, Entry { row, changed_at: None, progress: None, at, haystack });
    }

    /// Takes in the progress of a running job. Returns whether anything changed.
    pub fn update_progress(&mut self, mut progress: Progress) -> bool {
        progress.fraction = progress.fraction.filter(|fraction| fraction.is_finite());
        let Some(entry) = self.entries.get_mut(&progress.id) else { return false };
        let current =
            entry.job().is_some_and(|job| job.stage_name().is_active() && job.attempt_number() == progress.attempt);
        if !current || entry.progress.as_ref() == Some(&progress) {
            return false;
        }
        entry.progress = Some(progress);
        true
    }

    /// Forgets a job. Returns whether it was known.
    pub fn remove(&mut self, id: &JobId) -> bool {
        let Some(entry) = self.entries.remove(id) else { return false };
        self.held -= usize::from(entry.is_held());
        self.all.remove(entry.at, id);
        self.hidden.remove(entry.at, id);
        self.matching.remove(entry.at, id);
        self.marks.remove(id);
        true
    }

    fn insert(&mut self, id: JobId, entry: Entry) {
        if let Some(old) = self.entries.get(&id)
            && old.at != entry.at
        {
            self.all.remove(old.at, &id);
            self.hidden.remove(old.at, &id);
            self.matching.remove(old.at, &id);
        }
        let is_hidden = entry.is_hidden();
        let (list, other) =
            if is_hidden { (&mut self.hidden, &mut self.all) } else { (&mut self.all, &mut self.hidden) };
        list.insert(entry.at, &id);
        if other.remove(entry.at, &id) {
            self.marks.remove(&id);
        }
        if !self.filter.is_empty() {
            if is_hidden == self.filter.wants_hidden() && matches(&self.filter, &entry) {
                self.matching.insert(entry.at, &id);
            } else {
                self.matching.remove(entry.at, &id);
            }
        }
        self.held += usize::from(entry.is_held());
        if let Some(old) = self.entries.insert(id, entry) {
            self.held -= usize::from(old.is_held());
        }
    }

    /// How many of the known jobs are held.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Shows only what matches. A narrower filter checks only the rows shown.
    pub fn set_filter(&mut self, filter: Filter) {
        if filter == self.filter {
            return;
        }
        let (entries, narrower) = (&self.entries, filter.narrows(&self.filter) && !self.filter.is_empty());
        let source = match (narrower, filter.wants_hidden()) {
            (true, _) => &self.matching,
            (false, true) => &self.hidden,
            (false, false) => &self.all,
        };
        let matching = if filter.is_empty() {
            SortedIds::default()
        } else {
            source.filtered(|id| entries.get(id).is_some_and(|entry| matches(&filter, entry)))
        };
        self.matching = matching;
        self.filter = filter;
    }

    /// What is shown is chosen by this.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    fn shown(&self) -> &SortedIds {
        if self.filter.is_empty() { &self.all } else { &self.matching }
    }

    /// How many rows are shown.
    pub fn len(&self) -> usize {
        self.shown().len()
    }

    /// Whether no row is shown.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many jobs are known, shown or not.
    pub fn known(&self) -> usize {
        self.all.len()
    }

    /// The id of a shown row, 0 being the newest.
    pub fn id_at(&self, index: usize) -> Option<&JobId> {
        self.shown().get(index)
    }

    /// Where a job is among the shown rows.
    pub fn position(&self, id: &JobId) -> Option<usize> {
        self.entries.get(id).and_then(|entry| self.shown().position(entry.at, id))
    }

    /// Some of the shown rows, newest first.
    pub fn rows(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = (&JobId, &Entry)> {
        range.map_while(|index| {
            let id = self.id_at(index)?;
            self.entries.get(id).map(|entry| (id, entry))
        })
    }

    /// What is known under an id.
    pub fn entry(&self, id: &JobId) -> Option<&Entry> {
        self.entries.get(id)
    }

    /// The job of that id, if it is known and readable.
    pub fn job(&self, id: &JobId) -> Option<&Arc<Job>> {
        self.entries.get(id).and_then(Entry::job)
    }

    /// All shown jobs, newest first.
    pub fn shown_jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.rows(0..self.len()).filter_map(|(_, entry)| entry.job())
    }

    /// Until when some row is fresh, if one may be.
    pub fn highlighted_until(&self) -> Option<DateTime<Utc>> {
        self.last_change.map(|at| at + HIGHLIGHT_DURATION)
    }

    /// Whether a job is marked.
    pub fn is_marked(&self, id: &JobId) -> bool {
        self.marks.contains(id)
    }

    /// How many are marked.
    pub fn marked(&self) -> usize {
        self.marks.len()
    }

    /// The marked jobs, newest first.
    pub fn marked_jobs(&self) -> Vec<&Arc<Job>> {
        let mut jobs: Vec<&Arc<Job>> = self.marks.iter().filter_map(|id| self.job(id)).collect();
        jobs.sort_by(|left, right| (right.created_at, &right.id).cmp(&(left.created_at, &left.id)));
        jobs
    }

    /// Marks a job, or takes its mark away.
    pub fn toggle_mark(&mut self, id: &JobId) {
        if self.job(id).is_some() && !self.marks.remove(id) {
            self.marks.insert(id.clone());
        }
    }

    /// Marks the shown rows from one to another, both included.
    pub fn mark_range(&mut self, from: usize, to: usize) {
        let ids: Vec<JobId> = self
            .rows(from.min(to)..from.max(to) + 1)
            .filter(|(_, entry)| entry.job().is_some())
            .map(|(id, _)| id.clone())
            .collect();
        self.marks.extend(ids);
    }

    /// Marks all shown jobs; takes all marks away where all of them have one.
    pub fn toggle_all(&mut self) {
        let ids: Vec<JobId> = self.shown_jobs().map(|job| job.id.clone()).collect();
        if ids.iter().all(|id| self.marks.contains(id)) {
            self.marks.clear();
        } else {
            self.marks.extend(ids);
        }
    }

    /// Takes all marks away.
    pub fn clear_marks(&mut self) {
        self.marks.clear();
    }
}

fn matches(filter: &Filter, entry: &Entry) -> bool {
    match &entry.row {
        Row::Job(job) => filter.matches(job, &entry.haystack),
        Row::Unreadable(_) => filter.matches_unreadable(&entry.haystack),
    }
}

#[cfg(test)]
mod tests;
