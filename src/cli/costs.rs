//! `darkroom costs`: what was spent, and whether the sums that are kept for it agree with the entries. Must not add anything up:
//! the store does.

use std::fmt::Write as _;

use chrono::{Duration, Utc};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::error::CliError;
use super::{Session, table};
use crate::costs::{CostGrouping, CostReport, Usd};
use crate::store::CostQuery;
use crate::text::sanitize_line;
use crate::time::last_days;
use crate::wiring;

/// What was spent
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct CostsArgs {
    /// Without one: the report
    #[command(subcommand)]
    pub command: Option<CostsCommand>,
    /// Today and that many days less one before it, in UTC
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3_660))]
    pub days: u16,
    /// What the lines are
    #[arg(long, value_name = "WHAT", default_value = "model")]
    pub by: By,
    /// Real money, also where the simulator makes the images: imported costs are real
    #[arg(long)]
    pub real: bool,
}

/// What else to do with the books.
#[derive(Debug, Subcommand)]
pub enum CostsCommand {
    /// Add the entries up anew, say where the daily sums differed, and correct them
    Rebuild(RebuildArgs),
}

/// Add the entries up anew
#[derive(Debug, Args)]
pub struct RebuildArgs {
    /// Only say where they differ
    #[arg(long)]
    pub dry_run: bool,
}

/// What the lines of a report are.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum By {
    /// The model that was ordered
    Model,
    /// The day, in UTC
    Day,
    /// Whose bill it is on
    Service,
    /// What became of the money: image, `in_progress`, or a failure's code
    Cause,
}

impl From<By> for CostGrouping {
    fn from(by: By) -> Self {
        match by {
            By::Model => Self::Model,
            By::Day => Self::Day,
            By::Service => Self::Service,
            By::Cause => Self::Cause,
        }
    }
}

/// Prints the report.
pub async fn run(session: &Session, args: &CostsArgs) -> Result<(), CliError> {
    if let Some(CostsCommand::Rebuild(args)) = &args.command {
        return rebuild(session, args).await;
    }
    let (from, to) = last_days(Utc::now(), args.days.into());
    let simulated = session.config.is_simulated() && !args.real;
    let store = wiring::open_store(&session.config).await?;
    let query = CostQuery { from, to, simulated };
    let grouping = args.by.into();
    let report = store.costs(query.clone()).await?.report(grouping);
    // Real money is never in one sum with the simulator's, and never kept from somebody who asks what was spent.
    let real = if simulated && !session.output.is_json() {
        let real = store.costs(CostQuery { simulated: false, ..query }).await?.report(grouping);
        Some(real).filter(|real| real.count > 0)
    } else {
        None
    };
    session.output.answer(&report, || text(&report, real.as_ref(), args))
}

/// The answer of `costs rebuild`.
#[derive(Debug, Serialize)]
struct Rebuilt {
    /// Whether this store keeps sums beside its entries.
    keeps_sums: bool,
    /// Whether the sums agree with the entries now.
    agree: bool,
    differences: Vec<Difference>,
}

#[derive(Debug, Serialize)]
struct Difference {
    what: String,
    kept: Sum,
    counted: Sum,
}

#[derive(Debug, Serialize)]
struct Sum {
    charges: i64,
    usd: String,
}

async fn rebuild(session: &Session, args: &RebuildArgs) -> Result<(), CliError> {
    let store = wiring::open_store(&session.config).await?;
    let found = store.verify_rollups(!args.dry_run).await?;
    let keeps_sums = found.is_some();
    let sum = |(charges, usd): (i64, String)| Sum { charges, usd };
    let differences: Vec<Difference> = found
        .unwrap_or_default()
        .into_iter()
        .map(|found| Difference { what: found.what, kept: sum(found.kept), counted: sum(found.counted) })
        .collect();
    let agree = differences.is_empty() || !args.dry_run;
    let rebuilt = Rebuilt { keeps_sums, agree, differences };
    session.output.answer(&rebuilt, || rebuilt_text(&rebuilt))
}

fn rebuilt_text(rebuilt: &Rebuilt) -> String {
    if !rebuilt.keeps_sums {
        return "There is nothing to rebuild: this store keeps its sums in the same write as each entry.".to_owned();
    }
    if rebuilt.differences.is_empty() {
        return "The daily sums are those of the entries.".to_owned();
    }
    let rows = rebuilt.differences.iter().map(|difference| {
        let Difference { what, kept, counted } = difference;
        vec![
            sanitize_line(what, 120),
            kept.charges.to_string(),
            kept.usd.clone(),
            counted.charges.to_string(),
            counted.usd.clone(),
        ]
    });
    let heading = ["SUM", "HAD CHARGES", "HAD USD", "ENTRIES", "USD"];
    let mut text = table::plain(&heading, &[1, 2, 3, 4], rows);
    text.push_str(if rebuilt.agree { "\n\nThey are corrected." } else { "\n\nNothing was changed." });
    text
}

fn text(report: &CostReport, real: Option<&CostReport>, args: &CostsArgs) -> String {
    let heading = match args.by {
        By::Model => "MODEL",
        By::Day => "DAY",
        By::Service => "SERVICE",
        By::Cause => "CAUSE",
    };
    let line = |key: String, usd: Usd, count: u64| vec![key, count.to_string(), usd.display()];
    let mut rows: Vec<Vec<String>> =
        report.by.iter().map(|group| line(sanitize_line(&group.key, 60), group.usd, group.count)).collect();
    rows.push(line("total".to_owned(), report.total_usd, report.count));
    let mut text = table::plain(&[heading, "CHARGES", "USD"], &[1, 2], rows);
    let last = report.to - Duration::days(1);
    let _ = write!(text, "\n\n{} to {}, UTC", report.from.format("%Y-%m-%d"), last.format("%Y-%m-%d"));
    if report.unknown_usd > Usd::ZERO {
        let _ = write!(text, "\nnot in the total: {} that may not be billed", report.unknown_usd.display());
    }
    if report.unconfirmed_usd > Usd::ZERO {
        let amount = report.unconfirmed_usd.display();
        let _ = write!(text, "\nnot in the total: {amount} of orders whose outcome nobody knows");
    }
    if report.unpriced_count > 0 {
        let _ = write!(text, "\nnot in the total: {} charges of unknown price", report.unpriced_count);
    }
    if report.simulated {
        text.push('\n');
        text.push_str(table::SIMULATED);
    }
    if let Some(real) = real {
        let amount = real.total_usd.display();
        let _ = write!(text, "\nbeside it, {amount} of real money in {} charges: --real shows it", real.count);
    }
    text
}
