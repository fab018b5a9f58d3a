//! A row of the queue: its columns for a width.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::QueueView;
use crate::console::costs_view;
use crate::engine::{Intake, Progress};
use crate::jobs::{Hold, Job, JobId, Review, Stage, StageName, StepName};
use crate::text;
use crate::text::format;

/// Characters of a text that are considered for one row: more than any screen is wide.
const MAX_CHARACTERS: usize = 400;

/// Widths of the columns, in cells; 0 is "not there".
#[derive(Debug, Clone, Copy)]
pub struct Columns {
    status: usize,
    age: usize,
    cost: usize,
    model: usize,
    prompt: usize,
    /// 0 where prompt and reason share the last column.
    reason: usize,
}

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
    /// For a row of that many cells.
    pub fn new(width: u16) -> Self {
        let width = usize::from(width);
        let status = if width < 56 { 8 } else { 12 };
        let cost = if width < 56 { 7 } else { 8 };
        // Columns give way in order of value: the model goes before the reason.
        let model = match width {
            0..76 => 0,
            76..110 => 16,
            _ => 20,
        };
        let gap = |column: usize| if column == 0 { 0 } else { column + 1 };
        let last = width.saturating_sub(2 + gap(status) + gap(4) + gap(cost) + gap(model) + 1);
        let reason = if width < 64 { 0 } else { (last * 2 / 5).clamp(18, 48) };
        Self { status, age: 4, cost, model, prompt: last - gap(reason), reason }
    }

    /// The names of the columns.
    pub fn heading(self) -> String {
        let mut line = format!(
            "  {} {} {}  ",
            format::fit("status", self.status),
            format::fit_right("age", self.age),
            format::fit_right("cost", self.cost)
        );
        if self.model > 0 {
            line.push_str(&format::fit("model", self.model));
            line.push(' ');
        }
        line.push_str(&format::fit("prompt", self.prompt));
        if self.reason > 0 {
            line.push_str(" reason");
        }
        line
    }

    /// The row of a job.
    pub fn job(
        self,
        job: &Job,
        progress: Option<&Progress>,
        markers: RowMarkers,
        view: &QueueView<'_>,
    ) -> Line<'static> {
        let theme = view.theme;
        let state = theme.job_style(job);
        let quiet = if job.stage_name() == StageName::Cancelled { theme.dim } else { theme.text };
        let word = if self.status < 12 { short_status_label(job) } else { status_label(job) };
        let status = format::fit(&format!("{} {word}", theme.job_symbol(job)), self.status);
        let age = format::fit_right(&format::age(view.now - job.created_at), self.age);
        let money = format::fit_right(&costs_view::cell(job, view.catalog), self.cost);
        let mut cells = Self::markers(markers, view);
        cells.push(Span::styled(status + " ", state));
        cells.push(Span::styled(format!("{age} "), theme.dim));
        cells.push(Span::styled(format!("{money}  "), quiet));
        if self.model > 0 {
            let model = text::sanitize_line(&job.spec.model, MAX_CHARACTERS);
            cells.push(Span::styled(format::fit(&model, self.model) + " ", theme.dim));
        }
        let why = reason(job, progress, self.prompt + self.reason >= 50, view);
        let prompt = text::sanitize_line(&job.spec.prompt, MAX_CHARACTERS);
        self.last_cells(&prompt, &why, (quiet, state), &mut cells, view);
        finish(cells, markers.selected, view)
    }

    /// The row of a document that cannot be read.
    pub fn unreadable(self, id: &JobId, reason: &str, markers: RowMarkers, view: &QueueView<'_>) -> Line<'static> {
        let theme = view.theme;
        let mut cells = Self::markers(markers, view);
        let rest = self.status + 1 + self.age + 1 + self.cost + 2 + if self.model > 0 { self.model + 1 } else { 0 };
        let what = format!("{} unreadable {}", theme.symbol("!", "!"), id.short());
        cells.push(Span::styled(format::fit(&what, rest), theme.bad));
        let reason = text::sanitize_line(reason, MAX_CHARACTERS);
        cells.push(Span::styled(format::cut(&reason, self.prompt + self.reason), theme.bad));
        finish(cells, markers.selected, view)
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

    /// Prompt and reason, each in its column; where they share one, the reason gets what it needs, up to three fifths. A row
    /// without a reason uses both columns for the prompt.
    fn last_cells(
        self,
        prompt: &str,
        why: &str,
        (prompt_style, why_style): (Style, Style),
        cells: &mut Vec<Span<'static>>,
        view: &QueueView<'_>,
    ) {
        use unicode_width::UnicodeWidthStr;
        let whole = self.prompt + if self.reason > 0 { self.reason + 1 } else { 0 };
        if why.is_empty() {
            cells.push(Span::styled(format::cut(prompt, whole), prompt_style));
            return;
        }
        if self.reason > 0 {
            cells.push(Span::styled(format::fit(prompt, self.prompt) + " ", prompt_style));
            cells.push(Span::styled(format::cut(why, self.reason), why_style));
            return;
        }
        let separator = view.theme.symbol(" · ", " - ");
        let left = whole.saturating_sub(3);
        let why_room = why.width().min((left * 3 / 5).max(left.saturating_sub(prompt.width())));
        let shown = format::cut(prompt, left - why_room);
        if !shown.is_empty() {
            cells.push(Span::styled(shown, prompt_style));
            cells.push(Span::styled(separator, view.theme.dim));
        }
        cells.push(Span::styled(format::cut(why, why_room), why_style));
    }
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
        StageName::Approved => "good",
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
        Stage::Submitting => "sending".to_owned(),
        Stage::Generating => progress.map(|progress| doing(progress, roomy, view)).unwrap_or_default(),
        Stage::Failed { failure } => failure.code.as_str().replace('_', " "),
        Stage::Done { .. } | Stage::Approved { .. } | Stage::Cancelled => String::new(),
    };
    let separator = if what.is_empty() || again.is_empty() { "" } else { ", " };
    format!("{what}{separator}{again}")
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
        Hold::Budget { over: Some(over), .. } => format!("budget, {} over", over.display()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_leaves_room_for_the_prompt() {
        for width in 38..300 {
            let columns = Columns::new(width);
            assert!(columns.prompt >= 10, "{width}: {columns:?}");
            let used = 2 + columns.status + 1 + columns.age + 1 + columns.cost + 2;
            let model = if columns.model > 0 { columns.model + 1 } else { 0 };
            let reason = if columns.reason > 0 { columns.reason + 1 } else { 0 };
            assert!(used + model + columns.prompt + reason <= usize::from(width) + 1, "{width}: {columns:?}");
        }
    }
}
