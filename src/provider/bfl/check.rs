//! Interprets the reply to a poll. Pure. A failing server is never a failed ticket.

use serde_json::Value;

use super::hosts::{self, MAX_URL};
use super::reply::{self, Reply};
use super::transport::NoReply;
use crate::jobs::{BillingStatus, FailureCode, Ticket};
use crate::provider::{CheckError, ResultLink, TicketFailure, TicketStatus};
use crate::text::sanitize_line;

/// The outcome of a poll without a reply.
pub(super) fn interpret_no_reply(no_reply: NoReply) -> CheckError {
    CheckError::Retryable { reason: no_reply.reason, retry_after: None, not_found: false }
}

/// A ticket at an address that must not get the key, which the configured host does not know by its id.
pub(super) fn untrusted_host(ticket: &Ticket) -> CheckError {
    let place = hosts::shown(&ticket.polling_url);
    CheckError::UntrustedHost { message: format!("refusing to send the API key to untrusted host {place}") }
}

/// Whether the host that was polled does not know the ticket.
pub(super) fn is_not_found(result: &Result<TicketStatus, CheckError>) -> bool {
    match result {
        Ok(TicketStatus::Failed { failure, .. }) => failure.code == FailureCode::TicketLost,
        Err(CheckError::Retryable { not_found, .. }) => *not_found,
        _ => false,
    }
}

/// The outcome of a poll with a reply. The body is read before the status is judged: a failed ticket may answer 422, 500 or 503.
///
/// A 404 is never final here, whatever its body says: it also comes for a ticket that was just made, and from a host that does
/// not have it yet.
pub(super) fn interpret_reply(reply: &Reply) -> Result<TicketStatus, CheckError> {
    match reply.status {
        401 | 403 => return Err(CheckError::Account { message: reply.key_refused() }),
        422 if reply.is_malformed_key() => return Err(CheckError::Account { message: reply.key_refused() }),
        404 => return Err(retryable(reply, reply.error_message(), true)),
        429 | 300..=399 => return Err(retryable(reply, reply.error_message(), false)),
        _ => {}
    }
    let in_order = (200..=299).contains(&reply.status);
    let trouble = |what: String| retryable(reply, if in_order { what } else { reply.error_message() }, false);
    let body = reply.json().map_err(trouble)?;
    let status = body.get("status").and_then(Value::as_str);
    let Some(status) = status else { return Err(trouble("the answer names no status".to_owned())) };
    match status {
        "Ready" if in_order => ready(&body).ok_or_else(|| trouble("the answer holds no link to the image".to_owned())),
        "Error" | "Failed" => Ok(failed(FailureCode::ProviderError, error_text(&body), &body)),
        "Request Moderated" => {
            Ok(failed(FailureCode::RequestModerated, moderation("the request was blocked", &body), &body))
        }
        "Content Moderated" => {
            Ok(failed(FailureCode::ContentModerated, moderation("the image was withheld", &body), &body))
        }
        "Task not found" => {
            Ok(failed(FailureCode::TicketLost, "the provider does not know the task any more".to_owned(), &body))
        }
        _ if !in_order => Err(retryable(reply, reply.error_message(), false)),
        word => {
            let shown = sanitize_line(word, 40);
            if !matches!(word, "Pending" | "Reasoning" | "Generating") {
                tracing::warn!(status = %shown, "unknown task status, treated as pending");
            }
            Ok(TicketStatus::Pending {
                status: shown,
                progress: progress(body.get("progress")),
                retry_after: reply.retry_after(),
            })
        }
    }
}

fn retryable(reply: &Reply, reason: String, not_found: bool) -> CheckError {
    CheckError::Retryable { reason, retry_after: reply.retry_after(), not_found }
}

/// Longest prompt of a result that is kept, in bytes.
const MAX_PROMPT: usize = 16_384;

fn ready(body: &Value) -> Option<TicketStatus> {
    let result = body.get("result")?;
    let url = result.get("sample")?.as_str()?;
    let prompt = result.get("prompt").and_then(Value::as_str).filter(|prompt| prompt.len() <= MAX_PROMPT);
    let sample = || ResultLink {
        url: url.to_owned(),
        seed: result.get("seed").and_then(Value::as_u64),
        prompt: prompt.map(str::to_owned),
    };
    (!url.is_empty() && url.len() <= MAX_URL)
        .then(|| TicketStatus::Ready { sample: sample(), cost: reply::credits(body.get("cost")) })
}

/// Whether an outcome without an image is billed is documented nowhere.
fn failed(code: FailureCode, message: String, body: &Value) -> TicketStatus {
    TicketStatus::Failed {
        failure: TicketFailure { code, message, billed: BillingStatus::Unknown },
        cost: reply::credits(body.get("cost")),
    }
}

/// `details.error`, in older answers `result.error`, or `details` itself.
fn error_text(body: &Value) -> String {
    let inner = |key: &str| body.get(key)?.get("error")?.as_str();
    let text = inner("details").or_else(|| inner("result")).or_else(|| body.get("details")?.as_str());
    match text.map(|text| sanitize_line(text, 240)) {
        Some(text) if !text.is_empty() => format!("generation failed: {text}"),
        _ => "generation failed (no reason given)".to_owned(),
    }
}

fn moderation(what: &str, body: &Value) -> String {
    let reasons = body.get("details").and_then(|details| details.get("Moderation Reasons"));
    let reasons: Vec<String> = match reasons {
        Some(Value::Array(reasons)) => {
            reasons.iter().take(6).filter_map(Value::as_str).map(|one| sanitize_line(one, 60)).collect()
        }
        Some(Value::String(reason)) => vec![sanitize_line(reason, 60)],
        _ => Vec::new(),
    };
    let reasons: Vec<String> = reasons.into_iter().filter(|reason| !reason.is_empty()).collect();
    if reasons.is_empty() {
        format!("{what} by moderation")
    } else {
        format!("{what} by moderation: {}", reasons.join(", "))
    }
}

/// From 0 to 1. One client has seen percent; anything else is no progress.
fn progress(value: Option<&Value>) -> Option<f32> {
    let number = value?.as_f64()?;
    match number {
        _ if (0.0..=1.0).contains(&number) => Some(number as f32),
        _ if (1.0..=100.0).contains(&number) => Some((number / 100.0) as f32),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn look(status: u16, body: &str) -> Result<TicketStatus, CheckError> {
        interpret_reply(&Reply { status, retry_after: Some(Duration::from_secs(7)), body: Ok(body.to_owned().into()) })
    }

    /// The answer's decision as a few words.
    fn words(result: &Result<TicketStatus, CheckError>) -> String {
        match result {
            Ok(TicketStatus::Pending { status, progress, .. }) => match progress {
                Some(progress) => format!("waiting {status} {progress:.2}"),
                None => format!("waiting {status}"),
            },
            Ok(TicketStatus::Ready { sample, cost }) => match cost {
                Some(cost) if sample.seed.is_some() => {
                    format!("ready {} {cost} seed {}", sample.url, sample.seed.unwrap_or_default())
                }
                Some(cost) => format!("ready {} {cost}", sample.url),
                None => format!("ready {}", sample.url),
            },
            Ok(TicketStatus::Failed { failure, .. }) => {
                assert_eq!(failure.billed, BillingStatus::Unknown);
                format!("{}: {}", failure.code.as_str(), failure.message)
            }
            Err(CheckError::Retryable { retry_after, not_found, .. }) => {
                assert_eq!(*retry_after, Some(Duration::from_secs(7)));
                if *not_found { "not found".to_owned() } else { "later".to_owned() }
            }
            Err(CheckError::Account { .. }) => "account".to_owned(),
            Err(CheckError::UntrustedHost { .. }) => "foreign".to_owned(),
        }
    }

    const NO_REASON: &str = "provider_error: generation failed (no reason given)";

    #[test]
    fn replies_are_interpreted() {
        for (status, body, meaning) in [
            // Waiting.
            (200, r#"{"id":"1","status":"Pending","result":null,"progress":null}"#, "waiting Pending"),
            (200, r#"{"status":"Pending","progress":0.5}"#, "waiting Pending 0.50"),
            (200, r#"{"status":"Reasoning","progress":1}"#, "waiting Reasoning 1.00"),
            (200, r#"{"status":"Generating","progress":42}"#, "waiting Generating 0.42"),
            (200, r#"{"status":"Pending","progress":-1}"#, "waiting Pending"),
            (200, r#"{"status":"Pending","progress":1e9}"#, "waiting Pending"),
            (200, r#"{"status":"Pending","progress":"50%"}"#, "waiting Pending"),
            (202, r#"{"status":"Pending"}"#, "waiting Pending"),
            (200, r#"{"status":"Dreaming\u001b[2J"}"#, "waiting Dreaming[2J"),
            (200, r#"{"status":"ready"}"#, "waiting ready"),
            (200, r#"{"status":""}"#, "waiting "),
            // Ready.
            (200, r#"{"status":"Ready","result":{"sample":"https://d.bfl.ai/a"}}"#, "ready https://d.bfl.ai/a"),
            (
                200,
                r#"{"status":"Ready","result":{"sample":"s","seed":1752478609715},"cost":4.75}"#,
                "ready s 4.75 seed 1752478609715",
            ),
            (200, r#"{"status":"Ready","result":{"sample":"s"},"cost":"free"}"#, "ready s"),
            (200, r#"{"status":"Ready","result":{"sample":"s"},"cost":-1}"#, "ready s"),
            // Ready without an image: poll again, the ticket may be complete later.
            (200, r#"{"status":"Ready","result":null}"#, "later"),
            (200, r#"{"status":"Ready"}"#, "later"),
            (200, r#"{"status":"Ready","result":{"sample":""}}"#, "later"),
            (200, r#"{"status":"Ready","result":{"sample":["s"]}}"#, "later"),
            (200, r#"{"status":"Ready","result":"s"}"#, "later"),
            (500, r#"{"status":"Ready","result":{"sample":"s"}}"#, "later"),
            // Dead.
            (
                200,
                r#"{"status":"Error","details":{"error":"out\nof memory"}}"#,
                "provider_error: generation failed: out of memory",
            ),
            (200, r#"{"status":"Error","result":{"error":"old"}}"#, "provider_error: generation failed: old"),
            (200, r#"{"status":"Error","details":"text"}"#, "provider_error: generation failed: text"),
            (200, r#"{"status":"Error","details":null}"#, NO_REASON),
            (200, r#"{"status":"Error","details":{"error":{"deep":1}}}"#, NO_REASON),
            (200, r#"{"status":"Failed"}"#, NO_REASON),
            (422, r#"{"status":"Error","details":{"error":"bad"}}"#, "provider_error: generation failed: bad"),
            (500, r#"{"status":"Error"}"#, NO_REASON),
            (503, r#"{"status":"Error"}"#, NO_REASON),
            (
                200,
                r#"{"status":"Request Moderated","details":{"Moderation Reasons":["Derivative Works Filter","x\u202ey"]}}"#,
                "request_moderated: the request was blocked by moderation: Derivative Works Filter, xy",
            ),
            (
                200,
                r#"{"status":"Content Moderated","details":{"Moderation Reasons":"Sexual Content"}}"#,
                "content_moderated: the image was withheld by moderation: Sexual Content",
            ),
            (
                200,
                r#"{"status":"Content Moderated","details":{"Moderation Reasons":[3,null,""]}}"#,
                "content_moderated: the image was withheld by moderation",
            ),
            (
                200,
                r#"{"status":"Request Moderated","details":[]}"#,
                "request_moderated: the request was blocked by moderation",
            ),
            (503, r#"{"status":"Request Moderated"}"#, "request_moderated: the request was blocked by moderation"),
            (200, r#"{"status":"Task not found"}"#, "ticket_lost: the provider does not know the task any more"),
            // Not there, or not yet.
            (404, r#"{"detail":"Not Found"}"#, "not found"),
            (404, r#"{"status":"Task not found"}"#, "not found"),
            (404, "", "not found"),
            // In trouble: the ticket is unaffected.
            (429, r#"{"status":"Error"}"#, "later"),
            (500, "", "later"),
            (500, r#"{"status":"Pending"}"#, "later"),
            (502, "<html>", "later"),
            (503, r#"{"detail":"maintenance"}"#, "later"),
            (302, "", "later"),
            (400, r#"{"detail":"bad id"}"#, "later"),
            (422, r#"{"detail":[{"msg":"x"}]}"#, "later"),
            (200, "", "later"),
            (200, "{", "later"),
            (200, "[]", "later"),
            (200, "null", "later"),
            (200, r#"{"status":null}"#, "later"),
            (200, r#"{"status":200}"#, "later"),
            (200, r#"{"status":["Ready"]}"#, "later"),
            (200, "\u{0}\u{1}\u{2}", "later"),
            // The account.
            (401, "", "account"),
            (403, r#"{"detail":"Not authenticated"}"#, "account"),
            (422, r#"{"detail":"Invalid API key format"}"#, "account"),
        ] {
            assert_eq!(words(&look(status, body)), meaning, "HTTP {status} {body}");
        }
    }

    #[test]
    fn long_error_text_is_truncated() {
        for body in [
            format!(r#"{{"status":"{}"}}"#, "x".repeat(100_000)),
            format!(r#"{{"status":"Error","details":{{"error":"{}"}}}}"#, "x".repeat(100_000)),
            format!(
                r#"{{"status":"Request Moderated","details":{{"Moderation Reasons":["{0}","{0}"]}}}}"#,
                "x".repeat(100_000)
            ),
            format!(r#"{{"status":"Ready","result":{{"sample":"https://d.bfl.ai/{}"}}}}"#, "x".repeat(100_000)),
        ] {
            assert!(words(&look(200, &body)).chars().count() < 300);
        }
    }
}
