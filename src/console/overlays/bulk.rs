//! The screen of the bulk actions: what is done to many jobs now, by whom, and how far it is.

use chrono::{DateTime, Utc};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use crate::console::keymap::{Action, KeyMap};
use crate::console::theme::Theme;
use crate::console::widgets;
use crate::engine::{BulkRecord, BulkState};
use crate::text::{format, sanitize_line};

/// Cells of a progress bar.
const BAR: usize = 20;

/// The screen and its own state.
#[derive(Debug, Default)]
pub struct BulkScreen {
    selected: usize,
}

impl BulkScreen {
    /// Moves the selection by some rows.
    pub fn step(&mut self, rows: i64, count: usize) {
        let last = i64::try_from(count).unwrap_or(i64::MAX).saturating_sub(1).max(0);
        let selected = i64::try_from(self.selected).unwrap_or(0).saturating_add(rows).clamp(0, last);
        self.selected = usize::try_from(selected).unwrap_or(0);
    }

    /// The selected action.
    pub fn selected<'a>(&self, records: &'a [BulkRecord]) -> Option<&'a BulkRecord> {
        records.get(self.selected)
    }

    /// Draws it over an area.
    pub fn draw(
        &mut self,
        frame: &mut Frame<'_>,
        area: Rect,
        records: &[BulkRecord],
        now: DateTime<Utc>,
        keys: KeyMap,
        theme: &Theme,
    ) {
        widgets::clear(frame, area, theme);
        let facts = match records.iter().filter(|record| record.is_open()).count() {
            0 => "none under way".to_owned(),
            open => format!("{open} under way"),
        };
        let block = widgets::pane("Bulk actions", &facts, area.width, true, theme);
        let inner = block.inner(area);
        frame.render_widget(block, area);
        let width = usize::from(inner.width).saturating_sub(2);
        let mut lines = Vec::new();
        for (index, record) in records.iter().enumerate() {
            let first = Line::styled(format!(" {}", format::fit(&headline(record, records, now), width)), theme.text);
            lines.push(if index == self.selected { first.style(theme.selected) } else { first });
            for fact in facts_of(record, now) {
                lines.push(Line::styled(format!("   {}", format::cut(&fact, width.saturating_sub(2))), theme.dim));
            }
        }
        if lines.is_empty() {
            let shown = |actions: &[Action], gap| {
                let keys: Vec<String> = actions.iter().map(|action| keys.key_of(*action, theme.ascii)).collect();
                keys.join(gap)
            };
            let marks = shown(&[Action::Mark, Action::MarkRange, Action::MarkAll], ", ");
            let acts = [Action::Retry, Action::Cancel, Action::Approve, Action::Hide, Action::Tag, Action::Clone];
            let (acts, retry) = (shown(&acts, " "), keys.key_of(Action::RetryAll, theme.ascii));
            let words = format!(
                "No action on many jobs is under way. Mark jobs ({marks}) or filter them, then {acts} or {retry}. \
                 `darkroom bulk` lists older ones."
            );
            lines.extend(
                widgets::wrap(&words, width).into_iter().map(|line| Line::styled(format!(" {line}"), theme.dim)),
            );
        }
        let rows = usize::from(inner.height);
        let selected_line = lines.iter().position(|line| line.style == theme.selected).unwrap_or(0);
        let scroll = (selected_line + 4).min(lines.len()).saturating_sub(rows);
        frame.render_widget(Paragraph::new(lines).scroll((scroll as u16, 0)), inner);
    }
}

fn headline(record: &BulkRecord, records: &[BulkRecord], now: DateTime<Utc>) -> String {
    format!("{} {}", bar(record), status_line(record, records, now))
}

fn bar(record: &BulkRecord) -> String {
    let filled = (record.position * BAR as u64).checked_div(record.total).unwrap_or(0) as usize;
    format!("{}{}", "━".repeat(filled), "─".repeat(BAR.saturating_sub(filled)))
}

fn facts_of(record: &BulkRecord, now: DateTime<Utc>) -> Vec<String> {
    let price = record.price_usd.map(|price| format!(" · about {}", price.display())).unwrap_or_default();
    let age = format::age(now - record.created_at);
    let by = format!("{} from {} {age} ago · {}{price}", record.by, record.from, sanitize_line(&record.chosen, 80));
    let unchanged =
        (record.unchanged > 0).then(|| format!("{} not changed: {}", record.unchanged, record.reasons.join("; ")));
    std::iter::once(by).chain(unchanged).collect()
}

/// `retry 244 jobs: begins in 4 s`, `retry 244 jobs: 120 of 244`. `records` are those that may undo it.
pub fn status_line(record: &BulkRecord, records: &[BulkRecord], now: DateTime<Utc>) -> String {
    let title = record.title();
    let progress = format!("{} of {}", record.position, record.total);
    let waits = (record.starts_at - now).num_milliseconds();
    let state = match record.state {
        BulkState::Running if waits > 0 => format!("begins in {} s", (waits + 999) / 1_000),
        BulkState::Running if record.lease.as_ref().is_none_or(|lease| lease.until < now) => {
            format!("{progress}, waits for a worker")
        }
        BulkState::Running => progress,
        BulkState::Paused => format!("paused at {progress}"),
        BulkState::Stopped if record.position == 0 => "cancelled before the first job".to_owned(),
        BulkState::Stopped => format!("stopped at {progress}"),
        BulkState::Done => format!("done, {} changed", record.changed),
    };
    let undo = record.undo_progress(records, now).map(|undo| format!(", {undo}")).unwrap_or_default();
    // Of an action with a detail the title has a colon already.
    let gap = if title.contains(':') { " ·" } else { ":" };
    format!("{title}{gap} {state}{undo}")
}
