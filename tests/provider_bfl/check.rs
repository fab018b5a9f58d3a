//! Looks at a ticket: trouble is never taken for the ticket's end, and its end is never taken for trouble.

use darkroom::jobs::Ticket;
use darkroom::provider::{CheckError, Provider as _, TicketStatus};

use super::server::{Answer, Server};
use super::{client, hasty_client};

fn word(result: &Result<TicketStatus, CheckError>) -> String {
    match result {
        Ok(TicketStatus::Pending { .. }) => "waiting".to_owned(),
        Ok(TicketStatus::Ready { .. }) => "ready".to_owned(),
        Ok(TicketStatus::Failed { failure, .. }) => failure.code.as_str().to_owned(),
        Err(CheckError::Retryable { not_found: true, .. }) => "not found".to_owned(),
        Err(CheckError::Retryable { .. }) => "later".to_owned(),
        Err(CheckError::Account { .. }) => "account".to_owned(),
        Err(CheckError::UntrustedHost { .. }) => "foreign".to_owned(),
    }
}

fn ticket(server: &Server) -> Ticket {
    Ticket { id: "1".to_owned(), polling_url: format!("{}/v1/get_result?id=1", server.base) }
}

#[tokio::test]
async fn hostile_poll_replies_are_interpreted() {
    let big = format!(r#"{{"status":"Ready","result":{{"sample":"{{base}}/a"}},"x":"{}"}}"#, "x".repeat(1_100_000));
    let ready = r#"{"status":"Ready","result":{"sample":"{base}/a"},"cost":3}"#;
    let cases = [
        ("ready", Answer::json(200, ready), "ready"),
        ("pending", Answer::json(200, r#"{"status":"Pending","progress":0.1}"#), "waiting"),
        ("a new word", Answer::json(200, r#"{"status":"Dreaming"}"#), "waiting"),
        ("nothing", Answer::raw(""), "later"),
        ("slammed", Answer::raw("").unread(), "later"),
        ("no HTTP", Answer::raw("+OK pop3 ready\r\n"), "later"),
        ("HTML", Answer::http(200, "", b"<html>"), "later"),
        ("no UTF-8", Answer::http(200, "", b"{\"status\":\"\xff\"}"), "later"),
        ("too much", Answer::json(200, &big), "later"),
        ("announced too much", Answer::with_length(200, "", b"{}", 99_999_999), "later"),
        ("broken off", Answer::with_length(200, "", br#"{"status":"Ready"}"#, 500), "later"),
        ("a length too short", Answer::with_length(200, "", br#"{"status":"Error"}"#, 10), "later"),
        ("failed as a 422", Answer::json(422, r#"{"status":"Error","details":{"error":"x"}}"#), "provider_error"),
        ("failed as a 503", Answer::json(503, r#"{"status":"Failed"}"#), "provider_error"),
        ("moderated", Answer::json(200, r#"{"status":"Content Moderated"}"#), "content_moderated"),
        ("blocked", Answer::json(200, r#"{"status":"Request Moderated"}"#), "request_moderated"),
        ("lost", Answer::json(200, r#"{"status":"Task not found"}"#), "ticket_lost"),
        ("too early", Answer::json(404, r#"{"status":"Task not found"}"#), "not found"),
        ("a 503", Answer::http(503, "Retry-After: 2\r\n", b""), "later"),
        ("a 429", Answer::json(429, ""), "later"),
        ("a key refused", Answer::json(403, r#"{"detail":"Not authenticated"}"#), "account"),
    ];
    let server = Server::start_all(cases.iter().map(|case| case.1.clone()).collect()).await;
    let client = client(&server.base);
    for (name, _, expected) in cases {
        let result = client.check(&ticket(&server)).await;
        assert_eq!(word(&result), expected, "{name}: {result:?}");
        if let Err(error) = result {
            assert!(!error.to_string().contains("id=1"), "{name}: {error}");
        }
    }
}

#[tokio::test]
async fn stalled_poll_is_retryable() {
    for answer in [Answer::raw("").hold(), Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{").hold()] {
        let server = Server::start(answer).await;
        let result = hasty_client(&server.base).check(&ticket(&server)).await;
        assert_eq!(word(&result), "later", "{result:?}");
    }
}

#[tokio::test]
async fn tampered_polling_url_is_not_requested() {
    let server = Server::start(Answer::json(404, r#"{"detail":"Not Found"}"#)).await;
    let client = client(&server.base);
    let urls = [
        "",
        "not a url",
        "file:///etc/passwd",
        "https://evil.example/",
        "http://evil.example/",
        "https://169.254.169.254/",
    ];
    for url in urls {
        let without_id = Ticket { id: String::new(), polling_url: url.to_owned() };
        assert_eq!(word(&client.check(&without_id).await), "foreign", "{url}");
    }
    assert!(server.seen().is_empty());
    // With an id the configured host is asked, and no other one.
    for url in urls {
        let ticket = Ticket { id: "1".to_owned(), polling_url: url.to_owned() };
        assert_eq!(word(&client.check(&ticket).await), "foreign", "{url}");
    }
    let seen = server.seen();
    let is_by_id = |request: &String| request.starts_with("GET /v1/get_result?id=1 HTTP/1.1");
    assert!(seen.len() == urls.len() && seen.iter().all(is_by_id), "{seen:?}");
}
