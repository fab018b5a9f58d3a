//! The console's model of the jobs: their order, which of them the filter shows, which are marked. Independent of the screen.
//!
//! A job is found in O(log n), and the screen reads a range of rows: a frame costs the same for any number of jobs.

mod marks;
mod sorted_ids;
mod window;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

pub use sorted_ids::SortedIds;
pub use window::{Cut, Window};

use crate::engine::Progress;
use crate::jobs::filter::{Filter, FilterError, haystack};
use crate::jobs::sort::{Place, Sort};
use crate::jobs::{Job, JobId, StageName};
use crate::text::{fold_for_search, sanitize_line};

/// Tags that are suggested at most.
const MAX_TAGS: usize = 200;

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
    place: Place,
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

    fn is_running(&self) -> bool {
        self.job().is_some_and(|job| matches!(job.stage_name(), StageName::Submitting | StageName::Generating))
    }

    fn is_hidden(&self) -> bool {
        self.job().is_some_and(|job| job.hidden)
    }

    /// Whether it changed a moment ago.
    pub fn is_recent(&self, now: DateTime<Utc>) -> bool {
        self.changed_at.is_some_and(|at| now - at < HIGHLIGHT_DURATION)
    }
}

/// Rows that are kept around the selection; more are dropped, and loaded again when they are scrolled to.
const MAX_ROWS: usize = 4_000;

/// Rows that are left after some were dropped.
const ROWS_AFTER_CUT: usize = 2_000;

/// The jobs as last reported.
///
/// A store that fits in memory is known completely; then every filter is answered here. Of a larger one the board holds a window of
/// what the filter matches in the store, and the jobs that run.
#[derive(Debug, Default)]
pub struct Board {
    entries: HashMap<JobId, Entry>,
    /// What the filter shows inside the window.
    rows: SortedIds,
    sort: Sort,
    filter: Filter,
    /// What is wrong with the text of the filter: then nothing is shown.
    problem: Option<FilterError>,
    window: Window,
    /// Whether every job of the store is known, except hidden ones.
    complete: bool,
    marks: HashSet<JobId>,
    /// Known jobs that are held.
    held: usize,
    /// Known jobs that are not hidden.
    visible: usize,
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
            place: self.sort.place(&job),
            haystack: haystack(&job).into_boxed_str(),
            row: Row::Job(job),
            changed_at,
            progress,
        };
        self.insert(id, entry)
    }

    /// Takes in a document that cannot be read.
    pub fn upsert_unreadable(&mut self, id: JobId, reason: &str, now: DateTime<Utc>) {
        let at = self.entries.get(&id).map_or(now, |entry| entry.place.at);
        let place = Place { value: self.sort.missing(), at, id: id.clone() };
        let haystack = fold_for_search(&format!("{}\n{reason}", id.as_str())).into_boxed_str();
        let row = Row::Unreadable(reason.to_owned());
        self.insert(id, Entry { row, changed_at: None, progress: None, place, haystack });
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
        self.marks.remove(id);
        self.take_out(id).is_some()
    }

    fn take_out(&mut self, id: &JobId) -> Option<Entry> {
        let entry = self.entries.remove(id)?;
        self.rows.remove(&entry.place);
        self.held -= usize::from(entry.is_held());
        self.visible -= usize::from(!entry.is_hidden());
        Some(entry)
    }

    /// Returns whether the entry is kept.
    fn insert(&mut self, id: JobId, entry: Entry) -> bool {
        let old = self.take_out(&id);
        let known = old.is_some();
        if old.is_some_and(|old| old.is_hidden() != entry.is_hidden()) {
            self.marks.remove(&id);
        }
        let is_row = self.is_row(&entry);
        if !is_row && !self.complete && !entry.is_running() {
            return known;
        }
        if is_row {
            self.rows.insert(&entry.place);
        }
        self.held += usize::from(entry.is_held());
        self.visible += usize::from(!entry.is_hidden());
        self.entries.insert(id, entry);
        true
    }

    fn is_row(&self, entry: &Entry) -> bool {
        self.problem.is_none()
            && entry.is_hidden() == self.filter.wants_hidden()
            && self.window.contains(self.sort, &entry.place)
            && matches(&self.filter, entry)
    }

    /// How many of the known jobs are held.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Whether every job of the store is known, except hidden ones.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Shows what matches among the known jobs. Where they are not all, a window of the store's result follows.
    pub fn set_filter(&mut self, filter: Result<Filter, FilterError>) {
        let (filter, problem) = match filter {
            Ok(filter) => (filter, None),
            Err(problem) => (Filter::default(), Some(problem)),
        };
        (self.filter, self.problem) = (filter, problem);
        self.window = Window::default();
        self.collect_rows();
    }

    /// Shows the known jobs in another order. Where they are not all, a window of the store's result follows.
    pub fn set_sort(&mut self, sort: Sort) {
        self.sort = sort;
        for entry in self.entries.values_mut() {
            entry.place.value = match &entry.row {
                Row::Job(job) => sort.value(job),
                Row::Unreadable(_) => sort.missing(),
            };
        }
        self.window = Window::default();
        self.collect_rows();
    }

    /// The order of the rows.
    pub fn sort(&self) -> Sort {
        self.sort
    }

    fn collect_rows(&mut self) {
        let rows = self.entries.values().filter(|entry| self.is_row(entry));
        self.rows = SortedIds::collect(self.sort, rows.map(|entry| entry.place.clone()));
    }

    /// Shows a page of the store's result: what was shown before is dropped. Ends without rows behind them stay open.
    pub fn begin_window(&mut self, jobs: Vec<Arc<Job>>, ends: (bool, bool), now: DateTime<Utc>) {
        let (first, last) = self.ends_of(&jobs);
        let (is_beginning, is_end) = ends;
        self.window = Window { first: first.filter(|_| !is_beginning), last: last.filter(|_| !is_end) };
        self.add_page(jobs, now);
    }

    /// Adds the page below the last row.
    pub fn extend_below(&mut self, jobs: Vec<Arc<Job>>, is_end: bool, now: DateTime<Utc>) {
        let last = self.ends_of(&jobs).1.into_iter().chain(self.window.last.take());
        self.window.last = last.max_by(|left, right| self.sort.compare(left, right)).filter(|_| !is_end);
        self.add_page(jobs, now);
    }

    /// Adds the page above the first row.
    pub fn extend_above(&mut self, jobs: Vec<Arc<Job>>, is_beginning: bool, now: DateTime<Utc>) {
        let first = self.ends_of(&jobs).0.into_iter().chain(self.window.first.take());
        self.window.first = first.min_by(|left, right| self.sort.compare(left, right)).filter(|_| !is_beginning);
        self.add_page(jobs, now);
    }

    /// The first and the last of the jobs in the order of the list.
    fn ends_of(&self, jobs: &[Arc<Job>]) -> (Option<Place>, Option<Place>) {
        let places = || jobs.iter().map(|job| self.sort.place(job));
        let compare = |left: &Place, right: &Place| self.sort.compare(left, right);
        (places().min_by(compare), places().max_by(compare))
    }

    fn add_page(&mut self, jobs: Vec<Arc<Job>>, now: DateTime<Utc>) {
        for job in jobs {
            self.upsert(job, false, now);
        }
        self.after_page();
    }

    fn after_page(&mut self) {
        self.complete |= self.filter.is_empty() && self.problem.is_none() && self.window.is_open();
        self.drop_unneeded();
        self.collect_rows();
    }

    /// Drops what is neither shown nor runs, unless everything is known.
    fn drop_unneeded(&mut self) {
        if self.complete {
            return;
        }
        let unneeded: Vec<JobId> = self
            .entries
            .iter()
            .filter(|(_, entry)| !entry.is_running() && !self.is_row(entry))
            .map(|(id, _)| id.clone())
            .collect();
        for id in unneeded {
            self.take_out(&id);
        }
    }

    /// Bounds the memory: of too many rows, those around `selected` stay. Returns what was cut, or `None` where nothing was.
    pub fn bound(&mut self, selected: usize) -> Option<Cut> {
        let is_too_large = self.rows.len() > MAX_ROWS || (self.complete && self.entries.len() > MAX_ROWS);
        if !is_too_large {
            return None;
        }
        let from = selected.saturating_sub(ROWS_AFTER_CUT / 2).min(self.rows.len().saturating_sub(ROWS_AFTER_CUT));
        let to = (from + ROWS_AFTER_CUT).min(self.rows.len());
        let mut cut = Cut { rows_above: from, above: None, below: None };
        if from > 0 {
            cut.above = self.rows.place(from).cloned();
            self.window.first.clone_from(&cut.above);
        }
        if to < self.rows.len() {
            cut.below = self.rows.place(to - 1).cloned();
            self.window.last.clone_from(&cut.below);
        }
        self.complete = false;
        self.drop_unneeded();
        self.collect_rows();
        Some(cut)
    }

    /// What is shown is chosen by this.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// What is wrong with the text of the filter.
    pub fn problem(&self) -> Option<&FilterError> {
        self.problem.as_ref()
    }

    /// How many rows are shown.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no row is shown.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many jobs are known, shown or not, without hidden ones.
    pub fn known(&self) -> usize {
        self.visible
    }

    /// The id of a shown row, 0 being the first.
    pub fn id_at(&self, index: usize) -> Option<&JobId> {
        self.rows.get(index)
    }

    /// Where a job is among the shown rows.
    pub fn position(&self, id: &JobId) -> Option<usize> {
        self.entries.get(id).and_then(|entry| self.rows.position(&entry.place))
    }

    /// Some of the shown rows, in their order.
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

    /// All shown jobs, in their order.
    pub fn shown_jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.rows(0..self.len()).filter_map(|(_, entry)| entry.job())
    }

    /// Until when some row is fresh, if one may be.
    pub fn highlighted_until(&self) -> Option<DateTime<Utc>> {
        self.last_change.map(|at| at + HIGHLIGHT_DURATION)
    }

    /// Running jobs that are known, shown or not.
    pub fn running_jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.entries.values().filter(|entry| entry.is_running()).filter_map(Entry::job)
    }

    /// Tags in use, for suggestions.
    pub fn tags(&self) -> Vec<&str> {
        let tags: BTreeSet<&str> =
            self.entries.values().filter_map(Entry::job).flat_map(|job| job.tags.iter().map(String::as_str)).collect();
        // What cannot be typed is not suggested.
        tags.into_iter().filter(|tag| !tag.contains('"') && sanitize_line(tag, 60) == **tag).take(MAX_TAGS).collect()
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
