//! `GET /v1/get_result`: the present state of a ticket. Polling changes only the count of polls.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::app::{App, SharedApp};
use super::replies;
use crate::simulator::faults::FaultKind;
use crate::simulator::ticket::{Phase, Ticket};

/// Where a foreign image's link points.
const FOREIGN: &str = "https://delivery.bfl.ai.attacker.example/sample.jpg";

#[derive(Deserialize)]
pub(super) struct Question {
    id: Option<String>,
}

/// Answers at the cluster. No key is needed.
pub(super) async fn get_result(
    State(app): State<SharedApp>,
    Query(question): Query<Question>,
    headers: HeaderMap,
) -> Response {
    let Some(id) = question.id else {
        let detail = json!([{"type": "missing", "loc": ["query", "id"], "msg": "Field required"}]);
        return replies::error(StatusCode::UNPROCESSABLE_ENTITY, detail);
    };
    let now = app.now();
    let Some(ticket) = app.state().find(&id, now) else { return gone(&id) };
    match ticket.next_poll() {
        Some(FaultKind::Poll429) => return replies::error(StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
        Some(FaultKind::Poll503) => {
            return replies::error_retry_after(StatusCode::SERVICE_UNAVAILABLE, "Service temporarily unavailable");
        }
        Some(_) => return replies::internal(),
        None => {}
    }
    match ticket.phase(now) {
        Phase::Working(status, progress) => body(&id, status, [("progress", json!(progress))]),
        Phase::Ready => ready(&app, &ticket, &headers),
        Phase::Dead(kind) => dead(&id, kind),
    }
}

/// Answers at the API's own host: tickets are at the cluster, as a global host knows no regional task. It knows those whose
/// `polling_url` is wrong.
pub(super) async fn result_at_api(
    State(app): State<SharedApp>,
    Query(question): Query<Question>,
    headers: HeaderMap,
) -> Response {
    let ticket = question.id.as_deref().and_then(|id| app.state().find(id, app.now()));
    if ticket.is_some_and(|ticket| ticket.faults.has(FaultKind::UntrustedHost)) {
        return get_result(State(app), Query(question), headers).await;
    }
    replies::error(StatusCode::NOT_FOUND, "Task not found")
}

fn ready(app: &App, ticket: &Ticket, headers: &HeaderMap) -> Response {
    let foreign = ticket.faults.has(FaultKind::UntrustedSample).then(|| FOREIGN.to_owned());
    let Some(sample) = foreign.or_else(|| app.sample_url(ticket, headers).map(Into::into)) else {
        return replies::internal();
    };
    let mut result = json!({
        "sample": sample,
        "prompt": &*ticket.subject.prompt,
        "start_time": epoch_seconds(ticket.accepted_at),
        "end_time": epoch_seconds(ticket.ready_at),
        "duration": (ticket.ready_at - ticket.accepted_at).as_seconds_f64(),
    });
    // FLUX 3 takes no seed and reports none.
    if !ticket.model.starts_with("flux-3") {
        result["seed"] = json!(ticket.subject.seed);
    }
    body(&ticket.id, "Ready", [("result", result), ("cost", replies::number(ticket.cost))])
}

fn dead(id: &str, kind: FaultKind) -> Response {
    let moderated = |status, reason: &str| body(id, status, [("details", json!({"Moderation Reasons": [reason]}))]);
    let failed = |code| (code, body(id, "Error", [("details", json!({"error": "Internal error in the model"}))]));
    match kind {
        FaultKind::Moderated => moderated("Request Moderated", "Derivative Works Filter"),
        FaultKind::ContentModerated => moderated("Content Moderated", "Sexual Content"),
        FaultKind::Error422 => failed(StatusCode::UNPROCESSABLE_ENTITY).into_response(),
        FaultKind::Error503 => failed(StatusCode::SERVICE_UNAVAILABLE).into_response(),
        FaultKind::Error => failed(StatusCode::OK).into_response(),
        _ => gone(id),
    }
}

fn gone(id: &str) -> Response {
    body(id, "Task not found", [])
}

/// The body of every poll; `cost` is present only when it is settled.
fn body<const N: usize>(id: &str, status: &str, parts: [(&str, Value); N]) -> Response {
    let mut body = Map::new();
    body.insert("id".to_owned(), json!(id));
    body.insert("status".to_owned(), json!(status));
    for name in ["result", "progress", "details", "preview"] {
        body.insert(name.to_owned(), Value::Null);
    }
    body.extend(parts.map(|(name, value)| (name.to_owned(), value)));
    Json(Value::Object(body)).into_response()
}

fn epoch_seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_micros() as f64 / 1e6
}
