//! `GET /delivery/…`: the images, behind links that expire. No key is needed, and no other origin may read them in a browser.

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use futures::{StreamExt, stream};
use serde::Deserialize;

use super::app::SharedApp;
use super::replies;
use crate::simulator::faults::FaultKind;

#[derive(Deserialize)]
pub(super) struct Signature {
    #[serde(default)]
    se: String,
    #[serde(default)]
    sig: String,
}

/// Answers one download.
pub(super) async fn deliver(
    State(app): State<SharedApp>,
    Path(file): Path<String>,
    Query(Signature { se, sig }): Query<Signature>,
) -> Response {
    let now = app.now();
    if sig != app.sign(&file, &se) {
        return refused("Signature did not match.", now);
    }
    if DateTime::parse_from_rfc3339(&se).is_ok_and(|end| end < now) {
        let time = |time: DateTime<Utc>| httpdate::fmt_http_date(time.into());
        let detail =
            format!("Signature not valid in the specified time frame: Expiry [{se}] - Current [{}]", time(now));
        return refused(&detail, now);
    }
    let id = file.split('.').next().unwrap_or_default();
    let Some(ticket) = app.state().find(id, now) else {
        return xml(StatusCode::NOT_FOUND, "BlobNotFound", "The specified blob does not exist.", "", now);
    };
    let strike = ticket.next_delivery();
    if strike == Some(FaultKind::Html) {
        return Html("<!DOCTYPE html><html><body><h1>Down for maintenance</h1></body></html>").into_response();
    }
    let image = match app.render_queue.image(&ticket.subject).await {
        Ok(image) => image,
        Err(error) => {
            tracing::error!(%error, "an image was not drawn");
            return replies::internal();
        }
    };
    let kind = (header::CONTENT_TYPE, ticket.subject.format.content_type());
    match strike {
        Some(FaultKind::Truncated) => broken_off(&image, kind.1),
        Some(FaultKind::Corrupt) => ([kind], image.slice(..image.len() / 2)).into_response(),
        _ => ([kind], image).into_response(),
    }
}

/// Announces the whole image, sends half of it, and breaks the connection.
fn broken_off(image: &Bytes, content_type: &'static str) -> Response {
    let half = image.slice(..image.len() / 2);
    let end = async {
        // Lets the first half go out: a body that fails at once would take the head with it.
        tokio::task::yield_now().await;
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted))
    };
    let body = stream::iter([Ok(half)]).chain(stream::once(end));
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_LENGTH, image.len().into());
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    (headers, Body::from_stream(body)).into_response()
}

/// What Azure Blob Storage says to a link that is not valid (any more); the status of an expired link is assumed.
fn refused(detail: &str, now: DateTime<Utc>) -> Response {
    let message = "Server failed to authenticate the request. Make sure the value of Authorization header is formed \
                   correctly including the signature.";
    xml(StatusCode::FORBIDDEN, "AuthenticationFailed", message, detail, now)
}

fn xml(status: StatusCode, code: &'static str, message: &str, detail: &str, now: DateTime<Utc>) -> Response {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let detail = match detail {
        "" => String::new(),
        detail => format!("<AuthenticationErrorDetail>{}</AuthenticationErrorDetail>", escaped(detail)),
    };
    let time = now.to_rfc3339_opts(SecondsFormat::Micros, true);
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{message}\nTime:{time}</Message>{detail}</Error>"
    );
    (
        status,
        [(header::CONTENT_TYPE, "application/xml"), (header::HeaderName::from_static("x-ms-error-code"), code)],
        body,
    )
        .into_response()
}
