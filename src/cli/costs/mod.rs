//! `darkroom costs`: the cost report, uncertain charges, and the check of the stored daily sums. The store adds up.

mod drift;
mod rebuild;
mod report;
mod uncertain;
mod usage;

use clap::{Args, Subcommand};

use super::Session;
use super::error::CliError;

/// Report costs
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct CostsArgs {
    /// Without a subcommand: the report
    #[command(subcommand)]
    pub command: Option<CostsCommand>,
    #[command(flatten)]
    pub report: report::ReportArgs,
}

/// Other actions on the costs.
#[derive(Debug, Subcommand)]
pub enum CostsCommand {
    /// Recalculate the daily sums from the entries, report differences, and correct them
    Rebuild(rebuild::RebuildArgs),
    /// Compare what jobs were estimated, quoted and charged, and the account's balance with the charges
    Drift(drift::DriftArgs),
    /// Show the documents that all processes read and write in a shared store, and what they cost
    Usage(usage::UsageArgs),
    /// List charges that may or may not be billed, newest first
    Uncertain(uncertain::UncertainArgs),
    /// Replace an uncertain charge by what the bill says; the answer is recorded with your name
    Resolve(uncertain::ResolveArgs),
}

/// Prints the report, or performs another action.
pub async fn run(session: &Session, args: &CostsArgs) -> Result<(), CliError> {
    match &args.command {
        Some(CostsCommand::Rebuild(args)) => rebuild::run(session, args).await,
        Some(CostsCommand::Drift(args)) => drift::run(session, args).await,
        Some(CostsCommand::Usage(args)) => usage::run(session, args).await,
        Some(CostsCommand::Uncertain(args)) => uncertain::list(session, args).await,
        Some(CostsCommand::Resolve(args)) => uncertain::resolve(session, args).await,
        None => report::run(session, &args.report).await,
    }
}
