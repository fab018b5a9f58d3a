//! The burn rate and the forecast to the end of the month.

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde::Serialize;

use super::{CostGrouping, CostTable, Usd};
use crate::time::{day_of, last_days, midnight, month_of};

/// Days whose spending makes the burn rate.
pub const RATE_DAYS: u32 = 7;

/// Decimals of a rate, and of a forecast.
const RATE_DECIMALS: u32 = 4;
const FORECAST_DECIMALS: u32 = 2;

/// What the month will cost if the last days continue. Estimates: rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Outlook {
    /// Spent since the first of the UTC month.
    pub month_usd: Usd,
    /// Spent for each day: over the last seven days, or since the first charge of these, at least a day.
    pub usd_per_day: Usd,
    /// What the whole UTC month will cost.
    pub forecast_usd: Usd,
}

impl Outlook {
    /// How far back a table must go.
    pub fn first_instant(now: DateTime<Utc>) -> DateTime<Utc> {
        last_days(now, RATE_DAYS).0.min(month_of(now).0)
    }

    /// From a table that goes back to [`Self::first_instant`].
    pub fn of(table: &CostTable, now: DateTime<Utc>) -> Self {
        let (month, month_end) = month_of(now);
        let tomorrow = day_of(now).1;
        let spent = |from| table.report_between((from, tomorrow), CostGrouping::Day);
        let recent = spent(last_days(now, RATE_DAYS).0);
        let first = recent.by.first().and_then(|line| line.key.parse().ok()).map_or(now, midnight);
        // The first charge is dated by its day: minutes after midnight say nothing about a rate.
        let elapsed = days(now - first).max(Decimal::ONE);
        let per_day = recent.total_usd.decimal().checked_div(elapsed).unwrap_or(Decimal::ZERO);
        let month_usd = spent(month).total_usd;
        let ahead = per_day.saturating_mul(days(month_end - now));
        Self {
            month_usd,
            usd_per_day: Usd::new(per_day.round_dp(RATE_DECIMALS)),
            forecast_usd: Usd::new(month_usd.decimal().saturating_add(ahead).round_dp(FORECAST_DECIMALS)),
        }
    }
}

fn days(span: TimeDelta) -> Decimal {
    Decimal::from(span.num_seconds()).checked_div(Decimal::from(86_400)).unwrap_or(Decimal::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::costs::{Basis, CostRow};

    fn outlook(now: &str, days: &[(&str, &str)]) -> (String, String, String) {
        let now: DateTime<Utc> = now.parse().unwrap();
        let rows = days.iter().map(|(day, amount)| CostRow {
            day: day.parse().unwrap(),
            model: String::new(),
            service: "bfl_api".into(),
            cause: String::new(),
            basis: Basis::Settled,
            amount: Some(amount.parse().unwrap()),
            count: 1,
        });
        let span = (Outlook::first_instant(now), day_of(now).1);
        let Outlook { month_usd, usd_per_day, forecast_usd } =
            Outlook::of(&CostTable::new(span, false, rows.collect()), now);
        (month_usd.to_string(), usd_per_day.to_string(), forecast_usd.to_string())
    }

    #[test]
    fn forecast_continues_the_last_seven_days() {
        let strings = |one: &str, two: &str, three: &str| (one.to_owned(), two.to_owned(), three.to_owned());
        // Six days and a half since the window began, nine days and a half ahead.
        let days = [("2026-11-01", "10"), ("2026-11-15", "6"), ("2026-11-21", "7")];
        assert_eq!(outlook("2026-11-21T12:00:00Z", &days), strings("23", "2", "42"));
        // The first charge is a day and a half old.
        assert_eq!(outlook("2026-11-21T12:00:00Z", &[("2026-11-20", "3")]), strings("3", "2", "22"));
        // The window reaches into the month before.
        assert_eq!(outlook("2026-11-01T00:00:00Z", &[("2026-10-26", "6")]), strings("0", "1", "30"));
        assert_eq!(outlook("2026-11-21T12:00:00Z", &[]), strings("0", "0", "0"));
    }

    #[test]
    fn forecast_after_midnight_counts_a_whole_day() {
        let (month, per_day, forecast) = outlook("2026-11-21T00:00:10Z", &[("2026-11-21", "3")]);
        assert_eq!((month.as_str(), per_day.as_str(), forecast.as_str()), ("3", "3", "33"));
    }
}
