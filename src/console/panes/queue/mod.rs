//! The queue pane: the jobs that the filter shows, newest first, with selection and scrolling.
//!
//! The selection follows its job, not its row: what arrives above pushes the list down, not the selection away.

mod row;

use chrono::{DateTime, Datelike, Duration, Utc};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use self::row::Columns;
pub use self::row::status_label;
use crate::catalog::Catalog;
use crate::console::DisplayZone;
use crate::console::board::{Board, Row};
use crate::console::status::Status;
use crate::console::theme::Theme;
use crate::engine::Intake;
use crate::jobs::filter::Completion;
use crate::jobs::{Job, JobId, StageName};
use crate::text::{format, sanitize_text};

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
}

/// What the queue is drawn from.
pub struct QueueView<'a> {
    /// The jobs.
    pub board: &'a Board,
    /// Counts and intake.
    pub status: &'a Status,
    /// The text of the filter, and whether it is being typed.
    pub filter: (&'a str, bool),
    /// How far back the store was searched, where it continues only at the operator's request.
    pub searched_back_to: Option<DateTime<Utc>>,
    /// Rows of the store's result before the first one that is loaded, if known.
    pub above: Option<usize>,
    /// Jobs of the store that the list contains, if known.
    pub total: Option<u64>,
    /// Jobs that are held, as far as known.
    pub held: u64,
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
            self.index = index;
            self.selected = Some(id);
        }
    }

    /// Selects the row at a place; beyond the end, the last.
    pub fn select_index(&mut self, index: usize, board: &Board) {
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
            Some(index) => {
                if self.offset > 0 {
                    self.offset = (self.offset + index).saturating_sub(self.index);
                }
                self.index = index;
            }
            None => self.select_index(self.index, board),
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
        let mut block = theme.block(view.focused).title(self.title(area.width, view));
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
            let dash = theme.symbol("–", "-");
            let more = view
                .searched_back_to
                .filter(|_| filter.is_empty())
                .map(|at| format!("{} · ", searched_back_label(at, view.zone)));
            let rows = row_range(view, self.offset + 1, last, dash);
            let range = format!(" {}{rows} ", more.unwrap_or_default());
            block = block.title_bottom(Line::styled(range, theme.dim).right_aligned());
        }
        frame.render_widget(block, area);
        let columns = Columns::new(inner.width);
        frame.render_widget(Paragraph::new(Line::styled(columns.heading(), theme.dim)), heading);
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
            frame.render_widget(filter_text(view, filter_line.width), filter_line);
        }
    }

    fn scroll_to_selection(&mut self, len: usize) {
        self.offset = self.offset.min(self.index);
        if self.height > 0 && self.index >= self.offset + self.height {
            self.offset = self.index + 1 - self.height;
        }
        self.offset = self.offset.min(len.saturating_sub(self.height));
    }

    fn title(&self, width: u16, view: &QueueView<'_>) -> Line<'static> {
        let (theme, status) = (view.theme, view.status);
        let mut parts = vec![Span::styled(" Queue ", if view.focused { theme.accent } else { theme.text })];
        let dash = theme.symbol("──", "--");
        if self.range_from.is_some() {
            parts.push(Span::styled(format!("{dash} marking a range · V marks it "), theme.warning));
            return Line::from(parts);
        }
        if view.board.marked() > 0 {
            parts.push(Span::styled(format!("{dash} {} marked ", view.board.marked()), theme.warning));
        }
        let cancelled = status.count(StageName::Cancelled);
        let (queued, held) = (status.count(StageName::Queued), view.held);
        let narrow = width < 60;
        let word = |word: &'static str, symbol: &'static str| if narrow { symbol } else { word };
        let mut counts = [
            (status.running(), word("running", theme.symbol("▶", ">")), theme.running),
            (queued.saturating_sub(held), word("queued", theme.symbol("◌", "o")), theme.text),
            (held, word("held", theme.symbol("‖", "=")), theme.warning),
            (status.count(StageName::Failed), word("failed", theme.symbol("✗", "x")), theme.bad),
            (status.done(), word("done", theme.symbol("✓", "+")), theme.good),
            (if width >= 90 { cancelled } else { 0 }, "cancelled", theme.dim),
        ]
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .peekable();
        if counts.peek().is_some() {
            parts.push(Span::styled(format!("{dash} "), theme.border));
        }
        let separator = theme.symbol("· ", "- ");
        while let Some((count, word, style)) = counts.next() {
            parts.push(Span::styled(format!("{count} {word} "), style));
            if counts.peek().is_some() {
                parts.push(Span::styled(separator, theme.dim));
            }
        }
        Line::from(parts)
    }
}

/// `1–38 of 435`; where the store does not count its result, `1–38 of 200+`.
fn row_range(view: &QueueView<'_>, first: usize, last: usize, dash: &str) -> String {
    let loaded = view.board.len();
    match (view.above, view.total) {
        (Some(above), total) => {
            let known = (above + loaded) as u64;
            let of = total.map_or_else(|| format!("{known}+"), |total| total.max(known).to_string());
            format!("{}{dash}{} of {of}", above + first, above + last)
        }
        (None, Some(total)) => format!("last {} of {total}", loaded - first + 1),
        (None, None) => format!("last {}", loaded - first + 1),
    }
}

fn filter_text(view: &QueueView<'_>, width: u16) -> Line<'static> {
    let (theme, (text, typing)) = (view.theme, view.filter);
    if let Some(problem) = view.board.problem() {
        let problem = problem.to_string();
        let room = usize::from(width).saturating_sub(problem.len() + 6);
        let cursor = if typing { theme.symbol("▏", "_") } else { "" };
        return Line::from(vec![
            Span::styled(" / ", theme.accent),
            Span::styled(tail(text, room), theme.text),
            Span::styled(cursor, theme.accent),
            Span::styled(format!("  {problem}"), theme.bad),
        ]);
    }
    let mut count = match view.total {
        Some(total) => format::count(usize::try_from(total).unwrap_or(usize::MAX), "job"),
        None => format!("{}+ jobs", view.board.len()),
    };
    if let Some(at) = view.searched_back_to.filter(|_| width >= 70) {
        count = format!("{count}, {}", searched_back_label(at, view.zone));
    }
    let cursor = if typing { theme.symbol("▏", "_") } else { "" };
    let help = match view.completions.as_slice() {
        [] if typing => "Enter keeps · Esc clears".to_owned(),
        [] => "Esc clears".to_owned(),
        [first, more @ ..] => {
            let mut help = format!("Tab {}", first.shown);
            for other in more {
                if help.len() + other.shown.len() + 2 > usize::from(width) / 2 {
                    break;
                }
                help = format!("{help}, {}", other.shown);
            }
            help
        }
    };
    let room = usize::from(width).saturating_sub(count.len() + help.len() + 8);
    Line::from(vec![
        Span::styled(" / ", theme.accent),
        Span::styled(tail(text, room), theme.text),
        Span::styled(cursor, theme.accent),
        Span::styled(format!("  {count} {} {help}", theme.symbol("·", "-")), theme.dim),
    ])
}

/// How far back the store was searched, and how to continue.
fn searched_back_label(at: DateTime<Utc>, zone: DisplayZone) -> String {
    let far = if at.year() > 0 { zone.date_and_minute(at) } else { "before all dates".to_owned() };
    format!("searched back to {far} · Down searches further")
}

/// The end of what is typed, where it is longer than the room.
fn tail(text: &str, cells: usize) -> String {
    let text = sanitize_text(text);
    let mut start = 0;
    while unicode_width::UnicodeWidthStr::width(&text[start..]) > cells {
        start += text[start..].chars().next().map_or(1, char::len_utf8);
    }
    text[start..].to_owned()
}

fn empty_state(view: &QueueView<'_>) -> Vec<Line<'static>> {
    let theme = view.theme;
    let known = view.status.counts.as_ref().map(crate::engine::Counts::total);
    let lines: [String; 2] = if let Some(problem) = view.board.problem() {
        [format!("Invalid filter: {problem}"), "Esc clears it · quotes make it a word".into()]
    } else if let Some(at) = view.searched_back_to.filter(|_| !view.filter.0.is_empty()) {
        ["No matching jobs so far · Esc clears the filter".into(), searched_back_label(at, view.zone)]
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
        ["No jobs yet. Press n to create the first image (simulated, free).".into(), String::new()]
    } else {
        ["No jobs yet. Press n to create the first image; the form shows its price.".into(), String::new()]
    };
    let indent = |text: String| Line::styled(format!(" {text}"), theme.text);
    std::iter::once(Line::default()).chain(lines.into_iter().map(indent)).collect()
}
