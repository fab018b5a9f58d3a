//! `darkroom jobs show ID`.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;

use crate::cli::error::CliError;
use crate::cli::job_json::{JobDetails, UnreadableView, failure};
use crate::cli::{Session, hold_line, resolve_id, table};
use crate::jobs::{Attempt, Job, Outcome, Review};
use crate::store::StoreError;
use crate::text::format;
use crate::text::{sanitize_line, sanitize_text};
use crate::wiring;

/// Show one job with its steps, attempts and costs
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Job id, or an unambiguous prefix of it
    #[arg(value_name = "ID")]
    pub id: String,
}

/// Prints the job.
pub async fn run(session: &Session, args: &ShowArgs) -> Result<(), CliError> {
    let store = wiring::open_store(&session.config).await?;
    let id = resolve_id::job(store.as_ref(), &args.id).await?;
    let job = match store.get(&id).await {
        Err(StoreError::Unreadable { id, reason }) if session.output.is_json() => {
            return session.output.answer(&UnreadableView::new(&id, &reason), String::new);
        }
        job => job?.ok_or_else(|| CliError::Failed(format!("job {id} does not exist")))?,
    };
    let now = Utc::now();
    session.output.answer(&JobDetails::new(&job, now), || text(&job, now))
}

fn text(job: &Job, now: DateTime<Utc>) -> String {
    let mut rows = vec![
        ("id", job.id.to_string()),
        ("status", job.stage_name().to_string()),
        ("model", sanitize_line(&job.spec.model, 60)),
        ("created", time(job.created_at)),
        ("updated", time(job.updated_at)),
        ("cost", table::cost(job)),
    ];
    if job.review() == Some(Review::Rejected) {
        rows.push(("review", "rejected".to_owned()));
    }
    if let Some(noted) = job.noted_cost() {
        let line =
            format!("{} noted by another program: reports and caps count its entries in costs only", noted.display());
        rows.push(("", line));
    }
    if !job.tags.is_empty() {
        rows.push(("tags", sanitize_line(&job.tags.join(", "), 200)));
    }
    for (name, value) in &job.spec.parameters {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        rows.push(("parameter", sanitize_line(&format!("{name} = {value}"), 200)));
    }
    if let Some(ignored) = job.spec.ignored_line() {
        rows.push(("no effect", format!("{ignored} ({} has no such parameters)", sanitize_line(&job.spec.model, 60))));
    }
    if let Some(image) = job.image() {
        let size = format::bytes(image.bytes);
        rows.push(("image", sanitize_line(&image.url, 400)));
        rows.push(("", format!("{}x{} {}, {size}", image.width, image.height, image.format.as_str())));
    }
    if let Some(failure) = failure(job) {
        rows.push(("failure", sanitize_line(&format!("{}: {}", failure.code.as_str(), failure.message), 400)));
    }
    if let Some(hold) = job.hold() {
        rows.push(("held", sanitize_line(&hold_line::with_command(job, hold), 400)));
    }
    if let Some(time) = job.not_before {
        rows.push(("not before", self::time(time)));
    }
    let mut text = String::new();
    for (name, value) in rows {
        let _ = writeln!(text, "{name:<10}  {value}");
    }
    let _ = writeln!(text, "\n{}", sanitize_text(&job.spec.prompt));
    for attempt in &job.attempts {
        let _ = write!(text, "\n{}", of_attempt(attempt, job.attempts.len(), job.spec_of(attempt).size(), now));
    }
    if job.simulated {
        let _ = write!(text, "\n{}", table::SIMULATED);
    }
    text
}

fn of_attempt(attempt: &Attempt, total: usize, size: Option<(u32, u32)>, now: DateTime<Utc>) -> String {
    let mut text = format!("attempt {} of {total}, {}\n", attempt.number, time(attempt.created_at));
    let rows = attempt.steps.iter().map(|step| {
        vec![
            format!("  {}", step.name.as_str()),
            step.state.as_str().to_owned(),
            format::duration(step.duration(now)),
            if step.tries > 1 { format!("{} tries", step.tries) } else { String::new() },
            sanitize_line(step.note.as_deref().unwrap_or_default(), 200),
        ]
    });
    if !attempt.steps.is_empty() {
        let _ = writeln!(text, "{}", table::plain(&["  STEP", "STATE", "DURATION", "", ""], &[2], rows));
    }
    for charge in attempt.charges() {
        let amount = charge.amount.map_or("unknown amount".to_owned(), crate::costs::Usd::display);
        let _ = writeln!(text, "  {}: {amount} ({})", charge.service.as_str(), charge.basis.as_str());
    }
    if let Some(line) = attempt.price_line(size) {
        let _ = writeln!(text, "  {line}");
    }
    if let Some(resolution) = &attempt.resolution {
        let _ = writeln!(text, "  {}", resolution.summary(time));
    }
    if let Some(Outcome::Failed { failure }) = &attempt.outcome {
        let line = format!("{}: {}", failure.code.as_str(), failure.message);
        let _ = writeln!(text, "  {}", sanitize_line(&line, 400));
    }
    text
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
