//! Reads the common parts of a reply: retry delay, error message, amounts. Pure.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::costs::Credits;
use crate::text::sanitize_line;

/// Largest JSON body that is read, in bytes.
pub(super) const MAX_JSON: usize = 1024 * 1024;

/// Longest wait that a reply may request: a wrong clock or a hostile header must not hold a job for days.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// An amount beyond this is a mistake, not a price, in credits.
const MOST_CREDITS: i64 = 1_000_000;

/// Decimals of a price in credits. Sums keep 24 of a dollar, in at most 28 digits: an amount with more would be in none.
const CREDIT_DECIMALS: u32 = 20;

/// A whole reply: its head arrived, and its body as far as it did.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    /// HTTP status.
    pub(super) status: u16,
    /// The wait that the header requests.
    pub(super) retry_after: Option<Duration>,
    /// The body, or one line why there is none.
    pub(super) body: Result<Bytes, String>,
}

impl Reply {
    /// The body as JSON, or one line why it is none.
    pub(super) fn json(&self) -> Result<Value, String> {
        let body = self.body.as_ref().map_err(Clone::clone)?;
        serde_json::from_slice(body).map_err(|_| "the answer is not JSON".to_owned())
    }

    /// Whether the whole body arrived and is HTML, whatever its content type says.
    pub(super) fn is_html(&self) -> bool {
        self.body.as_ref().is_ok_and(|body| body.trim_ascii_start().starts_with(b"<"))
    }

    /// The wait that the header requests, else the one that some error bodies name (`retry_after`, in seconds).
    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.retry_after.or_else(|| {
            let seconds = self.json().ok()?.get("retry_after")?.as_f64()?;
            Duration::try_from_secs_f64(seconds).ok().map(|wait| wait.min(LONGEST_WAIT))
        })
    }

    /// The server's error message, or just the status.
    pub(super) fn error_message(&self) -> String {
        let detail = self.json().ok().as_ref().and_then(detail);
        match detail {
            Some(detail) => format!("{detail} (HTTP {})", self.status),
            None => format!("the provider answered HTTP {}", self.status),
        }
    }

    /// The same for a key that was refused.
    pub(super) fn key_refused(&self) -> String {
        format!("the API key is refused: {}", self.error_message())
    }

    /// Whether the API itself refuses for now, in a whole reply: by its own error body (`detail`), or by a wait that it requests. A
    /// gateway may answer 503 after the API has accepted the request; its page, and a reply that names a task, are no refusal.
    pub(super) fn is_maintenance(&self) -> bool {
        let Ok(body) = self.json() else {
            return self.body.is_ok() && !self.is_html() && self.retry_after.is_some();
        };
        let names_task = ["id", "polling_url"].iter().any(|key| body.get(key).is_some());
        !names_task && (body.get("detail").is_some_and(|detail| !detail.is_null()) || self.retry_after().is_some())
    }

    /// Whether the key itself is malformed; the API says that as a 422, not as a 403 (live probe of 2026-09-18).
    pub(super) fn is_malformed_key(&self) -> bool {
        let detail = self.json().ok().and_then(|body| body.get("detail")?.as_str().map(str::to_owned));
        self.status == 422 && detail.is_some_and(|detail| detail.trim() == "Invalid API key format")
    }
}

/// The server's message from an error body: `detail` as a text or as a list of `loc` and `msg`; else `message` or `error`.
fn detail(body: &Value) -> Option<String> {
    let text = match body.get("detail") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.iter().take(4).filter_map(item).collect::<Vec<_>>().join("; "),
        _ => ["message", "error"].iter().find_map(|key| body.get(key)?.as_str())?.to_owned(),
    };
    Some(sanitize_line(&text, 240)).filter(|line| !line.is_empty())
}

fn item(item: &Value) -> Option<String> {
    let message = sanitize_line(item.get("msg")?.as_str()?, 120);
    let place = item.get("loc").and_then(Value::as_array).map(|parts| {
        let parts = parts.iter().take(6).filter_map(|part| match part {
            Value::String(text) if text != "body" => Some(sanitize_line(text, 40)),
            Value::Number(index) => Some(index.to_string()),
            _ => None,
        });
        parts.collect::<Vec<_>>().join(".")
    });
    match place {
        Some(place) if !place.is_empty() => Some(format!("{place}: {message}")),
        _ => Some(message),
    }
}

/// An amount of credits from a body: a number that is not negative. Anything else is `None`, never zero.
pub(super) fn credits(value: Option<&Value>) -> Option<Credits> {
    let amount = decimal(value)?;
    if amount > Decimal::from(MOST_CREDITS) {
        tracing::warn!(%amount, "implausible price ignored");
        return None;
    }
    Some(Credits::new(amount.round_dp(CREDIT_DECIMALS)))
}

/// A number from zero up, from its digits.
pub(super) fn decimal(value: Option<&Value>) -> Option<Decimal> {
    let Some(Value::Number(number)) = value else { return None };
    Credits::from_json(number).ok().map(Credits::decimal).filter(|amount| !amount.is_sign_negative())
}

/// `Retry-After`: seconds, or a date in one of the three forms of HTTP (RFC 9110, 5.6.7). At most an hour; what is past is now.
pub(super) fn retry_after(header: &str, now: DateTime<Utc>) -> Option<Duration> {
    let text = header.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are more than an hour all the same.
        return Some(text.parse().map_or(LONGEST_WAIT, Duration::from_secs).min(LONGEST_WAIT));
    }
    let date = DateTime::<Utc>::from(httpdate::parse_http_date(text).ok()?);
    Some((date - now).to_std().unwrap_or(Duration::ZERO).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn retry_after_parses_seconds_and_dates() {
        let now = DateTime::parse_from_rfc3339("1994-11-06T08:49:30Z").unwrap().to_utc();
        for (header, seconds) in [
            ("5", Some(5)),
            (" 0 ", Some(0)),
            ("999999999999999999999999", Some(3600)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(7)),
            ("Sun Nov  6 08:49:37 1994", Some(7)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Wed, 06 Nov 2094 08:49:37 GMT", None), // not a Wednesday: no valid date
            ("Sat, 06 Nov 2094 08:49:37 GMT", Some(3600)),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("\u{1b}[2J", None),
        ] {
            assert_eq!(retry_after(header, now), seconds.map(Duration::from_secs), "{header}");
        }
    }

    #[test]
    fn error_message_is_one_clean_line() {
        let reply = |body: Value| Reply { status: 422, retry_after: None, body: Ok(body.to_string().into()) };
        for (body, expected) in [
            (json!({"detail": "Insufficient credits"}), "Insufficient credits (HTTP 422)"),
            (json!({"detail": "a\u{1b}[2J\nb"}), "a[2J b (HTTP 422)"),
            (
                json!({"detail": [{"loc": ["body", "width"], "msg": "Input should be at least 64", "type": "x", "input": 3}]}),
                "width: Input should be at least 64 (HTTP 422)",
            ),
            (
                json!({"detail": [{"loc": ["body", "images", 2], "msg": "bad"}, {"msg": "worse"}, 3, {"msg": 4}]}),
                "images.2: bad; worse (HTTP 422)",
            ),
            (json!({"detail": []}), "the provider answered HTTP 422"),
            (json!({"detail": {"a": 1}}), "the provider answered HTTP 422"),
            (json!({"error": "x", "message": "too many"}), "too many (HTTP 422)"),
            (json!({"error": 3}), "the provider answered HTTP 422"),
            (json!([1, 2]), "the provider answered HTTP 422"),
            (json!(null), "the provider answered HTTP 422"),
        ] {
            assert_eq!(reply(body).error_message(), expected);
        }
        let huge = reply(json!({"detail": "x".repeat(500_000)})).error_message();
        assert!(huge.chars().count() < 300);
        let html = Reply { status: 502, retry_after: None, body: Ok("<html>".into()) };
        assert_eq!(html.error_message(), "the provider answered HTTP 502");
    }

    #[test]
    fn credits_must_be_a_nonnegative_number() {
        for (value, expected) in [
            (json!(3.0), Some("3")),
            (json!(4.75), Some("4.75")),
            (json!(0), Some("0")),
            (json!(-1), None),
            (json!("3"), None),
            (json!(null), None),
            (json!(1e20), None),
            (json!(1e300), None),
            (json!([3]), None),
        ] {
            assert_eq!(credits(Some(&value)).map(|amount| amount.to_string()).as_deref(), expected, "{value}");
        }
        assert_eq!(credits(None), None);
    }

    #[test]
    fn price_has_no_more_decimals_than_sums_keep() {
        for (value, expected) in [
            (json!(1.234_567_890_123_456_7e-7), "0.0000000012345678901235"),
            (json!(999_999.999_999_999_9), "9999.999999999999"),
            (json!(3.333_333_333_333_333_5), "0.033333333333333335"),
        ] {
            assert_eq!(credits(Some(&value)).unwrap().to_usd().to_string(), expected, "{value}");
        }
    }

    #[test]
    fn retry_after_falls_back_to_body() {
        let reply = |header, body: &str| Reply { status: 429, retry_after: header, body: Ok(body.to_owned().into()) };
        let five = Some(Duration::from_secs(5));
        assert_eq!(reply(None, r#"{"retry_after": 5}"#).retry_after(), five);
        assert_eq!(reply(five, r#"{"retry_after": 9}"#).retry_after(), five);
        for body in [r#"{"retry_after": -5}"#, r#"{"retry_after": "5"}"#, r#"{"retry_after": 1e300}"#, "[]", "x"] {
            assert_eq!(reply(None, body).retry_after(), None, "{body}");
        }
    }
}
