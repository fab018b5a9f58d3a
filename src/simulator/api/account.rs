//! The routes about the account (`/v1/credits`) and about the simulator itself (`/simulator/bill`, `/simulator/health`).

use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::json;

use super::app::SharedApp;
use super::{key, replies};
use crate::costs::Credits;

/// `{"credits": 198.6}`.
pub(super) async fn credits(State(app): State<SharedApp>, headers: HeaderMap) -> Response {
    if let Err(refused) = key::check(&headers, &app.options) {
        return *refused;
    }
    let now = app.now();
    let balance = app.state().balance(now);
    Json(json!({"credits": replies::number(balance)})).into_response()
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    entries: Option<String>,
}

/// The bill: total and count, with `?entries=1` every line. Credits are decimal strings.
pub(super) async fn bill(State(app): State<SharedApp>, Query(wanted): Query<Wanted>) -> Response {
    let entries = match app.ledger.bill().await {
        Ok(entries) => entries,
        Err(error) => {
            tracing::error!(%error, "the bill could not be read");
            return replies::internal();
        }
    };
    let total: Decimal = entries.iter().map(|entry| entry.credits.decimal()).sum();
    let mut body = json!({"total_credits": Credits::new(total), "count": entries.len()});
    if wanted.entries.is_some_and(|wanted| wanted != "0") {
        body["entries"] = json!(entries);
    }
    Json(body).into_response()
}

/// Who this is: `directory` is the digest of the canonical path, or null when all is in memory.
pub(super) async fn health(State(app): State<SharedApp>) -> Response {
    Json(json!({"simulator": "darkroom", "directory": app.identity})).into_response()
}
