//! The provider's balance over time, and whether its change agrees with the recorded charges.

use chrono::{DateTime, Days, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{CostGrouping, CostReport, CostTable, Usd};
use crate::time::midnight;

/// Looks that are kept: the newest, and of each earlier day those that its sums need.
const MAX_READINGS: usize = 400;

/// Differences below this are rounding.
const TOLERANCE: Decimal = Decimal::from_parts(5, 0, 0, false, 3);

/// The balance of the account at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceReading {
    /// When.
    pub at: DateTime<Utc>,
    /// The balance in dollars.
    pub usd: Usd,
}

/// Balances that differ from the previous balance, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BalanceHistory {
    #[serde(rename = "looks")]
    readings: Vec<BalanceReading>,
}

impl BalanceHistory {
    /// Adds a reading where the balance changed. Returns whether it did.
    pub fn add(&mut self, reading: BalanceReading) -> bool {
        if self.readings.last().is_some_and(|last| last.usd == reading.usd || last.at >= reading.at) {
            return false;
        }
        self.readings.push(reading);
        while self.readings.len() > MAX_READINGS {
            let spare = self.readings.windows(3).position(is_spare).map_or(0, |before| before + 1);
            self.readings.remove(spare);
        }
        true
    }

    /// The last reading.
    pub fn last(&self) -> Option<BalanceReading> {
        self.readings.last().copied()
    }

    /// The last reading until `at`, and the first one after it.
    pub fn around(&self, at: DateTime<Utc>) -> (Option<BalanceReading>, Option<BalanceReading>) {
        let next = self.readings.partition_point(|reading| reading.at <= at);
        let before = next.checked_sub(1).and_then(|last| self.readings.get(last)).copied();
        (before, self.readings.get(next).copied())
    }
}

/// Whether no sum changes without the reading in the middle: it is not the last one of its UTC day, and the balance goes on falling, or
/// rising.
fn is_spare(readings: &[BalanceReading]) -> bool {
    let [before, reading, after] = readings else { return false };
    let goes_on = before.usd.cmp(&reading.usd) == reading.usd.cmp(&after.usd);
    goes_on && reading.at.date_naive() == after.at.date_naive()
}

/// Whether the change of the balance agrees with the recorded charges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountCheck {
    /// First instant inside: a UTC midnight.
    pub from: DateTime<Utc>,
    /// The last reading.
    pub to: DateTime<Utc>,
    /// How much the balance fell, top-ups left out.
    pub balance_fell_usd: Usd,
    /// How much it rose.
    pub topped_up_usd: Usd,
    /// The charges of the provider in that time, without uncertain ones.
    pub recorded_usd: Usd,
    /// Uncertain charges in that time.
    pub uncertain_usd: Usd,
    /// What the account lost and no charge explains; negative where charges exceed it.
    pub difference_usd: Usd,
    /// The likely cause of a difference; `None` where both agree.
    pub cause: Option<&'static str>,
}

impl AccountCheck {
    /// What of a span can be compared: from the first UTC midnight with a known balance to the last reading. `None` where there is none.
    pub fn span(
        history: &BalanceHistory,
        span: (DateTime<Utc>, DateTime<Utc>),
    ) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let (first, last) = (history.readings.first()?, history.around(span.1).0?);
        let begin = first.at.max(span.0);
        let day = begin.date_naive();
        let from = if midnight(day) == begin { begin } else { midnight(day.checked_add_days(Days::new(1))?) };
        (from <= last.at).then_some((from, last.at))
    }

    /// Over what [`Self::span`] names of the table's span. A table has whole days: `newer` are the charges of the last day behind the
    /// last reading, which it cannot show.
    pub fn of(history: &BalanceHistory, table: &CostTable, newer: Option<&CostTable>) -> Option<Self> {
        let (from, to) = Self::span(history, table.span())?;
        let start = history.around(from).0?;
        let (mut fell, mut rose, mut balance) = (Usd::ZERO, Usd::ZERO, start.usd);
        for reading in history.readings.iter().filter(|reading| reading.at > from && reading.at <= to) {
            if reading.usd < balance {
                fell += balance - reading.usd;
            } else {
                rose += reading.usd - balance;
            }
            balance = reading.usd;
        }
        let (mut recorded, mut uncertain) = charges(&table.report_between((from, to), CostGrouping::Service));
        if let Some(newer) = newer {
            let (newer_recorded, newer_uncertain) = charges(&newer.report(CostGrouping::Service));
            (recorded, uncertain) = (recorded - newer_recorded, uncertain - newer_uncertain);
        }
        let difference = fell - recorded;
        let cause = match difference.decimal() {
            amount if amount.abs() <= TOLERANCE => None,
            amount if amount > Decimal::ZERO && uncertain >= difference => {
                Some("uncertain charges that were billed; `darkroom costs uncertain` lists them")
            }
            amount if amount > Decimal::ZERO => Some("another program on the same account, or a price that rose"),
            _ if rose > Usd::ZERO => Some("a top-up between two recorded balances hides spending"),
            _ => Some("recorded charges that were not billed, or are debited later"),
        };
        Some(Self {
            from,
            to,
            balance_fell_usd: fell,
            topped_up_usd: rose,
            recorded_usd: recorded,
            uncertain_usd: uncertain,
            difference_usd: difference,
            cause,
        })
    }

    /// `account fell by $1.20, charges $1.17: $0.03 unexplained (…)`.
    pub fn line(&self) -> String {
        let line =
            format!("account fell by {}, charges {}", self.balance_fell_usd.display(), self.recorded_usd.display());
        match self.cause {
            None => format!("{line}: they agree"),
            Some(cause) => format!("{line}: {} apart ({cause})", self.difference_usd.display()),
        }
    }
}

/// The provider's charges, and the uncertain ones.
fn charges(report: &CostReport) -> (Usd, Usd) {
    let of_provider = report.by.iter().find(|line| line.key == super::Service::BflApi.as_str());
    (of_provider.map_or(Usd::ZERO, |line| line.usd), report.unknown_usd + report.unconfirmed_usd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::costs::{Basis, CostRow};

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-11-{text}Z").parse().unwrap()
    }

    fn history(readings: &[(&str, &str)]) -> BalanceHistory {
        let mut history = BalanceHistory::default();
        for (time, usd) in readings {
            history.add(BalanceReading { at: at(time), usd: usd.parse().unwrap() });
        }
        history
    }

    fn table(charges: &[(&str, Basis, &str)]) -> CostTable {
        table_of("01T00:00:00", "23T00:00:00", charges)
    }

    fn table_of(from: &str, to: &str, charges: &[(&str, Basis, &str)]) -> CostTable {
        let row = |(day, basis, amount): &(&str, Basis, &str)| CostRow {
            day: format!("2026-11-{day}").parse().unwrap(),
            model: String::new(),
            service: "bfl_api".into(),
            cause: String::new(),
            basis: *basis,
            amount: Some(amount.parse().unwrap()),
            count: 1,
        };
        CostTable::new((at(from), at(to)), false, charges.iter().map(row).collect())
    }

    #[test]
    fn balance_and_charges_are_compared() {
        let readings = history(&[
            ("19T10:00:00", "10"),
            ("20T10:00:00", "9.97"),
            ("20T11:00:00", "19.97"),
            ("21T09:00:00", "19.90"),
        ]);
        let settled = Basis::Settled;
        for (charges, difference, cause) in [
            (vec![("19", settled, "0.5"), ("20", settled, "0.03"), ("21", settled, "0.07")], "0", None),
            (vec![("20", settled, "0.03"), ("21", Basis::Unconfirmed, "0.07")], "0.07", Some("uncertain")),
            (vec![("20", settled, "0.03")], "0.07", Some("another program")),
            (vec![("20", settled, "0.03"), ("21", settled, "0.10")], "-0.03", Some("top-up")),
        ] {
            let check = AccountCheck::of(&readings, &table(&charges), None).unwrap();
            assert_eq!(
                (check.from, check.to),
                (at("20T00:00:00"), at("21T09:00:00")),
                "whole days from a known balance on"
            );
            assert_eq!(
                (check.balance_fell_usd.to_string(), check.topped_up_usd.to_string()),
                ("0.1".into(), "10".into())
            );
            assert_eq!(check.difference_usd.to_string(), difference, "{}", check.line());
            assert_eq!(check.cause.is_some(), cause.is_some(), "{}", check.line());
            assert!(check.line().contains(cause.unwrap_or("they agree")), "{}", check.line());
        }
        assert_eq!(
            AccountCheck::of(&history(&[("22T10:00:00", "10")]), &table(&[]), None),
            None,
            "not a whole day yet"
        );
    }

    #[test]
    fn account_is_compared_inside_the_span() {
        let readings = history(&[("01T10:00:00", "10"), ("05T10:00:00", "9"), ("20T10:00:00", "5")]);
        let settled = Basis::Settled;
        let past = table_of("01T00:00:00", "11T00:00:00", &[("04", settled, "1"), ("07", settled, "3")]);
        let check = AccountCheck::of(&readings, &past, None).unwrap();
        assert_eq!(
            (check.to, check.balance_fell_usd.to_string().as_str()),
            (at("05T10:00:00"), "1"),
            "no later reading"
        );
        assert_eq!(
            (check.recorded_usd.to_string().as_str(), check.cause),
            ("1", None),
            "no charge after the last reading"
        );
        let day = table_of("01T00:00:00", "11T00:00:00", &[("05", settled, "1.5"), ("05", Basis::Unknown, "2")]);
        let newer = table_of("05T10:00:00", "06T00:00:00", &[("05", settled, "0.5"), ("05", Basis::Unknown, "2")]);
        let check = AccountCheck::of(&readings, &day, Some(&newer)).unwrap();
        assert_eq!((check.recorded_usd.to_string().as_str(), check.cause), ("1", None), "nor of the same day");
        assert_eq!(check.uncertain_usd, Usd::ZERO);
        let before = table_of("01T00:00:00", "01T09:00:00", &[]);
        assert_eq!(AccountCheck::of(&readings, &before, None), None, "no reading until its end");
    }

    #[test]
    fn busy_account_keeps_its_earlier_days() {
        let mut history = BalanceHistory::default();
        let (start, cent) = (at("17T10:00:30"), |cents: i64| Usd::new(Decimal::new(cents, 2)));
        // A reading each minute of three days, one cent less each time, and one top-up.
        for minute in 0..3 * 24 * 60 {
            let topped_up = if minute >= 1_000 { 50_000 } else { 0 };
            history.add(BalanceReading {
                at: start + chrono::TimeDelta::minutes(minute),
                usd: cent(10_000 + topped_up - minute),
            });
        }
        assert_eq!(history.readings.len(), MAX_READINGS);
        let check = AccountCheck::of(&history, &table(&[]), None).unwrap();
        assert_eq!((check.from, check.to), (at("18T00:00:00"), at("20T09:59:30")));
        // From the last reading before that midnight on: 3,480 minutes, of which the top-up hides one.
        assert_eq!(check.balance_fell_usd, cent(3_479));
        assert_eq!(check.topped_up_usd, cent(49_999));
        let midnight = history.around(at("19T00:00:00")).0.unwrap();
        assert_eq!(midnight.at, at("18T23:59:30"), "the balance with which the next day begins");
    }

    #[test]
    fn looks_enclose_a_time() {
        let mut readings = history(&[("19T10:00:00", "10"), ("20T10:00:00", "9"), ("20T11:00:00", "8")]);
        let usd = |reading: Option<BalanceReading>| reading.map(|reading| reading.usd.to_string());
        let around = |time: &str| {
            let (before, after) = readings.around(at(time));
            (usd(before), usd(after))
        };
        assert_eq!(around("19T09:00:00"), (None, Some("10".into())));
        assert_eq!(around("20T10:00:00"), (Some("9".into()), Some("8".into())));
        assert_eq!(around("22T00:00:00"), (Some("8".into()), None));
        assert!(!readings.add(BalanceReading { at: at("21T00:00:00"), usd: "8".parse().unwrap() }), "unchanged");
        assert!(!readings.add(BalanceReading { at: at("20T00:00:00"), usd: "7".parse().unwrap() }), "late");
    }
}
