//! Metrics and health of a headless worker over HTTP: `/metrics` for Prometheus, `/health` for a supervisor.
//!
//! Both are computed from the engine's events. A request reads the last state from a watch channel, never the store, and never
//! makes the worker wait.

mod health;
mod server;
mod state;
mod text;

pub use server::{MetricsError, MetricsServer};
