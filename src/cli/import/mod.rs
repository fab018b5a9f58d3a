//! `darkroom import`: takes over jobs and costs of another program, or of another store. Must not judge a document (the contract
//! does) nor decide what is new (the store does).

mod foresight;
mod pieces;
mod reader;
pub(super) mod rows;
mod source;
mod strict;
mod summary;

use std::path::PathBuf;

use chrono::Utc;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::mpsc;

use self::foresight::Foresight;
use self::reader::{Portion, Refused, Rules};
use self::summary::Summary;
use super::error::CliError;
use super::{Session, output, start_logging};
use crate::catalog::Catalog;
use crate::shutdown_signal::ShutdownSignal;
use crate::store::Store;
use crate::store::schema::{Defaults, Record};
use crate::telemetry::logging::ExtraSink;
use crate::text::sanitize_line;
use crate::wiring;

/// Take over jobs and costs from a file: CSV, JSON, JSON lines, or a db.json with both
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The file; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Say what would happen, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Take jobs that are queued or running, too: a worker goes on with them, which may cost money
    #[arg(long)]
    pub active: bool,
}

/// Takes the file over.
pub async fn run(session: &Session, args: &ImportArgs) -> Result<(), CliError> {
    let shown = sanitize_line(&args.file.display().to_string(), 200);
    let failed = |why: &dyn std::fmt::Display| CliError::Failed(format!("{shown} cannot be read: {why}"));
    let (input, length) = reader::open(&args.file).map_err(|why| failed(&why))?;
    let (_logging, _) = start_logging(&session.config, ExtraSink::None);
    let store = wiring::open_store(&session.config).await?;
    let mut shutdown =
        ShutdownSignal::listen().map_err(|error| CliError::Failed(format!("cannot handle signals: {error}")))?;

    let first = || Catalog::builtin().models.first().map(|model| model.name.clone());
    let model = session.config.model.clone().or_else(first).unwrap_or_default();
    let rules = Rules { defaults: Defaults { model, now: Utc::now() }, active: args.active };
    // One portion is read while another is written.
    let (sender, portions) = mpsc::channel(1);
    let path = args.file.clone();
    let reading = tokio::task::spawn_blocking(move || {
        reader::read(input, &path, &rules, |portion| sender.blocking_send(portion).is_ok())
    });

    let mut import = Import::new(args.dry_run, length);
    let ended = tokio::select! {
        ended = import.all(store.as_ref(), portions) => ended,
        () = shutdown.next() => Err(CliError::Failed("it was stopped".to_owned())),
    };
    import.progress.finish_and_clear();
    let summary = &mut import.summary;
    let how_to_go_on = "what was written is whole; the same command once more takes over the rest";
    if let Err(error) = ended {
        session.output.answer(summary, || summary.text())?;
        let rest = if args.dry_run { String::new() } else { format!("; {how_to_go_on}") };
        return Err(CliError::Failed(format!("{}{rest}", error.line().unwrap_or_default())));
    }
    match reading.await {
        Ok(Ok(())) => summary.complete = true,
        Ok(Err(why)) => output::eprint_line(&format!("darkroom: {shown} cannot be read to its end: {why}")),
        Err(why) => output::eprint_line(&format!("darkroom: {shown} was not read to its end: {why}")),
    }
    session.output.answer(summary, || summary.text())?;
    if summary.refused_count > 0 {
        output::eprint_line(&format!("darkroom: {}", summary.refused_in_words(&shown)));
    }
    if summary.refused_count > 0 || !summary.complete { Err(CliError::AlreadyReported) } else { Ok(()) }
}

/// An import on its way.
struct Import {
    summary: Summary,
    foresight: Option<Foresight>,
    progress: ProgressBar,
}

impl Import {
    fn new(dry_run: bool, length: Option<u64>) -> Self {
        // Drawn on standard error, and only where that is a terminal.
        let progress = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
        let template = match length {
            Some(_) => "{bar:30} {bytes}/{total_bytes} {elapsed} eta {eta} {msg}",
            None => "{spinner} {bytes} {elapsed} {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            progress.set_style(style);
        }
        let summary = Summary { dry_run, ..Summary::default() };
        Self { summary, foresight: dry_run.then(Foresight::default), progress }
    }

    async fn all(&mut self, store: &dyn Store, mut portions: mpsc::Receiver<Portion>) -> Result<(), CliError> {
        while let Some(portion) = portions.recv().await {
            self.one(store, portion).await?;
        }
        Ok(())
    }

    async fn one(&mut self, store: &dyn Store, portion: Portion) -> Result<(), CliError> {
        let mut refused = portion.refused;
        if !portion.records.is_empty() {
            let records: Vec<Record> = portion.records.iter().map(|(_, record)| record.clone()).collect();
            let verdicts = store.import(records, self.summary.dry_run).await?;
            for ((line, record), verdict) in portion.records.iter().zip(verdicts) {
                let verdict = match &mut self.foresight {
                    Some(foresight) => foresight.judge(record, verdict),
                    None => verdict,
                };
                refused.extend(self.summary.take(*line, record, verdict));
            }
        }
        refused.sort_by_key(|refused| refused.line);
        for note in portion.notes {
            self.say(&note);
        }
        for Refused { line, reason } in refused {
            self.say(&format!("line {line}: {reason}"));
            self.summary.refuse(Refused { line, reason });
        }
        self.progress.set_position(portion.position);
        let written = self.summary.jobs.new + self.summary.costs.new;
        self.progress.set_message(format!("{written} new, {} refused", self.summary.refused_count));
        Ok(())
    }

    fn say(&self, line: &str) {
        self.progress.suspend(|| output::eprint_line(line));
    }
}
