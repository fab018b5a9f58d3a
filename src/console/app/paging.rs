//! Which part of the store's result is loaded: the first page of a filter and an order, and more rows on either side as the list is
//! scrolled.
//!
//! A store that the board knows completely needs no pages. A page that is not full although more exists stopped to limit billed
//! reads: the operator decides whether to continue.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

use super::App;
use crate::console::board::Cut;
use crate::console::overlays::Overlay;
use crate::engine::{Command, PageCursor, SortOrder};
use crate::jobs::Job;
use crate::jobs::filter::Filter;
use crate::jobs::sort::{Place, Sort, SortKey, SortValue};

/// Jobs of one page.
pub(super) const PAGE_SIZE: usize = 200;

/// Jobs of one page of a list that the store sorts for each page.
const SORTED_PAGE_SIZE: usize = 1_000;

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
    Next(Place),
    /// The same, and it continues only at the operator's request.
    Stopped(Place),
}

/// Which page is requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// The first rows; what was loaded is replaced.
    First,
    /// The last rows; what was loaded is replaced.
    Last,
    /// Below the last row.
    Below,
    /// Above the first row.
    Above,
}

/// What is loaded of the current filter's result.
#[derive(Debug, Default)]
pub struct Paging {
    above: Edge,
    below: Edge,
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
    rows_above: Option<usize>,
    /// Only jobs created at this time or later were sorted.
    sorted_back_to: Option<DateTime<Utc>>,
}

impl Paging {
    /// The filter changed: nothing of its result is loaded.
    pub fn restart(&mut self, due_at: Option<DateTime<Utc>>) {
        let (generation, pending) = (self.generation + 1, self.pending.take());
        *self = Self { generation, pending, due_at, rows_above: Some(0), ..Self::default() };
    }

    /// The typing of the filter ended: the store is searched at once.
    pub fn search_now(&mut self) {
        self.due_at = None;
    }

    /// When the first page will be requested, if that waits.
    pub fn due_at(&self) -> Option<DateTime<Utc>> {
        self.due_at.filter(|_| !self.is_begun)
    }

    /// Whether the first row of the list is the first of the result.
    pub fn is_at_first(&self) -> bool {
        !matches!(self.above, Edge::Next(_) | Edge::Stopped(_))
    }

    /// Whether the last row of the list is the last of the result.
    pub fn is_at_last(&self) -> bool {
        self.below == Edge::End
    }

    /// Rows before the window.
    pub fn rows_above(&self) -> Option<usize> {
        self.rows_above
    }

    /// How far back jobs were sorted, where the store bills every document that is read.
    pub fn sorted_back_to(&self) -> Option<DateTime<Utc>> {
        self.sorted_back_to
    }

    /// How many rows come before the window, once that is known.
    pub fn set_rows_above(&mut self, rows: usize) {
        self.rows_above = Some(rows);
    }

    /// How far back the search went, where it continues only at the operator's request.
    pub fn stopped_at(&self) -> Option<DateTime<Utc>> {
        match &self.below {
            Edge::Stopped(place) => Some(place.at),
            _ => None,
        }
    }

    /// The operator requests more.
    pub fn resume(&mut self) {
        for edge in [&mut self.below, &mut self.above] {
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
        if let Some(place) = cut.above {
            self.above = Edge::Next(place);
        }
        if let Some(place) = cut.below {
            self.below = Edge::Next(place);
        }
        self.is_begun = true;
        self.rows_above = self.rows_above.map(|above| above + cut.rows_above);
    }

    /// Takes in a page in the order of creation. Returns which one it is; `None` for one of an earlier filter.
    pub(super) fn on_page(&mut self, jobs: usize, next: Option<PageCursor>) -> Option<Load> {
        let place = next.map(|(at, id)| Place { value: SortValue::Number(0), at, id });
        self.on_edge(
            jobs,
            match place {
                None => Edge::End,
                Some(place) if jobs < PAGE_SIZE => Edge::Stopped(place),
                Some(place) => Edge::Next(place),
            },
        )
    }

    /// Takes in a page of a sorted list.
    pub(super) fn on_sorted_page(
        &mut self,
        jobs: usize,
        next: Option<Place>,
        read_back_to: Option<DateTime<Utc>>,
    ) -> Option<Load> {
        let edge = match next {
            None => Edge::End,
            // Every further page reads all of these documents again.
            Some(place) if read_back_to.is_some() => Edge::Stopped(place),
            Some(place) => Edge::Next(place),
        };
        let load = self.on_edge(jobs, edge)?;
        self.sorted_back_to = read_back_to;
        Some(load)
    }

    fn on_edge(&mut self, jobs: usize, edge: Edge) -> Option<Load> {
        let (generation, load) = self.pending.take()?;
        if generation != self.generation {
            return None;
        }
        match load {
            Load::First => (self.above, self.below, self.rows_above) = (Edge::End, edge, Some(0)),
            Load::Last => {
                self.rows_above = (edge == Edge::End).then_some(0);
                (self.above, self.below) = (edge, Edge::End);
            }
            Load::Below => self.below = edge,
            Load::Above => {
                let is_beginning = edge == Edge::End;
                self.rows_above =
                    if is_beginning { Some(0) } else { self.rows_above.map(|above| above.saturating_sub(jobs)) };
                self.above = edge;
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
            Some((generation, Load::Below | Load::Above)) if generation == self.generation => {
                for edge in [&mut self.below, &mut self.above] {
                    if let Edge::Next(place) = edge {
                        *edge = Edge::Stopped(place.clone());
                    }
                }
            }
            _ => {}
        }
    }

    /// The next request, if one is due: `rows` are those before and behind what is on the screen.
    fn next(&mut self, (filter, sort): (&Filter, Sort), rows: (usize, usize), now: DateTime<Utc>) -> Option<Command> {
        if self.pending.is_some() {
            return None;
        }
        let (load, after) = if let Some(wanted) = self.wanted.take() {
            (wanted, None)
        } else if !self.is_begun {
            if self.due_at.is_some_and(|due_at| now < due_at) {
                return None;
            }
            (Load::First, None)
        } else {
            match (&self.above, &self.below, rows) {
                (_, Edge::Next(place), (_, below)) if below < PREFETCH_ROWS => (Load::Below, Some(place.clone())),
                (Edge::Next(place), _, (above, _)) if above < PREFETCH_ROWS => (Load::Above, Some(place.clone())),
                _ => return None,
            }
        };
        self.pending = Some((self.generation, load));
        let (filter, backwards) = (filter.clone(), matches!(load, Load::Last | Load::Above));
        if sort.key != SortKey::Age {
            return Some(Command::LoadSorted { filter, sort, backwards, after, limit: SORTED_PAGE_SIZE });
        }
        let order = if sort.descending == backwards { SortOrder::OldestFirst } else { SortOrder::NewestFirst };
        let after = after.map(|place| (place.at, place.id));
        Some(Command::LoadPage { filter, after, order, limit: PAGE_SIZE })
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
        let list = (self.board.filter(), self.board.sort());
        if let Some(command) = self.paging.next(list, rows, self.now) {
            self.send(command);
        }
    }

    /// Takes in a page of the store's result.
    pub(super) fn on_page(&mut self, jobs: Vec<Arc<Job>>, next: Option<PageCursor>) {
        for job in &jobs {
            self.activity.observe(job, self.now);
        }
        let is_end = next.is_none();
        if let Some(load) = self.paging.on_page(jobs.len(), next) {
            self.show_page(load, jobs, is_end);
        }
    }

    /// Takes in a page of a sorted list.
    pub(super) fn on_sorted_page(
        &mut self,
        jobs: Vec<Arc<Job>>,
        next: Option<Place>,
        read_back_to: Option<DateTime<Utc>>,
    ) {
        let is_end = next.is_none() && read_back_to.is_none();
        if let Some(load) = self.paging.on_sorted_page(jobs.len(), next, read_back_to) {
            self.show_page(load, jobs, is_end);
        }
    }

    fn show_page(&mut self, load: Load, jobs: Vec<Arc<Job>>, is_end: bool) {
        let now = self.now;
        match load {
            Load::First => {
                self.board.begin_window(jobs, (true, is_end), now);
                if std::mem::take(&mut self.jumped_to_top) {
                    self.queue.select_index(0, &self.board);
                }
            }
            Load::Last => {
                self.board.begin_window(jobs, (is_end, true), now);
                self.queue.select_index(usize::MAX, &self.board);
                if let Some(total) = self.matching_total().filter(|_| !is_end) {
                    let total = usize::try_from(total).unwrap_or(usize::MAX);
                    self.paging.set_rows_above(total.saturating_sub(self.board.len()));
                }
            }
            Load::Below => self.board.extend_below(jobs, is_end, now),
            Load::Above => self.board.extend_above(jobs, is_end, now),
        }
    }

    /// Bounds the memory of the list.
    pub(super) fn bound_rows(&mut self) {
        let Some(cut) = self.board.bound(self.queue.index()) else { return };
        if cut.above.is_none() && cut.below.is_none() {
            // Only jobs that the filter does not show were dropped: the store knows the rest of its result.
            self.paging.restart(None);
        } else {
            self.paging.on_cut(cut);
        }
    }

    /// Jumps to the first or the last row of the store's result. Returns whether the rows are here already.
    pub(super) fn jump(&mut self, to_first: bool) -> bool {
        let is_here = if to_first { self.paging.is_at_first() } else { self.paging.is_at_last() };
        if self.is_local() || is_here {
            return true;
        }
        self.jumped_to_top = to_first;
        self.paging.jump(if to_first { Load::First } else { Load::Last });
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

    fn here(seconds: i64) -> Place {
        let (at, id) = place(seconds);
        Place { value: SortValue::Number(0), at, id }
    }

    fn filter(text: &str) -> Filter {
        Filter::parse(text, DateTime::UNIX_EPOCH).unwrap()
    }

    fn requested(paging: &mut Paging, rows: (usize, usize)) -> Option<(Option<PageCursor>, SortOrder)> {
        match paging.next((&filter("fox"), Sort::NEWEST_FIRST), rows, DateTime::UNIX_EPOCH) {
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
        assert_eq!(paging.on_page(PAGE_SIZE, Some(place(8))), Some(Load::First));
        assert_eq!(requested(&mut paging, (0, 100)), None, "enough rows are below the screen");
        assert_eq!(requested(&mut paging, (0, 10)), Some((Some(place(8)), SortOrder::NewestFirst)));
        paging.on_page(7, None);
        assert_eq!(requested(&mut paging, (0, 0)), None, "nothing is behind the end");
        assert!(paging.is_at_last() && paging.is_at_first());
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
        paging.on_cut(Cut { rows_above: 300, above: Some(here(9)), below: Some(here(2)) });
        assert_eq!(paging.rows_above(), Some(300));
        assert_eq!(requested(&mut paging, (10, 500)), Some((Some(place(9)), SortOrder::OldestFirst)));
        paging.on_page(PAGE_SIZE, Some(place(12)));
        assert_eq!(paging.rows_above(), Some(100));
        assert_eq!(requested(&mut paging, (500, 10)), Some((Some(place(2)), SortOrder::NewestFirst)));
        paging.on_page(PAGE_SIZE, None);
        paging.jump(Load::First);
        assert_eq!(requested(&mut paging, (500, 500)), Some((None, SortOrder::NewestFirst)));
        paging.on_page(PAGE_SIZE, Some(place(11)));
        assert_eq!((paging.rows_above(), paging.is_at_first()), (Some(0), true));
    }

    #[test]
    fn sorted_list_is_paged_by_its_places() {
        let mut paging = Paging::default();
        let cost = Sort::by(SortKey::Cost);
        let next = |paging: &mut Paging, rows| match paging.next((&filter("fox"), cost), rows, DateTime::UNIX_EPOCH) {
            Some(Command::LoadSorted { after, backwards, sort, .. }) => Some((after, backwards, sort)),
            other => other.map(|other| panic!("{other:?}")),
        };
        assert_eq!(next(&mut paging, (0, 0)), Some((None, false, cost)));
        let place = Place { value: SortValue::Number(7), ..here(4) };
        assert_eq!(paging.on_sorted_page(1_000, Some(place.clone()), None), Some(Load::First));
        assert_eq!(next(&mut paging, (0, 10)), Some((Some(place.clone()), false, cost)));
        paging.on_sorted_page(1_000, Some(place), Some(DateTime::UNIX_EPOCH));
        assert_eq!(next(&mut paging, (0, 10)), None, "billed reads wait for the operator");
        assert_eq!(paging.sorted_back_to(), Some(DateTime::UNIX_EPOCH));
        paging.jump(Load::Last);
        assert_eq!(next(&mut paging, (0, 0)), Some((None, true, cost)));
    }

    #[test]
    fn oldest_first_is_the_order_reversed() {
        let oldest = Sort::NEWEST_FIRST.reversed();
        let mut paging = Paging::default();
        let first = paging.next((&Filter::default(), oldest), (0, 0), DateTime::UNIX_EPOCH);
        assert!(matches!(first, Some(Command::LoadPage { order: SortOrder::OldestFirst, .. })), "{first:?}");
    }
}
