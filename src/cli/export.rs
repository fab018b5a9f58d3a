//! `darkroom export`: arguments, progress and output. The work is done by [`crate::transfer`].

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget};

use super::error::CliError;
use super::{Session, output};
use crate::store::schema::Collection;
use crate::text::format::count;
use crate::text::sanitize_line;
use crate::time::{last_days, parse_time};
use crate::transfer::export::{self, ExportError, ExportSummary, Format, OutputFile, Progress, Selection, Writer};
use crate::wiring;

/// Export jobs and costs to a file that `import` reads: CSV, JSON, JSON lines, or a db.json with both
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Export costs; without --costs and --jobs, both are exported
    #[arg(long)]
    pub costs: bool,
    /// Export jobs
    #[arg(long)]
    pub jobs: bool,
    /// Format [default: by the output's extension (`.csv`, `.json`, `.jsonl`), else JSON lines]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<FormatArg>,
    /// Output file, written atomically [default: stdout]
    #[arg(long, short = 'o', value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace an existing output file
    #[arg(long)]
    pub force: bool,
    /// Only the last N days, including today (UTC)
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "to"], value_parser = clap::value_parser!(u16).range(1..=36_500))]
    pub days: Option<u16>,
    /// Only from this time on: a date, a time (RFC 3339), or an age such as 2h or 3d
    #[arg(long, value_name = "WHEN")]
    pub from: Option<String>,
    /// Only before this time
    #[arg(long, value_name = "WHEN")]
    pub to: Option<String>,
}

/// The formats of a file, as they are named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// A heading and a row for each document, of one collection
    Csv,
    /// One list of documents; of both collections the same as db.json
    Json,
    /// One document per line
    Jsonl,
    /// `{"jobs": [...], "costs": [...]}`
    #[value(name = "db.json")]
    DbJson,
}

/// Writes the documents.
pub async fn run(session: &Session, args: &ExportArgs) -> Result<(), CliError> {
    let collections = match (args.jobs, args.costs) {
        (true, false) => vec![Collection::Jobs],
        (false, true) => vec![Collection::Costs],
        _ => vec![Collection::Jobs, Collection::Costs],
    };
    let format = format_of(args, session.output.is_json());
    check(args, format, collections.len(), session.output.is_json())?;
    let (from, to) = span(args, Utc::now())?;
    let file = OutputFile::open(args.output.as_deref(), args.force)?;
    let store = wiring::open_store(&session.config).await?;
    let progress = match args.output {
        Some(_) => ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
        None => ProgressBar::hidden(),
    };
    let mut writer = Writer::begin(file, format, &collections)?;
    let selection = Selection { collections, from, to };
    let written = export::write(store.as_ref(), selection, &mut writer, |news| match news {
        Progress::Written(summary) => {
            progress.set_message(format!("{} jobs, {} costs", summary.jobs, summary.costs));
            progress.tick();
        }
        Progress::Skipped { collection, id, reason } => {
            progress.suspend(|| output::eprint_line(&format!("cannot export {} {id}: {reason}", collection.as_str())));
        }
    });
    let mut summary = written.await?;
    writer.finish()?.close(args.force)?;
    progress.finish_and_clear();
    if let Some(path) = &args.output {
        summary.output = Some(path.display().to_string());
        session.output.answer(&summary, || text(&summary, path))?;
    }
    if summary.skipped > 0 {
        output::eprint_line(&format!("darkroom: {} could not be exported", count(summary.skipped, "document")));
        return Err(CliError::AlreadyReported);
    }
    Ok(())
}

/// With `--json` and without an output file, the export itself is the one JSON document on standard output.
fn check(args: &ExportArgs, format: Format, collections: usize, is_json: bool) -> Result<(), CliError> {
    let usage = |reason: &str| Err(CliError::Usage(reason.to_owned()));
    let is_stdout = args.output.as_deref().is_none_or(|path| path == Path::new("-"));
    if is_json && is_stdout && matches!(format, Format::Csv | Format::JsonLines) {
        let name = if format == Format::Csv { "csv" } else { "jsonl" };
        return usage(&format!(
            "--json conflicts with --format {name} on standard output; drop --json, or pass --output FILE"
        ));
    }
    if format == Format::Csv && collections > 1 {
        return usage("a CSV file holds one collection; pass --costs or --jobs");
    }
    Ok(())
}

fn format_of(args: &ExportArgs, is_json: bool) -> Format {
    match args.format {
        Some(FormatArg::Csv) => return Format::Csv,
        Some(FormatArg::Json) => return Format::Json,
        Some(FormatArg::Jsonl) => return Format::JsonLines,
        Some(FormatArg::DbJson) => return Format::Database,
        None => {}
    }
    let Some(path) = args.output.as_deref().filter(|path| *path != Path::new("-")) else {
        return if is_json { Format::Json } else { Format::JsonLines };
    };
    match path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase().as_str() {
        "csv" => Format::Csv,
        "json" => Format::Json,
        _ => Format::JsonLines,
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
        time.map_err(|error| CliError::Usage(format!("--{flag}: {error}")))
    };
    Ok((read("from", &args.from)?, read("to", &args.to)?))
}

fn text(summary: &ExportSummary, path: &Path) -> String {
    let shown = sanitize_line(&path.display().to_string(), 200);
    let (jobs, costs) = (count(summary.jobs, "job"), count(summary.costs, "cost"));
    format!("exported {jobs} and {costs} to {shown}")
}

impl From<ExportError> for CliError {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Output(error) => Self::Output(error),
            other => Self::Failed(other.to_string()),
        }
    }
}
