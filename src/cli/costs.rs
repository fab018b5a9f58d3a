//! `darkroom costs`: what was spent. Must not add anything up: the store does.

use std::fmt::Write as _;

use chrono::{DateTime, Duration, NaiveTime, Utc};
use clap::{Args, ValueEnum};

use super::error::CliError;
use super::{Session, table};
use crate::costs::{CostGrouping, CostReport, Usd};
use crate::jobs::text::clean_line;
use crate::store::CostQuery;
use crate::wiring;

/// What was spent
#[derive(Debug, Args)]
pub struct CostsArgs {
    /// Today and that many days less one before it, in UTC
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3_660))]
    pub days: u16,
    /// What the lines are
    #[arg(long, value_name = "WHAT", default_value = "model")]
    pub by: By,
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
    /// What became of the money: picture, `in_progress`, or a failure's code
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
    let (from, to) = span(Utc::now(), args.days);
    let simulated = session.config.is_simulated();
    let store = wiring::open_store(&session.config).await?;
    let report = store.costs(CostQuery { from, to, grouping: args.by.into(), simulated }).await?;
    session.output.answer(&report, || text(&report, args))
}

/// Today and the `days - 1` days before it: first instant inside, first instant outside.
fn span(now: DateTime<Utc>, days: u16) -> (DateTime<Utc>, DateTime<Utc>) {
    let midnight = now.date_naive().and_time(NaiveTime::MIN).and_utc();
    (midnight - Duration::days(i64::from(days) - 1), midnight + Duration::days(1))
}

fn text(report: &CostReport, args: &CostsArgs) -> String {
    let heading = match args.by {
        By::Model => "MODEL",
        By::Day => "DAY",
        By::Service => "SERVICE",
        By::Cause => "CAUSE",
    };
    let line = |key: String, usd: Usd, count: u64| vec![key, count.to_string(), usd.display()];
    let mut rows: Vec<Vec<String>> =
        report.by.iter().map(|group| line(clean_line(&group.key, 60), group.usd, group.count)).collect();
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
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_day_is_today() {
        let now: DateTime<Utc> = "2026-03-01T23:59:59Z".parse().unwrap();
        let shown = |days| {
            let (from, to) = span(now, days);
            (from.to_rfc3339(), to.to_rfc3339())
        };
        assert_eq!(shown(1), ("2026-03-01T00:00:00+00:00".into(), "2026-03-02T00:00:00+00:00".into()));
        assert_eq!(shown(7).0, "2026-02-23T00:00:00+00:00");
    }
}
