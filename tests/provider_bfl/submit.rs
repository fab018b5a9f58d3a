//! Orders: what is uncertain must be `Unknown`, what is certain must not be, and no order is ever sent twice.

use std::time::Duration;

use darkroom::catalog::InputSizes;
use darkroom::jobs::FailureCode;
use darkroom::provider::bfl::{FluxClient, FluxOptions};
use darkroom::provider::{PreparedRequest, Provider as _, SubmitError};
use serde_json::json;
use tokio::net::TcpListener;

use super::server::{Answer, Server};
use super::{client, hasty_client, options};

fn order() -> PreparedRequest {
    PreparedRequest { route: "flux-2-pro".to_owned(), body: json!({"prompt": "a"}), input_sizes: InputSizes::new() }
}

/// The decision as one word.
fn word(result: &Result<darkroom::jobs::Receipt, SubmitError>) -> &'static str {
    match result {
        Ok(_) => "accepted",
        Err(SubmitError::NotAccepted { full: true, .. }) => "full",
        Err(SubmitError::NotAccepted { .. }) => "not accepted",
        Err(SubmitError::Rejected { .. }) => "refused",
        Err(SubmitError::Account { code: FailureCode::OutOfCredits, .. }) => "out of credits",
        Err(SubmitError::Account { code: FailureCode::WrongEndpoint, .. }) => "wrong endpoint",
        Err(SubmitError::Account { .. }) => "key rejected",
        Err(SubmitError::Unknown { .. }) => "unknown",
        Err(SubmitError::AcceptedUntrusted { .. }) => "unusable",
    }
}

const TICKET: &str = r#"{"id":"1","polling_url":"{base}/p?id=1","cost":3.0}"#;

#[tokio::test]
async fn hostile_submit_replies_are_never_retried() {
    let text = |text: &str| Answer::raw(text.to_owned());
    let head = |rest: &str| Answer::raw(format!("HTTP/1.1 200 OK\r\n{rest}"));
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    let big = format!(r#"{{"id":"1","polling_url":"http://127.0.0.1/","x":"{}"}}"#, "x".repeat(1_100_000));
    let deep = "[".repeat(100_000);
    let cases = [
        ("a good answer", Answer::json(200, TICKET), "accepted"),
        ("after a 100", text(&format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{TICKET}")), "accepted"),
        ("nothing", text(""), "unknown"),
        ("slammed before the request was read", Answer::raw("").unread(), "unknown"),
        ("half a head", text("HTTP/1.1 200 OK\r\nContent-Le"), "unknown"),
        ("no HTTP", text("220 mail.example.org ESMTP\r\n"), "unknown"),
        ("binary noise", Answer::raw(vec![0_u8, 255, 254, 13, 10, 13, 10, 1]), "unknown"),
        ("an endless head", text(&format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(2_000_000))), "unknown"),
        ("a body that breaks off", head("Content-Length: 500\r\n\r\n{\"id\":\"1\""), "unknown"),
        (
            "a length too short",
            head("Content-Length: 20\r\n\r\n{\"id\":\"1\",\"polling_url\":\"http://127.0.0.1/\"}"),
            "unknown",
        ),
        ("two lengths", head("Content-Length: 5\r\nContent-Length: 9\r\n\r\n{}"), "unknown"),
        ("a negative length", head("Content-Length: -1\r\n\r\n{}"), "unknown"),
        ("a huge length", head("Content-Length: 99999999999\r\n\r\n{}"), "unknown"),
        ("a broken chunk", head(&format!("{chunked}ZZ\r\n{{}}\r\n0\r\n\r\n")), "unknown"),
        ("chunks without an end", head(&format!("{chunked}2\r\n{{}}\r\n")), "unknown"),
        ("no body", Answer::http(200, "", b""), "unknown"),
        ("a 204", text("HTTP/1.1 204 No Content\r\n\r\n"), "unknown"),
        ("HTML", Answer::http(200, "Content-Type: text/html\r\n", b"<html>hello</html>"), "wrong endpoint"),
        ("broken JSON", Answer::json(200, r#"{"id":"1","polling_url":"{base}/p","#), "unknown"),
        ("JSON that is too deep", Answer::json(200, &deep), "unknown"),
        ("no UTF-8", Answer::http(200, "", b"{\"id\":\"\xff\xfe\"}"), "unknown"),
        ("too much JSON", Answer::json(200, &big), "unknown"),
        ("numbers for texts", Answer::json(200, r#"{"id":1,"polling_url":2}"#), "unknown"),
        ("control characters in the id", Answer::json(200, r#"{"id":"a\u0000b","polling_url":"{base}/p"}"#), "unknown"),
        ("a relative address", Answer::json(200, r#"{"id":"1","polling_url":"/p"}"#), "unknown"),
        ("a webhook's answer", Answer::json(200, r#"{"id":"1","status":"Pending","webhook_url":"{base}"}"#), "unknown"),
        ("an address elsewhere", Answer::json(200, r#"{"id":"1","polling_url":"https://evil.example/"}"#), "unusable"),
        ("a script as address", Answer::json(200, r#"{"id":"1","polling_url":"javascript:alert(1)"}"#), "unusable"),
        ("a refusal that breaks off", Answer::with_length(422, "", b"{\"det", 900), "refused"),
        ("a full house that breaks off", Answer::with_length(429, "Retry-After: 3\r\n", b"", 900), "full"),
        ("an empty purse that breaks off", Answer::with_length(402, "", b"x", 900), "out of credits"),
        ("a bad key", Answer::json(403, r#"{"detail":"Not authenticated - Invalid Authentication"}"#), "key rejected"),
        ("maintenance", Answer::json(503, r#"{"detail":"Service temporarily unavailable"}"#), "not accepted"),
        ("maintenance for a while", Answer::http(503, "Retry-After: 2\r\n", b""), "not accepted"),
        ("a gateway that lost its upstream", Answer::json(503, "<html>"), "unknown"),
        ("a gateway's text", Answer::http(503, "", b"no healthy upstream"), "unknown"),
        ("maintenance that breaks off", Answer::with_length(503, "Retry-After: 2\r\n", b"{\"det", 900), "unknown"),
        ("a broken gateway", Answer::json(502, "<html>"), "unknown"),
        ("a tired gateway", Answer::json(504, ""), "unknown"),
        ("an internal error with a ticket", Answer::json(500, TICKET), "unknown"),
        ("a status out of range", text("HTTP/1.1 000 X\r\n\r\n"), "unknown"),
    ];
    let server = Server::start_all(cases.iter().map(|case| case.1.clone()).collect()).await;
    let client = client(&server.base);
    for (index, (name, _, expected)) in cases.iter().enumerate() {
        let result = client.submit(order()).await;
        assert_eq!(word(&result), *expected, "{name}: {result:?}");
        assert_eq!(server.seen().len(), index + 1, "{name}: it was sent again");
        if let Err(error) = result {
            let line = error.to_string();
            assert!(line.chars().count() < 400 && !line.contains(['\n', '\u{1b}', '\0']), "{name}: {line:?}");
            assert!(!line.contains("id=1") && !line.contains(super::KEY), "{name}: {line}");
        }
    }
}

#[tokio::test]
async fn stalled_submit_is_unknown() {
    let answers = [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    ];
    let server = Server::start_all(answers.map(|answer| Answer::raw(answer).hold()).to_vec()).await;
    let client = hasty_client(&server.base);
    for answer in answers {
        let result = client.submit(order()).await;
        assert_eq!(word(&result), "unknown", "{answer}: {result:?}");
    }
    assert_eq!(server.seen().len(), answers.len());
}

#[tokio::test]
async fn rejection_is_certain_without_its_body() {
    let server = Server::start(Answer::raw("HTTP/1.1 402 X\r\nContent-Length: 100\r\n\r\n{").hold()).await;
    // Time enough for the head to arrive on a machine that is busy.
    let options = FluxOptions { submit_timeout: Duration::from_secs(3), ..options(&server.base) };
    let client = FluxClient::new(options).unwrap();
    assert_eq!(word(&client.submit(order()).await), "out of credits");
}

#[tokio::test]
async fn missing_connection_is_not_accepted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let plain = Server::start(Answer::raw("I do not speak TLS\r\n").unread()).await;
    for base in [format!("http://127.0.0.1:{port}"), format!("https://127.0.0.1:{}", plain.port)] {
        let result = client(&base).submit(order()).await;
        assert_eq!(word(&result), "not accepted", "{base}: {result:?}");
    }
}

#[tokio::test]
async fn every_submit_uses_a_new_connection() {
    // A server that would keep connections open: an order on a kept one could be cut off by its idle timeout.
    let server = Server::start(Answer::raw("HTTP/1.1 422 X\r\nContent-Length: 2\r\n\r\n{}").hold()).await;
    let client = client(&server.base);
    for _ in 0..3 {
        assert_eq!(word(&client.submit(order()).await), "refused");
    }
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn full_provider_wait_is_returned() {
    let cases = [
        ("Retry-After: 5\r\n", "", Some(5)),
        ("", r#"{"retry_after":7}"#, Some(7)),
        ("Retry-After: soon\r\n", "", None),
        ("Retry-After: 99999999\r\n", "", Some(3600)),
        ("Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "", Some(0)),
        ("", "", None),
    ];
    let server = Server::start_all(cases.map(|(headers, body, _)| Answer::http(429, headers, body)).to_vec()).await;
    let client = client(&server.base);
    for (headers, body, seconds) in cases {
        let Err(SubmitError::NotAccepted { retry_after, full: true, .. }) = client.submit(order()).await else {
            panic!("{headers} {body}")
        };
        assert_eq!(retry_after.map(|wait| wait.as_secs()), seconds, "{headers} {body}");
    }
}

#[tokio::test]
async fn large_request_arrives_complete() {
    let server = Server::start(Answer::json(200, TICKET)).await;
    let mut order = order();
    order.body = json!({"prompt": "a", "input_image": "x".repeat(3_000_000)});
    client(&server.base).submit(order).await.unwrap();
    assert!(server.only().len() > 3_000_000);
}
