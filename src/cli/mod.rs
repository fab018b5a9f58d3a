//! The command line: one file for each command, and what the commands share (errors, output, job JSON, ids).
//!
//! Standard output carries only the result (one JSON document with `--json`), standard error everything else. Exit codes:
//! 0 success, 1 failure, 2 invalid usage. Adapters are named in `wiring` only.

mod args;
mod audit;
mod budget;
mod bulk;
mod completions;
mod config;
mod console;
mod console_engine;
mod costs;
mod demo;
mod dev;
mod doctor;
mod error;
mod export;
mod guard_server;
mod headless_engine;
mod hold_line;
mod import;
mod import_batches;
mod job_json;
mod jobs;
mod logs;
mod man;
mod operator;
mod output;
mod pause;
mod presets;
mod prune;
mod resolve_id;
mod restart;
mod simulate;
mod submit;
mod supervisor;
mod table;
mod table_width;
mod takeover;
mod tasks;
mod worker;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, FromArgMatches};

use self::args::{Cli, Command};
use self::error::CliError;
use self::output::Output;
use tokio::sync::mpsc;

use crate::config::{Config, Sources};
use crate::telemetry::logging::{self, ExtraSink, LogOptions, LogRecord, LoggingGuard};
use crate::text::sanitize_text;

/// What every command receives.
struct Session {
    config: Config,
    output: Output,
}

/// Parses `arguments` (the program's name first), runs the command and reports an error on standard error.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    keep_files_private();
    let matches = match args::command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            print_usage(&error);
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
                output::eprint_line(&format!("darkroom: {line}"));
            }
            ExitCode::from(error.exit_code())
        }
    }
}

/// Removes the rights of other users from every file that this process creates: prompts, images and logs are private.
fn keep_files_private() {
    #[cfg(unix)]
    {
        use rustix::fs::Mode;
        let mask = rustix::process::umask(Mode::RWXO);
        rustix::process::umask(mask | Mode::RWXO);
    }
}

/// How the parsers of the standard library describe what is not a whole number.
const NUMBER_ERRORS: [&str; 4] = [
    "invalid digit found in string",
    "cannot parse integer from empty string",
    "number too large to fit in target type",
    "number too small to fit in target type",
];

/// Prints help, version or a usage error. An error repeats what was typed or pasted, so control characters are removed.
fn print_usage(error: &clap::Error) {
    let plain = error.render().to_string();
    let clear = NUMBER_ERRORS
        .iter()
        .fold(plain.clone(), |text, raw| text.replace(&format!("': {raw}\n"), "': expected a whole number\n"));
    if error.use_stderr() && sanitize_text(&clear) != plain {
        return output::eprint_line(&clear);
    }
    // A closed pipe is not a failure.
    let _ = error.print();
}

fn execute(cli: Cli, matches: &ArgMatches) -> Result<(), CliError> {
    match &cli.command {
        Some(Command::Completions(args)) => return completions::run(args::command(), args.shell, cli.global.json),
        Some(Command::Man(args)) => return man::run(args::command(), args.dir.as_deref(), cli.global.json),
        Some(Command::GuardServer(args)) => return guard_server::run(args),
        _ => {}
    }
    cli.check()?;
    let flags = cli.flags();
    let config = Config::resolve(&Sources::of_this_process(flags.clone())?)?;
    for warning in &config.warnings {
        output::eprint_line(&format!("darkroom: {warning}"));
    }
    let output = Output::new(cli.global.json);
    let session = Session { config, output };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|why| CliError::Failed(format!("cannot start the runtime: {why}")))?;
    let mut next_context = None;
    let result = runtime.block_on(async {
        match cli.command {
            None => {
                let contexts = Config::contexts(&Sources::of_this_process(flags)?, cli.observe);
                let opening = console::Opening { observe: cli.observe, contexts, ..console::Opening::default() };
                next_context = console::run(&session, opening).await?;
                Ok(())
            }
            Some(Command::Worker(args)) => worker::run(&session, &args).await,
            Some(Command::Submit(args)) => {
                let given = matches.subcommand_matches("submit").map(submit::given).unwrap_or_default();
                submit::run(&session, &args, &given).await
            }
            Some(Command::Jobs(args)) => jobs::run(&session, args.command.unwrap_or_default()).await,
            Some(Command::Bulk(args)) => bulk::run(&session, &args).await,
            Some(Command::Costs(args)) => costs::run(&session, &args).await,
            Some(Command::Budget(args)) => budget::run(&session, &args).await,
            Some(Command::Presets(args)) => presets::run(&session, &args),
            Some(Command::Audit(args)) => audit::run(&session, &args).await,
            Some(Command::Logs(args)) => logs::run(&session, &args).await,
            Some(Command::Pause(args)) => pause::pause(&session, &args).await,
            Some(Command::Resume) => pause::resume(&session).await,
            Some(Command::Takeover(args)) => takeover::run(&session, &args).await,
            Some(Command::Tasks(args)) => tasks::run(&session, &args).await,
            Some(Command::Import(args)) => import::run(&session, &args).await,
            Some(Command::Export(args)) => export::run(&session, &args).await,
            Some(Command::Prune(args)) => prune::run(&session, &args).await,
            Some(Command::Simulate(args)) => simulate::run(&session, &args).await,
            Some(Command::Demo(_)) => Box::pin(demo::run(&session, flags)).await,
            Some(Command::Dev(args)) => Box::pin(dev::run(session, &args, flags)).await,
            Some(Command::Doctor) => doctor::run(&session).await,
            Some(Command::Config) => {
                let contexts = Config::contexts(&Sources::of_this_process(flags)?, true);
                config::run(&session, &contexts)
            }
            // Handled above, without a configuration.
            Some(Command::Completions(_) | Command::Man(_) | Command::GuardServer(_)) => Ok(()),
        }
    });
    // A thread that waits for the terminal's next key must not keep the process alive.
    runtime.shutdown_background();
    match next_context {
        Some(next) if result.is_ok() => restart::on_context(next.name.as_deref()),
        _ => result,
    }
}

/// Sets up logging for a command that changes something, and reports what does not work.
fn start_logging(config: &Config, extra: ExtraSink) -> (LoggingGuard, Option<mpsc::Receiver<LogRecord>>) {
    let options = LogOptions {
        folder: config.log_dir.clone(),
        days: config.log_days,
        filter: config.log.clone(),
        secrets: config.bfl_api_key.iter().chain(&config.temporal.api_key).cloned().collect(),
    };
    let (guard, records) = logging::init(options, extra);
    for warning in &guard.warnings {
        output::eprint_line(&format!("darkroom: {warning}"));
    }
    (guard, records)
}
