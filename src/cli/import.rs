//! `darkroom import`: arguments, progress and output. The work is done by [`crate::transfer`].

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::Utc;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::mpsc;

use super::error::CliError;
use super::operator::operator;
use super::{Session, import_batches, output, start_logging};
use crate::catalog::Catalog;
use crate::shutdown_signal::ShutdownSignal;
use crate::store::Store;
use crate::store::schema::Defaults;
use crate::telemetry::logging::ExtraSink;
use crate::text::sanitize_line;
use crate::transfer::import::{self, Batch, ImportOrigin, Importer, ReadOptions};
use crate::transfer::records::Input;
use crate::wiring;

/// Import jobs and costs from a file: CSV, JSON, JSON lines, or a db.json with both
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Input file; `-` is standard input
    #[arg(value_name = "FILE", required_unless_present_any = ["list", "undo"])]
    pub file: Option<PathBuf>,
    /// List earlier imports, newest first
    #[arg(long, conflicts_with_all = ["file", "undo"])]
    pub list: bool,
    /// Remove what an earlier import wrote; what was changed since is kept and named
    #[arg(long, value_name = "BATCH", conflicts_with = "file")]
    pub undo: Option<String>,
    /// Undo without confirmation
    #[arg(long, short = 'y', requires = "undo")]
    pub yes: bool,
    /// Report what would happen, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Also import jobs that are queued or running: a worker runs them, which may cost money
    #[arg(long)]
    pub active: bool,
    /// Import charges that the store has under other ids; they count twice
    #[arg(long)]
    pub allow_duplicates: bool,
    /// Read numbers of CSV cells with a decimal comma (0,04)
    #[arg(long)]
    pub decimal_comma: bool,
}

/// Imports the file.
pub async fn run(session: &Session, args: &ImportArgs) -> Result<(), CliError> {
    let Some(file) = &args.file else {
        return import_batches::run(session, args.undo.as_deref(), args.yes, args.dry_run).await;
    };
    let shown = sanitize_line(&file.display().to_string(), 200);
    let input = Input::open(file).map_err(|error| CliError::Failed(format!("cannot read {shown}: {error}")))?;
    let (_logging, _) = start_logging(&session.config, ExtraSink::None);
    let store = if args.dry_run {
        wiring::open_store(&session.config).await?
    } else {
        wiring::open_store_for_changes(&session.config).await?
    };
    let mut shutdown =
        ShutdownSignal::listen().map_err(|error| CliError::Failed(format!("cannot handle signals: {error}")))?;

    let first = || Catalog::builtin().models.first().map(|model| model.name.clone());
    let model = session.config.model.clone().or_else(first).unwrap_or_default();
    let options = ReadOptions {
        defaults: Defaults { model, now: Utc::now() },
        active: args.active,
        decimal_comma: args.decimal_comma,
    };
    let origin = ImportOrigin { file: shown.clone(), by: operator(), at: Utc::now() };
    let mut import = Import {
        importer: Importer::new(args.dry_run, args.allow_duplicates, &origin),
        progress: progress_bar(input.size),
        position: input.position(),
    };
    // One batch is read while another is written.
    let (sender, batches) = mpsc::channel(1);
    let reading = tokio::task::spawn_blocking(move || {
        import::read(input, &options, &mut |batch| sender.blocking_send(batch).is_ok())
    });
    let result = tokio::select! {
        result = import.run(store.as_ref(), batches) => result,
        () = shutdown.next() => Err(CliError::Failed("interrupted".to_owned())),
    };
    import.progress.finish_and_clear();
    let recorded = import.importer.finish(store.as_ref()).await;
    let summary = &mut import.importer.summary;
    if let Err(error) = result {
        session.output.answer(summary, || summary.text())?;
        let hint = if args.dry_run {
            ""
        } else {
            "; everything written so far is complete; run the same command again to import the rest"
        };
        return Err(CliError::Failed(format!("{}{hint}", error.line().unwrap_or_default())));
    }
    let unread = match reading.await {
        Ok(Ok(is_complete)) => {
            summary.complete = is_complete;
            None
        }
        Ok(Err(error)) => Some(error.to_string()),
        Err(error) => Some(error.to_string()),
    };
    recorded.and(import.importer.finish(store.as_ref()).await)?;
    let summary = &import.importer.summary;
    session.output.answer(summary, || summary.text())?;
    if let Some(reason) = unread {
        output::eprint_line(&format!("darkroom: cannot read {shown} to its end: {reason}"));
    }
    if summary.rejected_count > 0 {
        output::eprint_line(&format!("darkroom: {}", summary.rejection_line(&shown)));
    }
    if summary.rejected_count > 0 || !summary.complete { Err(CliError::AlreadyReported) } else { Ok(()) }
}

/// Drawn on standard error, and only where that is a terminal.
fn progress_bar(size: Option<u64>) -> ProgressBar {
    let progress = ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr());
    let template = match size {
        Some(_) => "{bar:30} {bytes}/{total_bytes} {elapsed} eta {eta} {msg}",
        None => "{spinner} {bytes} {elapsed} {msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        progress.set_style(style);
    }
    progress
}

struct Import {
    importer: Importer,
    progress: ProgressBar,
    position: Arc<AtomicU64>,
}

impl Import {
    async fn run(&mut self, store: &dyn Store, mut batches: mpsc::Receiver<Batch>) -> Result<(), CliError> {
        while let Some(mut batch) = batches.recv().await {
            for key in std::mem::take(&mut batch.ignored_keys) {
                self.print(&format!("ignored unknown key '{key}' (expected jobs or costs)"));
            }
            for row in self.importer.apply(store, batch).await? {
                self.print(&format!("{}: {}", row.location(), row.reason));
            }
            self.progress.set_position(self.position.load(Ordering::Relaxed));
            let summary = &self.importer.summary;
            let written = summary.jobs.new + summary.costs.new;
            self.progress.set_message(format!("{written} new, {} rejected", summary.rejected_count));
        }
        Ok(())
    }

    fn print(&self, line: &str) {
        self.progress.suspend(|| output::eprint_line(line));
    }
}
