//! `darkroom dev`: the whole stack on this machine: the installed servers, the simulator, a worker and the console.
//!
//! All data is in a directory of its own; the databases and buckets of the operator's configuration are not touched.

mod environment;
mod headless;
mod progress;

use std::fs::File;
use std::path::Path;

use clap::Args;

use self::environment::DevEnvironment;
use self::progress::Progress;
use super::error::CliError;
use super::{Session, console, output};
use crate::config::Flags;
use crate::devstack::Stack;
use crate::fs::try_lock;
use crate::shutdown_signal::ShutdownSignal;

/// The directory of `darkroom dev` inside the data directory.
const FOLDER: &str = "dev";

/// Start the whole stack on this machine: servers, worker and console
#[derive(Debug, Args)]
#[command(
    after_help = "Starts the Firestore emulator, the Cloud Storage server and the Temporal server where they are installed, and prints \
                  the command that installs each missing one. Missing servers are replaced by the embedded database, a folder \
                  and the local engine. Images and money are simulated unless --provider bfl is given. All data is in the \
                  folder `dev` of the data directory; the servers keep their data in memory and lose it when they stop."
)]
pub struct DevArgs {
    /// Run the servers and a worker without the console, until Ctrl-C
    #[arg(long, visible_alias = "no-console")]
    pub headless: bool,
    /// With --headless: run only the servers
    #[arg(long, requires = "headless")]
    pub no_worker: bool,
}

/// Runs the stack until the operator quits.
pub async fn run(session: Session, args: &DevArgs, flags: Flags) -> Result<(), CliError> {
    if session.output.is_json() && !args.headless {
        return Err(CliError::Usage("--json needs --headless".to_owned()));
    }
    if !args.headless && !console::has_terminal() {
        let line = "the console needs a terminal; run `darkroom dev --headless` without one";
        return Err(CliError::Usage(line.to_owned()));
    }
    // From here on Ctrl-C stops everything that was started.
    let mut shutdown =
        ShutdownSignal::listen().map_err(|why| CliError::Failed(format!("cannot handle signals: {why}")))?;
    let folder = session.config.data_dir.join(FOLDER);
    let _lock = lock(&folder)?;
    let (mut stack, mut progress) = (Stack::default(), Progress::new());
    let started = tokio::select! {
        started = stack.start(&session.config.log_dir, &mut progress) => started.map_err(CliError::from),
        () = shutdown.next() => Err(CliError::Failed("interrupted before all servers were ready".to_owned())),
    };
    drop(progress);
    let result = match started {
        Ok(()) => Box::pin(work(session.output, args, flags, &folder, &mut stack, &mut shutdown)).await,
        Err(error) => Err(error),
    };
    if stack.stop().await {
        output::eprint_line("all servers stopped");
    }
    result
}

/// Runs the console or a headless worker while the servers run.
async fn work(
    output: output::Output,
    args: &DevArgs,
    flags: Flags,
    folder: &Path,
    stack: &mut Stack,
    shutdown: &mut ShutdownSignal,
) -> Result<(), CliError> {
    let environment = DevEnvironment::new(stack, folder, &flags)?;
    let _file = environment.write_file()?;
    let session = Session { config: environment.config.clone(), output };
    if args.headless {
        return headless::run(&session, stack, &environment, shutdown, !args.no_worker).await;
    }
    output::eprint_line(&format!("to use this stack in another terminal, run: . '{}'", environment.file().display()));
    let page = stack.page();
    let greeting = page.map(|page| format!("Temporal's web page: {page}"));
    let opening = console::Opening { greeting, ..console::Opening::default() };
    let result = tokio::select! {
        result = console::run(&session, opening) => result.map(|_| ()),
        error = stack.watch_and_log() => match error {},
    };
    if let Some(page) = stack.page() {
        output::eprint_line(&format!("Temporal's web page was at {page}"));
    }
    result
}

/// Allows one `darkroom dev` for each data directory.
fn lock(folder: &Path) -> Result<File, CliError> {
    let wrong = |why: &dyn std::fmt::Display| CliError::Failed(format!("cannot use {}: {why}", folder.display()));
    std::fs::create_dir_all(folder).map_err(|why| wrong(&why))?;
    match try_lock(&folder.join("dev.lock")) {
        Ok(Some(file)) => Ok(file),
        Ok(None) => Err(wrong(&"another `darkroom dev` is running on it; use another --data-dir")),
        Err(why) => Err(wrong(&why)),
    }
}
