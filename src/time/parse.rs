//! Times and durations as people write them. Durations have the grammar of `jiff` ("friendly" or ISO 8601).

use chrono::{DateTime, NaiveDate, Utc};
use jiff::{SignedDuration, Span, SpanRelativeTo};

use super::midnight;
use crate::text::sanitize_line;

/// A time in the past: `2026-11-22T09:30:00Z`, `2026-11-22` (midnight UTC), or an age before `now`: `90s`, `2h 30m`, `3d`, `1 week ago`.
pub fn parse_time(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.with_timezone(&Utc));
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Ok(midnight(date));
    }
    let age = text.strip_suffix("ago").unwrap_or(text);
    let age = duration(age).and_then(|age| chrono::Duration::from_std(age).ok());
    age.and_then(|age| now.checked_sub_signed(age)).ok_or_else(|| {
        let shown = sanitize_line(text, 40);
        format!(
            "'{shown}' is not a valid time: use a date (2026-11-22), a time (2026-11-22T09:30:00Z) or an age (2h, 3d)"
        )
    })
}

/// A duration: `90s`, `15m`, `2h 30m`, `3 days`, `1w`. A day has 24 hours.
pub fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    duration(text).ok_or_else(|| {
        let shown = sanitize_line(text, 40);
        format!("'{shown}' is not a valid duration: use for example 90s, 15m, 2h 30m or 3d")
    })
}

fn duration(text: &str) -> Option<std::time::Duration> {
    let span: Span = text.trim().parse().ok()?;
    // Months and years have no fixed length and are refused here.
    let length: SignedDuration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    length.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_ages_are_accepted() {
        let now: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-11-21", "2026-11-21T00:00:00Z"),
            ("2026-11-22T09:30:00+02:00", "2026-11-22T07:30:00Z"),
            ("2h", "2026-11-22T10:00:00Z"),
            ("1h 30m", "2026-11-22T10:30:00Z"),
            ("3d", "2026-11-19T12:00:00Z"),
            ("3 days ago", "2026-11-19T12:00:00Z"),
            ("90s", "2026-11-22T11:58:30Z"),
            ("1w", "2026-11-15T12:00:00Z"),
        ] {
            assert_eq!(parse_time(text, now), Ok(expected.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn durations_are_accepted() {
        let minutes = std::time::Duration::from_mins;
        for (text, expected) in [("90s", minutes(1) + minutes(1) / 2), (" 2h ", minutes(120)), ("2h30m", minutes(150))]
        {
            assert_eq!(parse_duration(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn invalid_text_is_an_error_and_never_a_panic() {
        for text in
            ["", "d", "90", "-3d", "3y", "1mo", "2026-13-01", "99999999999999999999d", "9999999999999d", "ü", "ago"]
        {
            assert!(parse_time(text, DateTime::UNIX_EPOCH).is_err(), "{text}");
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
