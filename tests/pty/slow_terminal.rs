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

/// The line about jobs that are left has no room in the terminal either.
#[test]
fn unread_terminal_quits_with_open_jobs() {
    let mut env = TestEnv::new();
    env.set("DARKROOM_SIMULATOR_SPEED", "0.01");
    env.queue(2);
    let mut terminal = Terminal::console(&env);
    terminal.wait_for("2 running");
    terminal.pause_output(PtyOutput::Stopped);
    for _ in 0..400 {
        terminal.send("\x0c");
    }
    let begun = Instant::now();
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.wait_for_exit().exit_code(), 0);
    assert!(begun.elapsed() < SHUTDOWN_LIMIT, "{:?}", begun.elapsed());
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

/// Cells of the screen that are part of an image of half blocks.
fn image_cells(terminal: &Terminal) -> usize {
    let (rows, columns) = terminal.screen().size();
    let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let is_pixel = |(row, column)| {
        terminal.screen().cell(row, column).is_some_and(|cell| matches!(cell.contents(), "\u{2580}" | "\u{2584}"))
    };
    cells.filter(|cell| is_pixel(*cell)).count()
}

/// Most bytes between a key and the frame that shows what it did: one second at 20 kB/s.
const BYTES_OF_ONE_SECOND: usize = 20_000;

#[test]
fn slow_line_shows_images_on_request_only() {
    let env = TestEnv::new();
    env.queue(3);
    env.json(&["worker", "--until-idle", "--json"]);
    let mut terminal = Terminal::start(&env, &["--observe", "--images", "blocks"], 160, 45);
    terminal.wait_until("an image", |terminal| image_cells(terminal) > 200);
    terminal.pause_output(PtyOutput::Slow);
    // A whole frame with its image: the line is measured while it is written, and the rest is dropped.
    terminal.send("\x0c");
    terminal.wait_for("slow line");
    terminal.wait_for("I shows images");
    assert_eq!(image_cells(&terminal), 0, "{}", terminal.text());
    terminal.drain();
    for (key, shown) in [("j", ""), ("j", ""), ("?", "╭ Keys")] {
        let before = terminal.bytes.len();
        terminal.send(key);
        if shown.is_empty() {
            terminal.wait_until("a frame", |terminal| terminal.bytes.len() > before);
        } else {
            terminal.wait_for(shown);
        }
        let bytes = terminal.bytes.len() - before;
        assert!(bytes <= BYTES_OF_ONE_SECOND, "{key}: {bytes} bytes");
    }
    terminal.send("?");
    terminal.wait_for_no("╭ Keys");
    assert_eq!(image_cells(&terminal), 0, "not by itself");
    terminal.send("I");
    terminal.wait_until("the image", |terminal| image_cells(terminal) > 200);
}

#[test]
fn key_comes_before_the_rest_of_an_image() {
    let env = TestEnv::new();
    env.queue(3);
    env.json(&["worker", "--until-idle", "--json"]);
    let mut terminal = Terminal::start(&env, &["--observe", "--images", "blocks"], 200, 60);
    terminal.wait_until("an image", |terminal| image_cells(terminal) > 200);
    terminal.pause_output(PtyOutput::Slow);
    terminal.send("\x0c");
    terminal.wait_for("I shows images");
    // The full screen image takes several seconds here.
    terminal.send("iI");
    let before = terminal.bytes.len();
    terminal.wait_until("bytes of the image", |terminal| terminal.bytes.len() > before + 4_000);
    let before = terminal.bytes.len();
    terminal.send("?");
    terminal.wait_for("╭ Keys");
    let bytes = terminal.bytes.len() - before;
    // What the pseudo terminal holds, the whole screen again, and the help.
    assert!(bytes <= 2 * BYTES_OF_ONE_SECOND, "{bytes} bytes");
}
