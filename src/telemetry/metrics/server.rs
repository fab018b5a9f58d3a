//! The HTTP server of metrics and health, and the channel that feeds it.

use std::io;
use std::net::SocketAddr;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use chrono::Utc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::health::Health;
use super::state::MetricsState;
use super::text::text;
use crate::engine::{Event, Outage};

/// Content type of the Prometheus text format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The address cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve metrics at {address}: {why}; choose another address (--metrics, DARKROOM_METRICS_ADDRESS)")]
pub struct MetricsError {
    address: SocketAddr,
    why: io::Error,
}

/// Serves metrics and health of an engine until it is dropped.
#[derive(Debug)]
pub struct MetricsServer {
    address: SocketAddr,
    state: watch::Sender<MetricsState>,
    server: JoinHandle<()>,
}

impl MetricsServer {
    /// Starts serving at `address`; port 0 picks a free port. Errors: the address is in use.
    pub async fn serve(address: SocketAddr, simulated: bool) -> Result<Self, MetricsError> {
        let wrong = |why| MetricsError { address, why };
        let listener = TcpListener::bind(address).await.map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        let (state, read) = watch::channel(MetricsState::new(simulated, Utc::now()));
        let routes = Router::new().route("/metrics", get(metrics)).route("/health", get(health)).with_state(read);
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::warn!(%error, "metrics server failed");
            }
        });
        Ok(Self { address, state, server })
    }

    /// The address that is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the worker waits for before its engine can start; `None` when it has started.
    pub fn set_waiting(&self, waiting: Option<Outage>) {
        self.state.send_modify(|state| state.set_waiting(waiting));
    }

    /// Records an event of the engine.
    pub fn record(&self, event: &Event) {
        self.state.send_if_modified(|state| state.record(event, Utc::now()));
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn metrics(State(state): State<watch::Receiver<MetricsState>>) -> impl IntoResponse {
    let text = text(&state.borrow());
    match text {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, CONTENT_TYPE)], text),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, CONTENT_TYPE)], format!("# {error}\n"))
        }
    }
}

async fn health(State(state): State<watch::Receiver<MetricsState>>) -> impl IntoResponse {
    let health = Health::of(&state.borrow());
    (if health.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(health))
}
