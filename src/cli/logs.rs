//! `darkroom logs`: the lines of the log files, of all processes that share their directory.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use tracing::Level;

use super::error::CliError;
use super::{Session, output};
use crate::shutdown_signal::ShutdownSignal;
use crate::telemetry::log_files::{FileFollower, FileLine, LineFilter, newest_lines};
use crate::text::sanitize_line;
use crate::wiring;

/// How often the files are checked with `--follow`.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Show the newest lines of the log files
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Only lines of the job with this id, or of jobs whose ids begin with this
    #[arg(long, value_name = "ID")]
    pub job: Option<String>,
    /// Only lines at least this severe: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL", default_value = "trace", value_parser = level, hide_default_value = true)]
    pub level: Level,
    /// Only lines whose message or fields contain this text, whatever the case of its letters
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub contains: Option<String>,
    /// Only lines of the process with this number
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// At most N lines
    #[arg(long, short = 'n', value_name = "N", default_value_t = 200)]
    pub lines: usize,
    /// Print new lines as they are written, until interrupted; with --json one JSON document for each line
    #[arg(long, short = 'f')]
    pub follow: bool,
}

fn level(text: &str) -> Result<Level, String> {
    match text.to_ascii_lowercase().as_str() {
        "error" => Ok(Level::ERROR),
        "warn" => Ok(Level::WARN),
        "info" => Ok(Level::INFO),
        "debug" => Ok(Level::DEBUG),
        "trace" => Ok(Level::TRACE),
        _ => Err("not a level: use error, warn, info, debug or trace".to_owned()),
    }
}

/// Prints the lines.
pub async fn run(session: &Session, args: &LogsArgs) -> Result<(), CliError> {
    let folder = session.config.log_dir.clone();
    let filter = LineFilter { job: args.job.clone(), level: args.level, pid: args.pid, text: args.contains.clone() };
    // First the end of the file, then its lines: a line in between is printed twice rather than never.
    let mut follower = FileFollower::from_end(&folder);
    let (lines, wanted) = (args.lines, filter.clone());
    let read = tokio::task::spawn_blocking(move || newest_lines(&folder, &wanted, lines));
    let lines = read.await.map_err(|error| CliError::Failed(format!("the log files could not be read: {error}")))?;
    if let (Some(job), true) = (&args.job, lines.is_empty()) {
        check_job(session, job).await?;
    }
    if !args.follow {
        let fields: Vec<_> = lines.iter().map(|line| &line.fields).collect();
        return session.output.answer(&fields, || text(&lines, &session.config.log_dir));
    }
    let mut shutdown =
        ShutdownSignal::listen().map_err(|why| CliError::Failed(format!("cannot handle signals: {why}")))?;
    print(session, &lines)?;
    loop {
        tokio::select! {
            () = tokio::time::sleep(POLL_INTERVAL) => {}
            () = shutdown.next() => return Ok(()),
        }
        let new: Vec<FileLine> = follower.appended().into_iter().filter(|line| filter.takes(line)).collect();
        print(session, &new)?;
    }
}

/// Where no line names the job: whether the store has such a job. Errors: it has none.
async fn check_job(session: &Session, job: &str) -> Result<(), CliError> {
    // Opening the store would create it.
    let is_unknown = if wiring::has_store(&session.config) {
        // The log files do not depend on the store: without it they are all that is known.
        let Ok(store) = wiring::open_store(&session.config).await else { return Ok(()) };
        store.find(job, 1).await.is_ok_and(|found| found.is_empty())
    } else {
        true
    };
    if is_unknown {
        let folder = session.config.log_dir.display();
        let job = sanitize_line(job, 60);
        return Err(CliError::Failed(format!("no job id starts with '{job}', and no log line in {folder} names one")));
    }
    Ok(())
}

fn text(lines: &[FileLine], folder: &Path) -> String {
    if lines.is_empty() {
        let folder = sanitize_line(&folder.display().to_string(), 400);
        return format!(
            "No log lines in {folder} (set by --log-dir or DARKROOM_LOG_DIR; by default `logs` in the directory of the start)"
        );
    }
    lines.iter().map(FileLine::for_terminal).collect::<Vec<_>>().join("\n")
}

fn print(session: &Session, lines: &[FileLine]) -> Result<(), CliError> {
    for line in lines {
        if session.output.is_json() {
            let document = serde_json::to_string(&line.fields).map_err(|error| CliError::Output(error.into()))?;
            output::write_text(&document)?;
        } else {
            output::write_text(&line.for_terminal())?;
        }
    }
    Ok(())
}
