//! Owns what the image pane says where there is no image: what is going on, and which key helps. Must not draw.

use chrono::{DateTime, Utc};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::catalog::Catalog;
use crate::console::frame::wrap;
use crate::console::theme::Theme;
use crate::engine::Progress;
use crate::jobs::{BillingStatus, Failure, FailureCode, Job, RetryKind, Stage, StageName, StepName, StepState};
use crate::text;
use crate::text::format;

/// What is said of a job, wrapped to `width` cells; the most important line first.
pub fn of_job(
    job: &Job,
    progress: Option<&Progress>,
    now: DateTime<Utc>,
    width: usize,
    theme: &Theme,
) -> Vec<Line<'static>> {
    let head = |word: &str| Line::styled(format!("{} {word}", theme.job_symbol(job)), theme.job_style(job));
    let mut lines = Vec::new();
    match &job.stage {
        Stage::Queued { hold: Some(hold) } => {
            lines.push(head("held"));
            say(&mut lines, &text::sanitize_line(&hold.summary(), 200), width, theme.text);
            if let Some(at) = job.not_before.filter(|at| *at > now) {
                say(&mut lines, &format!("next try in {}", format::age(at - now)), width, theme.dim);
            }
        }
        Stage::Queued { hold: None } => {
            lines.push(head("queued"));
            say(&mut lines, "The image shows here when it is made.", width, theme.dim);
        }
        Stage::Submitting => {
            lines.push(head("submitting"));
            say(&mut lines, "The order is on its way.", width, theme.dim);
        }
        Stage::Generating => generating(&mut lines, job, progress, now, width, theme),
        Stage::Done { .. } | Stage::Approved { .. } => lines.push(head("done")),
        Stage::Failed { failure } => {
            lines.push(head("failed"));
            say(&mut lines, &text::sanitize_line(&failure.message, 300), width, theme.text);
            if failure.billed != BillingStatus::No {
                let billed =
                    if failure.billed == BillingStatus::Yes { "It is on the bill." } else { "It may be on the bill." };
                say(&mut lines, billed, width, theme.warning);
            }
            say(&mut lines, &way_out(job, failure), width, theme.accent);
        }
        Stage::Cancelled => {
            lines.push(head("cancelled"));
            say(&mut lines, retry_words(job), width, theme.accent);
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
        StepName::Download => "fetching the image",
        StepName::Store => "storing the image",
        StepName::Settle => "booking the cost",
        _ if attempt.is_some_and(|attempt| attempt.recheck_first) => "asking the old ticket again",
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
fn way_out(job: &Job, failure: &Failure) -> String {
    match failure.code {
        FailureCode::RequestModerated
        | FailureCode::ContentModerated
        | FailureCode::InvalidRequest
        | FailureCode::InvalidInput => "C makes a copy to edit: the same again would fail again.".to_owned(),
        FailureCode::KeyRejected => "Set a valid key, then r tries it again.".to_owned(),
        FailureCode::OutOfCredits => "Add credits to the account, then r tries it again.".to_owned(),
        _ => retry_words(job).to_owned(),
    }
}

fn retry_words(job: &Job) -> &'static str {
    match job.retry_kind() {
        Ok(RetryKind::OldTicket) => "r asks its ticket again: free, unless the ticket is gone.",
        Ok(RetryKind::SameAttempt) => "r tries it again: nothing was charged so far.",
        Ok(RetryKind::NewAttempt) if job.simulated => "r orders it again (simulated, free).",
        Ok(RetryKind::NewAttempt) => "r orders it again, which costs again.",
        Err(_) => "",
    }
}

/// One line over the image of an earlier attempt, where the job has moved on since; `None` where the image is current.
pub fn over_image(job: &Job, made_by: u32, theme: &Theme) -> Option<Line<'static>> {
    if matches!(job.stage_name(), StageName::Done | StageName::Approved) && made_by == job.attempt_number() {
        return None;
    }
    let words = format!("{} {}: this is the image of attempt {made_by}", theme.job_symbol(job), job.stage_name());
    Some(Line::styled(words, theme.job_style(job)))
}
