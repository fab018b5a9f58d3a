//! `darkroom dev`: the whole stack on this machine with one command: the servers that are installed, the simulator, a worker and
//! the console. Must not touch what the person's own configuration leads to: everything is in a folder of its own.

mod headless;
mod leads;
mod stack;

use std::fs::File;
use std::path::Path;

use clap::Args;

use self::leads::Leads;
use self::stack::Stack;
use super::error::CliError;
use super::interrupt::Interrupt;
use super::{Session, console, output};
use crate::config::Flags;
use crate::fs::try_lock;

/// Everything of `darkroom dev` is in this folder of the data directory.
const FOLDER: &str = "dev";

/// The whole stack on this machine
#[derive(Debug, Args)]
#[command(
    after_help = "It starts those of Firestore emulator, Cloud Storage server and Temporal server that are installed and names the \
                  command that installs each of the others; in their place are the embedded database, a folder, and the local \
                  engine. Images and money are simulated unless --provider bfl is given here. All data is in the folder `dev` \
                  of the data directory; what the servers hold is in their memory and gone with them."
)]
pub struct DevArgs {
    /// No console: servers and a worker, until Ctrl-C
    #[arg(long, visible_alias = "no-console")]
    pub headless: bool,
    /// With --headless: no worker either, servers alone
    #[arg(long, requires = "headless")]
    pub no_worker: bool,
}

/// Runs the stack until the person leaves.
pub async fn run(session: Session, args: &DevArgs, flags: Flags) -> Result<(), CliError> {
    if session.output.is_json() && !args.headless {
        return Err(CliError::Usage("--json goes with --headless".to_owned()));
    }
    if !args.headless && !console::has_terminal() {
        let line = "the console needs a terminal; `darkroom dev --headless` works without one";
        return Err(CliError::Usage(line.to_owned()));
    }
    // From here on Ctrl-C is ours: whatever was started is ended.
    let mut interrupt =
        Interrupt::listen().map_err(|why| CliError::Failed(format!("signals cannot be received: {why}")))?;
    let folder = session.config.data_dir.join(FOLDER);
    let _lock = lock(&folder)?;
    let mut stack = Stack::default();
    let started = tokio::select! {
        started = stack.start(&session.config.log_dir) => started,
        () = interrupt.next() => Err(CliError::Failed("stopped before everything answered".to_owned())),
    };
    let result = match started {
        Ok(()) => work(session.output, args, flags, &folder, &mut stack, &mut interrupt).await,
        Err(error) => Err(error),
    };
    stack.stop().await;
    result
}

/// What is done while the servers run.
async fn work(
    output: output::Output,
    args: &DevArgs,
    flags: Flags,
    folder: &Path,
    stack: &mut Stack,
    interrupt: &mut Interrupt,
) -> Result<(), CliError> {
    let leads = Leads::new(stack, folder, &flags)?;
    let _file = leads.write_file()?;
    let session = Session { config: leads.config.clone(), output };
    if args.headless {
        return headless::run(&session, stack, &leads, interrupt, !args.no_worker).await;
    }
    output::note(&format!("in other terminals: . '{}'", leads.file().display()));
    let page = stack.page();
    let ended = tokio::select! {
        ended = console::run(&session, false, page.map(|page| format!("Temporal's web page: {page}"))) => ended,
        error = stack.watch_and_log() => match error {},
    };
    if let Some(page) = stack.page() {
        output::note(&format!("Temporal's web page was {page}"));
    }
    ended
}

/// One `darkroom dev` for each data directory.
fn lock(folder: &Path) -> Result<File, CliError> {
    let wrong = |why: &dyn std::fmt::Display| CliError::Failed(format!("cannot use {}: {why}", folder.display()));
    std::fs::create_dir_all(folder).map_err(|why| wrong(&why))?;
    match try_lock(&folder.join("dev.lock")) {
        Ok(Some(file)) => Ok(file),
        Ok(None) => Err(wrong(&"another `darkroom dev` runs on it; --data-dir leads to another directory")),
        Err(why) => Err(wrong(&why)),
    }
}
