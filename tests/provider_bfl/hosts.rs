//! Where the key goes and where it never goes.

use darkroom::catalog::InputSizes;
use darkroom::jobs::Ticket;
use darkroom::provider::bfl::{FluxClient, FluxClientError, FluxOptions};
use darkroom::provider::{
    CheckError, CreditsError, FetchError, PreparedRequest, Provider as _, ResultLink, SubmitError, TicketStatus,
};
use serde_json::json;
use url::Url;

use super::server::{Answer, Server};
use super::{KEY, client};

fn order() -> PreparedRequest {
    PreparedRequest {
        route: "flux-tools/erase-v1".to_owned(),
        body: json!({"prompt": "a"}),
        input_sizes: InputSizes::new(),
    }
}

fn ticket(url: impl Into<String>) -> Ticket {
    Ticket { id: "1".to_owned(), polling_url: url.into() }
}

fn has_key(request: &str) -> bool {
    request.contains(KEY)
}

#[tokio::test]
async fn key_is_sent_with_api_requests() {
    let server = Server::start(Answer::json(
        200,
        r#"{"id":"1","polling_url":"{base}/p?id=1","status":"Pending","credits":198.6}"#,
    ))
    .await;
    let client = client(&server.base);
    let receipt = client.submit(order()).await.unwrap();
    client.check(&receipt.ticket).await.unwrap();
    assert_eq!(client.credits().await.unwrap().to_string(), "198.6");
    let seen = server.seen();
    let lines: Vec<&str> = seen.iter().filter_map(|request| request.lines().next()).collect();
    assert_eq!(lines, ["POST /v1/flux-tools/erase-v1 HTTP/1.1", "GET /p?id=1 HTTP/1.1", "GET /v1/credits HTTP/1.1"]);
    for request in &seen {
        assert!(request.contains(&format!("x-key: {KEY}\r\n")), "{request}");
        assert!(request.contains("user-agent: darkroom/"), "{request}");
    }
    assert!(seen[0].ends_with(r#"{"prompt":"a"}"#), "{}", seen[0]);
}

#[tokio::test]
async fn key_is_sent_to_same_host_other_port() {
    let base = Server::start(Answer::json(200, "{}")).await;
    let cluster = Server::start(Answer::json(200, r#"{"status":"Pending"}"#)).await;
    client(&base.base).check(&ticket(format!("{}/v1/get_result?id=1", cluster.base))).await.unwrap();
    assert!(has_key(&cluster.only()));
    assert!(base.seen().is_empty());
}

#[tokio::test]
async fn untrusted_ticket_host_is_never_contacted() {
    let foreign = Server::start(Answer::json(200, r#"{"status":"Pending"}"#)).await;
    let url = format!("http://localhost:{}/v1/get_result?id=1", foreign.port);
    let server =
        Server::start(Answer::json(200, &json!({"id": "1", "polling_url": url, "cost": 4.5}).to_string())).await;
    let client = client(&server.base);
    let Err(SubmitError::AcceptedUntrusted { receipt, message, .. }) = client.submit(order()).await else {
        panic!("it was taken for a usable ticket")
    };
    assert_eq!(receipt.cost.unwrap().to_string(), "4.5");
    assert!(!message.contains("id=1"), "{message}");
    // Only the configured host is asked, by the id.
    let _ = client.check(&receipt.ticket).await;
    let seen = server.seen();
    assert!(seen[1].starts_with("GET /v1/get_result?id=1 HTTP/1.1") && has_key(&seen[1]), "{}", seen[1]);
    assert!(foreign.seen().is_empty());
}

#[tokio::test]
async fn ticket_without_address_is_polled_by_id() {
    for (answer, expected) in [
        (Answer::json(200, r#"{"status":"Pending"}"#), "pending"),
        (Answer::json(503, ""), "later"),
        (Answer::json(404, r#"{"detail":"Not Found"}"#), "untrusted"),
        (Answer::json(200, r#"{"status":"Task not found"}"#), "untrusted"),
    ] {
        let server = Server::start(answer).await;
        for url in ["", "https://api.bfl.ai.attacker.example/v1/get_result?id=1"] {
            let ticket = Ticket { id: "a&b=1".to_owned(), polling_url: url.to_owned() };
            let word = match client(&server.base).check(&ticket).await {
                Ok(TicketStatus::Pending { .. }) => "pending",
                Err(CheckError::Retryable { .. }) => "later",
                Err(CheckError::UntrustedHost { .. }) => "untrusted",
                other => panic!("{other:?}"),
            };
            assert_eq!(word, expected, "{url}");
        }
        assert!(server.seen()[0].starts_with("GET /v1/get_result?id=a%26b%3D1 HTTP/1.1"), "{}", server.seen()[0]);
    }
    let server = Server::start(Answer::json(200, r#"{"status":"Pending"}"#)).await;
    let lost = Ticket { id: String::new(), polling_url: String::new() };
    assert!(matches!(client(&server.base).check(&lost).await, Err(CheckError::UntrustedHost { .. })));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn key_is_not_sent_with_downloads() {
    let server = Server::start(Answer::http(200, "Content-Type: image/png\r\n", b"no image")).await;
    let client = client(&server.base);
    let sample = ResultLink::new(format!("{}/a.png?sig=hidden", server.base));
    assert!(matches!(client.fetch(&sample).await, Err(FetchError::Corrupt { .. })));
    let request = server.only();
    assert!(request.starts_with("GET /a.png?sig=hidden HTTP/1.1"), "{request}");
    assert!(!has_key(&request) && !request.to_ascii_lowercase().contains("x-key"), "{request}");
    assert!(!format!("{sample:?} {client:?}").contains("hidden"));
    assert!(!format!("{sample:?} {client:?}").contains(KEY));
}

#[tokio::test]
async fn http_images_of_other_hosts_are_refused() {
    let foreign = Server::start(Answer::http(200, "", b"x")).await;
    let server = Server::start(Answer::http(200, "", b"x")).await;
    let client = client(&server.base);
    for url in
        [format!("http://localhost:{}/a?sig=hidden", foreign.port), "file:///etc/passwd".to_owned(), "a".to_owned()]
    {
        match client.fetch(&ResultLink::new(url)).await {
            Err(FetchError::UntrustedHost { reason }) => assert!(!reason.contains("hidden"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(foreign.seen().is_empty() && server.seen().is_empty());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere =
        Server::start(Answer::json(200, r#"{"id":"1","polling_url":"{base}/p","status":"Ready","credits":1}"#)).await;
    for status in [301, 302, 303, 307, 308] {
        let headers = format!("Location: {}/stolen\r\n", elsewhere.base);
        let server = Server::start(Answer::http(status, &headers, b"")).await;
        let client = client(&server.base);
        assert!(matches!(client.submit(order()).await, Err(SubmitError::Unknown { .. })), "{status}");
        let look = client.check(&ticket(format!("{}/p", server.base))).await;
        assert!(matches!(look, Err(CheckError::Retryable { not_found: false, .. })), "{status} {look:?}");
        let image = client.fetch(&ResultLink::new(format!("{}/a", server.base))).await;
        assert!(matches!(image, Err(FetchError::Corrupt { .. })), "{status}");
        assert!(matches!(client.credits().await, Err(CreditsError::Unavailable(_))), "{status}");
        assert_eq!(server.seen().len(), 4);
    }
    assert!(elsewhere.seen().is_empty(), "{:?}", elsewhere.seen());
}

#[tokio::test]
async fn unreadable_credits_are_an_error() {
    let cases = [
        (200, "{}", false),
        (200, r#"{"credits":"12"}"#, false),
        (200, r#"{"credits":null}"#, false),
        (200, "<html>", false),
        (500, r#"{"credits":12}"#, false),
        (401, "", true),
        (403, r#"{"detail":"Not authenticated"}"#, true),
        (422, r#"{"detail":"Invalid API key format"}"#, true),
    ];
    let server = Server::start_all(cases.map(|(status, body, _)| Answer::json(status, body)).to_vec()).await;
    let client = client(&server.base);
    for (status, body, rejected) in cases {
        match client.credits().await {
            Err(CreditsError::KeyRejected(_)) => assert!(rejected, "{status} {body}"),
            Err(CreditsError::Unavailable(_)) => assert!(!rejected, "{status} {body}"),
            Ok(credits) => panic!("{status} {body}: {credits}"),
        }
    }
}

#[test]
fn client_requires_valid_url_and_key() {
    for base in ["ftp://api.bfl.ai", "data:x", "https://user:secret@api.bfl.ai"] {
        let error = FluxClient::new(FluxOptions::new(Url::parse(base).unwrap(), None)).unwrap_err();
        assert!(matches!(error, FluxClientError::BaseUrl(_)), "{base}");
        assert!(!error.to_string().contains("secret"));
    }
    let base = Url::parse("https://api.bfl.ai").unwrap();
    let error = FluxClient::new(FluxOptions::new(base.clone(), Some("two\nlines".to_owned().into()))).unwrap_err();
    assert!(matches!(error, FluxClientError::Key) && !error.to_string().contains("two"));
    assert!(FluxClient::new(FluxOptions::new(base, Some(" padded\n".to_owned().into()))).is_ok());
}

#[tokio::test]
async fn no_key_sends_no_header() {
    let server = Server::start(Answer::json(403, r#"{"detail":"Not authenticated"}"#)).await;
    let client = FluxClient::new(FluxOptions::new(Url::parse(&server.base).unwrap(), None)).unwrap();
    assert!(matches!(client.submit(order()).await, Err(SubmitError::Account { .. })));
    assert!(!server.only().to_ascii_lowercase().contains("x-key"));
}
