//! Owns when to look at a ticket again. (stub until the client lands)
use std::time::Duration;
/// When to look again.
pub fn next_look(_elapsed: Duration, _typical: (f64, f64), _asked: Option<Duration>, _jitter: f64) -> Duration {
    Duration::from_millis(50)
}
