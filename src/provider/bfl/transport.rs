//! The HTTP clients, and replies read within limits. Never logs the query of a URL.

use std::error::Error as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::Utc;
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, ClientBuilder, RequestBuilder, Response};

use super::reply::{self, Reply};
use crate::text::sanitize_line;

/// Why no head of a reply arrived.
#[derive(Debug, Clone)]
pub(super) struct NoReply {
    /// Whether it is certain that not one byte of the request left: there was no connection.
    pub(super) never_sent: bool,
    /// One clean line.
    pub(super) reason: String,
}

/// Why a body is not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BodyError {
    /// Longer than the limit.
    TooLarge,
    /// It did not come in time.
    TimedOut,
    /// It ended early, or not as its head had announced.
    Cut(String),
}

/// A client for submits: each has a connection of its own. On a kept one a server's idle timeout may cut off a submit of which
/// it is then unknown whether it was accepted; and a client that finds a kept connection closed sends again by itself.
pub(super) fn submit_client(connect_timeout: Duration, plain: bool) -> Result<Client, String> {
    build(plain, || builder(connect_timeout, plain).pool_max_idle_per_host(0))
}

/// A client for everything that can be repeated, with kept connections.
pub(super) fn read_client(connect_timeout: Duration, plain: bool) -> Result<Client, String> {
    build(plain, || builder(connect_timeout, plain).pool_idle_timeout(Duration::from_secs(30)))
}

/// A machine without root certificates has no https, but a plain base needs none: then only https requests fail.
fn build(plain: bool, builder: impl Fn() -> ClientBuilder) -> Result<Client, String> {
    let built = match builder().build() {
        Err(_) if plain => builder().tls_certs_only([]).build(),
        built => built,
    };
    built.map_err(|error| cause(&error))
}

/// No redirects (the key would go along), and no retries: reqwest's own policy repeats requests that a server refused on the
/// level of the protocol, submits included.
fn builder(connect_timeout: Duration, plain: bool) -> ClientBuilder {
    let builder = Client::builder()
        .user_agent(concat!("darkroom/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(connect_timeout);
    // A simulator is on this machine or next to it; a proxy would only see the key.
    if plain { builder.no_proxy() } else { builder }
}

/// Sends a request and reads the whole reply. A body that does not arrive is part of the reply: its status has arrived.
pub(super) async fn exchange(request: RequestBuilder, limit: usize) -> Result<Reply, NoReply> {
    let response = send(request).await?;
    let header = response.headers().get(RETRY_AFTER).and_then(|header| header.to_str().ok());
    let retry_after = header.and_then(|header| reply::retry_after(header, Utc::now()));
    let status = response.status().as_u16();
    let body = read(response, limit).await.map_err(|error| match error {
        BodyError::TooLarge => "the reply is too large".to_owned(),
        BodyError::TimedOut => "the reply did not arrive completely in time".to_owned(),
        BodyError::Cut(reason) => format!("the reply was cut off: {reason}"),
    });
    Ok(Reply { status, retry_after, body })
}

/// Sends a request and waits for the head of the reply.
pub(super) async fn send(request: RequestBuilder) -> Result<Response, NoReply> {
    request.send().await.map_err(|error| {
        let never_sent = error.is_connect() || error.is_builder();
        let reason = match (error.is_timeout(), never_sent) {
            (true, true) => "no connection in time".to_owned(),
            (true, false) => "no answer in time".to_owned(),
            (false, true) => format!("no connection: {}", cause(&error)),
            (false, false) => format!("the connection broke: {}", cause(&error)),
        };
        NoReply { never_sent, reason }
    })
}

/// Reads a body up to `limit` bytes.
pub(super) async fn read(mut response: Response, limit: usize) -> Result<Bytes, BodyError> {
    let announced = response.content_length().unwrap_or(0);
    if announced > limit as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut body = BytesMut::with_capacity(announced.min(1 << 20) as usize);
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > limit => return Err(BodyError::TooLarge),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body.freeze()),
            Err(error) if error.is_timeout() => return Err(BodyError::TimedOut),
            Err(error) => return Err(BodyError::Cut(cause(&error))),
        }
    }
}

/// The innermost reason, which names no address.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: Option<&dyn std::error::Error> = error.source();
    let mut line = "unknown reason".to_owned();
    while let Some(inner) = cause {
        line = inner.to_string();
        cause = inner.source();
    }
    sanitize_line(&line, 120)
}
