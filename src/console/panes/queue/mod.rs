//! The queue pane: the jobs that the filter shows, newest first, with selection and scrolling.
//!
//! The selection follows its job, not its row: what arrives above pushes the list down, not the selection away.

mod columns;
mod row;
mod title;

use chrono::{DateTime, Duration, Utc};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

pub use self::columns::{Column, QueueSettings};
use self::columns::{Columns, TextWidths};
pub use self::row::status_label;
use crate::catalog::Catalog;
use crate::console::DisplayZone;
use crate::console::activity::Activity;
use crate::console::board::{Board, Row};
use crate::console::keymap::{Action, KeyMap};
use crate::console::status::Status;
use crate::console::theme::Theme;
use crate::engine::Intake;
use crate::jobs::filter::Completion;
use crate::jobs::{Job, JobId};
use crate::text::format;

/// Selection and scrolling of the queue.
#[derive(Debug, Default)]
pub struct QueuePane {
    selected: Option<JobId>,
    /// Where the selection was when its job was last there.
    index: usize,
    /// The first row on the screen.
    offset: usize,
    /// Rows on the screen, as last drawn.
    height: usize,
    /// Where they are.
    rows: Rect,
    /// A range of marks that was begun at this job.
    range_from: Option<JobId>,
    /// The selection stays on the first row, whichever job that is.
    follows: bool,
    /// Cells that texts of the rows need, since the pane has this width.
    widths: (u16, TextWidths),
}

/// What the queue is drawn from.
pub struct QueueView<'a> {
    /// The jobs.
    pub board: &'a Board,
    /// Counts and intake.
    pub status: &'a Status,
    /// The text of the filter, and whether it is being typed.
    pub filter: (&'a str, bool),
    /// The name of the saved view with that filter.
    pub view_name: Option<&'a str>,
    /// How far back the store was searched, where it continues only at the operator's request.
    pub searched_back_to: Option<DateTime<Utc>>,
    /// Rows of the store's result before the first one that is loaded, if known.
    pub above: Option<usize>,
    /// Jobs of the store that the list contains, if known.
    pub total: Option<u64>,
    /// Jobs that are held, as far as known.
    pub held: u64,
    /// Only jobs created at this time or later were sorted.
    pub sorted_back_to: Option<DateTime<Utc>>,
    /// The columns, from left to right.
    pub columns: &'a [Column],
    /// How fast images are finished.
    pub activity: &'a Activity,
    /// How the filter that is typed can go on.
    pub completions: Vec<Completion>,
    /// Whether images cost no real money.
    pub simulated: bool,
    /// Prices for estimates.
    pub catalog: &'static Catalog,
    /// The zone of the times.
    pub zone: DisplayZone,
    /// The present.
    pub now: DateTime<Utc>,
    /// Whether keys go here.
    pub focused: bool,
    /// For texts that name a key.
    pub keys: KeyMap,
    /// Colours and symbols.
    pub theme: &'a Theme,
}

impl QueuePane {
    /// The job that keys act on.
    pub fn selected(&self) -> Option<&JobId> {
        self.selected.as_ref()
    }

    /// Selects a job as soon as it is shown.
    pub fn select(&mut self, id: JobId, board: &Board) {
        if let Some(index) = board.position(&id) {
            self.follows = false;
            self.index = index;
            self.selected = Some(id);
        }
    }

    /// Keeps the selection on the first row from now on, or no more. Returns whether it does.
    pub fn toggle_follow(&mut self, board: &Board) -> bool {
        let follows = !self.follows;
        self.select_index(if follows { 0 } else { self.index }, board);
        self.follows = follows;
        follows
    }

    /// Whether the selection stays on the first row.
    pub fn follows(&self) -> bool {
        self.follows
    }

    /// Selects the row at a place; beyond the end, the last. The selection stays with that job.
    pub fn select_index(&mut self, index: usize, board: &Board) {
        self.follows = false;
        self.place_at(index, board);
    }

    fn place_at(&mut self, index: usize, board: &Board) {
        self.index = index.min(board.len().saturating_sub(1));
        self.selected = board.id_at(self.index).cloned();
    }

    /// Moves the selection by some rows.
    pub fn move_by(&mut self, rows: i64, board: &Board) {
        let step = usize::try_from(rows.unsigned_abs()).unwrap_or(usize::MAX);
        let index = if rows < 0 { self.index.saturating_sub(step) } else { self.index.saturating_add(step) };
        self.select_index(index, board);
    }

    /// Selects the next row below whose job matches, if any.
    pub fn select_next(&mut self, board: &Board, matches: impl Fn(&Job) -> bool) {
        let from = self.index + 1;
        let found = board.rows(from..board.len()).position(|(_, entry)| entry.job().is_some_and(|job| matches(job)));
        if let Some(distance) = found {
            self.select_index(from + distance, board);
        }
    }

    /// A screen of rows.
    pub fn page(&self) -> i64 {
        i64::try_from(self.height.saturating_sub(1).max(1)).unwrap_or(1)
    }

    /// Selects what was clicked, if it is a row.
    pub fn click(&mut self, column: u16, row: u16, board: &Board) {
        if self.rows.contains((column, row).into()) {
            let index = self.offset + usize::from(row - self.rows.y);
            if index < board.len() {
                self.select_index(index, board);
            }
        }
    }

    /// After the board changed: the selection stays with its job, or goes to the one in its place.
    pub fn follow(&mut self, board: &Board) {
        match self.selected.as_ref().and_then(|id| board.position(id)) {
            _ if self.follows => self.place_at(0, board),
            Some(index) => {
                if self.offset > 0 {
                    self.offset = (self.offset + index).saturating_sub(self.index);
                }
                self.index = index;
            }
            None => self.place_at(self.index, board),
        }
        if self.range_from.as_ref().is_some_and(|id| board.position(id).is_none()) {
            self.range_from = None;
        }
    }

    /// Begins a range of marks, or ends it: then the rows between are marked.
    pub fn mark_range(&mut self, board: &mut Board) {
        match self.range_from.take().and_then(|id| board.position(&id)) {
            Some(from) => board.mark_range(from, self.index),
            None => self.range_from = self.selected.clone(),
        }
    }

    /// Forgets a range that was begun. Returns whether there was one.
    pub fn drop_range(&mut self) -> bool {
        self.range_from.take().is_some()
    }

    /// Where the selection is.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Loaded rows above the screen.
    pub fn rows_above(&self) -> usize {
        self.offset.min(self.index)
    }

    /// Rows below the screen.
    pub fn rows_below(&self, board: &Board) -> usize {
        board.len().saturating_sub(self.index.max(self.offset + self.height))
    }

    /// Whether the selection is the last row.
    pub fn is_at_end(&self, board: &Board) -> bool {
        self.index + 1 >= board.len()
    }

    /// Rows on the screen, as last drawn.
    pub fn height(&self) -> usize {
        self.height
    }

    /// When something that only time changes changes next: an age, or how long something still waits.
    pub fn next_change(&self, board: &Board, now: DateTime<Utc>) -> Option<Duration> {
        let rows = board.rows(self.offset..self.offset + self.height);
        let jobs = rows.filter_map(|(_, entry)| entry.job());
        jobs.map(|job| {
            let age = format::next_age_change(now - job.created_at);
            match job.not_before {
                Some(until) if until > now => age.min(Duration::seconds(1)),
                _ => age,
            }
        })
        .min()
    }

    /// Draws the pane.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, view: &QueueView<'_>) {
        let theme = view.theme;
        let mut block = theme.block(view.focused);
        for title in self.titles(area.width, view) {
            block = block.title(title);
        }
        let (filter, typing) = view.filter;
        let inner = block.inner(area);
        let has_filter = typing || !filter.is_empty();
        let [heading, rows, filter_line] = Layout::vertical([
            Constraint::Length(u16::from(inner.height > 6)),
            Constraint::Min(0),
            Constraint::Length(u16::from(has_filter)),
        ])
        .areas(inner);
        self.height = usize::from(rows.height);
        self.rows = rows;
        self.scroll_to_selection(view.board.len());
        if !view.board.is_empty() {
            let last = (self.offset + self.height).min(view.board.len());
            block = block.title_bottom(title::range(view, self.offset + 1, last).right_aligned());
        }
        frame.render_widget(block, area);
        self.measure(inner.width, view);
        let columns = Columns::new(inner.width, view.columns, self.widths.1);
        frame.render_widget(Paragraph::new(Line::styled(columns.heading(view), theme.dim)), heading);
        if view.board.is_empty() {
            frame.render_widget(Paragraph::new(empty_state(view)).wrap(Wrap { trim: false }), rows);
        }
        let range = self.range_from.as_ref().and_then(|id| view.board.position(id));
        let range = range.map(|from| from.min(self.index)..=from.max(self.index));
        for (place, (id, entry)) in view.board.rows(self.offset..self.offset + self.height).enumerate() {
            let index = self.offset + place;
            let markers = row::RowMarkers {
                selected: index == self.index && self.selected.is_some(),
                marked: view.board.is_marked(id) || range.as_ref().is_some_and(|range| range.contains(&index)),
                recent: entry.is_recent(view.now),
            };
            let line = match &entry.row {
                Row::Job(job) => columns.job(job, entry.progress.as_ref(), markers, view),
                Row::Unreadable(reason) => columns.unreadable(id, reason, markers, view),
            };
            let area = Rect { y: rows.y + place as u16, height: 1, ..rows };
            frame.render_widget(line, area);
        }
        if has_filter {
            frame.render_widget(title::filter(view, filter_line.width), filter_line);
        }
    }

    fn scroll_to_selection(&mut self, len: usize) {
        self.offset = self.offset.min(self.index);
        if self.height > 0 && self.index >= self.offset + self.height {
            self.offset = self.index + 1 - self.height;
        }
        self.offset = self.offset.min(len.saturating_sub(self.height));
    }

    /// Widens the columns of texts for the rows on the screen. They never get narrower while the pane keeps its width.
    fn measure(&mut self, width: u16, view: &QueueView<'_>) {
        if self.widths.0 != width {
            self.widths = (width, TextWidths::default());
        }
        for (_, entry) in view.board.rows(self.offset..self.offset + self.height) {
            if let Some(job) = entry.job() {
                row::widen(&mut self.widths.1, job, entry.progress.as_ref(), view);
            }
        }
    }
}

fn empty_state(view: &QueueView<'_>) -> Vec<Line<'static>> {
    let theme = view.theme;
    let known = view.status.counts.as_ref().map(crate::engine::Counts::total);
    let new = view.keys.key_of(Action::New, theme.ascii);
    let lines: [String; 2] = if let Some(problem) = view.board.problem() {
        [format!("Invalid filter: {problem}"), "Esc clears it · quotes make it a word".into()]
    } else if let Some(at) = view.searched_back_to.filter(|_| !view.filter.0.is_empty()) {
        ["No matching jobs so far · Esc clears the filter".into(), title::searched_back_to(at, view.zone)]
    } else if !view.filter.0.is_empty() {
        [
            "No matching jobs · Esc clears the filter".into(),
            "Words match prompts, models and tags; status:failed matches the status".into(),
        ]
    } else if known.is_none()
        && view.board.known() == 0
        && !view.status.engine_closed
        && view.status.connection.is_none()
    {
        ["Loading jobs…".into(), String::new()]
    } else if view.status.intake == Intake::ReadOnly {
        ["No jobs yet".into(), "Read-only console (--observe): jobs of other processes appear here".into()]
    } else if view.simulated {
        [format!("No jobs yet. Press {new} to create the first image (simulated, free)."), String::new()]
    } else {
        [format!("No jobs yet. Press {new} to create the first image; the form shows its price."), String::new()]
    };
    let indent = |text: String| Line::styled(format!(" {text}"), theme.text);
    std::iter::once(Line::default()).chain(lines.into_iter().map(indent)).collect()
}
