//! Owns how far back the list is known, and asks for older jobs as it is scrolled. Must not put jobs on the board.
//!
//! A job that is heard of live may be old, so the oldest one that is known says nothing: only the pages that were read do.
//! A page that did not fill up although there is more was stopped because looking on costs money: a person moves it on.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::App;
use crate::engine::{Command, PageCursor};
use crate::jobs::Job;

/// Jobs of one page.
const PAGE: usize = 200;
/// Asked for when less than this many rows are left below the screen.
const NEAR: usize = 60;

/// How far back the list is known.
#[derive(Debug, Default)]
pub struct Paging {
    everything: Cursor,
    /// The same for the text that the store was last asked to look for.
    found: Option<(String, Cursor)>,
    /// The question that is not answered yet: the text it looked for.
    asked: Option<Question>,
}

/// What a page was asked for.
#[derive(Debug, PartialEq, Eq)]
enum Question {
    Everything,
    Containing(String),
}

#[derive(Debug, Default, Clone)]
struct Cursor {
    before: Option<PageCursor>,
    end: bool,
    /// It goes on when a person says so.
    halted: bool,
}

impl Paging {
    /// A page came.
    pub fn on_older(&mut self, jobs: &[Arc<Job>], next: Option<PageCursor>) {
        let Some(question) = self.asked.take() else { return };
        let cursor = match (question, &mut self.found) {
            (Question::Everything, _) => &mut self.everything,
            (Question::Containing(text), Some((known, cursor))) if *known == text => cursor,
            // The filter changed meanwhile: the answer is to a question that nobody asks any more.
            (Question::Containing(_), _) => return,
        };
        cursor.end = next.is_none();
        cursor.halted = next.is_some() && jobs.len() < PAGE;
        cursor.before = next;
    }

    /// How far back was looked, where a person must say whether to go on: for that text, or for everything.
    pub fn halted_at(&self, search: Option<&str>) -> Option<DateTime<Utc>> {
        if self.everything.end {
            return None;
        }
        let cursor = match (search, &self.found) {
            (None, _) => &self.everything,
            (Some(text), Some((known, cursor))) if known == text => cursor,
            (Some(_), _) => return None,
        };
        cursor.before.as_ref().filter(|_| cursor.halted).map(|(at, _)| *at)
    }

    /// A person wants to see more.
    pub fn go_on(&mut self) {
        self.everything.halted = false;
        if let Some((_, cursor)) = &mut self.found {
            cursor.halted = false;
        }
    }

    /// The question never went out.
    pub fn not_sent(&mut self) {
        self.asked = None;
    }

    /// The next question, if one is due for what the filter looks for.
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
        if cursor.end || cursor.halted {
            return None;
        }
        self.asked = Some(search.map_or(Question::Everything, |text| Question::Containing(text.to_owned())));
        Some(Command::LoadPage { before: cursor.before.clone(), limit: PAGE, search: search.map(str::to_owned) })
    }
}

impl App {
    /// Asks for older jobs, if the end of the list comes near.
    pub(super) fn page(&mut self) {
        if self.status.engine_gone || self.leaving {
            return;
        }
        if self.queue.rows_below(&self.board) < NEAR + self.queue.height() {
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
        (0..PAGE).map(|number| Arc::new(job(number))).collect()
    }

    fn place(seconds: i64) -> PageCursor {
        (DateTime::UNIX_EPOCH + chrono::Duration::seconds(seconds), JobId::new("j").unwrap())
    }

    #[test]
    fn pages_follow_each_other_and_one_question_is_open_at_most() {
        let mut paging = Paging::default();
        assert!(matches!(paging.next(None), Some(Command::LoadPage { before: None, .. })));
        assert_eq!(paging.next(None), None, "the first is not answered yet");
        paging.on_older(&page(9), Some(place(8)));
        let Some(Command::LoadPage { before: Some((at, _)), .. }) = paging.next(None) else { panic!("no second page") };
        assert_eq!(at.timestamp(), 8);
        paging.on_older(&page(7), None);
        assert_eq!(paging.next(None), None, "there is nothing behind the end");
        assert_eq!(paging.next(Some("fox")), None, "everything is known: the filter finds it here");
    }

    #[test]
    fn an_answer_to_an_old_filter_does_not_move_the_new_one() {
        let mut paging = Paging::default();
        paging.next(Some("fox"));
        paging.not_sent();
        paging.next(Some("fo"));
        paging.found = Some(("whale".into(), Cursor::default()));
        paging.on_older(&page(5), None);
        let next = paging.next(Some("whale"));
        assert!(matches!(next, Some(Command::LoadPage { before: None, .. })), "{next:?}");
    }

    #[test]
    fn a_search_that_costs_too_much_waits_for_a_person() {
        let mut paging = Paging::default();
        paging.next(None);
        paging.on_older(&page(9), Some(place(8)));
        let Some(Command::LoadPage { before, .. }) = paging.next(Some("whale")) else { panic!("no search") };
        assert_eq!(before, Some(place(8)), "what is known is not searched again");
        paging.on_older(&[], Some(place(3)));
        assert_eq!(paging.next(Some("whale")), None);
        assert_eq!(paging.halted_at(Some("whale")).map(|at| at.timestamp()), Some(3));
        assert_eq!(paging.halted_at(Some("fox")), None);
        paging.go_on();
        let Some(Command::LoadPage { before, .. }) = paging.next(Some("whale")) else { panic!("it does not go on") };
        assert_eq!(before, Some(place(3)));
        paging.on_older(&[], None);
        assert_eq!((paging.next(Some("whale")), paging.halted_at(Some("whale"))), (None, None));
    }
}
