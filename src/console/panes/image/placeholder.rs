//! The text of the image pane where there is no image: the job's state, and which key helps.

use chrono::{DateTime, Utc};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::catalog::Catalog;
use crate::console::keymap::{Action, KeyMap};
use crate::console::theme::Theme;
use crate::console::widgets::wrap;
use crate::engine::Progress;
use crate::jobs::{BillingStatus, Failure, FailureCode, Job, RetryKind, Stage, StageName, StepName, StepState};
use crate::text;
use crate::text::format;

/// Where the lines are shown.
pub struct Place<'a> {
    /// Cells of a line.
    pub width: usize,
    /// For texts that name a key.
    pub keys: KeyMap,
    /// Colours and symbols.
    pub theme: &'a Theme,
}

/// The lines about a job, wrapped, most important first.
pub fn lines_for_job(
    job: &Job,
    progress: Option<&Progress>,
    now: DateTime<Utc>,
    place: &Place<'_>,
) -> Vec<Line<'static>> {
    let Place { width, theme, .. } = *place;
    let head = |word: &str| Line::styled(format!("{} {word}", theme.job_symbol(job)), theme.job_style(job));
    let mut lines = Vec::new();
    match &job.stage {
        Stage::Queued { hold: Some(hold) } => {
            lines.push(head("held"));
            say(
                &mut lines,
                &text::sanitize_line(&hold.summary_with(Catalog::builtin().reservation(job), None), 200),
                width,
                theme.text,
            );
            if let Some(at) = job.not_before.filter(|at| *at > now) {
                say(&mut lines, &format!("next attempt in {}", format::age(at - now)), width, theme.dim);
            }
        }
        Stage::Queued { hold: None } => {
            lines.push(head("queued"));
            say(&mut lines, "The image appears here when it is done", width, theme.dim);
        }
        Stage::Submitting => {
            lines.push(head("submitting"));
            say(&mut lines, "Sending the request", width, theme.dim);
        }
        Stage::Generating => generating(&mut lines, job, progress, now, width, theme),
        Stage::Done { .. } | Stage::Approved { .. } => lines.push(head("done")),
        Stage::Failed { failure } => {
            lines.push(head("failed"));
            say(&mut lines, &text::sanitize_line(&failure.message, 300), width, theme.text);
            if failure.billed != BillingStatus::No {
                let billed = if failure.billed == BillingStatus::Yes { "Billed" } else { "May be billed" };
                say(&mut lines, billed, width, theme.warning);
            }
            say(&mut lines, &next_action_hint(job, failure, place), width, theme.accent);
        }
        Stage::Cancelled => {
            lines.push(head("cancelled"));
            say(&mut lines, &retry_hint(job, place), width, theme.accent);
        }
    }
    lines
}

fn say(lines: &mut Vec<Line<'static>>, words: &str, width: usize, style: Style) {
    lines.extend(wrap(words, width).into_iter().map(|line| Line::styled(line, style)));
}

fn generating(
    lines: &mut Vec<Line<'static>>,
    job: &Job,
    progress: Option<&Progress>,
    now: DateTime<Utc>,
    width: usize,
    theme: &Theme,
) {
    let progress = progress.filter(|progress| progress.id == job.id && progress.attempt == job.attempt_number());
    let attempt = job.attempt();
    let running = attempt.and_then(|attempt| attempt.steps.iter().rev().find(|step| step.state == StepState::Running));
    let step = progress.map(|progress| progress.step).or(running.map(|step| step.name)).unwrap_or(StepName::Generate);
    let word = match step {
        StepName::Download => "downloading the image",
        StepName::Store => "storing the image",
        StepName::Settle => "settling the charge",
        _ if attempt.is_some_and(|attempt| attempt.recheck_first) => "checking the earlier task",
        _ => "generating",
    };
    lines.push(Line::styled(format!("{} {word}", theme.job_symbol(job)), theme.job_style(job)));
    if let Some(fraction) = progress.and_then(|progress| progress.fraction).filter(|fraction| fraction.is_finite()) {
        lines.push(gauge(fraction.clamp(0.0, 1.0), width, theme));
    }
    if let Some(begun) = attempt.and_then(|attempt| attempt.step(StepName::Generate)).map(|step| step.started_at) {
        say(lines, &elapsed(&job.spec.model, now - begun), width, theme.text);
    }
    let status = progress.map(|progress| text::sanitize_line(&progress.status, 80)).filter(|status| !status.is_empty());
    if let Some(status) = status {
        say(lines, &status, width, theme.dim);
    }
}

/// `━━━━━━━━──── 60%`.
fn gauge(fraction: f32, width: usize, theme: &Theme) -> Line<'static> {
    let room = width.saturating_sub(5).min(30);
    let filled = ((fraction * room as f32).round() as usize).min(room);
    Line::from(vec![
        Span::styled("━".repeat(filled), theme.running),
        Span::styled("─".repeat(room - filled), theme.dim),
        Span::styled(format!(" {:>3}%", (fraction * 100.0) as u8), theme.text),
    ])
}

/// `11.8s so far, usually 5–30 s`.
fn elapsed(model: &str, so_far: chrono::Duration) -> String {
    let shown = format::duration(so_far);
    let Some(model) = Catalog::builtin().model(model) else { return format!("{shown} so far") };
    let (quickest, slowest) = model.typical_seconds;
    let seconds = so_far.num_milliseconds() as f64 / 1_000.0;
    if seconds > slowest {
        format!("{shown} so far, longer than the usual {quickest:.0}–{slowest:.0} s")
    } else {
        format!("{shown} so far, usually {quickest:.0}–{slowest:.0} s")
    }
}

/// Which key helps after this failure.
fn next_action_hint(job: &Job, failure: &Failure, place: &Place<'_>) -> String {
    let key = |action| place.keys.key_of(action, place.theme.ascii);
    match failure.code {
        FailureCode::RequestModerated
        | FailureCode::ContentModerated
        | FailureCode::InvalidRequest
        | FailureCode::InvalidInput => {
            format!("Press {} to clone and edit: the same request would fail again", key(Action::Clone))
        }
        FailureCode::KeyRejected => format!("Set a valid key, then press {} to retry", key(Action::Retry)),
        FailureCode::OutOfCredits => format!("Add credits to the account, then press {} to retry", key(Action::Retry)),
        _ => retry_hint(job, place),
    }
}

fn retry_hint(job: &Job, place: &Place<'_>) -> String {
    let what = match job.retry_kind() {
        Ok(RetryKind::OldTicket) => "check its task again, free of charge",
        Ok(RetryKind::OldTicketThenNewAttempt) if job.simulated => "check its task, then retry (simulated, free)",
        Ok(RetryKind::OldTicketThenNewAttempt) => "check its task, then retry, which costs again",
        Ok(RetryKind::SameAttempt) => "retry: nothing was charged so far",
        Ok(RetryKind::NewAttempt) if job.simulated => "retry (simulated, free)",
        Ok(RetryKind::NewAttempt) => "retry, which costs again",
        Err(_) => return String::new(),
    };
    format!("Press {} to {what}", place.keys.key_of(Action::Retry, place.theme.ascii))
}

/// One line over the image of an earlier attempt, where the job has moved on since; `None` where the image is current.
pub fn outdated_image_line(job: &Job, made_by: u32, theme: &Theme) -> Option<Line<'static>> {
    if matches!(job.stage_name(), StageName::Done | StageName::Approved) && made_by == job.attempt_number() {
        return None;
    }
    let words = format!("{} {}: image of attempt {made_by}", theme.job_symbol(job), job.stage_name());
    Some(Line::styled(words, theme.job_style(job)))
}
