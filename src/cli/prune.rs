//! `darkroom prune`: removes old finished jobs, their images and old log files. Charges stay.

use std::fmt::Write as _;
use std::fs;

use chrono::{DateTime, Duration, Utc};
use clap::Args;
use serde::Serialize;

use super::error::CliError;
use super::operator::operator_here;
use super::{Session, output, start_logging};
use crate::engine::{Retention, RetentionError, RetentionSummary};
use crate::telemetry::log_files::files_before;
use crate::telemetry::logging::ExtraSink;
use crate::text::format::{bytes, count};
use crate::time::parse_duration;
use crate::wiring;

/// The shortest age, so that a mistyped unit does not remove the work of today.
const SHORTEST: Duration = Duration::days(1);

/// Remove old finished jobs, their images and old log files; charges stay
#[derive(Debug, Args)]
#[command(
    after_help = "Removes jobs that are done, approved, failed or cancelled and have not changed for that long, with the images that \
                  darkroom stored for them. Kept are jobs with an uncertain charge, jobs that a worker holds, and images that a waiting or \
                  failed job reads as its input. Every charge stays in reports, caps and exports. An interrupted run is continued by the \
                  next one."
)]
pub struct PruneArgs {
    /// Age such as 90d or 26w, at least 1d [default: `retention_days` of the configuration]
    #[arg(long, value_name = "AGE")]
    pub older_than: Option<String>,
    /// Show what would be removed, remove nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short = 'y', conflicts_with = "dry_run")]
    pub yes: bool,
}

/// The answer.
#[derive(Debug, Serialize)]
struct View {
    #[serde(flatten)]
    summary: RetentionSummary,
    log_files: u64,
    log_bytes: u64,
}

impl From<RetentionError> for CliError {
    fn from(error: RetentionError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Removes what is old.
pub async fn run(session: &Session, args: &PruneArgs) -> Result<(), CliError> {
    let config = &session.config;
    let now = Utc::now();
    let before = cutoff(args, config.retention_days, now)?;
    // Logging would delete old files by itself; a dry run and a question come before that.
    let store =
        if args.dry_run { wiring::open_store(config).await? } else { wiring::open_store_for_changes(config).await? };
    let bucket = wiring::open_bucket(config).await?;
    let retention = Retention { store: store.as_ref(), bucket: bucket.as_ref(), operator: operator_here() };
    let logs = files_before(&config.log_dir, before.date_naive());
    let log_files = logs.len() as u64;
    let log_bytes = logs.iter().map(|(_, bytes)| bytes).sum();
    if args.dry_run || !args.yes {
        let view = View { summary: retention.plan(before).await?, log_files, log_bytes };
        if args.dry_run {
            return session.output.answer(&view, || text(&view));
        }
        if view.summary.jobs + view.summary.images + log_files == 0 {
            return session.output.answer(&view, || format!("Nothing to remove: {}", text(&view)));
        }
        let what = removed(&view);
        if !output::can_ask() {
            return Err(CliError::Usage(format!("this removes {what}; pass --yes to confirm")));
        }
        if !output::confirm(&format!("Remove {what}?")) {
            return Err(CliError::Failed("nothing was removed".to_owned()));
        }
    }
    let (_logging, _) = start_logging(config, ExtraSink::None);
    let summary = retention.apply(before, now).await?;
    let mut kept_logs = 0;
    for (path, _) in &logs {
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                kept_logs += 1;
                output::eprint_line(&format!("{} was not removed: {error}", path.display()));
            }
            _ => {}
        }
    }
    tracing::info!(jobs = summary.jobs, images = summary.images, log_files = logs.len() - kept_logs, before = %before, "pruned");
    let view = View { summary, log_files, log_bytes };
    session.output.answer(&view, || text(&view))?;
    if kept_logs > 0 { Err(CliError::AlreadyReported) } else { Ok(()) }
}

fn cutoff(args: &PruneArgs, days: Option<usize>, now: DateTime<Utc>) -> Result<DateTime<Utc>, CliError> {
    let age = match (&args.older_than, days) {
        (Some(text), _) => {
            let age = parse_duration(text).map_err(|why| CliError::Usage(format!("--older-than: {why}")))?;
            Duration::from_std(age).map_err(|_| CliError::Usage("--older-than: too long".to_owned()))?
        }
        (None, Some(days)) => Duration::days(i64::try_from(days).unwrap_or(i64::MAX)),
        (None, None) => {
            let line = "no age is configured: pass --older-than 90d, or set retention_days (DARKROOM_RETENTION_DAYS)";
            return Err(CliError::Usage(line.to_owned()));
        }
    };
    if age < SHORTEST {
        return Err(CliError::Usage("--older-than: at least 1d".to_owned()));
    }
    now.checked_sub_signed(age).ok_or_else(|| CliError::Usage("--older-than: too long".to_owned()))
}

/// `12 jobs, 11 images (8.3 MB) and 3 log files (1.2 MB)`.
fn removed(view: &View) -> String {
    let RetentionSummary { jobs, images, image_bytes, .. } = view.summary;
    format!(
        "{}, {} ({}) and {} ({})",
        count(jobs, "job"),
        count(images, "image"),
        bytes(image_bytes),
        count(view.log_files, "log file"),
        bytes(view.log_bytes)
    )
}

fn text(view: &View) -> String {
    let verb = if view.summary.dry_run { "would be removed" } else { "removed" };
    let before = view.summary.before.format("%Y-%m-%d %H:%M UTC");
    let mut text = format!("{} {verb}, unchanged since {before}; charges stay", removed(view));
    for (reason, count) in &view.summary.kept {
        let _ = write!(text, "\nkept {count}: {reason}");
    }
    text
}
