//! The command line: one file for each command, and what they share (errors, output, job views, ids).
//!
//! Standard output carries the answer alone (one JSON document with `--json`), standard error everything else. Exit codes:
//! 0 done, 1 failed, 2 wrong usage. Must not name an adapter: the wiring does.

mod args;
mod completions;
mod config;
mod console;
mod costs;
mod dev;
mod doctor;
mod error;
mod export;
mod guard;
mod import;
mod interrupt;
mod jobs;
mod output;
mod pick;
mod running;
mod simulate;
mod submit;
mod table;
mod view;
mod worker;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, FromArgMatches};

use self::args::{Cli, Command};
use self::error::CliError;
use self::output::Output;
use tokio::sync::mpsc;

use crate::config::{Config, Sources};
use crate::telemetry::logging::{self, Beside, LogOptions, LogRecord, LoggingGuard};
use crate::text::sanitize_text;

/// What every command gets.
struct Session {
    config: Config,
    output: Output,
}

/// Runs the command that `arguments` (with the program's name first) ask for, and says on standard error what went wrong.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match args::command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            say_usage(&error);
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(error::USAGE));
        }
    };
    let result = Cli::from_arg_matches(&matches)
        .map_err(|error| CliError::Usage(error.to_string()))
        .and_then(|cli| execute(cli, &matches));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(line) = error.line() {
                output::note(&format!("darkroom: {line}"));
            }
            ExitCode::from(error.exit_code())
        }
    }
}

/// Help and version are answers too. An error repeats what was typed (or pasted): what steers a terminal is taken out of it.
fn say_usage(error: &clap::Error) {
    let plain = error.render().to_string();
    if error.use_stderr() && sanitize_text(&plain) != plain {
        return output::note(&plain);
    }
    // A reader that is gone has seen enough.
    let _ = error.print();
}

fn execute(cli: Cli, matches: &ArgMatches) -> Result<(), CliError> {
    if let Some(Command::Completions(args)) = &cli.command {
        return completions::run(args, cli.global.json);
    }
    if let Some(Command::GuardServer(args)) = &cli.command {
        return guard::run(args);
    }
    cli.check()?;
    let flags = cli.flags();
    let config = Config::resolve(&Sources::of_this_process(flags.clone())?)?;
    for warning in &config.warnings {
        output::note(&format!("darkroom: {warning}"));
    }
    let output = Output::new(cli.global.json);
    let session = Session { config, output };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|why| CliError::Failed(format!("no threads can be started: {why}")))?;
    let result = runtime.block_on(async {
        match cli.command {
            None => console::run(&session, cli.observe, None).await,
            Some(Command::Worker(args)) => worker::run(&session, &args).await,
            Some(Command::Submit(args)) => {
                let given = matches.subcommand_matches("submit").map(submit::given).unwrap_or_default();
                submit::run(&session, &args, &given).await
            }
            Some(Command::Jobs(args)) => jobs::run(&session, args.command.unwrap_or_default()).await,
            Some(Command::Costs(args)) => costs::run(&session, &args).await,
            Some(Command::Import(args)) => import::run(&session, &args).await,
            Some(Command::Export(args)) => export::run(&session, &args).await,
            Some(Command::Simulate(args)) => simulate::run(&session, &args).await,
            Some(Command::Dev(args)) => dev::run(session, &args, flags).await,
            Some(Command::Doctor) => doctor::run(&session).await,
            Some(Command::Config) => config::run(&session),
            Some(Command::Completions(args)) => completions::run(&args, session.output.is_json()),
            Some(Command::GuardServer(args)) => guard::run(&args),
        }
    });
    // A thread that still waits for the terminal's next key must not keep the process.
    runtime.shutdown_background();
    result
}

/// Sets logging up for a command that changes anything, and says what of it does not work.
fn start_logging(config: &Config, beside: Beside) -> (LoggingGuard, Option<mpsc::Receiver<LogRecord>>) {
    let options = LogOptions {
        folder: config.log_dir.clone(),
        days: config.log_days,
        filter: config.log.clone(),
        secrets: config.bfl_api_key.iter().chain(&config.temporal.api_key).cloned().collect(),
        clean: crate::text::sanitize_line,
    };
    let (guard, records) = logging::init(options, beside);
    for warning in &guard.warnings {
        output::note(&format!("darkroom: {warning}"));
    }
    (guard, records)
}
