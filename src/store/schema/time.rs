//! Owns the lenient reading of times from files, and the one form in which they are written. Must not read a clock.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, SubsecRound, Utc};
use serde_json::Value;

use super::amount::kind;
use crate::text::sanitize_line;

/// The time as every export writes it: microseconds, as Firestore keeps them.
pub fn time_text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A time of that field. Errors: why it is none, without the field's name.
pub(super) fn time_of(value: &Value) -> Result<DateTime<Utc>, String> {
    let found = match value {
        Value::String(text) => time_in(text),
        Value::Number(number) => epoch(&number.to_string()),
        // As the clients for JavaScript write a timestamp down.
        Value::Object(map) => {
            let part = |names: [&str; 2]| names.iter().find_map(|name| map.get(*name)?.as_i64());
            let nanos = part(["_nanoseconds", "nanoseconds"]).unwrap_or(0);
            part(["_seconds", "seconds"])
                .zip(u32::try_from(nanos).ok())
                .and_then(|(seconds, nanos)| DateTime::from_timestamp(seconds, nanos))
        }
        _ => None,
    };
    let shown = match value {
        Value::String(text) => format!("'{}'", sanitize_line(text, 40)),
        Value::Number(number) => number.to_string(),
        other => kind(other).to_owned(),
    };
    // Firestore keeps microseconds; what is finer is cut off there, so it is here.
    let found = found.map(|at| at.trunc_subsecs(6));
    found
        .filter(|at| (0..7_258_118_400).contains(&at.timestamp()))
        .ok_or_else(|| format!("is {shown}, which is no time such as 2026-11-22T09:30:00Z"))
}

/// A time as people and programs write it: RFC 3339, with a space in place of the T, without a zone (then it is UTC), a day, or
/// seconds (or milliseconds) since 1970.
pub fn time_in(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let naive = |form: &str| NaiveDateTime::parse_from_str(text, form).ok().map(|at| at.and_utc());
    let zoned = |form: &str| DateTime::parse_from_str(text, form).ok().map(|at| at.with_timezone(&Utc));
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|at| at.with_timezone(&Utc))
        .or_else(|| zoned("%Y-%m-%d %H:%M:%S%.f%#z"))
        .or_else(|| zoned("%Y-%m-%dT%H:%M:%S%.f%#z"))
        .or_else(|| naive("%Y-%m-%dT%H:%M:%S%.f"))
        .or_else(|| naive("%Y-%m-%d %H:%M:%S%.f"))
        .or_else(|| naive("%Y-%m-%d %H:%M:%S%.f UTC"))
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|day| day.and_time(NaiveTime::MIN).and_utc()))
        .or_else(|| epoch(text))
}

/// Seconds since 1970, to the microsecond; numbers that would be far in the future are milliseconds.
fn epoch(text: &str) -> Option<DateTime<Utc>> {
    if !text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+')) {
        return None;
    }
    let number: rust_decimal::Decimal =
        text.parse().ok().or_else(|| rust_decimal::Decimal::from_scientific(text).ok())?;
    let millionths = if number < 100_000_000_000_i64.into() { 1_000_000 } else { 1_000 };
    let micros = number.checked_mul(rust_decimal::Decimal::from(millionths))?.trunc();
    DateTime::from_timestamp_micros(i64::try_from(micros).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_programs_write_them() {
        for (text, expected) in [
            ("2025-11-02T12:00:00Z", "2025-11-02T12:00:00.000000Z"),
            ("2025-11-02T12:00:00.1234567+02:00", "2025-11-02T10:00:00.123456Z"),
            ("2025-11-02 12:00:00", "2025-11-02T12:00:00.000000Z"),
            ("2025-11-02 12:00:00.5+00:00", "2025-11-02T12:00:00.500000Z"),
            ("2025-11-02T12:00:00.123456", "2025-11-02T12:00:00.123456Z"),
            ("2025-11-02 12:00:00 UTC", "2025-11-02T12:00:00.000000Z"),
            ("2025-11-02", "2025-11-02T00:00:00.000000Z"),
            ("1762084800", "2025-11-02T12:00:00.000000Z"),
            ("1762084800.25", "2025-11-02T12:00:00.250000Z"),
            ("1762084800250", "2025-11-02T12:00:00.250000Z"),
        ] {
            assert_eq!(time_of(&Value::from(text)).map(time_text), Ok(expected.to_owned()), "{text}");
        }
        let map = serde_json::json!({"_seconds": 1_762_084_800, "_nanoseconds": 250_000_000});
        assert_eq!(time_of(&map).map(time_text).unwrap(), "2025-11-02T12:00:00.250000Z");
        assert_eq!(time_of(&Value::from(1_762_084_800.25)).map(time_text).unwrap(), "2025-11-02T12:00:00.250000Z");
    }

    #[test]
    fn nonsense_is_no_time() {
        for text in
            ["", "now", "2025-13-01", "12:00", "-5", "1e30", "NaN", "9999-01-01T00:00:00Z", "1066-10-14", "...", "1e"]
        {
            assert!(time_of(&Value::from(text)).is_err(), "{text}");
        }
        for value in [Value::Null, Value::Bool(true), Value::from(-5), serde_json::json!({"seconds": "x"})] {
            assert!(time_of(&value).is_err(), "{value}");
        }
    }
}
