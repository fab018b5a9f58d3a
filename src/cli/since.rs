//! Owns reading a time in the past, or a length of time, as people write it. Must not read a clock.

use chrono::{DateTime, Duration, NaiveDate, NaiveTime, Utc};

use crate::text::sanitize_line;

/// `2026-11-22T09:30:00Z`, `2026-11-22` (midnight, UTC), or how long before `now`: `90s`, `15m`, `2h`, `3d`, `1w`.
pub fn parse(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.with_timezone(&Utc));
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Ok(date.and_time(NaiveTime::MIN).and_utc());
    }
    ago(text).and_then(|ago| now.checked_sub_signed(ago)).ok_or_else(|| {
        let shown = sanitize_line(text, 40);
        format!("'{shown}' is no time: give a date (2026-11-22), a time (2026-11-22T09:30:00Z) or an age (2h, 3d)")
    })
}

/// `90s`, `15m`, `2h`, `3d`, `1w`.
pub fn length(text: &str) -> Result<std::time::Duration, String> {
    let shown = sanitize_line(text, 40);
    let length = ago(text.trim()).and_then(|length| length.to_std().ok());
    length.ok_or_else(|| format!("'{shown}' is no length of time: give 90s, 15m, 2h or 3d"))
}

fn ago(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let digits = text.strip_suffix(unit).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    Duration::try_seconds(digits.parse::<i64>().ok()?.checked_mul(seconds)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_times_and_ages_are_read() {
        let now: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-11-21", "2026-11-21T00:00:00Z"),
            ("2026-11-22T09:30:00+02:00", "2026-11-22T07:30:00Z"),
            ("2h", "2026-11-22T10:00:00Z"),
            ("3d", "2026-11-19T12:00:00Z"),
            ("90s", "2026-11-22T11:58:30Z"),
            ("1w", "2026-11-15T12:00:00Z"),
        ] {
            assert_eq!(parse(text, now), Ok(expected.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn lengths_are_read() {
        assert_eq!(length("90s"), Ok(std::time::Duration::from_secs(90)));
        assert_eq!(length(" 2h "), Ok(std::time::Duration::from_hours(2)));
    }

    #[test]
    fn nonsense_is_an_error_and_never_a_panic() {
        for text in ["", "d", "-3d", "3y", "2026-13-01", "99999999999999999999d", "9999999999999d", "3 d", "ü"] {
            assert!(parse(text, DateTime::UNIX_EPOCH).is_err(), "{text}");
            assert!(length(text).is_err(), "{text}");
        }
    }
}
