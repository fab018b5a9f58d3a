//! The log pane: log records of one job or of all.

mod ring;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use tracing::Level;
use unicode_width::UnicodeWidthStr;

use crate::console::DisplayZone;
use crate::console::theme::Theme;
use crate::console::widgets;
use crate::jobs::JobId;
use crate::telemetry::logging::LogRecord;
use crate::text;
use crate::text::format;

use ring::{LogFilter, LogRing};

/// What the pane is drawn with.
#[derive(Debug, Clone, Copy)]
pub struct LogView<'a> {
    /// The selected job.
    pub job: Option<&'a JobId>,
    /// The zone of the times.
    pub zone: DisplayZone,
    /// Whether keys go to this pane.
    pub focused: bool,
    /// Colours and symbols.
    pub theme: &'a Theme,
}

/// Whose lines are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LogScope {
    ThisJob,
    All,
}

/// The log pane and its own state.
#[derive(Debug)]
pub struct LogPane {
    ring: LogRing,
    scope: LogScope,
    level: Level,
    /// The number of the lowest line on the screen; `None` follows the newest.
    bottom: Option<u64>,
    /// Lines that were on the screen at the last draw.
    shown: usize,
}

impl Default for LogPane {
    fn default() -> Self {
        Self::new()
    }
}

impl LogPane {
    /// An empty pane that follows the selected job from `info` up.
    pub fn new() -> Self {
        Self { ring: LogRing::new(), scope: LogScope::ThisJob, level: Level::INFO, bottom: None, shown: 0 }
    }

    /// Takes a record.
    pub fn push(&mut self, record: LogRecord) {
        self.ring.push(record);
    }

    /// Takes lines of the log files; a line where scrolling stopped stays on the screen.
    pub fn merge(&mut self, records: Vec<LogRecord>) {
        let kept = self.bottom.map(|_| self.bottom_place(self.ring.len().saturating_sub(1)));
        let stopped_at = kept.and_then(|place| self.ring.get(place)).map(|(_, record)| record.clone());
        self.ring.merge(records);
        self.bottom = stopped_at.and_then(|stopped_at| self.ring.number_of(&stopped_at));
    }

    /// The job whose lines are shown, where none are known: the log files may have some.
    pub fn missing_job<'a>(&self, job: Option<&'a JobId>) -> Option<&'a JobId> {
        job.filter(|job| self.scope == LogScope::ThisJob && !self.ring.has_job(&job.to_string()))
    }

    /// Moves by that many lines, upwards where negative; reaching the end follows again.
    pub fn scroll(&mut self, lines: i64) {
        let Some(last) = self.ring.len().checked_sub(1) else { return };
        let place = self.bottom_place(last);
        let top = self.shown.saturating_sub(1).min(last);
        let step = usize::try_from(lines.unsigned_abs()).unwrap_or(usize::MAX);
        let target = if lines < 0 { place.saturating_sub(step) } else { place.saturating_add(step) }.clamp(top, last);
        self.bottom = if target == last { None } else { self.ring.get(target).map(|(number, _)| number) };
    }

    /// Goes to the newest line and follows.
    pub fn to_end(&mut self) {
        self.bottom = None;
    }

    /// Stops at the line that is the newest now, or follows again.
    pub fn toggle_follow(&mut self) {
        self.bottom = match self.bottom {
            Some(_) => None,
            None => self.ring.len().checked_sub(1).and_then(|last| self.ring.get(last)).map(|(number, _)| number),
        };
    }

    /// The next quieter level; after the quietest, only errors.
    pub fn cycle_level(&mut self) {
        self.level = match self.level {
            Level::ERROR => Level::WARN,
            Level::WARN => Level::INFO,
            Level::INFO => Level::DEBUG,
            Level::DEBUG => Level::TRACE,
            Level::TRACE => Level::ERROR,
        };
    }

    /// This job, or all.
    pub fn toggle_scope(&mut self) {
        self.scope = match self.scope {
            LogScope::ThisJob => LogScope::All,
            LogScope::All => LogScope::ThisJob,
        };
    }

    /// Draws the pane; long lines are wrapped where it has the whole screen's width and most of its height, else cut.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, view: &LogView<'_>) {
        let job = view.job.filter(|_| self.scope == LogScope::ThisJob);
        self.ring.set_filter(LogFilter { job: job.map(ToString::to_string), level: self.level });

        let mut block = widgets::padded_pane("Logs", &self.facts(job.is_some()), area.width, view.focused, view.theme);
        let inner = block.inner(area);
        let height = usize::from(inner.height);
        let wraps = area.width == frame.area().width && area.height > frame.area().height / 2;
        let (rows, records) = self.rows(usize::from(inner.width), height, wraps, job.is_none(), view);
        self.shown = records;
        if self.bottom.is_some() {
            let bottom = self.bottom_place(self.ring.len().saturating_sub(1)) + 1;
            let position = format!(" {}–{bottom} of {} ", bottom.saturating_sub(records) + 1, self.ring.len());
            block = block.title_bottom(Line::from(position).right_aligned());
        }
        frame.render_widget(block, area);
        if rows.is_empty() {
            let lines = self
                .empty_state(job.is_some(), view.focused)
                .into_iter()
                .map(|line| Line::styled(line, view.theme.dim));
            frame.render_widget(
                Paragraph::new(lines.collect::<Vec<_>>()).wrap(ratatui::widgets::Wrap { trim: true }),
                inner,
            );
        } else {
            frame.render_widget(Paragraph::new(rows), inner);
        }
        widgets::fold_to_ascii(frame, area, view.theme);
    }

    fn facts(&self, one_job: bool) -> String {
        let scope = if one_job { "this job" } else { "all jobs" };
        let following = if self.bottom.is_none() { "following" } else { "paused" };
        format!("{scope} · {} · {following}", self.level.as_str().to_ascii_lowercase())
    }

    /// What an empty pane teaches: the keys hold where it has the focus.
    fn empty_state(&self, one_job: bool, focused: bool) -> Vec<String> {
        let whose = if one_job { "for this job " } else { "" };
        let level = self.level.as_str().to_ascii_lowercase();
        let first = format!("No log lines {whose}at {level} or above");
        let others = self.ring.kept();
        let keys = match (focused, one_job) {
            (true, true) => "press t for all jobs or l to lower the level",
            (true, false) => "press l to lower the level",
            (false, true) => "press 4, then t for all jobs or l to lower the level",
            (false, false) => "press 4, then l to lower the level",
        };
        let second = match others {
            0 => "Log lines of this process appear here".to_owned(),
            1 => format!("1 other line: {keys}"),
            _ => format!("{others} other lines: {keys}"),
        };
        vec![first, second]
    }

    fn bottom_place(&self, last: usize) -> usize {
        self.bottom.map_or(last, |number| self.ring.place_of(number))
    }

    /// The rows of the screen from the lowest up to `height`, and how many records they show.
    fn rows(
        &self,
        width: usize,
        height: usize,
        wraps: bool,
        with_job: bool,
        view: &LogView<'_>,
    ) -> (Vec<Line<'static>>, usize) {
        let mut rows: Vec<Line<'static>> = Vec::with_capacity(height);
        let mut records = 0;
        if let Some(last) = self.ring.len().checked_sub(1) {
            let mut bottom = self.bottom_place(last);
            if !wraps {
                bottom = bottom.max(height.saturating_sub(1)).min(last);
            }
            for place in (0..=bottom).rev() {
                let Some((_, record)) = self.ring.get(place) else { break };
                if rows.len() >= height {
                    break;
                }
                records += 1;
                rows.extend(record_rows(record, width, wraps, with_job, view).into_iter().rev());
            }
        }
        rows.truncate(height);
        rows.reverse();
        (rows, records)
    }
}

fn level_style(level: Level, theme: &Theme) -> Style {
    match level {
        Level::ERROR => theme.bad,
        Level::WARN => theme.warning,
        Level::INFO => theme.good,
        Level::DEBUG => theme.accent,
        Level::TRACE => theme.dim,
    }
}

/// `12:04:31.201Z INFO  message`; in a narrow pane without the fraction, in a very narrow one without the time.
fn record_rows(
    record: &LogRecord,
    width: usize,
    wraps: bool,
    with_job: bool,
    view: &LogView<'_>,
) -> Vec<Line<'static>> {
    let theme = view.theme;
    let mut head = Vec::new();
    if width >= 60 {
        head.push(Span::styled(format!("{} ", view.zone.time_with_millis(record.at)), theme.dim));
    } else if width >= 34 {
        head.push(Span::styled(format!("{} ", view.zone.time(record.at)), theme.dim));
    }
    head.push(Span::styled(format!("{:<5} ", record.level.as_str()), level_style(record.level, theme)));
    if with_job && width >= 50 {
        let job = record.job.as_deref().map(|id| text::sanitize_line(id, 8)).unwrap_or_default();
        let gap = 9_usize.saturating_sub(job.width());
        head.push(Span::styled(format!("{job}{}", " ".repeat(gap)), theme.dim));
    }
    let indent: usize = head.iter().map(|span| span.content.width()).sum();
    let room = width.saturating_sub(indent);
    let style = if record.level == Level::TRACE { theme.dim } else { theme.text };
    let mut lines = if wraps { widgets::wrap(&record.message, room) } else { vec![format::cut(&record.message, room)] };
    let rest = lines.split_off(1);
    head.extend(lines.into_iter().map(|line| Span::styled(line, style)));
    let mut rows = vec![Line::from(head)];
    rows.extend(rest.into_iter().map(|line| Line::styled(format!("{}{line}", " ".repeat(indent)), style)));
    rows
}

#[cfg(test)]
mod tests;
