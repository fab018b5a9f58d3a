//! `darkroom import --list` and `darkroom import --undo BATCH`.

use std::fmt::Write as _;

use chrono::{SecondsFormat, Utc};

use super::error::CliError;
use super::operator::operator;
use super::{Session, output, start_logging, table};
use crate::costs::Usd;
use crate::store::Store;
use crate::telemetry::logging::ExtraSink;
use crate::text::{format, sanitize_line};
use crate::transfer::import::{BatchState, ImportBatch, UndoSummary, list_batches, undo_batch};
use crate::wiring;

/// Kept documents that are named on standard error; `--json` has all of them.
const MAX_NAMED: usize = 50;

/// Lists the imports, or undoes one.
pub async fn run(session: &Session, undo: Option<&str>, yes: bool, dry_run: bool) -> Result<(), CliError> {
    let store = if undo.is_some() && !dry_run {
        wiring::open_store_for_changes(&session.config).await?
    } else {
        wiring::open_store(&session.config).await?
    };
    let batches = list_batches(store.as_ref()).await?;
    match undo {
        None => session.output.answer(&batches, || text(&batches)),
        Some(name) => self::undo(session, store.as_ref(), &batches, name, yes, dry_run).await,
    }
}

fn text(batches: &[ImportBatch]) -> String {
    if batches.is_empty() {
        return "No imports are recorded".to_owned();
    }
    let rows = batches.iter().map(|batch| {
        let uncounted = match batch.jobs_without_costs {
            0 => String::new(),
            _ => format!("; {} noted by jobs is in no report", batch.uncounted_usd.display()),
        };
        vec![
            batch.id.clone(),
            batch.at.to_rfc3339_opts(SecondsFormat::Secs, true),
            sanitize_line(&batch.by, 40),
            sanitize_line(&batch.file, 60),
            batch.jobs.to_string(),
            batch.costs.to_string(),
            batch.usd.display(),
            format!("{}{uncounted}", batch.state_line()),
        ]
    });
    table::plain(&["BATCH", "TIME", "BY", "FILE", "JOBS", "COSTS", "USD", "STATE"], &[4, 5, 6], rows)
}

async fn undo(
    session: &Session,
    store: &dyn Store,
    batches: &[ImportBatch],
    name: &str,
    yes: bool,
    dry_run: bool,
) -> Result<(), CliError> {
    let shown = sanitize_line(name, 60);
    let found: Vec<&ImportBatch> = batches.iter().filter(|batch| batch.id.starts_with(name)).collect();
    let batch = match found.as_slice() {
        [batch] => *batch,
        [] => return Err(CliError::Failed(format!("no import '{shown}'; `darkroom import --list` lists them"))),
        _ => return Err(CliError::Failed(format!("'{shown}' is a prefix of several imports"))),
    };
    if batch.state == BatchState::Undone && batch.kept == 0 {
        return Err(CliError::Failed(format!("import {} was already {}", batch.id, batch.state_line())));
    }
    let what = format!(
        "removes up to {} and {} of {} from the store",
        format::count(batch.jobs, "job"),
        format::count(batch.costs, "cost"),
        if batch.usd > Usd::ZERO { batch.usd.display() } else { "simulated money".to_owned() }
    );
    if !yes && !dry_run {
        if !output::can_ask() {
            return Err(CliError::Usage(format!("this {what}; pass --yes to confirm")));
        }
        if !output::confirm(&format!("Undo import {}: this {what}?", batch.id)) {
            return Err(CliError::Failed("nothing was removed".to_owned()));
        }
    }
    let (_logging, _) = start_logging(&session.config, ExtraSink::None);
    let summary = undo_batch(store, batch, &operator(), Utc::now(), dry_run).await?;
    tracing::info!(batch = %batch.id, jobs = summary.jobs, costs = summary.costs, kept = summary.kept.len(), "import undone");
    for kept in summary.kept.iter().take(MAX_NAMED) {
        let id = sanitize_line(&kept.id, 80);
        output::eprint_line(&format!("kept {} {id}: {}", kept.collection, sanitize_line(&kept.reason, 200)));
    }
    if summary.kept.len() > MAX_NAMED {
        output::eprint_line(&format!("and {} more (--json lists all)", summary.kept.len() - MAX_NAMED));
    }
    session.output.answer(&summary, || summary_text(&summary))
}

fn summary_text(summary: &UndoSummary) -> String {
    let verb = if summary.dry_run { "would be removed" } else { "removed" };
    let (jobs, costs) = (format::count(summary.jobs, "job"), format::count(summary.costs, "cost"));
    let mut text = format!("{jobs} and {costs} {verb}");
    if summary.missing > 0 {
        let _ = write!(text, ", {} no longer exist", summary.missing);
    }
    if !summary.kept.is_empty() {
        let _ = write!(text, ", {} kept", summary.kept.len());
    }
    text
}
