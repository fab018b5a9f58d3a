//! How far back the list is loaded; requests older jobs as the list is scrolled.
//!
//! A live change may concern an old job, so the oldest known job does not determine how far the list is complete: only pages do.
//! A page that is not full although more exists stopped to limit billed reads: the operator decides whether to continue.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::App;
use crate::console::board::Filter;
use crate::engine::{Command, PageCursor};
use crate::jobs::Job;

/// Jobs of one page.
const PAGE_SIZE: usize = 200;
/// Rows below the screen under which the next page is requested.
const PREFETCH_ROWS: usize = 60;

/// How far back the list is known.
#[derive(Debug, Default)]
pub struct Paging {
    everything: Cursor,
    /// The same for the last search text, or for the hidden jobs.
    found: Option<(PageRequest, Cursor)>,
    /// The request without an answer so far.
    pending: Option<PageRequest>,
}

/// What a page contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageRequest {
    /// All jobs that are not hidden.
    Everything,
    /// Those that contain a text.
    Containing(String),
    /// All jobs, hidden ones too.
    Hidden,
}

impl PageRequest {
    /// What a filter needs from the store.
    pub fn of(filter: &Filter) -> Self {
        match filter.search() {
            _ if filter.wants_hidden() => Self::Hidden,
            Some(text) => Self::Containing(text.to_owned()),
            None => Self::Everything,
        }
    }
}

#[derive(Debug, Default, Clone)]
struct Cursor {
    before: Option<PageCursor>,
    end: bool,
    /// It continues only at the operator's request.
    stopped_early: bool,
}

impl Paging {
    /// Takes in a page.
    pub fn on_page(&mut self, jobs: &[Arc<Job>], next: Option<PageCursor>) {
        let Some(request) = self.pending.take() else { return };
        let cursor = match &mut self.found {
            _ if request == PageRequest::Everything => &mut self.everything,
            Some((known, cursor)) if *known == request => cursor,
            // The filter changed in the meantime: the page answers an outdated request.
            _ => return,
        };
        cursor.end = next.is_none();
        cursor.stopped_early = next.is_some() && jobs.len() < PAGE_SIZE;
        cursor.before = next;
    }

    /// How far back the search went, where it continues only at the operator's request.
    pub fn stopped_early_at(&self, request: &PageRequest) -> Option<DateTime<Utc>> {
        if self.everything.end && *request != PageRequest::Hidden {
            return None;
        }
        let cursor = match &self.found {
            _ if *request == PageRequest::Everything => &self.everything,
            Some((known, cursor)) if known == request => cursor,
            _ => return None,
        };
        cursor.before.as_ref().filter(|_| cursor.stopped_early).map(|(at, _)| *at)
    }

    /// The operator requests more.
    pub fn resume(&mut self) {
        self.everything.stopped_early = false;
        if let Some((_, cursor)) = &mut self.found {
            cursor.stopped_early = false;
        }
    }

    /// The request was not sent.
    pub fn on_dropped(&mut self) {
        self.pending = None;
    }

    /// The next request for the filter's search text, if one is due.
    fn next(&mut self, request: PageRequest) -> Option<Command> {
        let hidden = request == PageRequest::Hidden;
        if self.pending.is_some() || (self.everything.end && !hidden) {
            return None;
        }
        if request != PageRequest::Everything && self.found.as_ref().is_none_or(|(known, _)| *known != request) {
            // The pages that were read are on the board: a search begins behind them. They had no hidden jobs.
            let before = if hidden { None } else { self.everything.before.clone() };
            self.found = Some((request.clone(), Cursor { before, ..Cursor::default() }));
        }
        let cursor = match &self.found {
            Some((_, cursor)) if request != PageRequest::Everything => cursor,
            _ => &self.everything,
        };
        if cursor.end || cursor.stopped_early {
            return None;
        }
        let before = cursor.before.clone();
        let search = if let PageRequest::Containing(text) = &request { Some(text.clone()) } else { None };
        self.pending = Some(request);
        Some(Command::LoadPage { before, limit: PAGE_SIZE, search, hidden })
    }
}

impl App {
    /// Requests older jobs when the end of the list is near.
    pub(super) fn page(&mut self) {
        if self.status.engine_closed || self.quitting || self.board.filter().problem().is_some() {
            return;
        }
        if self.queue.rows_below(&self.board) < PREFETCH_ROWS + self.queue.height() {
            let request = PageRequest::of(self.board.filter());
            if let Some(command) = self.paging.next(request) {
                self.send(command);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{JobId, Spec};

    /// A full page.
    fn page(seconds: i64) -> Vec<Arc<Job>> {
        let at = DateTime::UNIX_EPOCH + chrono::Duration::seconds(seconds);
        let job = |number| Job::new(JobId::new(format!("j{number}")).unwrap(), Spec::new("m", "p"), true, at);
        (0..PAGE_SIZE).map(|number| Arc::new(job(number))).collect()
    }

    fn containing(text: &str) -> PageRequest {
        PageRequest::Containing(text.to_owned())
    }

    #[test]
    fn hidden_jobs_are_loaded_from_the_newest_on() {
        let mut paging = Paging::default();
        paging.next(PageRequest::Everything);
        paging.on_page(&[], None);
        let next = paging.next(PageRequest::Hidden);
        assert!(matches!(next, Some(Command::LoadPage { before: None, hidden: true, .. })), "{next:?}");
        paging.on_page(&page(5), None);
        assert_eq!(paging.next(PageRequest::Hidden), None);
    }

    fn place(seconds: i64) -> PageCursor {
        (DateTime::UNIX_EPOCH + chrono::Duration::seconds(seconds), JobId::new("j").unwrap())
    }

    #[test]
    fn paging_requests_one_page_at_a_time() {
        let mut paging = Paging::default();
        assert!(matches!(paging.next(PageRequest::Everything), Some(Command::LoadPage { before: None, .. })));
        assert_eq!(paging.next(PageRequest::Everything), None, "the first is not answered yet");
        paging.on_page(&page(9), Some(place(8)));
        let Some(Command::LoadPage { before: Some((at, _)), .. }) = paging.next(PageRequest::Everything) else {
            panic!("no second page")
        };
        assert_eq!(at.timestamp(), 8);
        paging.on_page(&page(7), None);
        assert_eq!(paging.next(PageRequest::Everything), None, "there is nothing behind the end");
        assert_eq!(paging.next(containing("fox")), None, "everything is known: the filter finds it here");
    }

    #[test]
    fn page_of_an_old_filter_is_ignored() {
        let mut paging = Paging::default();
        paging.next(containing("fox"));
        paging.on_dropped();
        paging.next(containing("fo"));
        paging.found = Some((containing("whale"), Cursor::default()));
        paging.on_page(&page(5), None);
        let next = paging.next(containing("whale"));
        assert!(matches!(next, Some(Command::LoadPage { before: None, .. })), "{next:?}");
    }

    #[test]
    fn stopped_search_waits_for_resume() {
        let mut paging = Paging::default();
        paging.next(PageRequest::Everything);
        paging.on_page(&page(9), Some(place(8)));
        let Some(Command::LoadPage { before, .. }) = paging.next(containing("whale")) else { panic!("no search") };
        assert_eq!(before, Some(place(8)), "what is known is not searched again");
        paging.on_page(&[], Some(place(3)));
        assert_eq!(paging.next(containing("whale")), None);
        assert_eq!(paging.stopped_early_at(&containing("whale")).map(|at| at.timestamp()), Some(3));
        assert_eq!(paging.stopped_early_at(&containing("fox")), None);
        paging.resume();
        let Some(Command::LoadPage { before, .. }) = paging.next(containing("whale")) else {
            panic!("it does not go on")
        };
        assert_eq!(before, Some(place(3)));
        paging.on_page(&[], None);
        assert_eq!((paging.next(containing("whale")), paging.stopped_early_at(&containing("whale"))), (None, None));
    }
}
