//! Metrics and health of a worker without a screen, over HTTP: `/metrics` for Prometheus, `/health` for whoever restarts it.
//!
//! Everything is folded from the engine's events, as the console does it: the worker tells, a watch channel keeps the last
//! word, and whoever scrapes reads that. Must not ask a store, and must not make a worker wait.

mod figures;
mod health;
mod server;
mod text;

pub use server::{Meters, MetricsError};
