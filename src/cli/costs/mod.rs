//! `darkroom costs`: the cost report, uncertain charges, and the check of the stored daily sums. The store adds up.

mod rebuild;
mod report;
mod uncertain;

use clap::{Args, Subcommand, ValueEnum};

use super::Session;
use super::error::CliError;
use crate::costs::CostGrouping;

/// Report costs
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct CostsArgs {
    /// Without a subcommand: the report
    #[command(subcommand)]
    pub command: Option<CostsCommand>,
    /// Last N days, including today (UTC)
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3_660))]
    pub days: u16,
    /// A calendar period instead (UTC)
    #[arg(long, value_name = "PERIOD", conflicts_with_all = ["days", "from", "to"])]
    pub period: Option<Period>,
    /// Only from this time on: a date, a time (RFC 3339), or an age such as 2h or 3d
    #[arg(long, value_name = "WHEN", conflicts_with = "days")]
    pub from: Option<String>,
    /// Only before this time [default: now]
    #[arg(long, value_name = "WHEN", conflicts_with = "days")]
    pub to: Option<String>,
    /// Group by
    #[arg(long, value_name = "WHAT", default_value = "model")]
    pub by: CostGrouping,
    /// Name the N most expensive jobs
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(0..=1_000))]
    pub top: u16,
    /// List the jobs of one line of the report, the most expensive first
    #[arg(long, value_name = "KEY", conflicts_with = "csv")]
    pub jobs_of: Option<String>,
    /// Print the lines as CSV
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Report real money although the simulator generates the images: imported costs are real
    #[arg(long)]
    pub real: bool,
}

/// A span of the calendar that contains now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Period {
    /// Since midnight
    Today,
    /// Since Monday
    Week,
    /// Since the first of the month
    Month,
    /// Since the first of the year
    Year,
}

/// Other actions on the costs.
#[derive(Debug, Subcommand)]
pub enum CostsCommand {
    /// Recalculate the daily sums from the entries, report differences, and correct them
    Rebuild(rebuild::RebuildArgs),
    /// List charges that may or may not be billed, newest first
    Uncertain(uncertain::UncertainArgs),
    /// Replace an uncertain charge by what the bill says; the answer is recorded with your name
    Resolve(uncertain::ResolveArgs),
}

/// Prints the report, or performs another action.
pub async fn run(session: &Session, args: &CostsArgs) -> Result<(), CliError> {
    match &args.command {
        Some(CostsCommand::Rebuild(args)) => rebuild::run(session, args).await,
        Some(CostsCommand::Uncertain(args)) => uncertain::list(session, args).await,
        Some(CostsCommand::Resolve(args)) => uncertain::resolve(session, args).await,
        None => report::run(session, args).await,
    }
}
