//! The shape of the command line: the commands, and the flags that all of them accept.

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};

use super::error::CliError;
use super::{
    audit, budget, bulk, costs, demo, dev, export, guard_server, import, jobs, logs, pause, presets, prune, simulate,
    submit, takeover, tasks, worker,
};
use crate::config::{Flags, Key};

/// Terminal operations console for image generation. Without a command it opens the console.
#[derive(Debug, Parser)]
#[command(
    name = "darkroom",
    version,
    after_help = "Without configuration everything is simulated: no key, no account, no money.\nExit codes: 0 success, 1 failure, 2 invalid usage."
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    /// Read-only console: it does not run jobs
    #[arg(long)]
    pub observe: bool,
    /// Jobs that the console runs at the same time
    #[arg(long, value_name = "N")]
    pub slots: Option<String>,
    /// How the console draws images: auto, kitty, sixel, iterm2, halfblocks or off
    #[arg(long, value_name = "HOW")]
    pub images: Option<String>,
    /// Colours of the console: auto (by the terminal's background), dark, light, high-contrast, colour-blind, mono, or a theme file
    #[arg(long, value_name = "NAME")]
    pub theme: Option<String>,
    /// Use only ASCII symbols and borders in the console
    #[arg(long)]
    pub ascii: bool,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Print one JSON document on standard output and nothing else
    #[arg(long, global = true, overrides_with = "json")]
    pub json: bool,
    /// Configuration file to use instead of the darkroom.toml that is found
    #[arg(long, global = true, value_name = "FILE", help_heading = "Configuration")]
    pub config: Option<PathBuf>,
    /// Use the table [context.NAME] of the configuration file
    #[arg(long, global = true, value_name = "NAME", help_heading = "Configuration")]
    pub context: Option<String>,
    /// Directory of the database and the images
    #[arg(long, global = true, value_name = "DIR", help_heading = "Configuration")]
    pub data_dir: Option<String>,
    /// Directory of the log files
    #[arg(long, global = true, value_name = "DIR", help_heading = "Configuration")]
    pub log_dir: Option<String>,
    /// Who generates the images: simulator (free) or bfl (real money)
    #[arg(long, global = true, value_name = "PROVIDER", help_heading = "Configuration")]
    pub provider: Option<String>,
    /// Let the simulator run jobs that other programs requested, which it holds otherwise
    #[arg(long, global = true, help_heading = "Configuration")]
    pub simulate_external: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run jobs without the console
    Worker(worker::WorkerArgs),
    /// Create jobs from a prompt or from a file
    Submit(Box<submit::SubmitArgs>),
    /// List and remove the parameter sets of the submit form
    Presets(presets::PresetsArgs),
    /// List, show, retry, cancel, approve, reject, hide, unhide, tag and clone jobs
    Jobs(jobs::JobsArgs),
    /// List actions on many jobs, and pause, resume, stop or undo them
    Bulk(bulk::BulkArgs),
    /// Report costs
    Costs(costs::CostsArgs),
    /// Show and change the caps that every process on this store applies
    Budget(budget::BudgetArgs),
    /// Show what operators did: who, when, from where
    Audit(audit::AuditArgs),
    /// Show the lines of the log files, of all processes that share their directory
    Logs(logs::LogsArgs),
    /// Let no worker of the store start a job; jobs under way continue
    Pause(pause::PauseArgs),
    /// Let the workers of the store start jobs again
    Resume,
    /// Take over a store from another backend: shows the plan and its price, then asks
    Takeover(takeover::TakeoverArgs),
    /// Show and change how many tasks of the provider's account all workers share
    Tasks(tasks::TasksArgs),
    /// Import jobs and costs from CSV, JSON, JSON lines or a db.json with both
    Import(import::ImportArgs),
    /// Export jobs and costs to a file that `import` reads
    Export(export::ExportArgs),
    /// Remove old finished jobs, their images and old log files; charges stay
    Prune(prune::PruneArgs),
    /// Serve a simulator of the FLUX API
    Simulate(simulate::SimulateArgs),
    /// Open the console on a month of simulated jobs, in a temporary directory that is deleted on exit
    Demo(demo::DemoArgs),
    /// Start the whole stack on this machine: servers, worker and console
    Dev(dev::DevArgs),
    /// Check configuration and connectivity
    Doctor,
    /// Show the resolved configuration and the origin of each value
    Config,
    /// Print shell completions
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for each command
    Man(ManArgs),
    /// Internal: watchdog of a server that `darkroom dev` started
    #[command(name = crate::devstack::WATCHDOG_COMMAND, hide = true)]
    GuardServer(guard_server::GuardArgs),
}

/// Print shell completions
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Print the manual page, or write one for each command
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write darkroom.1 and one page for each command into this directory
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// The command line, including a flag for each parameter of the catalog's models.
pub fn command() -> clap::Command {
    with_negative_numbers(Cli::command().mut_subcommand("submit", submit::with_parameters))
}

/// Lets `--daily -3` be a wrong value of that flag, not an unknown flag `-3`.
fn with_negative_numbers(command: clap::Command) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let is_option = |arg: &clap::Arg| !arg.is_positional() && arg.get_action().takes_values();
    let command = command.mut_args(|arg| if is_option(&arg) { arg.allow_negative_numbers(true) } else { arg });
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, with_negative_numbers))
}

impl Cli {
    /// Errors: console flags together with a command.
    pub fn check(&self) -> Result<(), CliError> {
        let given = [
            ("--observe", self.observe),
            ("--slots", self.slots.is_some()),
            ("--images", self.images.is_some()),
            ("--theme", self.theme.is_some()),
            ("--ascii", self.ascii),
        ];
        match (&self.command, given.into_iter().find(|(_, given)| *given)) {
            (Some(_), Some((flag, _))) => Err(CliError::Usage(format!(
                "{flag} applies only to the console; remove it, or run `darkroom` without a command"
            ))),
            (None, _) if self.global.json => {
                Err(CliError::Usage("--json needs a command, such as `darkroom jobs list --json`".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// The flags that set a configuration value.
    pub fn flags(&self) -> Flags {
        let mut flags = Flags::new(self.global.config.clone());
        flags.set(Key::Context, "--context", self.global.context.clone());
        flags.set(Key::DataDir, "--data-dir", self.global.data_dir.clone());
        flags.set(Key::LogDir, "--log-dir", self.global.log_dir.clone());
        flags.set(Key::Provider, "--provider", self.global.provider.clone());
        flags.set(Key::SimulateExternal, "--simulate-external", self.global.simulate_external.then_some("true"));
        flags.set(Key::Images, "--images", self.images.clone());
        flags.set(Key::Theme, "--theme", self.theme.clone());
        flags.set(Key::Ascii, "--ascii", self.ascii.then_some("true"));
        let slots = match &self.command {
            Some(Command::Worker(args)) => args.slots.clone(),
            _ => self.slots.clone(),
        };
        flags.set(Key::Slots, "--slots", slots);
        if let Some(Command::Worker(args)) = &self.command {
            flags.set(Key::MetricsAddress, "--metrics", args.metrics.clone());
        }
        if let Some(Command::Demo(args)) = &self.command {
            flags.set(Key::Theme, "--theme", args.theme.clone());
            flags.set(Key::Images, "--images", args.images.clone());
            flags.set(Key::Ascii, "--ascii", args.ascii.then_some("true"));
        }
        if let Some(Command::Simulate(args)) = &self.command {
            flags.set(Key::SimulatorSpeed, "--speed", args.speed.clone());
            flags.set(Key::SimulatorFaults, "--fault", (!args.faults.is_empty()).then(|| args.faults.join(",")));
        }
        flags
    }
}
