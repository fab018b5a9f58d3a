//! What a process reports about itself: log lines, and the metrics and health of a worker.
//!
//! Logging is independent of jobs and stores; metrics are computed from the engine's events.

pub mod log_files;
pub mod logging;
pub mod metrics;
