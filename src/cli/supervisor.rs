//! Notifications for systemd (`Type=notify`, `WatchdogSec`). Without systemd all of them do nothing.

use std::time::Duration;

/// The status of a worker that waits for nothing.
pub const RUNNING: &str = "running";

/// The worker runs.
pub fn ready() {
    notify(&format!("READY=1\nSTATUS={RUNNING}"));
}

/// One line for `systemctl status`.
pub fn status(text: &str) {
    notify(&format!("STATUS={}", crate::text::sanitize_line(text, 200)));
}

/// The worker shuts down.
pub fn stopping() {
    notify("STOPPING=1\nSTATUS=shutting down");
}

/// Pings the watchdog for as long as it is polled, at half the interval that systemd expects.
pub async fn ping_watchdog() -> ! {
    let interval = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok()).map(Duration::from_micros);
    let interval = interval.filter(|interval| !interval.is_zero());
    loop {
        match interval {
            Some(interval) => {
                notify("WATCHDOG=1");
                tokio::time::sleep(interval / 2).await;
            }
            None => std::future::pending().await,
        }
    }
}

#[cfg(unix)]
fn notify(state: &str) {
    // A supervisor that does not listen is no reason to stop working.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Custom(state)]);
}

#[cfg(not(unix))]
fn notify(_state: &str) {}
