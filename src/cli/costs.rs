//! `darkroom costs`: the cost report, and the check of the stored daily sums. The store adds up.

use std::fmt::Write as _;

use chrono::{Duration, Utc};
use clap::{Args, Subcommand};
use serde::Serialize;

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
    Rebuild(RebuildArgs),
}

/// Recalculate the daily sums from the entries, report differences, and correct them
#[derive(Debug, Args)]
pub struct RebuildArgs {
    /// Report differences without correcting them
    #[arg(long)]
    pub dry_run: bool,
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

/// The result of `costs rebuild`.
#[derive(Debug, Serialize)]
struct Rebuilt {
    /// Whether this store keeps daily sums in addition to its entries.
    keeps_sums: bool,
    /// Whether the sums agree with the entries now.
    agree: bool,
    differences: Vec<MismatchView>,
}

#[derive(Debug, Serialize)]
struct MismatchView {
    what: String,
    stored: Sum,
    computed: Sum,
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
    let differences: Vec<MismatchView> = found
        .unwrap_or_default()
        .into_iter()
        .map(|found| MismatchView { what: found.what, stored: sum(found.stored), computed: sum(found.computed) })
        .collect();
    let agree = differences.is_empty() || !args.dry_run;
    let rebuilt = Rebuilt { keeps_sums, agree, differences };
    session.output.answer(&rebuilt, || rebuilt_text(&rebuilt))
}

fn rebuilt_text(rebuilt: &Rebuilt) -> String {
    if !rebuilt.keeps_sums {
        return "Nothing to rebuild: this store updates its sums together with each entry.".to_owned();
    }
    if rebuilt.differences.is_empty() {
        return "The daily sums agree with the entries.".to_owned();
    }
    let rows = rebuilt.differences.iter().map(|difference| {
        let MismatchView { what, stored, computed } = difference;
        vec![
            sanitize_line(what, 120),
            stored.charges.to_string(),
            stored.usd.clone(),
            computed.charges.to_string(),
            computed.usd.clone(),
        ]
    });
    let heading = ["SUM", "STORED CHARGES", "STORED USD", "ENTRIES", "ENTRIES USD"];
    let mut text = table::plain(&heading, &[1, 2, 3, 4], rows);
    text.push_str(if rebuilt.agree { "\n\nThe sums were corrected." } else { "\n\nNothing was changed." });
    text
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
