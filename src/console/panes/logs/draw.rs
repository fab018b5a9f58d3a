//! Draws the log pane.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use tracing::Level;
use unicode_width::UnicodeWidthStr;

use super::ring::StoredRecord;
use super::{LogInput, LogPane, LogScope, LogView};
use crate::console::DisplayZone;
use crate::console::keymap::Action;
use crate::console::layout::PaneName;
use crate::console::theme::Theme;
use crate::console::widgets;
use crate::text::{self, find_text, format};

impl LogPane {
    /// Draws the pane; long lines are wrapped where it has the whole screen's width and most of its height, else cut.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, view: &LogView<'_>) {
        let job = view.job.filter(|_| self.scope == LogScope::ThisJob);
        self.ring.set_filter(self.filter(job));

        let mut block = widgets::padded_pane("Logs", &self.facts(job.is_some()), area.width, view.focused, view.theme);
        let mut inner = block.inner(area);
        if let Some(line) = self.input_line(view).filter(|_| inner.height > 2) {
            inner.height -= 1;
            frame.render_widget(line, Rect { y: inner.bottom(), height: 1, ..inner });
        }
        let height = usize::from(inner.height);
        let wraps = area.width == frame.area().width && area.height > frame.area().height / 2;
        let (rows, records) = self.rows(usize::from(inner.width), height, wraps, job.is_none(), view);
        self.shown = records;
        if self.bottom.is_some() {
            let bottom = self.bottom_place(self.ring.len().saturating_sub(1)) + 1;
            let position = format!(" {}–{bottom} of {} ", bottom.saturating_sub(records) + 1, self.ring.len());
            block = block.title_bottom(Line::from(position).right_aligned());
        }
        if self.ring.dropped() > 0 {
            let dropped = format!(" {} older lines dropped, see darkroom logs ", self.ring.dropped());
            block = block.title_bottom(Line::styled(dropped, view.theme.dim));
        }
        frame.render_widget(block, area);
        if rows.is_empty() {
            let lines =
                self.empty_state(job.is_some(), view).into_iter().map(|line| Line::styled(line, view.theme.dim));
            frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()).wrap(Wrap { trim: true }), inner);
        } else {
            frame.render_widget(Paragraph::new(rows), inner);
        }
        widgets::fold_to_ascii(frame, area, view.theme);
    }

    fn facts(&self, one_job: bool) -> String {
        let mut facts = vec![if one_job { "this job".to_owned() } else { "all jobs".to_owned() }];
        facts.extend(self.step.as_ref().map(|step| format!("step {}", step.name)));
        facts.extend(self.process.map(|pid| {
            let own = if pid == std::process::id() { ", this one" } else { "" };
            format!("process {pid}{own}")
        }));
        facts.push(self.level.as_str().to_ascii_lowercase());
        facts.push(if self.bottom.is_none() { "following" } else { "paused" }.to_owned());
        facts.join(" · ")
    }

    /// What is typed, or what narrows the lines and is searched in them.
    fn input_line(&self, view: &LogView<'_>) -> Option<Line<'static>> {
        let theme = view.theme;
        let sign = |input: LogInput| if input == LogInput::Search { " / " } else { " & " };
        if let Some((input, line)) = &self.input {
            let help = match input {
                LogInput::Search => "Enter finds the newest line · Esc clears".to_owned(),
                LogInput::Filter => format!("{} · Enter keeps · Esc clears", format::count(self.ring.len(), "line")),
            };
            return Some(Line::from(vec![
                Span::styled(sign(*input), theme.accent),
                Span::styled(line.as_str().to_owned(), theme.text),
                Span::styled(theme.symbol("▏", "_"), theme.accent),
                Span::styled(format!("  {help}"), theme.dim),
            ]));
        }
        let mut spans = Vec::new();
        if !self.text.is_empty() {
            spans.push(Span::styled(sign(LogInput::Filter), theme.accent));
            spans.push(Span::styled(format!("{}  ", self.text), theme.text));
            spans.push(Span::styled(format!("{} ", format::count(self.ring.len(), "line")), theme.dim));
        }
        if !self.search.is_empty() {
            spans.push(Span::styled(sign(LogInput::Search), theme.accent));
            spans.push(Span::styled(format!("{}  ", self.search), theme.text));
            let key = |action| view.keys.key_of(action, theme.ascii);
            let (older, newer) = (key(Action::LogOlderMatch), key(Action::LogNewerMatch));
            spans.push(Span::styled(format!("{older} older · {newer} newer "), theme.dim));
        }
        (!spans.is_empty()).then(|| {
            spans.push(Span::styled("· Esc clears", theme.dim));
            Line::from(spans)
        })
    }

    /// What an empty pane teaches: the keys hold where it has the focus.
    fn empty_state(&self, one_job: bool, view: &LogView<'_>) -> Vec<String> {
        let whose = if one_job { "for this job " } else { "" };
        let level = self.level.as_str().to_ascii_lowercase();
        let text = if self.text.is_empty() { String::new() } else { format!(" with {:?}", self.text) };
        let first = format!("No log lines {whose}at {level} or above{text}");
        let others = self.ring.kept();
        let key = |action| view.keys.key_of(action, view.theme.ascii);
        let (pane, scope, level) = (Action::Pane(PaneName::Logs), key(Action::LogScope), key(Action::LogLevel));
        let pane = if view.focused { String::new() } else { format!("{}, then ", key(pane)) };
        let scope = if one_job { format!("{scope} for all jobs or ") } else { String::new() };
        let keys = format!("press {pane}{scope}{level} to lower the level");
        let second = match others {
            0 => "Log lines of this process appear here".to_owned(),
            1 => format!("1 other line: {keys}"),
            _ => format!("{others} other lines: {keys}"),
        };
        vec![first, second]
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
                rows.extend(self.record_rows(record, width, wraps, with_job, view).into_iter().rev());
            }
        }
        rows.truncate(height);
        rows.reverse();
        (rows, records)
    }

    /// `12:04:31.201Z INFO  message`; in a narrow pane without the fraction, in a very narrow one without the time.
    fn record_rows(
        &self,
        record: &StoredRecord,
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
        let style = message_style(record.level, theme);
        let lines = if wraps { widgets::wrap(&record.message, room) } else { vec![format::cut(&record.message, room)] };
        let mut lines = lines.into_iter().map(|line| self.with_matches(line, style, theme));
        head.extend(lines.next().unwrap_or_default());
        let mut rows = vec![Line::from(head)];
        rows.extend(lines.map(|line| {
            let indent = std::iter::once(Span::raw(" ".repeat(indent)));
            Line::from(indent.chain(line).collect::<Vec<_>>())
        }));
        rows
    }

    /// The text with what was searched marked in it.
    fn with_matches(&self, line: String, style: Style, theme: &Theme) -> Vec<Span<'static>> {
        if self.search.is_empty() {
            return vec![Span::styled(line, style)];
        }
        let (mut spans, mut rest) = (Vec::new(), line.as_str());
        while let Some((from, to)) = find_text(rest, &self.search).filter(|(from, to)| to > from) {
            spans.push(Span::styled(rest[..from].to_owned(), style));
            spans.push(Span::styled(rest[from..to].to_owned(), theme.selected.add_modifier(Modifier::BOLD)));
            rest = &rest[to..];
        }
        spans.push(Span::styled(rest.to_owned(), style));
        spans
    }
}

/// One line of a list of records without jobs: `12:04:31.201Z INFO  message`.
pub fn record_line(record: &StoredRecord, width: usize, zone: DisplayZone, theme: &Theme) -> Line<'static> {
    let time = format!("  {} ", zone.time_with_millis(record.at));
    let level = format!("{:<5} ", record.level.as_str());
    let room = width.saturating_sub(time.width() + level.width());
    Line::from(vec![
        Span::styled(time, theme.dim),
        Span::styled(level, level_style(record.level, theme)),
        Span::styled(format::cut(&record.message, room), message_style(record.level, theme)),
    ])
}

fn message_style(level: Level, theme: &Theme) -> Style {
    if level == Level::TRACE { theme.dim } else { theme.text }
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
