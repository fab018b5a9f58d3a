//! `darkroom costs drift`: what jobs were estimated, quoted and charged. It reads the jobs themselves.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use crate::cli::error::CliError;
use crate::cli::{Session, table};
use crate::costs::{AccountCheck, Usd};
use crate::engine::check_account;
use crate::jobs::DriftSummary;
use crate::store::{CostQuery, PageQuery};
use crate::text::{format, sanitize_line};
use crate::time::last_days;
use crate::wiring;

/// Jobs of one page.
const PAGE_SIZE: usize = 500;

/// Compare what jobs were estimated, quoted and charged, and the account's balance with the charges
#[derive(Debug, Args)]
pub struct DriftArgs {
    /// Jobs of the last N days, including today (UTC)
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3_660))]
    pub days: u16,
    /// At most the N newest jobs: in a shared store each is a billed read
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub limit: u32,
    /// Compare real jobs although the simulator generates the images
    #[arg(long)]
    pub real: bool,
}

/// The answer of `costs drift`.
#[derive(Debug, Serialize)]
struct View {
    from: DateTime<Utc>,
    simulated: bool,
    /// Jobs that were read.
    jobs: u64,
    /// Attempts with at least two of the three numbers.
    compared_count: u64,
    differing_count: u64,
    estimated_usd: Usd,
    charged_usd: Usd,
    drift_usd: Usd,
    causes: Vec<CauseView>,
    account: Option<AccountCheck>,
}

#[derive(Debug, Serialize)]
struct CauseView {
    cause: String,
    count: u64,
    usd: Usd,
}

/// Prints the comparison.
pub async fn run(session: &Session, args: &DriftArgs) -> Result<(), CliError> {
    let now = Utc::now();
    let (from, to) = last_days(now, args.days.into());
    let simulated = session.config.is_simulated() && !args.real;
    let store = wiring::open_store(&session.config).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let mut query = PageQuery { since: Some(from), hidden: true, limit: limit.min(PAGE_SIZE), ..PageQuery::default() };
    let (mut summary, mut jobs) = (DriftSummary::default(), 0);
    while query.limit > 0 {
        let page = store.list(query.clone()).await?;
        for job in page.jobs.iter().filter(|job| job.simulated == simulated) {
            summary.add(job);
        }
        jobs += page.jobs.len();
        let Some(next) = page.next else { break };
        query.after = Some(next);
        query.limit = limit.saturating_sub(jobs).min(PAGE_SIZE);
    }
    let table = store.costs(CostQuery { from, to, simulated }).await?;
    let causes =
        summary.causes.iter().map(|(cause, (count, usd))| CauseView { cause: cause.clone(), count: *count, usd: *usd });
    let mut causes: Vec<CauseView> = causes.collect();
    causes.sort_by_key(|line| std::cmp::Reverse(line.count));
    let view = View {
        from,
        simulated,
        jobs: jobs as u64,
        compared_count: summary.compared,
        differing_count: summary.differing,
        estimated_usd: summary.expected,
        charged_usd: summary.charged,
        drift_usd: summary.drift(),
        causes,
        account: check_account(store.as_ref(), &table).await?,
    };
    session.output.answer(&view, || text(&view))
}

fn text(view: &View) -> String {
    let mut text = format!(
        "{}, {} compared: expected {}, charged {}",
        format::count(view.jobs, "job"),
        format::count(view.compared_count, "attempt"),
        view.estimated_usd.display(),
        view.charged_usd.display()
    );
    if view.differing_count == 0 {
        text.push_str("; all agree");
    } else {
        let differ = if view.differing_count == 1 { "differs" } else { "differ" };
        let _ = write!(text, "; {} {differ} by {} in all", view.differing_count, view.drift_usd.display());
        let rows = view
            .causes
            .iter()
            .map(|line| vec![sanitize_line(&line.cause, 120), line.count.to_string(), line.usd.display()]);
        let _ = write!(text, "\n\n{}", table::plain(&["LIKELY CAUSE", "ATTEMPTS", "USD"], &[1, 2], rows));
    }
    match &view.account {
        Some(account) => {
            let _ = write!(text, "\n\n{}", account.line());
        }
        None => text.push_str("\n\naccount balance: no whole day is known yet; a running worker or console records it"),
    }
    if view.simulated {
        let _ = write!(text, "\n{}", table::SIMULATED);
    }
    text
}
