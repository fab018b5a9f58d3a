//! Reply bodies that several routes share.

use axum::Json;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Value, json};

/// `{"detail": …}`, the API's form of every error.
pub(super) fn error(status: StatusCode, detail: impl Into<Value>) -> Response {
    (status, Json(json!({"detail": detail.into()}))).into_response()
}

/// The same with `Retry-After: 1`.
pub(super) fn error_retry_after(status: StatusCode, detail: &str) -> Response {
    const RETRY_AFTER: [(HeaderName, &str); 1] = [(header::RETRY_AFTER, "1")];
    (RETRY_AFTER, error(status, detail)).into_response()
}

/// 404 of an unknown path.
pub(super) async fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "Not Found")
}

/// 405 of a known path.
pub(super) async fn method_not_allowed() -> Response {
    error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}

/// 500.
pub(super) fn internal() -> Response {
    error(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
}

/// Credits as the API writes them: a JSON number with a fraction. Exact for up to fifteen digits.
pub(super) fn number(amount: Decimal) -> Value {
    amount.to_f64().map_or(Value::Null, Value::from)
}
