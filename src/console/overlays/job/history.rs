//! What operators did to the job, and the log lines of a step.

use ratatui::text::{Line, Span};

use super::JobView;
use crate::console::keymap::Action;
use crate::console::panes::logs::{StepSpan, StoredRecord, record_line};
use crate::engine::AuditEntry;
use crate::text::{self, format};

/// Log lines of a step that the job screen shows; the log screen shows all.
pub const STEP_LINES: usize = 12;

/// One line for each command of an operator, newest first; one for what is not known.
pub fn operators(
    entries: Option<&Result<Vec<AuditEntry>, String>>,
    view: &JobView<'_>,
    width: usize,
) -> Vec<Line<'static>> {
    let theme = view.theme;
    let entries = match entries {
        None => return Vec::new(),
        Some(Err(reason)) => {
            let line = format!(" operators: not known: {}", text::sanitize_line(reason, 200));
            return vec![Line::default(), Line::styled(format::cut(&line, width), theme.warning)];
        }
        Some(Ok(entries)) if entries.is_empty() => return Vec::new(),
        Some(Ok(entries)) => entries,
    };
    let mut lines = vec![Line::default(), Line::styled(" operators", theme.accent)];
    for entry in entries {
        let others = entry.count.saturating_sub(1);
        let others = if others > 0 { format!(", with {others} other jobs") } else { String::new() };
        let note = entry.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        let what = format!("{} by {} ({}){others}{note}", entry.action, entry.by, entry.from);
        let time = format!("  {}  ", view.zone.date_and_time(entry.at));
        let room = width.saturating_sub(time.len());
        let what = Span::styled(format::cut(&what, room), theme.text);
        lines.push(Line::from(vec![Span::styled(time, theme.dim), what]));
    }
    lines
}

/// The newest log lines of a step.
pub fn step_lines(step: &StepSpan, records: &[StoredRecord], view: &JobView<'_>, width: usize) -> Vec<Line<'static>> {
    let theme = view.theme;
    let more = if records.len() == STEP_LINES { "newest " } else { "" };
    let key = view.keys.key_of(Action::LogScreen, theme.ascii);
    let head = format!("   {more}log lines of {} · {key} shows all", step.name);
    let mut lines = vec![Line::styled(format::cut(&head, width), theme.accent)];
    if records.is_empty() {
        lines.push(Line::styled(
            format::cut("   none known · darkroom logs --job ID reads the files", width),
            theme.dim,
        ));
    }
    lines.extend(records.iter().map(|record| record_line(record, width, view.zone, theme)));
    lines
}
