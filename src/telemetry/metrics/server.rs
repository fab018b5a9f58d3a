//! Owns the server of metrics and health, and the channel that feeds it. Must not know what the figures mean.

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

use super::figures::Figures;
use super::health::Health;
use super::text::text;
use crate::engine::Event;

/// What Prometheus' text form is called.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Nobody can scrape at that address.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be served at {address}: {why}; choose another address (--metrics, DARKROOM_METRICS_ADDRESS)")]
pub struct MetricsError {
    address: SocketAddr,
    why: io::Error,
}

/// Hears what an engine says and serves what follows from it, for as long as the value lives.
#[derive(Debug)]
pub struct Meters {
    address: SocketAddr,
    figures: watch::Sender<Figures>,
    server: JoinHandle<()>,
}

impl Meters {
    /// Serves at `address` from now on; port 0 is any that is free. Errors: it is taken.
    pub async fn serve(address: SocketAddr, simulated: bool) -> Result<Self, MetricsError> {
        let wrong = |why| MetricsError { address, why };
        let listener = TcpListener::bind(address).await.map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        let (figures, read) = watch::channel(Figures::new(simulated, Utc::now()));
        let routes = Router::new().route("/metrics", get(metrics)).route("/health", get(health)).with_state(read);
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::warn!("metrics are not served any more: {error}");
            }
        });
        Ok(Self { address, figures, server })
    }

    /// Where it serves.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes in what the engine said.
    pub fn hear(&self, event: &Event) {
        self.figures.send_if_modified(|figures| figures.hear(event, Utc::now()));
    }
}

impl Drop for Meters {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn metrics(State(figures): State<watch::Receiver<Figures>>) -> impl IntoResponse {
    let text = text(&figures.borrow());
    match text {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, TEXT)], text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, TEXT)], format!("# {error}\n")),
    }
}

async fn health(State(figures): State<watch::Receiver<Figures>>) -> impl IntoResponse {
    let health = Health::of(&figures.borrow());
    (if health.is_well() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(health))
}
