//! UTC days and months. A range includes its first instant and excludes its last.

use std::ops::Range;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, Utc};

/// The seconds since 1970 of a valid time: until the year 2200. No store reads a document with another one.
pub const VALID_SECONDS: Range<i64> = 0..7_258_118_400;

/// The time itself, or the nearest valid one.
pub fn nearest_valid(at: DateTime<Utc>) -> DateTime<Utc> {
    let seconds = at.timestamp().clamp(VALID_SECONDS.start, VALID_SECONDS.end - 1);
    if seconds == at.timestamp() { at } else { DateTime::from_timestamp(seconds, 0).unwrap_or_default() }
}

/// The start of a date, in UTC.
pub fn midnight(date: NaiveDate) -> DateTime<Utc> {
    date.and_time(NaiveTime::MIN).and_utc()
}

/// The UTC day that contains `at`.
pub fn day_of(at: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
    last_days(at, 1)
}

/// The UTC month that contains `at`.
pub fn month_of(at: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
    let date = at.date_naive();
    let first = date.with_day(1).unwrap_or(date);
    let next = first.checked_add_months(Months::new(1)).unwrap_or(NaiveDate::MAX);
    (midnight(first), midnight(next))
}

/// The UTC day that contains `now` and the `days - 1` days before it. Zero counts as one.
pub fn last_days(now: DateTime<Utc>, days: u32) -> (DateTime<Utc>, DateTime<Utc>) {
    let today = now.date_naive();
    let first = today.checked_sub_days(Days::new(u64::from(days.max(1)) - 1)).unwrap_or(NaiveDate::MIN);
    let next = today.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX);
    (midnight(first), midnight(next))
}

/// The month of a date as text that sorts by time: `2026-11`.
pub fn month_key(date: NaiveDate) -> String {
    format!("{:04}-{:02}", date.year(), date.month())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range((from, to): (DateTime<Utc>, DateTime<Utc>)) -> (String, String) {
        let text = |time: DateTime<Utc>| time.format("%Y-%m-%dT%H:%M:%S").to_string();
        (text(from), text(to))
    }

    #[test]
    fn month_in_december_ends_with_the_year() {
        let now = "2026-12-31T23:59:59Z".parse().unwrap();
        assert_eq!(range(month_of(now)), ("2026-12-01T00:00:00".into(), "2027-01-01T00:00:00".into()));
        assert_eq!(range(day_of(now)), ("2026-12-31T00:00:00".into(), "2027-01-01T00:00:00".into()));
        assert_eq!(month_key(now.date_naive()), "2026-12");
    }

    #[test]
    fn last_days_include_today() {
        let now = "2026-03-01T23:59:59Z".parse().unwrap();
        for days in [0, 1] {
            assert_eq!(range(last_days(now, days)), ("2026-03-01T00:00:00".into(), "2026-03-02T00:00:00".into()));
        }
        assert_eq!(range(last_days(now, 7)).0, "2026-02-23T00:00:00");
    }

    #[test]
    fn ranges_at_the_limits_never_panic() {
        for now in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            let _ = (day_of(now), month_of(now), last_days(now, u32::MAX));
        }
    }
}
