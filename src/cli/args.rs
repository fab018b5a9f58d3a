//! Owns the shape of the command line: which commands there are, and the flags that all of them take. Must not run one.

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};

use super::error::CliError;
use super::{budget, completions, costs, dev, export, guard, import, jobs, simulate, submit, worker};
use crate::config::{Flags, Key};

/// A terminal operations console for image generation. Without a command: the console.
#[derive(Debug, Parser)]
#[command(
    name = "darkroom",
    version,
    after_help = "Without configuration everything is simulated: no key, no account, no money.\nExit codes: 0 done, 1 failed, 2 wrong usage."
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    /// The console only looks: it starts no jobs
    #[arg(long)]
    pub observe: bool,
    /// Tickets open at once in the console
    #[arg(long, value_name = "N")]
    pub slots: Option<String>,
    /// How the console draws images: auto, halfblocks, off
    #[arg(long, value_name = "HOW")]
    pub images: Option<String>,
    /// Only ASCII symbols and borders in the console
    #[arg(long)]
    pub ascii: bool,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// One JSON document on standard output, and nothing else there
    #[arg(long, global = true, overrides_with = "json")]
    pub json: bool,
    /// A configuration file in place of the darkroom.toml that is found
    #[arg(long, global = true, value_name = "FILE", help_heading = "Configuration")]
    pub config: Option<PathBuf>,
    /// A [context.NAME] of the configuration file
    #[arg(long, global = true, value_name = "NAME", help_heading = "Configuration")]
    pub context: Option<String>,
    /// Where the database and the images are
    #[arg(long, global = true, value_name = "DIR", help_heading = "Configuration")]
    pub data_dir: Option<String>,
    /// Where the log files are
    #[arg(long, global = true, value_name = "DIR", help_heading = "Configuration")]
    pub log_dir: Option<String>,
    /// Who makes the images: simulator (free), bfl (real money)
    #[arg(long, global = true, value_name = "WHO", help_heading = "Configuration")]
    pub provider: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Work on jobs without a screen
    Worker(worker::WorkerArgs),
    /// Make jobs from a prompt or from a file of them
    Submit(Box<submit::SubmitArgs>),
    /// List jobs, look at one, retry, cancel, approve
    Jobs(jobs::JobsArgs),
    /// What was spent
    Costs(costs::CostsArgs),
    /// Caps on spending for every process on this store
    Budget(budget::BudgetArgs),
    /// Take over jobs and costs from a file: CSV, JSON, JSON lines, or a db.json with both
    Import(import::ImportArgs),
    /// Write jobs and costs into a file that `import` reads
    Export(export::ExportArgs),
    /// The simulator of the FLUX API as a server
    Simulate(simulate::SimulateArgs),
    /// The whole stack on this machine: servers, worker and console, with one command
    Dev(dev::DevArgs),
    /// Is everything that this configuration needs there and reachable?
    Doctor,
    /// The resolved configuration, and where each value came from
    Config,
    /// Completions for a shell
    Completions(completions::CompletionsArgs),
    /// The guard of a server that `darkroom dev` started; not for people
    #[command(name = crate::devstack::GUARD, hide = true)]
    GuardServer(guard::GuardArgs),
}

/// The whole command line, with the parameters that the models of the catalog have.
pub fn command() -> clap::Command {
    Cli::command().mut_subcommand("submit", submit::with_parameters)
}

impl Cli {
    /// Errors: flags of the console beside a command.
    pub fn check(&self) -> Result<(), CliError> {
        let given = [
            ("--observe", self.observe),
            ("--slots", self.slots.is_some()),
            ("--images", self.images.is_some()),
            ("--ascii", self.ascii),
        ];
        match (&self.command, given.into_iter().find(|(_, given)| *given)) {
            (Some(_), Some((flag, _))) => {
                Err(CliError::Usage(format!("{flag} before a command is the console's; it means nothing here")))
            }
            (None, _) if self.global.json => {
                Err(CliError::Usage("the console has no --json; `darkroom jobs list --json` has".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// What the flags say about the configuration.
    pub fn flags(&self) -> Flags {
        let mut flags = Flags::new(self.global.config.clone());
        flags.set(Key::Context, "--context", self.global.context.clone());
        flags.set(Key::DataDir, "--data-dir", self.global.data_dir.clone());
        flags.set(Key::LogDir, "--log-dir", self.global.log_dir.clone());
        flags.set(Key::Provider, "--provider", self.global.provider.clone());
        flags.set(Key::Images, "--images", self.images.clone());
        flags.set(Key::Ascii, "--ascii", self.ascii.then_some("true"));
        let slots = match &self.command {
            Some(Command::Worker(args)) => args.slots.clone(),
            _ => self.slots.clone(),
        };
        flags.set(Key::Slots, "--slots", slots);
        if let Some(Command::Worker(args)) = &self.command {
            flags.set(Key::MetricsAddress, "--metrics", args.metrics.clone());
        }
        if let Some(Command::Simulate(args)) = &self.command {
            flags.set(Key::SimulatorSpeed, "--speed", args.speed.clone());
            flags.set(Key::SimulatorFaults, "--fault", (!args.faults.is_empty()).then(|| args.faults.join(",")));
        }
        flags
    }
}
