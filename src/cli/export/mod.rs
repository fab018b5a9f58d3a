//! `darkroom export`: jobs and costs as files that `darkroom import` and other programs read. Must not change a document.

mod columns;
mod form;
mod target;

use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde::Serialize;

use self::form::Writer;
use self::target::Target;
use super::error::CliError;
use super::{Session, output};
use crate::store::Store;
use crate::store::schema::{Collection, ExportQuery};
use crate::time::{last_days, parse_time};
use crate::wiring;

/// Documents that are read at once.
const PAGE: usize = 300;

/// Write jobs and costs into a file that `import` reads: CSV, JSON, JSON lines, or a db.json with both
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Costs; with neither --costs nor --jobs both
    #[arg(long)]
    pub costs: bool,
    /// Jobs
    #[arg(long)]
    pub jobs: bool,
    /// The form; without it the output's name tells (`.csv`, `.json`, `.jsonl`), else JSON lines
    #[arg(long, value_name = "FORM")]
    pub format: Option<Format>,
    /// Where to, whole or not at all; without it standard output
    #[arg(long, short = 'o', value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the output if it is there
    #[arg(long)]
    pub force: bool,
    /// Only today and that many days less one before it, in UTC
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "to"], value_parser = clap::value_parser!(u16).range(1..=36_500))]
    pub days: Option<u16>,
    /// Only from then on: a date, a time (RFC 3339), or an age such as 2h or 3d
    #[arg(long, value_name = "WHEN")]
    pub from: Option<String>,
    /// Only before then
    #[arg(long, value_name = "WHEN")]
    pub to: Option<String>,
}

/// The forms of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A heading and a row for each document, of one collection
    Csv,
    /// One list of documents; of both collections the same as db.json
    Json,
    /// One document a line
    Jsonl,
    /// `{"jobs": […], "costs": […]}`
    #[value(name = "db.json")]
    DbJson,
}

/// What was written, for `--json`.
#[derive(Debug, Serialize)]
struct Summary {
    jobs: u64,
    costs: u64,
    /// Documents that could not be told.
    passed_over: u64,
    output: Option<String>,
}

/// Writes the documents.
pub async fn run(session: &Session, args: &ExportArgs) -> Result<(), CliError> {
    let collections = match (args.jobs, args.costs) {
        (true, false) => vec![Collection::Jobs],
        (false, true) => vec![Collection::Costs],
        _ => vec![Collection::Jobs, Collection::Costs],
    };
    let format = format_of(args, session.output.is_json());
    if format == Format::Csv && collections.len() > 1 {
        return Err(CliError::Usage("a CSV file holds one collection: say --costs or --jobs".to_owned()));
    }
    if session.output.is_json() && args.output.is_none() && format == Format::Jsonl {
        return Err(CliError::Usage("--json is one document: choose another --format, or an --output".to_owned()));
    }
    let span = span(args, Utc::now())?;
    let target = Target::open(args.output.as_deref(), args.force)?;
    let store = wiring::open_store(&session.config).await?;
    let progress = match args.output {
        Some(_) => ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
        None => ProgressBar::hidden(),
    };
    let mut summary = Summary { jobs: 0, costs: 0, passed_over: 0, output: None };
    let mut writer = Writer::begin(target, format, &collections)?;
    for collection in collections {
        writer.collection(collection)?;
        write(store.as_ref(), collection, span, &mut writer, &mut summary, &progress).await?;
    }
    writer.end()?.close(args.force)?;
    progress.finish_and_clear();
    if let Some(path) = &args.output {
        summary.output = Some(path.display().to_string());
        session.output.answer(&summary, || text(&summary, path))?;
    }
    if summary.passed_over > 0 {
        output::eprint_line(&format!(
            "darkroom: {} documents could not be told and are not in it",
            summary.passed_over
        ));
        return Err(CliError::AlreadyReported);
    }
    Ok(())
}

async fn write<W: Write>(
    store: &dyn Store,
    collection: Collection,
    (from, to): Span,
    writer: &mut Writer<W>,
    summary: &mut Summary,
    progress: &ProgressBar,
) -> Result<(), CliError> {
    let mut query = ExportQuery { collection, from, to, after: None, limit: PAGE };
    loop {
        let page = store.export(query.clone()).await?;
        for (id, reason) in &page.skipped {
            progress.suspend(|| output::eprint_line(&format!("{} {id} cannot be told: {reason}", collection.as_str())));
        }
        summary.passed_over += page.skipped.len() as u64;
        let count = match collection {
            Collection::Jobs => &mut summary.jobs,
            Collection::Costs => &mut summary.costs,
        };
        for document in page.documents {
            writer.document(document)?;
            *count += 1;
        }
        progress.set_message(format!("{} jobs, {} costs", summary.jobs, summary.costs));
        progress.tick();
        let Some(next) = page.next else { return Ok(()) };
        query.after = Some(next);
    }
}

fn format_of(args: &ExportArgs, json: bool) -> Format {
    if let Some(format) = args.format {
        return format;
    }
    let Some(path) = &args.output else { return if json { Format::Json } else { Format::Jsonl } };
    match path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase().as_str() {
        "csv" => Format::Csv,
        "json" => Format::Json,
        _ => Format::Jsonl,
    }
}

type Span = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

fn span(args: &ExportArgs, now: DateTime<Utc>) -> Result<Span, CliError> {
    if let Some(days) = args.days {
        let (from, to) = last_days(now, days.into());
        return Ok((Some(from), Some(to)));
    }
    let read = |flag: &str, text: &Option<String>| {
        let time = text.as_deref().map(|text| parse_time(text, now)).transpose();
        time.map_err(|why| CliError::Usage(format!("--{flag}: {why}")))
    };
    Ok((read("from", &args.from)?, read("to", &args.to)?))
}

fn text(summary: &Summary, path: &Path) -> String {
    let shown = crate::text::sanitize_line(&path.display().to_string(), 200);
    format!("{} jobs and {} costs are in {shown}", summary.jobs, summary.costs)
}
