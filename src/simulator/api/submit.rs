//! `POST /v1/<model>`: validate, price, record, then reply.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use rand::Rng;
use serde_json::{Value, json};
use tokio::task::JoinError;
use uuid::Builder;

use super::app::SharedApp;
use super::connection::ConnectionAborter;
use super::{key, replies};
use crate::catalog::Model;
use crate::simulator::account::{AccountLimit, Limits};
use crate::simulator::faults::{FaultKind, FaultPlan, FaultStage};
use crate::simulator::options::BillAt;
use crate::simulator::request::{self, ImageRequest, Rejection};
use crate::simulator::rng::SeededRng;
use crate::simulator::ticket::{Ticket, duration};

/// Where a foreign `polling_url` points: a host that looks right from the left, under a reserved name (RFC 2606).
const UNTRUSTED_HOST: &str = "https://api.bfl.ai.attacker.example/v1/get_result?id=";

/// Bytes of a body that is not read in passing.
const INLINE_BODY_LIMIT: usize = 256 << 10;

/// Answers one submit.
pub(super) async fn submit(
    app: SharedApp,
    model: &'static Model,
    aborter: ConnectionAborter,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(refused) = key::check(&headers, &app.options) {
        return *refused;
    }
    let request = match read(model, body).await {
        Ok(Ok(request)) => request,
        Err(_) => return replies::internal(),
        Ok(Err(refused)) => {
            let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
            return replies::error(status, refused.detail);
        }
    };
    let (fault, faults) = faults(&app, model, &request);
    match fault {
        Some(FaultKind::RequestDropped) => {
            aborter.abort();
            return replies::internal();
        }
        Some(FaultKind::ReplyLost) | None => {}
        Some(kind) => return instead_of_accepting(kind),
    }
    // In a separate task: a client that disconnects must not leave a partly recorded ticket.
    let outcome = tokio::spawn(accept_ticket(SharedApp::clone(&app), model, request, faults)).await;
    if fault == Some(FaultKind::ReplyLost) {
        aborter.abort();
    }
    match outcome {
        Ok(Ok(ticket)) => accepted(&app, &ticket, &headers),
        Ok(Err(NotAccepted::Limit(AccountLimit::TooMany))) => too_many(),
        Ok(Err(NotAccepted::Limit(AccountLimit::NoCredits))) => no_credits(),
        Ok(Err(NotAccepted::NotWritten)) | Err(_) => replies::internal(),
    }
}

/// Reads the request; with input images off the runtime's threads, because decoding them takes a while.
async fn read(model: &'static Model, body: Bytes) -> Result<Result<ImageRequest, Rejection>, JoinError> {
    let seed = i64::from(rand::rng().random::<u32>());
    if body.len() < INLINE_BODY_LIMIT {
        return Ok(request::read(model, &body, seed));
    }
    tokio::task::spawn_blocking(move || request::read(model, &body, seed)).await
}

/// What strikes this submit, and what will strike its ticket.
fn faults(app: &SharedApp, model: &Model, request: &ImageRequest) -> (Option<FaultKind>, FaultPlan) {
    let requested = FaultPlan::in_prompt(&request.subject.prompt);
    let by_chance = &app.options.faults;
    if requested.is_empty() && by_chance.is_empty() {
        return (None, requested);
    }
    let seed = request.given_seed.map_or_else(String::new, |seed| seed.to_string());
    let words = SeededRng::new(&[model.name.as_bytes(), request.subject.prompt.as_bytes(), seed.as_bytes()]).next_u64();
    let occurrence = app.state().count_repeat(words);
    let drawn = by_chance.draw(words, occurrence);
    let fault = requested.fault_at(FaultStage::Submit, occurrence).or_else(|| drawn.fault_at(FaultStage::Submit, 0));
    (fault, requested.of_ticket(&drawn))
}

/// What was recorded, and what the reply reports of it.
struct Accepted {
    ticket: Arc<Ticket>,
    input_mp: f64,
    output_mp: f64,
}

enum NotAccepted {
    Limit(AccountLimit),
    NotWritten,
}

async fn accept_ticket(
    app: SharedApp,
    model: &'static Model,
    request: ImageRequest,
    faults: FaultPlan,
) -> Result<Accepted, NotAccepted> {
    let now = app.now();
    let id = Builder::from_random_bytes(rand::random()).into_uuid().to_string();
    let ready_at = now + duration(&id, model.typical_seconds, &faults, app.options.speed);
    let ImageRequest { subject, cost, input_mp, output_mp, .. } = request;
    let ticket = Arc::new(Ticket::new(id, model.name.clone(), subject, (now, ready_at), faults, cost));
    let billed_at = billed_at(&ticket, app.options.bill_at);
    let limits = Limits {
        all: app.options.max_active,
        model: model.max_active.filter(|_| app.options.model_limits).map(|most| most as usize),
    };
    app.state().accept(&ticket, billed_at, limits, now).map_err(NotAccepted::Limit)?;
    match app.ledger.record(Arc::clone(&ticket), billed_at).await {
        Ok(()) => Ok(Accepted { ticket, input_mp, output_mp }),
        Err(error) => {
            tracing::error!(%error, "a ticket could not be booked");
            app.state().withdraw(&ticket, billed_at);
            Err(NotAccepted::NotWritten)
        }
    }
}

fn billed_at(ticket: &Ticket, bill_at: BillAt) -> Option<DateTime<Utc>> {
    match bill_at {
        BillAt::Submit => Some(ticket.accepted_at),
        BillAt::Ready if ticket.faults.fatal().is_none() => Some(ticket.ready_at),
        BillAt::Ready => None,
    }
}

fn accepted(app: &SharedApp, accepted: &Accepted, headers: &HeaderMap) -> Response {
    let ticket = &accepted.ticket;
    let polling_url = if ticket.faults.has(FaultKind::UntrustedHost) {
        Some(format!("{UNTRUSTED_HOST}{}", ticket.id))
    } else {
        app.cluster_url(headers).map(|mut url| {
            url.set_path("/v1/get_result");
            url.set_query(Some(&format!("id={}", ticket.id)));
            url.into()
        })
    };
    let Some(polling_url) = polling_url else { return replies::internal() };
    // The FLUX.1 family reports its price only when it is settled.
    let (cost, input_mp, output_mp) = if ticket.names_cost() {
        (replies::number(ticket.cost), json!(accepted.input_mp), json!(accepted.output_mp))
    } else {
        (Value::Null, Value::Null, Value::Null)
    };
    let body = json!({
        "id": ticket.id, "polling_url": polling_url, "cost": cost, "input_mp": input_mp, "output_mp": output_mp
    });
    Json(body).into_response()
}

fn instead_of_accepting(kind: FaultKind) -> Response {
    match kind {
        FaultKind::TooMany => too_many(),
        FaultKind::NoCredits => no_credits(),
        FaultKind::BadKey => replies::error(StatusCode::FORBIDDEN, key::REJECTED),
        FaultKind::Unavailable => {
            replies::error_retry_after(StatusCode::SERVICE_UNAVAILABLE, "Service temporarily unavailable")
        }
        _ => replies::internal(),
    }
}

/// The text is quoted from a cookbook of BFL's; the exact body was never recorded.
fn too_many() -> Response {
    replies::error(StatusCode::TOO_MANY_REQUESTS, "too many active tasks")
}

fn no_credits() -> Response {
    replies::error(StatusCode::PAYMENT_REQUIRED, "Insufficient credits")
}
