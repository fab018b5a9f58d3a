//! Owns `POST /v1/<model>`: check, price, book, then reply.

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
use super::wire::Scissors;
use super::{key, replies};
use crate::catalog::Model;
use crate::simulator::book::{Limits, Refusal};
use crate::simulator::dice::Dice;
use crate::simulator::faults::{Afflictions, FaultKind, FaultStage};
use crate::simulator::options::BillAt;
use crate::simulator::order::{self, Order, Refused};
use crate::simulator::ticket::{Ticket, duration};

/// Where a foreign `polling_url` points: a host that looks right from the left, under a reserved name (RFC 2606).
const FOREIGN: &str = "https://api.bfl.ai.attacker.example/v1/get_result?id=";

/// Bytes of a body that is not read in passing.
const LARGE: usize = 256 << 10;

/// Answers one submit.
pub(super) async fn submit(
    app: SharedApp,
    model: &'static Model,
    scissors: Scissors,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(refused) = key::check(&headers, &app.options) {
        return *refused;
    }
    let order = match read(model, body).await {
        Ok(Ok(order)) => order,
        Err(_) => return replies::internal(),
        Ok(Err(refused)) => {
            let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
            return replies::error(status, refused.detail);
        }
    };
    let (strike, faults) = faults(&app, model, &order);
    match strike {
        Some(FaultKind::Dropped) => {
            scissors.cut();
            return replies::internal();
        }
        Some(FaultKind::Lost) | None => {}
        Some(kind) => return instead_of_accepting(kind),
    }
    // In a separate task: a client that disconnects must not leave a partly recorded ticket.
    let booked = tokio::spawn(book(SharedApp::clone(&app), model, order, faults)).await;
    if strike == Some(FaultKind::Lost) {
        scissors.cut();
    }
    match booked {
        Ok(Ok(booked)) => accepted(&app, &booked, &headers),
        Ok(Err(NotBooked::Refused(Refusal::TooMany))) => too_many(),
        Ok(Err(NotBooked::Refused(Refusal::NoCredits))) => no_credits(),
        Ok(Err(NotBooked::NotWritten)) | Err(_) => replies::internal(),
    }
}

/// Reads the order; with input images off the runtime's threads, because decoding them takes a while.
async fn read(model: &'static Model, body: Bytes) -> Result<Result<Order, Refused>, JoinError> {
    let seed = i64::from(rand::rng().random::<u32>());
    if body.len() < LARGE {
        return Ok(order::read(model, &body, seed));
    }
    tokio::task::spawn_blocking(move || order::read(model, &body, seed)).await
}

/// What strikes this submit, and what will strike its ticket.
fn faults(app: &SharedApp, model: &Model, order: &Order) -> (Option<FaultKind>, Afflictions) {
    let asked = Afflictions::in_prompt(&order.subject.prompt);
    let by_chance = &app.options.faults;
    if asked.is_empty() && by_chance.is_empty() {
        return (None, asked);
    }
    let seed = order.given_seed.map_or_else(String::new, |seed| seed.to_string());
    let words = Dice::new(&[model.name.as_bytes(), order.subject.prompt.as_bytes(), seed.as_bytes()]).roll();
    let occurrence = app.book().count_repetition(words);
    let drawn = by_chance.draw(words, occurrence);
    let strike = asked.strike(FaultStage::Submit, occurrence).or_else(|| drawn.strike(FaultStage::Submit, 0));
    (strike, asked.of_ticket(&drawn))
}

/// What was recorded, and what the reply reports of it.
struct Booked {
    ticket: Arc<Ticket>,
    input_mp: f64,
    output_mp: f64,
}

enum NotBooked {
    Refused(Refusal),
    NotWritten,
}

async fn book(app: SharedApp, model: &'static Model, order: Order, faults: Afflictions) -> Result<Booked, NotBooked> {
    let now = app.now();
    let id = Builder::from_random_bytes(rand::random()).into_uuid().to_string();
    let ready_at = now + duration(&id, model.typical_seconds, &faults, app.options.speed);
    let Order { subject, cost, input_mp, output_mp, .. } = order;
    let ticket = Arc::new(Ticket::new(id, model.name.clone(), subject, (now, ready_at), faults, cost));
    let billed_at = billed_at(&ticket, app.options.bill_at);
    let limits = Limits {
        all: app.options.max_active,
        model: model.max_active.filter(|_| app.options.model_limits).map(|most| most as usize),
    };
    app.book().accept(&ticket, billed_at, limits, now).map_err(NotBooked::Refused)?;
    match app.ledger.book(Arc::clone(&ticket), billed_at).await {
        Ok(()) => Ok(Booked { ticket, input_mp, output_mp }),
        Err(error) => {
            tracing::error!(%error, "a ticket could not be booked");
            app.book().withdraw(&ticket, billed_at);
            Err(NotBooked::NotWritten)
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

fn accepted(app: &SharedApp, booked: &Booked, headers: &HeaderMap) -> Response {
    let ticket = &booked.ticket;
    let polling_url = if ticket.faults.has(FaultKind::Foreign) {
        Some(format!("{FOREIGN}{}", ticket.id))
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
        (replies::number(ticket.cost), json!(booked.input_mp), json!(booked.output_mp))
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
