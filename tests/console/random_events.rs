//! Random keys, mouse events, sizes and events of the engine: nothing panics, whatever is on the screen.
//!
//! `DARKROOM_RANDOM_RUNS=20` runs twenty seeds instead of one; `DARKROOM_ALL_SIZES=1` draws every screen at every size.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use darkroom::console::{ImagesMode, Message};
use darkroom::engine::Event;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::fixtures;
use super::harness::{ConsoleHarness, options};

/// Events of one run.
const EVENTS: usize = 10_000;
/// A frame is drawn after about this many events.
const EVENTS_PER_FRAME: u32 = 60;

const CODES: [KeyCode; 18] = [
    KeyCode::Enter,
    KeyCode::Esc,
    KeyCode::Tab,
    KeyCode::BackTab,
    KeyCode::Up,
    KeyCode::Down,
    KeyCode::Left,
    KeyCode::Right,
    KeyCode::PageUp,
    KeyCode::PageDown,
    KeyCode::Home,
    KeyCode::End,
    KeyCode::Backspace,
    KeyCode::Delete,
    KeyCode::F(1),
    KeyCode::Insert,
    KeyCode::Null,
    KeyCode::F(12),
];

/// The keys that open each screen.
const SCREENS: [&str; 12] = ["", "?", ":image", "L", "\n", "$", "B", "n", "i", "g", "g   =", "/status:d"];

fn message(rng: &mut StdRng) -> Message {
    match rng.random_range(0..100) {
        0..70 => {
            let code = if rng.random_bool(0.35) {
                CODES[rng.random_range(0..CODES.len())]
            } else {
                KeyCode::Char(char::from(rng.random_range(b' '..=b'~')))
            };
            let modifiers = match rng.random_range(0..12) {
                0 => KeyModifiers::CONTROL,
                1 => KeyModifiers::ALT,
                2 => KeyModifiers::SHIFT,
                _ => KeyModifiers::NONE,
            };
            Message::Key(KeyEvent::new(code, modifiers))
        }
        70..84 => {
            let kind = match rng.random_range(0..5) {
                0 => MouseEventKind::ScrollUp,
                1 => MouseEventKind::ScrollDown,
                2 => MouseEventKind::Moved,
                3 => MouseEventKind::Up(MouseButton::Left),
                _ => MouseEventKind::Down(MouseButton::Left),
            };
            let (column, row) = (rng.random_range(0..320), rng.random_range(0..110));
            Message::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
        }
        84..88 => Message::Resize(rng.random_range(1..=300), rng.random_range(1..=100)),
        88..90 => Message::Paste("a fox, two lines\nand \u{1b}[2J".to_owned()),
        90..92 => Message::LineSpeed(rng.random_bool(0.5).then_some(20_000)),
        92 => Message::FrameCut,
        93 => Message::LightBackground,
        94..97 => Message::Tick,
        _ => {
            let events = fixtures::events();
            let jobs = fixtures::jobs();
            match rng.random_range(0..3) {
                0 => Message::Event(events[rng.random_range(0..events.len())].clone()),
                1 => Message::Event(Event::Removed(jobs[rng.random_range(0..jobs.len())].id.clone())),
                _ => Message::Event(Event::Jobs(jobs)),
            }
        }
    }
}

#[test]
fn random_events_never_panic() {
    let runs = std::env::var("DARKROOM_RANDOM_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    for seed in 0..runs {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut options = options(seed % 2 == 0);
        options.images = ImagesMode::HalfBlocks;
        options.ascii = seed % 3 == 0;
        let mut harness = ConsoleHarness::busy_with(120, 40, &options);
        for _ in 0..EVENTS {
            let message = message(&mut rng);
            if let Message::Resize(width, height) = message {
                harness.terminal.backend_mut().resize(width, height);
            }
            harness.now += chrono::Duration::milliseconds(rng.random_range(0..400));
            harness.send(message);
            if rng.random_ratio(1, EVENTS_PER_FRAME) {
                harness.draw();
            }
        }
        harness.draw();
    }
}

#[test]
fn every_screen_holds_at_any_size() {
    let all = std::env::var_os("DARKROOM_ALL_SIZES").is_some();
    for (index, keys) in (0_u32..).zip(SCREENS) {
        let mut harness = ConsoleHarness::busy(120, 40);
        for key in keys.chars() {
            harness.press(if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) });
        }
        for width in 1..=300_u16 {
            for height in 1..=100_u16 {
                // Another few of the sizes for each screen.
                if all || (u32::from(width) * 101 + u32::from(height) * 7 + index * 13).is_multiple_of(461) {
                    harness.terminal.backend_mut().resize(width, height);
                    harness.send(Message::Resize(width, height));
                    harness.draw();
                }
            }
        }
    }
}
