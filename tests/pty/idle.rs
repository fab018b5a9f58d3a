//! A console without work, and two consoles on one queue.

use std::time::Duration;

use super::terminal::{ENTER, Terminal};
use crate::support::TestEnv;

/// Longer than any timer that redraws a screen with something on it.
const SILENCE: Duration = Duration::from_millis(1_500);

#[test]
fn idle_console_draws_nothing() {
    let mut terminal = Terminal::console(&TestEnv::new());
    terminal.wait_for("No jobs yet.");
    terminal.wait_for("today $0.00");
    terminal.wait_for_silence(SILENCE);
}

#[test]
fn observing_console_shows_the_workers_jobs() {
    let env = TestEnv::new();
    let mut first = Terminal::console(&env);
    let mut second = Terminal::start(&env, &["--observe"], 120, 40);
    second.wait_for("READ-ONLY");
    first.wait_for("No jobs yet.");
    first.send("n");
    first.wait_for("Describe the image, then press Enter");
    first.send("a kite for two");
    first.wait_for("a kite for two");
    first.send(ENTER);
    first.wait_for("✓ done");
    second.wait_for("a kite for two");
    second.wait_for("✓ done");
    second.send("p");
    second.wait_for("Read-only console");
    second.send("q");
    assert_eq!(second.wait_for_end().exit_code(), 0);
    first.send("q");
    assert_eq!(first.wait_for_end().exit_code(), 0);
}
