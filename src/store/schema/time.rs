//! Times in documents: every common form is read, one is written.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, SubsecRound, Utc};
use serde_json::Value;

use super::money::kind;
use crate::text::sanitize_line;
use crate::time::VALID_SECONDS;

/// The time as every export writes it: microseconds, as Firestore keeps them.
pub fn format_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// The time in a field. Errors: why it is not valid, without the field's name.
pub(super) fn decode_time(value: &Value) -> Result<DateTime<Utc>, String> {
    let found = match value {
        Value::String(text) => parse_time(text),
        Value::Number(number) => parse_epoch(&number.to_string()),
        // A timestamp as JSON of the JavaScript clients.
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
    // Firestore keeps microseconds; finer digits are cut off.
    let found = found.map(|at| at.trunc_subsecs(6));
    found
        .filter(|at| VALID_SECONDS.contains(&at.timestamp()))
        .ok_or_else(|| format!("is {shown}, not a valid time (example: 2026-11-22T09:30:00Z)"))
}

/// A time in RFC 3339, with a space in place of the T, without a zone (then UTC), a day, or seconds (or milliseconds) since 1970.
pub fn parse_time(text: &str) -> Option<DateTime<Utc>> {
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
        .or_else(|| parse_epoch(text))
}

/// Seconds since 1970, to the microsecond; numbers that would be far in the future are milliseconds.
fn parse_epoch(text: &str) -> Option<DateTime<Utc>> {
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
    fn times_in_common_forms_are_read() {
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
            assert_eq!(decode_time(&Value::from(text)).map(format_time), Ok(expected.to_owned()), "{text}");
        }
        let map = serde_json::json!({"_seconds": 1_762_084_800, "_nanoseconds": 250_000_000});
        assert_eq!(decode_time(&map).map(format_time).unwrap(), "2025-11-02T12:00:00.250000Z");
        assert_eq!(
            decode_time(&Value::from(1_762_084_800.25)).map(format_time).unwrap(),
            "2025-11-02T12:00:00.250000Z"
        );
    }

    #[test]
    fn other_texts_are_rejected() {
        for text in
            ["", "now", "2025-13-01", "12:00", "-5", "1e30", "NaN", "9999-01-01T00:00:00Z", "1066-10-14", "...", "1e"]
        {
            assert!(decode_time(&Value::from(text)).is_err(), "{text}");
        }
        for value in [Value::Null, Value::Bool(true), Value::from(-5), serde_json::json!({"seconds": "x"})] {
            assert!(decode_time(&value).is_err(), "{value}");
        }
    }
}
