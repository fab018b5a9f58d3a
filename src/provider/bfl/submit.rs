//! Interprets the reply to a submit. Pure. What may have been billed is `Unknown`, never a certain outcome.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::hosts::{self, HostPolicy, MAX_URL};
use super::reply::{self, Reply};
use super::transport::NoReply;
use crate::jobs::{FailureCode, Receipt, Ticket};
use crate::provider::SubmitError;

/// Longest ticket id that is taken, in bytes; the API's are UUIDs of 36.
const MAX_ID: usize = 256;

/// The outcome of a submit without a reply.
pub(super) fn interpret_no_reply(no_reply: NoReply) -> SubmitError {
    if no_reply.never_sent {
        return SubmitError::NotAccepted { reason: no_reply.reason, retry_after: None, full: false };
    }
    SubmitError::Unknown { reason: format!("{}; the request may have been accepted (and billed)", no_reply.reason) }
}

/// The outcome of a submit with a reply.
///
/// A status from 400 on says that it was refused, except for those that a proxy may have produced
/// while it was being worked on (408, 425, 499). A redirect is not documented: unknown. A 5xx
/// may come after the ticket was made; only a 503 of the API itself is the documented "not now".
pub(super) fn interpret_reply(reply: &Reply, hosts: &HostPolicy, now: DateTime<Utc>) -> Result<Receipt, SubmitError> {
    match reply.status {
        200..=299 => accepted(reply, hosts, now),
        401 | 403 => Err(account(FailureCode::KeyRejected, reply.key_refused())),
        402 => Err(account(
            FailureCode::OutOfCredits,
            format!("the account has no credits left: {}", reply.error_message()),
        )),
        422 if reply.is_malformed_key() => Err(account(FailureCode::KeyRejected, reply.key_refused())),
        429 => Err(SubmitError::NotAccepted {
            reason: reply.error_message(),
            retry_after: reply.retry_after(),
            full: true,
        }),
        503 if reply.is_maintenance() => Err(SubmitError::NotAccepted {
            reason: reply.error_message(),
            retry_after: reply.retry_after(),
            full: false,
        }),
        408 | 425 | 499 => Err(unknown(&reply.error_message())),
        404 | 405 => Err(wrong_endpoint(&format!("no submit route (HTTP {})", reply.status))),
        400..=499 if reply.is_html() && !matches!(reply.status, 413 | 414) => {
            Err(wrong_endpoint(&format!("not an answer of the FLUX API (HTTP {})", reply.status)))
        }
        400..=499 => Err(SubmitError::Rejected { code: FailureCode::InvalidRequest, message: reply.error_message() }),
        300..=399 => Err(unknown(&format!(
            "the provider answered with a redirect (HTTP {}), which is not followed",
            reply.status
        ))),
        _ => Err(unknown(&reply.error_message())),
    }
}

/// Nothing was accepted: the configured address belongs to another server, a proxy or a login page.
fn wrong_endpoint(what: &str) -> SubmitError {
    account(FailureCode::WrongEndpoint, format!("{what}; check BFL_API_URL"))
}

fn account(code: FailureCode, message: String) -> SubmitError {
    SubmitError::Account { code, message }
}

fn unknown(what: &str) -> SubmitError {
    SubmitError::Unknown { reason: format!("{what}; the request may have been accepted (and billed)") }
}

/// A 2xx means that the request was accepted; without a usable ticket the image cannot be fetched.
fn accepted(reply: &Reply, hosts: &HostPolicy, now: DateTime<Utc>) -> Result<Receipt, SubmitError> {
    // The FLUX API never answers with HTML: this is a proxy, a login page or another server. Anything else that is not a receipt
    // may be a damaged one.
    if reply.is_html() {
        return Err(wrong_endpoint(&format!("not an answer of the FLUX API (HTTP {})", reply.status)));
    }
    let body = reply.json().map_err(|why| unknown(&why))?;
    let text = |key: &str, max: usize| {
        let text = body.get(key).and_then(Value::as_str)?;
        (!text.is_empty() && text.len() <= max && !text.chars().any(char::is_control)).then(|| text.to_owned())
    };
    let id = text("id", MAX_ID);
    let polling_url = text("polling_url", MAX_URL).filter(|url| url::Url::parse(url).is_ok());
    let cost = reply::credits(body.get("cost"));
    let is_collectable = id.is_some() && polling_url.is_some();
    if !is_collectable && cost.is_none() {
        let missing = if id.is_none() { "id" } else { "polling_url" };
        return Err(unknown(&format!("the reply has no usable {missing}")));
    }
    let receipt = Receipt {
        ticket: Ticket { id: id.unwrap_or_default(), polling_url: polling_url.unwrap_or_default() },
        cost,
        input_megapixels: reply::decimal(body.get("input_mp")),
        output_megapixels: reply::decimal(body.get("output_mp")),
        accepted_at: now,
    };
    if !is_collectable {
        // A reply with a price was accepted and quoted, even if its image cannot be collected.
        let outlook =
            if receipt.ticket.is_collectable() { "a retry polls the task by its id" } else { "the image is lost" };
        return Err(SubmitError::AcceptedUntrusted {
            receipt: Box::new(receipt),
            code: FailureCode::TicketLost,
            message: format!("accepted at the quoted price, but the reply has no usable polling_url: {outlook}"),
        });
    }
    if hosts.check_polling_url(&receipt.ticket.polling_url).is_none() {
        let place = hosts::shown(&receipt.ticket.polling_url);
        return Err(SubmitError::AcceptedUntrusted {
            receipt: Box::new(receipt),
            code: FailureCode::UntrustedHost,
            message: format!(
                "the provider names the untrusted host {place} for the task; a retry polls the configured host first"
            ),
        });
    }
    Ok(receipt)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use url::Url;

    use super::*;

    const POLL: &str = "https://api.eu2.bfl.ai/v1/get_result?id=1";

    fn judge(status: u16, body: &str) -> Result<Receipt, SubmitError> {
        let reply = Reply { status, retry_after: Some(Duration::from_secs(7)), body: Ok(body.to_owned().into()) };
        let hosts = HostPolicy::new(Url::parse("https://api.bfl.ai").unwrap()).unwrap();
        interpret_reply(&reply, &hosts, DateTime::UNIX_EPOCH)
    }

    /// The error's decision as one word.
    fn word(result: &Result<Receipt, SubmitError>) -> String {
        match result {
            Ok(_) => "accepted".to_owned(),
            Err(SubmitError::NotAccepted { full: true, retry_after: Some(_), .. }) => "full".to_owned(),
            Err(SubmitError::NotAccepted { full: false, retry_after: Some(_), .. }) => "later".to_owned(),
            Err(SubmitError::NotAccepted { .. }) => "not accepted, and the wait is lost".to_owned(),
            Err(SubmitError::Rejected { code, .. } | SubmitError::Account { code, .. }) => code.as_str().to_owned(),
            Err(SubmitError::Unknown { .. }) => "unknown".to_owned(),
            Err(SubmitError::AcceptedUntrusted { code, .. }) => format!("accepted, {}", code.as_str()),
        }
    }

    #[test]
    fn quoted_reply_without_ticket_is_accepted() {
        for body in [
            r#"{"id":"1","cost":3}"#,
            r#"{"id":"1","polling_url":"not a url","cost":3}"#,
            r#"{"polling_url":"https://api.bfl.ai/x","cost":3}"#,
            r#"{"cost":3}"#,
        ] {
            match judge(200, body) {
                Err(SubmitError::AcceptedUntrusted { receipt, code: FailureCode::TicketLost, .. }) => {
                    assert_eq!(receipt.cost.unwrap().to_string(), "3", "{body}");
                }
                other => panic!("{body}: {other:?}"),
            }
        }
    }

    #[test]
    fn statuses_are_interpreted() {
        let ticket = format!(r#"{{"id":"1","polling_url":"{POLL}"}}"#);
        for (status, body, meaning) in [
            (200, ticket.as_str(), "accepted"),
            (202, &ticket, "accepted"),
            (301, "", "unknown"),
            (303, &ticket, "unknown"),
            (307, "", "unknown"),
            (400, r#"{"detail":"Finetune not found or not ready"}"#, "invalid_request"),
            (401, "", "key_rejected"),
            (402, r#"{"detail":"Insufficient credits"}"#, "out_of_credits"),
            (403, r#"{"detail":"Not authenticated"}"#, "key_rejected"),
            (400, " <!DOCTYPE html>", "wrong_endpoint"),
            (404, r#"{"detail":"Not Found"}"#, "wrong_endpoint"),
            (405, "", "wrong_endpoint"),
            (200, "<html>sign in</html>", "wrong_endpoint"),
            (408, "", "unknown"),
            (413, "<html>", "invalid_request"),
            (422, r#"{"detail":"Invalid API key format"}"#, "key_rejected"),
            (422, r#"{"detail":[{"loc":["body","x"],"msg":"Extra inputs are not permitted"}]}"#, "invalid_request"),
            (425, "", "unknown"),
            (429, r#"{"detail":"too many active tasks"}"#, "full"),
            (499, "", "unknown"),
            (500, &ticket, "unknown"),
            (502, "<html>", "unknown"),
            (503, "", "later"),
            (503, r#"{"detail":"Service temporarily unavailable"}"#, "later"),
            (503, "<html><h1>503 Service Temporarily Unavailable</h1>", "unknown"),
            (503, &ticket, "unknown"),
            (504, "", "unknown"),
            (520, "", "unknown"),
            (599, "", "unknown"),
            (999, "", "unknown"),
        ] {
            assert_eq!(word(&judge(status, body)), meaning, "HTTP {status} {body}");
        }
    }

    #[test]
    fn unclear_503_is_never_submitted_again() {
        let hosts = HostPolicy::new(Url::parse("https://api.bfl.ai").unwrap()).unwrap();
        let meaning = |retry_after: Option<u64>, body: Result<&str, &str>| {
            let body = body.map(|body| body.to_owned().into()).map_err(str::to_owned);
            let reply = Reply { status: 503, retry_after: retry_after.map(Duration::from_secs), body };
            match interpret_reply(&reply, &hosts, DateTime::UNIX_EPOCH) {
                Err(SubmitError::NotAccepted { full: false, .. }) => "not accepted",
                Err(SubmitError::Unknown { .. }) => "unknown",
                other => panic!("{other:?}"),
            }
        };
        for (retry_after, body, expected) in [
            (None, Ok(r#"{"detail":"maintenance"}"#), "not accepted"),
            (Some(2), Ok("maintenance"), "not accepted"),
            (None, Ok("upstream connect error or disconnect/reset before headers"), "unknown"),
            (None, Ok(""), "unknown"),
            (None, Ok("{}"), "unknown"),
            (None, Ok(r#"{"message":"Service Unavailable"}"#), "unknown"),
            (None, Ok(r#"{"detail":"mainten"#), "unknown"),
            (Some(2), Ok("<html>"), "unknown"),
            (Some(2), Err("the reply was cut off"), "unknown"),
            (Some(2), Ok(r#"{"id":"1","detail":"maintenance"}"#), "unknown"),
        ] {
            assert_eq!(meaning(retry_after, body), expected, "{retry_after:?} {body:?}");
        }
    }

    #[test]
    fn receipt_ignores_invalid_amounts() {
        for (extra, cost, output) in [
            (r#","cost":3.0,"input_mp":0.0,"output_mp":1.0"#, Some("3"), Some("1")),
            (r#","cost":4.5,"output_mp":1.98"#, Some("4.5"), Some("1.98")),
            (r#","cost":null,"output_mp":null"#, None, None),
            (r#","cost":"3","output_mp":"1""#, None, None),
            (r#","cost":-3,"output_mp":-1"#, None, None),
            (r#","cost":{"a":1}"#, None, None),
            (r#","cost":1e30"#, None, None),
            ("", None, None),
        ] {
            let receipt = judge(200, &format!(r#"{{"id":"1","polling_url":"{POLL}"{extra}}}"#)).unwrap();
            assert_eq!(receipt.cost.map(|cost| cost.to_string()).as_deref(), cost, "{extra}");
            assert_eq!(receipt.output_megapixels.map(|mp| mp.normalize().to_string()).as_deref(), output, "{extra}");
            assert_eq!(receipt.ticket.polling_url, POLL);
        }
    }

    #[test]
    fn accepted_without_usable_ticket_is_unknown() {
        let long = format!(r#"{{"id":"{}","polling_url":"{POLL}"}}"#, "x".repeat(257));
        let far = format!(r#"{{"id":"1","polling_url":"https://api.bfl.ai/{}"}}"#, "x".repeat(5000));
        for body in [
            "",
            "null",
            "[]",
            "3",
            "\"id\"",
            "{\"id\":\"1\"",
            "\u{feff}{}",
            "{}",
            r#"{"id":"1"}"#,
            r#"{"polling_url":"https://api.bfl.ai/"}"#,
            r#"{"id":1,"polling_url":"https://api.bfl.ai/"}"#,
            r#"{"id":"","polling_url":"https://api.bfl.ai/"}"#,
            r#"{"id":"a\u001b[2J","polling_url":"https://api.bfl.ai/"}"#,
            r#"{"id":"1","polling_url":"not a url"}"#,
            r#"{"id":"1","polling_url":"/v1/get_result"}"#,
            r#"{"id":"1","polling_url":["https://api.bfl.ai/"]}"#,
            r#"{"id":"1","polling_url":"https://api.bfl.ai/\n"}"#,
            r#"{"id":"1","polling_url":"https://api.bfl.ai/","cost":1e999}"#,
            &long,
            &far,
        ] {
            assert_eq!(word(&judge(200, body)), "unknown", "{body:.80}");
        }
        let cut = Reply { status: 200, retry_after: None, body: Err("the reply was cut off".to_owned()) };
        let hosts = HostPolicy::new(Url::parse("https://api.bfl.ai").unwrap()).unwrap();
        assert_eq!(word(&interpret_reply(&cut, &hosts, DateTime::UNIX_EPOCH)), "unknown");
    }

    #[test]
    fn untrusted_polling_url_is_charged_not_polled() {
        for url in
            ["https://evil.example/x?id=1", "http://api.bfl.ai/x", "file:///etc/passwd", "https://u:p@api.bfl.ai/x"]
        {
            let body = format!(r#"{{"id":"1","polling_url":"{url}","cost":3}}"#);
            match judge(200, &body) {
                Err(SubmitError::AcceptedUntrusted { receipt, code: FailureCode::UntrustedHost, message }) => {
                    assert_eq!(receipt.cost.unwrap().to_string(), "3");
                    assert!(!message.contains("id=1"), "{message}");
                }
                other => panic!("{url}: {other:?}"),
            }
        }
    }

    #[test]
    fn only_missing_connection_is_not_accepted() {
        let lost = |never_sent| interpret_no_reply(NoReply { never_sent, reason: "x".to_owned() });
        assert!(matches!(lost(true), SubmitError::NotAccepted { full: false, .. }));
        assert!(matches!(lost(false), SubmitError::Unknown { .. }));
    }
}
