//! `darkroom costs`: the cost report, uncertain charges, and the check of the stored daily sums. The store adds up.

mod rebuild;
mod uncertain;

use std::fmt::Write as _;

use chrono::{Duration, Utc};
use clap::{Args, Subcommand};

use super::error::CliError;
use super::{Session, table};
use crate::costs::{CostGrouping, CostReport, Usd};
use crate::store::CostQuery;
use crate::text::sanitize_line;
use crate::time::last_days;
use crate::wiring;

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
    /// Group by
    #[arg(long, value_name = "WHAT", default_value = "model")]
    pub by: CostGrouping,
    /// Report real money although the simulator generates the images: imported costs are real
    #[arg(long)]
    pub real: bool,
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

/// Prints the report.
pub async fn run(session: &Session, args: &CostsArgs) -> Result<(), CliError> {
    match &args.command {
        Some(CostsCommand::Rebuild(args)) => return rebuild::run(session, args).await,
        Some(CostsCommand::Uncertain(args)) => return uncertain::list(session, args).await,
        Some(CostsCommand::Resolve(args)) => return uncertain::resolve(session, args).await,
        None => {}
    }
    let (from, to) = last_days(Utc::now(), args.days.into());
    let simulated = session.config.is_simulated() && !args.real;
    let store = wiring::open_store(&session.config).await?;
    let query = CostQuery { from, to, simulated };
    let report = store.costs(query.clone()).await?.report(args.by);
    // Real and simulated money are never added together, but real spending is always mentioned.
    let real = if simulated && !session.output.is_json() {
        let real = store.costs(CostQuery { simulated: false, ..query }).await?.report(args.by);
        Some(real).filter(|real| real.count > 0)
    } else {
        None
    };
    session.output.answer(&report, || text(&report, real.as_ref(), args))
}

fn text(report: &CostReport, real: Option<&CostReport>, args: &CostsArgs) -> String {
    let heading = match args.by {
        CostGrouping::Model => "MODEL",
        CostGrouping::Day => "DAY",
        CostGrouping::Service => "SERVICE",
        CostGrouping::Cause => "CAUSE",
    };
    let line = |key: String, usd: Usd, count: u64| vec![key, count.to_string(), usd.display()];
    let mut rows: Vec<Vec<String>> =
        report.by.iter().map(|group| line(sanitize_line(&group.key, 60), group.usd, group.count)).collect();
    rows.push(line("total".to_owned(), report.total_usd, report.count));
    let mut text = table::plain(&[heading, "CHARGES", "USD"], &[1, 2], rows);
    let last = report.to - Duration::days(1);
    let _ = write!(text, "\n\n{} to {}, UTC", report.from.format("%Y-%m-%d"), last.format("%Y-%m-%d"));
    if report.unknown_usd > Usd::ZERO {
        let _ = write!(text, "\nnot in the total: {} that may or may not be billed", report.unknown_usd.display());
    }
    if report.unconfirmed_usd > Usd::ZERO {
        let amount = report.unconfirmed_usd.display();
        let _ = write!(text, "\nnot in the total: {amount} for requests without a confirmed outcome");
    }
    if report.unpriced_count > 0 {
        let _ = write!(text, "\nnot in the total: {} charges of unknown price", report.unpriced_count);
    }
    if report.unknown_usd + report.unconfirmed_usd > Usd::ZERO || report.unpriced_count > 0 {
        text.push_str("\n`darkroom costs uncertain` lists them, `darkroom costs resolve` settles them");
    }
    if report.simulated {
        text.push('\n');
        text.push_str(table::SIMULATED);
    }
    if let Some(real) = real {
        let amount = real.total_usd.display();
        let _ = write!(text, "\nplus {amount} of real spending in {} charges (--real)", real.count);
    }
    text
}
