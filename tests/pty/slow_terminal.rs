//! A terminal that takes bytes slowly or not at all: the console goes on with keys and signals.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::terminal::{PtyOutput, Terminal};
use crate::support::TestEnv;

/// Far longer than a shutdown takes, far shorter than the wait for a terminal that is never read.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(20);

#[test]
fn unread_terminal_still_handles_signals() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let env = TestEnv::new();
        env.queue(40);
        let mut terminal = Terminal::console(&env);
        terminal.pause_output(PtyOutput::Stopped);
        // Much more than a pseudo terminal holds.
        for _ in 0..400 {
            terminal.send("\x0c");
        }
        let begun = Instant::now();
        terminal.signal(signal);
        let status = terminal.wait_for_exit();
        assert_eq!((status.exit_code(), status.signal()), (0, None), "{signal:?}");
        assert!(begun.elapsed() < SHUTDOWN_LIMIT, "{signal:?}: {:?}", begun.elapsed());
    }
}

#[test]
fn stale_frames_are_dropped_on_slow_terminal() {
    let env = TestEnv::new();
    env.queue(40);
    let mut terminal = Terminal::start(&env, &["--images", "off"], 120, 40);
    terminal.wait_for("40 done");
    terminal.drain();
    let before = terminal.bytes.len();
    terminal.pause_output(PtyOutput::Stopped);
    // Every redraw is a whole frame of several kilobytes.
    for _ in 0..500 {
        terminal.send("\x0c");
    }
    terminal.send("?");
    terminal.pause_output(PtyOutput::Running);
    terminal.wait_for("╭ Keys");
    let written = terminal.bytes.len() - before;
    assert!(written < 400_000, "{written} bytes were written for 500 redraws");
}
