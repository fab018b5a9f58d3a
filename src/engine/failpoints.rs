//! Failpoints of the crash tests: a build with the feature `failpoints` kills itself at the boundary that `DARKROOM_CRASH_AT`
//! names, between two effects, as `kill -9` would. Without the feature this is nothing, and the variable is not read.

/// Every boundary between two effects, in the order of a job's life.
#[cfg(feature = "failpoints")]
pub const BOUNDARIES: [&str; 12] = [
    "before_reserve",
    "after_begin",
    "before_post",
    "post_begun",
    "after_post",
    "answer_recorded",
    "after_receipt",
    "after_ready",
    "after_fetch",
    "after_put",
    "after_done",
    "during_poll",
];

/// Kills this process if the environment names this boundary.
#[cfg(feature = "failpoints")]
pub(super) fn hit(boundary: &'static str) {
    static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    debug_assert!(BOUNDARIES.contains(&boundary), "{boundary} is not in the list that the crash tests walk");
    let chosen = CHOSEN.get_or_init(|| std::env::var("DARKROOM_CRASH_AT").ok());
    if chosen.as_deref() == Some(boundary) {
        kill_this_process();
    }
}

/// Panics where the environment variable `DARKROOM_PANIC_AT` names this place: what a mistake in the code there would do.
#[cfg(feature = "failpoints")]
pub(super) fn panic_at(place: &'static str) {
    let is_chosen = std::env::var("DARKROOM_PANIC_AT").is_ok_and(|chosen| chosen == place);
    assert!(!is_chosen, "failpoint {place}");
}

/// Nothing, in a build without failpoints.
#[cfg(not(feature = "failpoints"))]
pub(super) fn panic_at(_place: &'static str) {}

/// Nothing, in a build without failpoints.
#[cfg(not(feature = "failpoints"))]
pub(super) fn hit(_boundary: &'static str) {}

#[cfg(feature = "failpoints")]
fn kill_this_process() {
    // No destructor, no flush, no unwinding: what a crash test needs to see.
    #[cfg(unix)]
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort();
}
