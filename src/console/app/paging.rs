//! How far back the list is loaded; requests older jobs as the list is scrolled.
//!
//! A live change may concern an old job, so the oldest known job does not tell how far the list is complete: only pages do.
//! A page that is not full although more exists stopped to limit billed reads: the operator decides whether to continue.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::App;
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
    /// The same for the last search text.
    found: Option<(String, Cursor)>,
    /// The request without an answer so far.
    asked: Option<PageRequest>,
}

/// What a page contains.
#[derive(Debug, PartialEq, Eq)]
enum PageRequest {
    Everything,
    Containing(String),
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
        let Some(question) = self.asked.take() else { return };
        let cursor = match (question, &mut self.found) {
            (PageRequest::Everything, _) => &mut self.everything,
            (PageRequest::Containing(text), Some((known, cursor))) if *known == text => cursor,
            // The filter changed in the meantime: the page answers an outdated request.
            (PageRequest::Containing(_), _) => return,
        };
        cursor.end = next.is_none();
        cursor.stopped_early = next.is_some() && jobs.len() < PAGE_SIZE;
        cursor.before = next;
    }

    /// How far back the search went, where it continues only at the operator's request.
    pub fn stopped_early_at(&self, search: Option<&str>) -> Option<DateTime<Utc>> {
        if self.everything.end {
            return None;
        }
        let cursor = match (search, &self.found) {
            (None, _) => &self.everything,
            (Some(text), Some((known, cursor))) if known == text => cursor,
            (Some(_), _) => return None,
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
        self.asked = None;
    }

    /// The next request for the filter's search text, if one is due.
    fn next(&mut self, search: Option<&str>) -> Option<Command> {
        if self.asked.is_some() || self.everything.end {
            return None;
        }
        let cursor = match search {
            None => &self.everything,
            Some(text) => {
                if self.found.as_ref().is_none_or(|(known, _)| known != text) {
                    // What was read is on the board: the search begins behind it.
                    let before = self.everything.before.clone();
                    self.found = Some((text.to_owned(), Cursor { before, ..Cursor::default() }));
                }
                match &self.found {
                    Some((_, cursor)) => cursor,
                    None => &self.everything,
                }
            }
        };
        if cursor.end || cursor.stopped_early {
            return None;
        }
        self.asked = Some(search.map_or(PageRequest::Everything, |text| PageRequest::Containing(text.to_owned())));
        Some(Command::LoadPage { before: cursor.before.clone(), limit: PAGE_SIZE, search: search.map(str::to_owned) })
    }
}

impl App {
    /// Asks for older jobs, if the end of the list comes near.
    pub(super) fn page(&mut self) {
        if self.status.engine_closed || self.quitting || self.board.filter().problem().is_some() {
            return;
        }
        if self.queue.rows_below(&self.board) < PREFETCH_ROWS + self.queue.height() {
            let search = self.board.filter().search().map(str::to_owned);
            if let Some(command) = self.paging.next(search.as_deref()) {
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

    fn place(seconds: i64) -> PageCursor {
        (DateTime::UNIX_EPOCH + chrono::Duration::seconds(seconds), JobId::new("j").unwrap())
    }

    #[test]
    fn paging_requests_one_page_at_a_time() {
        let mut paging = Paging::default();
        assert!(matches!(paging.next(None), Some(Command::LoadPage { before: None, .. })));
        assert_eq!(paging.next(None), None, "the first is not answered yet");
        paging.on_page(&page(9), Some(place(8)));
        let Some(Command::LoadPage { before: Some((at, _)), .. }) = paging.next(None) else { panic!("no second page") };
        assert_eq!(at.timestamp(), 8);
        paging.on_page(&page(7), None);
        assert_eq!(paging.next(None), None, "there is nothing behind the end");
        assert_eq!(paging.next(Some("fox")), None, "everything is known: the filter finds it here");
    }

    #[test]
    fn page_of_an_old_filter_is_ignored() {
        let mut paging = Paging::default();
        paging.next(Some("fox"));
        paging.on_dropped();
        paging.next(Some("fo"));
        paging.found = Some(("whale".into(), Cursor::default()));
        paging.on_page(&page(5), None);
        let next = paging.next(Some("whale"));
        assert!(matches!(next, Some(Command::LoadPage { before: None, .. })), "{next:?}");
    }

    #[test]
    fn stopped_search_waits_for_resume() {
        let mut paging = Paging::default();
        paging.next(None);
        paging.on_page(&page(9), Some(place(8)));
        let Some(Command::LoadPage { before, .. }) = paging.next(Some("whale")) else { panic!("no search") };
        assert_eq!(before, Some(place(8)), "what is known is not searched again");
        paging.on_page(&[], Some(place(3)));
        assert_eq!(paging.next(Some("whale")), None);
        assert_eq!(paging.stopped_early_at(Some("whale")).map(|at| at.timestamp()), Some(3));
        assert_eq!(paging.stopped_early_at(Some("fox")), None);
        paging.resume();
        let Some(Command::LoadPage { before, .. }) = paging.next(Some("whale")) else { panic!("it does not go on") };
        assert_eq!(before, Some(place(3)));
        paging.on_page(&[], None);
        assert_eq!((paging.next(Some("whale")), paging.stopped_early_at(Some("whale"))), (None, None));
    }
}
