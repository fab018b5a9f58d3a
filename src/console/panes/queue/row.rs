//! A row of the queue: its columns for a width.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use unicode_width::UnicodeWidthStr;

use super::QueueView;
use super::columns::{Column, Columns, TextWidths};
use crate::console::costs_view;
use crate::engine::{Intake, Progress};
use crate::jobs::{Hold, Job, JobId, Review, Stage, StageName, StepName};
use crate::text;
use crate::text::format;

/// Characters of a text that are considered for one row: more than any screen is wide.
const MAX_CHARACTERS: usize = 400;

/// The markers in the first two cells.
#[derive(Debug, Clone, Copy)]
pub struct RowMarkers {
    /// Keys act on it.
    pub selected: bool,
    /// The next action takes it.
    pub marked: bool,
    /// Changed a moment ago.
    pub recent: bool,
}

impl Columns {
    /// The names of the columns; the one that the rows are sorted by has an arrow.
    pub fn heading(&self, view: &QueueView<'_>) -> String {
        let sort = view.board.sort();
        let names = self.cells.iter().map(|(column, cells)| {
            let is_sorted = column.sort_key() == Some(sort.key);
            let arrow = match (is_sorted, sort.descending) {
                (false, _) => "",
                (true, true) => view.theme.symbol("▾", "v"),
                (true, false) => view.theme.symbol("▴", "^"),
            };
            let name = format!("{}{arrow}", column.heading());
            // The money of a column is followed by a cell for its mark.
            match column {
                Column::Cost => format::fit_right(&name, cells - 1) + " ",
                _ if column.is_number() => format::fit_right(&name, *cells),
                _ => format::fit(&name, *cells),
            }
        });
        format!("  {}", names.collect::<Vec<_>>().join(" "))
    }

    /// The row of a job.
    pub fn job(
        &self,
        job: &Job,
        progress: Option<&Progress>,
        markers: RowMarkers,
        view: &QueueView<'_>,
    ) -> Line<'static> {
        let theme = view.theme;
        let state = theme.job_style(job);
        let quiet = if job.stage_name() == StageName::Cancelled { theme.dim } else { theme.text };
        let why = || reason(job, progress, self.is_roomy(), view);
        let mut cells = Self::markers(markers, view);
        let mut columns = self.cells.iter().peekable();
        while let Some((column, room)) = columns.next() {
            let room = *room;
            match column {
                Column::Status => {
                    let word = if self.is_tight { short_status_label(job) } else { status_label(job) };
                    cells.push(Span::styled(format::fit(&format!("{} {word}", theme.job_symbol(job)), room), state));
                }
                Column::Cost => {
                    let money = costs_view::column_cell(job, view.catalog);
                    cells.push(Span::styled(format::fit_right(&money, room), quiet));
                }
                Column::Prompt => {
                    let prompt = text::sanitize_line(&job.spec.prompt, MAX_CHARACTERS);
                    let beside = columns.next_if(|(next, _)| *next == Column::Reason).map(|(_, cells)| *cells);
                    let why = if beside.is_some() || self.shares_prompt { why() } else { String::new() };
                    prompt_and_reason(&prompt, &why, (room, beside), (quiet, state), &mut cells, view);
                }
                Column::Reason => cells.push(Span::styled(format::fit(&why(), room), state)),
                _ => {
                    let value = plain_cell(*column, job, view);
                    let value = if column.is_number() {
                        format::fit_right(&value, room)
                    } else {
                        format::fit(&text::sanitize_line(&value, MAX_CHARACTERS), room)
                    };
                    cells.push(Span::styled(value, theme.dim));
                }
            }
            cells.push(Span::raw(" "));
        }
        cells.pop();
        finish(cells, markers.selected, view)
    }

    /// The row of a document that cannot be read.
    pub fn unreadable(&self, id: &JobId, reason: &str, markers: RowMarkers, view: &QueueView<'_>) -> Line<'static> {
        let theme = view.theme;
        let mut cells = Self::markers(markers, view);
        let what = format!("{} unreadable {}", theme.symbol("!", "!"), id.short());
        let used = what.width() + 1;
        cells.push(Span::styled(what + " ", theme.bad));
        let reason = text::sanitize_line(reason, MAX_CHARACTERS);
        cells.push(Span::styled(format::cut(&reason, self.used().saturating_sub(used)), theme.bad));
        finish(cells, markers.selected, view)
    }

    /// Whether the reason has room for a bar.
    fn is_roomy(&self) -> bool {
        let of =
            |wanted: Column| self.cells.iter().find(|(column, _)| *column == wanted).map_or(0, |(_, cells)| *cells);
        of(Column::Prompt) + of(Column::Reason) >= 50
    }

    fn markers(markers: RowMarkers, view: &QueueView<'_>) -> Vec<Span<'static>> {
        let theme = view.theme;
        let cursor = if markers.selected { theme.symbol("▸", ">") } else { " " };
        let (mark, style) = if markers.marked {
            (theme.symbol("●", "*"), theme.warning)
        } else if markers.recent {
            (theme.symbol("•", "."), theme.accent)
        } else {
            (" ", theme.text)
        };
        vec![Span::styled(cursor, theme.accent), Span::styled(mark, style)]
    }
}

/// The cells that the texts of a job need.
pub(super) fn widen(widths: &mut TextWidths, job: &Job, progress: Option<&Progress>, view: &QueueView<'_>) {
    let longest = |old: usize, text: &str| old.max(text::sanitize_line(text, MAX_CHARACTERS).width());
    widths.status = widths.status.max(status_label(job).width() + 2);
    widths.model = longest(widths.model, &job.spec.model);
    widths.tags = longest(widths.tags, &plain_cell(Column::Tags, job, view));
    widths.worker = longest(widths.worker, &plain_cell(Column::Worker, job, view));
    widths.reason = longest(widths.reason, &reason(job, progress, false, view));
}

/// A cell that is only a text.
fn plain_cell(column: Column, job: &Job, view: &QueueView<'_>) -> String {
    match column {
        Column::Age => format::age(view.now - job.created_at),
        Column::Model => job.spec.model.clone(),
        Column::Size => job
            .pixel_size()
            .map(|(width, height)| format!("{width}{}{height}", view.theme.symbol("×", "x")))
            .unwrap_or_default(),
        Column::Tags => job.tags.join(" "),
        Column::Attempts => job.attempts.len().to_string(),
        Column::Duration => job.duration().map(format::duration).unwrap_or_default(),
        Column::Worker => {
            let claim = job.claim.as_ref().filter(|claim| claim.holds(view.now));
            claim.map(|claim| claim.worker.to_string()).unwrap_or_default()
        }
        Column::Status | Column::Cost | Column::Prompt | Column::Reason => String::new(),
    }
}

/// Prompt and reason, each in its column; where they share one, the reason gets what it needs, up to three fifths. A row without a
/// reason uses both columns for the prompt.
fn prompt_and_reason(
    prompt: &str,
    why: &str,
    (room, beside): (usize, Option<usize>),
    (prompt_style, why_style): (Style, Style),
    cells: &mut Vec<Span<'static>>,
    view: &QueueView<'_>,
) {
    let whole = room + beside.map_or(0, |cells| cells + 1);
    if why.is_empty() {
        cells.push(Span::styled(format::fit(prompt, whole), prompt_style));
        return;
    }
    if let Some(beside) = beside {
        cells.push(Span::styled(format::fit(prompt, room) + " ", prompt_style));
        cells.push(Span::styled(format::fit(why, beside), why_style));
        return;
    }
    let separator = view.theme.symbol(" · ", " - ");
    let left = whole.saturating_sub(3);
    let why_room = why.width().min((left * 3 / 5).max(left.saturating_sub(prompt.width())));
    let shown = format::cut(prompt, left - why_room);
    let mut used = 0;
    if !shown.is_empty() {
        used = shown.width() + 3;
        cells.push(Span::styled(shown, prompt_style));
        cells.push(Span::styled(separator, view.theme.dim));
    }
    cells.push(Span::styled(format::fit(&format::cut(why, why_room), whole.saturating_sub(used)), why_style));
}

/// A selected row is a bar only where the pane has the focus; otherwise only the cursor marks it.
fn finish(mut cells: Vec<Span<'static>>, selected: bool, view: &QueueView<'_>) -> Line<'static> {
    if selected && view.focused {
        for cell in &mut cells {
            let style = if cell.style == view.theme.dim { view.theme.text } else { cell.style };
            cell.style = style.add_modifier(Modifier::BOLD);
        }
        return Line::from(cells).style(view.theme.selected);
    }
    Line::from(cells)
}

/// The state of a job in one word.
pub fn status_label(job: &Job) -> &'static str {
    match job.review() {
        Some(Review::Rejected) => "rejected",
        _ if job.hold().is_some() => "held",
        _ => job.stage_name().as_str(),
    }
}

fn short_status_label(job: &Job) -> &'static str {
    match job.stage_name() {
        _ if job.hold().is_some() => "held",
        StageName::Queued => "queued",
        StageName::Submitting => "submit",
        StageName::Generating => "gen",
        StageName::Done if job.review() == Some(Review::Rejected) => "reject",
        StageName::Done => "done",
        StageName::Approved => "appr.",
        StageName::Failed => "failed",
        StageName::Cancelled => "cancel",
    }
}

/// The reason of a job's state: failure, hold, wait or progress, most important first because it may be cut.
fn reason(job: &Job, progress: Option<&Progress>, roomy: bool, view: &QueueView<'_>) -> String {
    let again = match job.attempt_number() {
        number if number > 1 && job.stage_name().is_active() => format!("attempt {number}"),
        _ => String::new(),
    };
    let what = match &job.stage {
        Stage::Queued { hold: Some(hold) } => held(hold, job, view),
        Stage::Queued { hold: None } if view.status.pause.is_some() => "intake paused".to_owned(),
        Stage::Queued { hold: None } => match &view.status.intake {
            Intake::Paused => "intake paused".to_owned(),
            Intake::AccountBlocked(_) => "account problem".to_owned(),
            Intake::Open | Intake::ReadOnly => String::new(),
        },
        Stage::Submitting | Stage::Generating if progress.is_none() && is_abandoned(job, view) => {
            "no worker".to_owned()
        }
        Stage::Submitting => "sending".to_owned(),
        Stage::Generating => progress.map(|progress| doing(progress, roomy, view)).unwrap_or_default(),
        Stage::Failed { failure } => failure.code.as_str().replace('_', " "),
        Stage::Done { .. } | Stage::Approved { .. } | Stage::Cancelled => String::new(),
    };
    let separator = if what.is_empty() || again.is_empty() { "" } else { ", " };
    format!("{what}{separator}{again}")
}

/// Whether no worker acts on a running job: the claim of the last one expired. On Temporal the server knows, not the claim.
fn is_abandoned(job: &Job, view: &QueueView<'_>) -> bool {
    let waits = job.not_before.is_some_and(|until| until > view.now);
    let expired = job.claim.as_ref().is_some_and(|claim| !claim.holds(view.now));
    expired && !waits && view.status.temporal.is_none()
}

fn doing(progress: &Progress, roomy: bool, view: &QueueView<'_>) -> String {
    if progress.step != StepName::Generate {
        return progress.step.as_str().to_owned();
    }
    let Some(fraction) = progress.fraction else { return text::sanitize_line(&progress.status, 40).to_lowercase() };
    let percent = format!("{:.0}%", fraction.clamp(0.0, 1.0) * 100.0);
    if !roomy {
        return percent;
    }
    let (full, rest) = view.theme.bar(fraction, 8);
    format!("{full}{rest} {percent}")
}

/// What holds it, shorter than the hold's own line, which the steps and the job screen show.
fn held(hold: &Hold, job: &Job, view: &QueueView<'_>) -> String {
    let wait = job.not_before.filter(|until| *until > view.now);
    let wait = wait.map(|until| format!("in {}", format::age(until - view.now)));
    let reason = match hold {
        Hold::Budget { over: Some(over), .. } => match view.catalog.reservation(job) {
            Some(needs) => format!("needs up to {}", needs.display()),
            None => format!("budget, {} over", over.display()),
        },
        Hold::Budget { over: None, .. } => "budget, price unknown".to_owned(),
        Hold::RateLimit => "provider busy".to_owned(),
        Hold::RetryAt { reason } => {
            let reason = text::sanitize_line(reason, MAX_CHARACTERS);
            return match wait {
                Some(wait) => format!("retry {wait}: {reason}"),
                None => format!("retry soon: {reason}"),
            };
        }
        Hold::Account { reason } => format!("account: {}", text::sanitize_line(reason, MAX_CHARACTERS)),
        Hold::OtherProvider => "for another provider".to_owned(),
        Hold::External => "external request, not simulated".to_owned(),
        Hold::OtherWorkflow { .. } => "old workflow still open".to_owned(),
    };
    wait.map_or(reason.clone(), |wait| format!("{reason}, {wait}"))
}
