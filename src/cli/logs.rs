//! `darkroom logs`: the lines of the log files, of all processes that share their directory.

use std::time::Duration;

use clap::Args;
use tracing::Level;

use super::error::CliError;
use super::{Session, output};
use crate::shutdown_signal::ShutdownSignal;
use crate::telemetry::log_files::{FileFollower, FileLine, LineFilter, newest_lines};

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
    if !args.follow {
        let fields: Vec<_> = lines.iter().map(|line| &line.fields).collect();
        return session.output.answer(&fields, || text(&lines));
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

fn text(lines: &[FileLine]) -> String {
    if lines.is_empty() {
        return "No log lines.".to_owned();
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
