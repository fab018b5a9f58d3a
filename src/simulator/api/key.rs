use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::replies;
use crate::simulator::options::SimulatorOptions;

/// The reply to a request whose key is missing or not accepted.
pub(super) const REJECTED: &str = "Not authenticated - Invalid Authentication";

/// Nothing, or the reply to a request whose key is missing, malformed or refused.
pub(super) fn check(headers: &HeaderMap, options: &SimulatorOptions) -> Result<(), Box<Response>> {
    let refuse = |status, detail: &str| Err(Box::new(replies::error(status, detail)));
    let Some(key) = headers.get("x-key").filter(|key| !key.is_empty()) else {
        return if options.key_required { refuse(StatusCode::FORBIDDEN, "Not authenticated") } else { Ok(()) };
    };
    match key.to_str() {
        Ok(key) if options.bad_keys.contains(key) => refuse(StatusCode::FORBIDDEN, REJECTED),
        Ok(key) if !key.contains(char::is_whitespace) => Ok(()),
        _ => refuse(StatusCode::UNPROCESSABLE_ENTITY, "Invalid API key format"),
    }
}
