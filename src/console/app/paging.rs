//! Which part of the store's result is loaded: the first page of a filter, and more rows on either side as the list is scrolled.
//!
//! A store that the board knows completely needs no pages. A page that is not full although more exists stopped to limit billed
//! reads: the operator decides whether to continue.

use chrono::{DateTime, Duration, Utc};

use super::App;
use crate::console::board::Cut;
use crate::console::overlays::Overlay;
use crate::engine::{Command, PageCursor, SortOrder};
use crate::jobs::Job;
use crate::jobs::filter::Filter;

/// Jobs of one page.
pub(super) const PAGE_SIZE: usize = 200;

/// Rows beyond the screen under which the next page is requested.
const PREFETCH_ROWS: usize = 60;

/// How long the text of a filter stays unchanged before the store is searched.
const SEARCH_DELAY: Duration = Duration::milliseconds(150);

/// What the rows on one side of the window are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Edge {
    /// Not known yet.
    #[default]
    Unknown,
    /// Nothing is behind it.
    End,
    /// More behind this place.
    Next(PageCursor),
    /// The same, and it continues only at the operator's request.
    Stopped(PageCursor),
}

/// Which page is requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// The newest rows; what was loaded is replaced.
    Newest,
    /// The oldest rows; what was loaded is replaced.
    Oldest,
    /// Behind the oldest row.
    Older,
    /// Before the newest row.
    Newer,
}

/// What is loaded of the current filter's result.
#[derive(Debug, Default)]
pub struct Paging {
    newer: Edge,
    older: Edge,
    /// Whether the first page of the filter has arrived.
    is_begun: bool,
    /// Counts the filters: a page of an earlier one is ignored.
    generation: u64,
    pending: Option<(u64, Load)>,
    /// A jump to one end of the list.
    wanted: Option<Load>,
    /// The first page is not requested before.
    due_at: Option<DateTime<Utc>>,
    /// Rows before the window; `None` where that is not known.
    above: Option<usize>,
}

impl Paging {
    /// The filter changed: nothing of its result is loaded.
    pub fn restart(&mut self, due_at: Option<DateTime<Utc>>) {
        let (generation, pending) = (self.generation + 1, self.pending.take());
        *self = Self { generation, pending, due_at, above: Some(0), ..Self::default() };
    }

    /// The typing of the filter ended: the store is searched at once.
    pub fn search_now(&mut self) {
        self.due_at = None;
    }

    /// When the first page will be requested, if that waits.
    pub fn due_at(&self) -> Option<DateTime<Utc>> {
        self.due_at.filter(|_| !self.is_begun)
    }

    /// Whether new jobs appear at the top of the list.
    pub fn is_at_newest(&self) -> bool {
        !matches!(self.newer, Edge::Next(_) | Edge::Stopped(_))
    }

    /// Whether the last row of the list is the last of the result.
    pub fn is_at_oldest(&self) -> bool {
        self.older == Edge::End
    }

    /// Rows before the window.
    pub fn above(&self) -> Option<usize> {
        self.above
    }

    /// How many rows come before the window, once that is known.
    pub fn set_above(&mut self, above: usize) {
        self.above = Some(above);
    }

    /// How far back the search went, where it continues only at the operator's request.
    pub fn stopped_at(&self) -> Option<DateTime<Utc>> {
        match &self.older {
            Edge::Stopped((at, _)) => Some(*at),
            _ => None,
        }
    }

    /// The operator requests more.
    pub fn resume(&mut self) {
        for edge in [&mut self.older, &mut self.newer] {
            if let Edge::Stopped(place) = edge {
                *edge = Edge::Next(place.clone());
            }
        }
    }

    /// Jumps to one end of the list.
    pub(super) fn jump(&mut self, load: Load) {
        self.wanted = Some(load);
    }

    /// The board dropped rows.
    pub fn on_cut(&mut self, cut: Cut) {
        if let Some(place) = cut.newer {
            self.newer = Edge::Next(place);
        }
        if let Some(place) = cut.older {
            self.older = Edge::Next(place);
        }
        self.is_begun = true;
        self.above = self.above.map(|above| above + cut.above);
    }

    /// Takes in a page. Returns which one it is; `None` for one of an earlier filter.
    pub(super) fn on_page(&mut self, jobs: usize, next: Option<PageCursor>) -> Option<Load> {
        let (generation, load) = self.pending.take()?;
        if generation != self.generation {
            return None;
        }
        let edge = match next {
            None => Edge::End,
            Some(place) if jobs < PAGE_SIZE => Edge::Stopped(place),
            Some(place) => Edge::Next(place),
        };
        match load {
            Load::Newest => (self.newer, self.older, self.above) = (Edge::End, edge, Some(0)),
            Load::Oldest => {
                self.above = (edge == Edge::End).then_some(0);
                (self.newer, self.older) = (edge, Edge::End);
            }
            Load::Older => self.older = edge,
            Load::Newer => {
                self.above =
                    if edge == Edge::End { Some(0) } else { self.above.map(|above| above.saturating_sub(jobs)) };
                self.newer = edge;
            }
        }
        self.is_begun = true;
        Some(load)
    }

    /// The request was not sent.
    pub fn on_dropped(&mut self) {
        self.pending = None;
    }

    /// The page could not be read: it is requested again when the list is scrolled.
    pub fn on_failed(&mut self) {
        match self.pending.take() {
            Some((generation, Load::Older | Load::Newer)) if generation == self.generation => {
                for edge in [&mut self.older, &mut self.newer] {
                    if let Edge::Next(place) = edge {
                        *edge = Edge::Stopped(place.clone());
                    }
                }
            }
            _ => {}
        }
    }

    /// The next request, if one is due: `rows` are those before and behind what is on the screen.
    fn next(&mut self, filter: &Filter, rows: (usize, usize), now: DateTime<Utc>) -> Option<Command> {
        if self.pending.is_some() {
            return None;
        }
        let (load, after) = if let Some(wanted) = self.wanted.take() {
            (wanted, None)
        } else if !self.is_begun {
            if self.due_at.is_some_and(|due_at| now < due_at) {
                return None;
            }
            (Load::Newest, None)
        } else {
            match (&self.newer, &self.older, rows) {
                (_, Edge::Next(place), (_, below)) if below < PREFETCH_ROWS => (Load::Older, Some(place.clone())),
                (Edge::Next(place), _, (above, _)) if above < PREFETCH_ROWS => (Load::Newer, Some(place.clone())),
                _ => return None,
            }
        };
        self.pending = Some((self.generation, load));
        let order = match load {
            Load::Newest | Load::Older => SortOrder::NewestFirst,
            Load::Oldest | Load::Newer => SortOrder::OldestFirst,
        };
        Some(Command::LoadPage { filter: filter.clone(), after, order, limit: PAGE_SIZE })
    }
}

impl App {
    /// Whether the board alone answers the filter.
    pub(super) fn is_local(&self) -> bool {
        self.board.is_complete() && !self.board.filter().wants_hidden()
    }

    /// Requests more rows when an end of the list is near.
    pub(super) fn page(&mut self) {
        let idle = self.status.engine_closed || self.quitting || self.board.problem().is_some();
        if idle || self.is_local() {
            return;
        }
        let rows = match self.overlays.iter().rev().find(|overlay| matches!(overlay, Overlay::Gallery(_))) {
            Some(Overlay::Gallery(gallery)) => {
                let visible = gallery.visible();
                (visible.start, self.board.len().saturating_sub(visible.end))
            }
            _ => (self.queue.rows_above(), self.queue.rows_below(&self.board)),
        };
        if let Some(command) = self.paging.next(self.board.filter(), rows, self.now) {
            self.send(command);
        }
    }

    /// Takes in a page of the store's result.
    pub(super) fn on_page(&mut self, jobs: Vec<std::sync::Arc<Job>>, next: Option<PageCursor>) {
        let is_end = next.is_none();
        let Some(load) = self.paging.on_page(jobs.len(), next) else { return };
        let now = self.now;
        match load {
            Load::Newest => {
                self.board.begin_window(jobs, (true, is_end), now);
                if std::mem::take(&mut self.jumped_to_top) {
                    self.queue.select_index(0, &self.board);
                }
            }
            Load::Oldest => {
                self.board.begin_window(jobs, (is_end, true), now);
                self.queue.select_index(usize::MAX, &self.board);
                if let Some(total) = self.matching_total().filter(|_| !is_end) {
                    self.paging
                        .set_above(usize::try_from(total).unwrap_or(usize::MAX).saturating_sub(self.board.len()));
                }
            }
            Load::Older => self.board.extend_older(jobs, is_end, now),
            Load::Newer => self.board.extend_newer(jobs, is_end, now),
        }
    }

    /// Bounds the memory of the list.
    pub(super) fn bound_rows(&mut self) {
        let Some(cut) = self.board.bound(self.queue.index()) else { return };
        if cut.newer.is_none() && cut.older.is_none() {
            // Only jobs that the filter does not show were dropped: the store knows the rest of its result.
            self.paging.restart(None);
        } else {
            self.paging.on_cut(cut);
        }
    }

    /// Jumps to the newest or the oldest row of the store's result. Returns whether the rows are here already.
    pub(super) fn jump(&mut self, to_newest: bool) -> bool {
        let is_here = if to_newest { self.paging.is_at_newest() } else { self.paging.is_at_oldest() };
        if self.is_local() || is_here {
            return true;
        }
        self.jumped_to_top = to_newest;
        self.paging.jump(if to_newest { Load::Newest } else { Load::Oldest });
        false
    }

    /// The text of the filter changed.
    pub(super) fn restart_paging(&mut self, is_typing: bool) {
        self.paging.restart(is_typing.then(|| self.now + SEARCH_DELAY));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::JobId;

    fn place(seconds: i64) -> PageCursor {
        (DateTime::UNIX_EPOCH + Duration::seconds(seconds), JobId::new("j").unwrap())
    }

    fn filter(text: &str) -> Filter {
        Filter::parse(text, DateTime::UNIX_EPOCH).unwrap()
    }

    fn requested(paging: &mut Paging, rows: (usize, usize)) -> Option<(Option<PageCursor>, SortOrder)> {
        match paging.next(&filter("fox"), rows, DateTime::UNIX_EPOCH) {
            Some(Command::LoadPage { after, order, .. }) => Some((after, order)),
            Some(other) => panic!("{other:?}"),
            None => None,
        }
    }

    #[test]
    fn paging_requests_one_page_at_a_time() {
        let mut paging = Paging::default();
        assert_eq!(requested(&mut paging, (0, 0)), Some((None, SortOrder::NewestFirst)));
        assert_eq!(requested(&mut paging, (0, 0)), None, "the first is not answered yet");
        assert_eq!(paging.on_page(PAGE_SIZE, Some(place(8))), Some(Load::Newest));
        assert_eq!(requested(&mut paging, (0, 100)), None, "enough rows are below the screen");
        assert_eq!(requested(&mut paging, (0, 10)), Some((Some(place(8)), SortOrder::NewestFirst)));
        paging.on_page(7, None);
        assert_eq!(requested(&mut paging, (0, 0)), None, "nothing is behind the end");
        assert!(paging.is_at_oldest() && paging.is_at_newest());
    }

    #[test]
    fn page_of_an_old_filter_is_ignored() {
        let mut paging = Paging::default();
        requested(&mut paging, (0, 0));
        paging.restart(None);
        assert_eq!(requested(&mut paging, (0, 0)), None, "one request at a time");
        assert_eq!(paging.on_page(PAGE_SIZE, Some(place(8))), None);
        assert_eq!(requested(&mut paging, (0, 0)), Some((None, SortOrder::NewestFirst)));
    }

    #[test]
    fn typed_filter_waits_a_moment() {
        let mut paging = Paging::default();
        paging.restart(Some(DateTime::UNIX_EPOCH + SEARCH_DELAY));
        assert_eq!(requested(&mut paging, (0, 0)), None);
        assert_eq!(paging.due_at(), Some(DateTime::UNIX_EPOCH + SEARCH_DELAY));
        paging.search_now();
        assert!(requested(&mut paging, (0, 0)).is_some());
    }

    #[test]
    fn stopped_search_waits_for_resume() {
        let mut paging = Paging::default();
        requested(&mut paging, (0, 0));
        paging.on_page(3, Some(place(5)));
        assert_eq!(requested(&mut paging, (0, 0)), None);
        assert_eq!(paging.stopped_at(), Some(place(5).0));
        paging.resume();
        assert_eq!(requested(&mut paging, (0, 0)), Some((Some(place(5)), SortOrder::NewestFirst)));
        paging.on_failed();
        assert_eq!(requested(&mut paging, (0, 0)), None, "a failed request is not repeated by itself");
    }

    #[test]
    fn rows_are_loaded_again_on_both_sides() {
        let mut paging = Paging::default();
        requested(&mut paging, (0, 0));
        paging.on_page(PAGE_SIZE, None);
        paging.on_cut(Cut { above: 300, newer: Some(place(9)), older: Some(place(2)) });
        assert_eq!(paging.above(), Some(300));
        assert_eq!(requested(&mut paging, (10, 500)), Some((Some(place(9)), SortOrder::OldestFirst)));
        paging.on_page(PAGE_SIZE, Some(place(12)));
        assert_eq!(paging.above(), Some(100));
        assert_eq!(requested(&mut paging, (500, 10)), Some((Some(place(2)), SortOrder::NewestFirst)));
        paging.on_page(PAGE_SIZE, None);
        paging.jump(Load::Newest);
        assert_eq!(requested(&mut paging, (500, 500)), Some((None, SortOrder::NewestFirst)));
        paging.on_page(PAGE_SIZE, Some(place(11)));
        assert_eq!((paging.above(), paging.is_at_newest()), (Some(0), true));
    }
}
