//! Owns the crash hook of the crash tests: `DARKROOM_CRASH_AT=<boundary>` kills this process the hard way at that boundary
//! between two effects, as `kill -9` would. Must not do anything where the variable is not set.

use std::sync::OnceLock;

/// Every boundary between two effects, in the order of a job's life.
pub const BOUNDARIES: [&str; 9] = [
    "before_reserve",
    "before_post",
    "after_post",
    "after_receipt",
    "after_ready",
    "after_fetch",
    "after_put",
    "after_done",
    "during_poll",
];

/// Dies here if this is the boundary that the environment names.
pub(super) fn point(boundary: &'static str) {
    static CHOSEN: OnceLock<Option<String>> = OnceLock::new();
    debug_assert!(BOUNDARIES.contains(&boundary), "{boundary} is not in the list that the crash tests walk");
    let chosen = CHOSEN.get_or_init(|| std::env::var("DARKROOM_CRASH_AT").ok());
    if chosen.as_deref() == Some(boundary) {
        die();
    }
}

#[cfg(unix)]
fn die() {
    // No destructor, no flush, no unwinding: what a crash test must see.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort();
}

#[cfg(not(unix))]
fn die() {
    std::process::abort();
}
