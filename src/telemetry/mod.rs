//! What a process reports about itself: log lines, and the metrics and health of a worker.
//!
//! Logging knows nothing of jobs and stores; metrics fold the engine's events.

pub mod logging;
pub mod metrics;
