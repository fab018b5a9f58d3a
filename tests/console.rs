//! Frames and keys: the real `App` on a test terminal, with a fixed time and fixed ids. The frames are stored in
//! `tests/snapshots` and are reviewed there.

mod budget;
mod bulk;
mod fixtures;
mod gallery;
mod harness;
mod hostile_frames;
mod keys;
mod narrow;
mod one_job;
mod own_keys;
mod queue_rows;
mod random_events;
mod slow_line;
mod styled;

use crossterm::event::KeyCode;
use darkroom::console::ThemeChoice;
use darkroom::engine::{CommandKind, CommandOutcome, ConnectionState, Event};
use darkroom::jobs::{Job, Spec};

use harness::{ConsoleHarness, options};

const SIZES: [(u16, u16); 4] = [(200, 60), (120, 40), (80, 24), (40, 12)];

fn snapshot(name: &str, mut harness: ConsoleHarness) {
    insta::assert_snapshot!(name, harness.frame());
}

#[test]
fn busy_console_at_every_size() {
    for (width, height) in SIZES {
        snapshot(&format!("busy_{width}x{height}"), ConsoleHarness::busy(width, height));
    }
    snapshot("busy_30x5", ConsoleHarness::busy(30, 5));
    snapshot("busy_90x5", ConsoleHarness::busy(90, 5));
}

#[test]
fn console_without_data_and_without_jobs() {
    for (width, height) in [(120, 40), (40, 12)] {
        snapshot(&format!("connecting_{width}x{height}"), ConsoleHarness::empty(width, height, &options(true)));
        let mut harness = ConsoleHarness::empty(width, height, &options(true));
        harness.event(Event::Connection(ConnectionState::Connected));
        harness.event(Event::Page { jobs: Vec::new(), next: None });
        harness.event(Event::Counts(darkroom::store::Counts::default()));
        snapshot(&format!("no_jobs_{width}x{height}"), harness);
    }
}

#[test]
fn each_kind_of_job_explains_itself() {
    let searches = [("held", "lighthouse at"), ("failed", "glass"), ("done", "boat"), ("second_attempt", "moth")];
    for (name, search) in searches {
        let mut harness = ConsoleHarness::busy(120, 40);
        harness.keys("/");
        harness.keys(search);
        harness.press(KeyCode::Enter);
        snapshot(&format!("job_{name}_120x40"), harness);
    }
}

#[test]
fn problems_replace_normal_states() {
    for (width, height) in SIZES {
        let mut harness = ConsoleHarness::busy(width, height);
        harness.event(Event::Connection(ConnectionState::Disconnected {
            since: fixtures::ago(42),
            reason: "connection refused".into(),
            retry_at: Some(fixtures::now() + chrono::Duration::seconds(2)),
        }));
        harness.event(fixtures::blocked("the account has no credits left"));
        harness.event(Event::Unreadable { id: fixtures::id(99), reason: "stage: unknown name 'paused'".into() });
        snapshot(&format!("trouble_{width}x{height}"), harness);
    }
}

#[test]
fn screens_over_the_panes() {
    for (width, height) in SIZES {
        for (name, keys) in
            [("help", "?"), ("palette", ":image"), ("logs", "L"), ("job", "\n"), ("costs", "$"), ("form", "n")]
        {
            let mut harness = ConsoleHarness::busy(width, height);
            for key in keys.chars() {
                harness.press(if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) });
            }
            snapshot(&format!("{name}_{width}x{height}"), harness);
        }
    }
}

#[test]
fn small_screens_show_each_pane() {
    for (width, height) in [(80, 24), (40, 12)] {
        for (name, key) in [("image", "2"), ("steps", "3"), ("logs", "4"), ("spend", "5")] {
            let mut harness = ConsoleHarness::busy(width, height);
            harness.keys(key);
            snapshot(&format!("pane_{name}_{width}x{height}"), harness);
        }
    }
}

#[test]
fn real_money_confirmation_frames() {
    for (width, height) in SIZES {
        let mut harness = ConsoleHarness::busy_with(width, height, &options(false));
        harness.keys("R");
        snapshot(&format!("confirm_{width}x{height}"), harness);
    }
}

#[test]
fn filter_marks_notice_and_quitting() {
    let mut harness = ConsoleHarness::busy(120, 40);
    harness.keys("/status:f moth");
    snapshot("filter_none_120x40", harness);
    let mut harness = ConsoleHarness::busy(80, 24);
    harness.keys("/status:done");
    harness.press(KeyCode::Enter);
    harness.keys(" j ");
    harness.event(Event::CommandCompleted(CommandOutcome {
        kind: CommandKind::Retried,
        succeeded: vec![fixtures::id(1), fixtures::id(2), fixtures::id(3)],
        rejected: Vec::new(),
        previous: vec![Job::new(fixtures::id(1), Spec::new("flux-dev", "a fox"), true, fixtures::now())],
        estimate: Some("0.12".parse().unwrap()),
        tag_edit: None,
    }));
    snapshot("filter_marks_notice_80x24", harness);
    let mut harness = ConsoleHarness::busy(80, 24);
    harness.event(Event::SubmitsInFlight(1));
    harness.keys("q");
    snapshot("quitting_80x24", harness);
}

#[test]
fn ascii_and_no_colour() {
    let mut options = options(true);
    options.ascii = true;
    options.theme = ThemeChoice::without_colours();
    let mut harness = ConsoleHarness::busy_with(120, 40, &options);
    let frame = harness.frame();
    let foreign: String = frame.chars().filter(|character| !character.is_ascii()).collect();
    assert_eq!(foreign, "", "only ASCII is drawn");
    insta::assert_snapshot!("ascii_120x40", frame);
    let coloured = harness
        .terminal
        .backend()
        .buffer()
        .content
        .iter()
        .any(|cell| cell.fg != ratatui::style::Color::Reset || cell.bg != ratatui::style::Color::Reset);
    assert!(!coloured, "no colour at all");
}

/// With the frames of one theme, this is a frame of every screen in every theme: only colours and attributes differ. `styled` stores what
/// they are; the contrast of every cell is checked by the tests of the themes.
#[test]
fn themes_change_nothing_but_styles() {
    for (width, height) in SIZES {
        for keys in ["", "?", ":image", "L", "\n", "$", "B", "n", "i", "g", "g   ="] {
            let frame = |theme: &str| {
                let mut options = options(true);
                options.theme = ThemeChoice::load(theme, &[]).unwrap();
                let mut harness = ConsoleHarness::busy_with(width, height, &options);
                for key in keys.chars() {
                    harness.press(if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) });
                }
                (harness.frame(), harness.terminal.backend().buffer().clone())
            };
            let (dark, dark_cells) = frame("dark");
            for theme in ["light", "high-contrast", "colour-blind", "mono"] {
                let (text, cells) = frame(theme);
                assert_eq!(text, dark, "{theme} {width}x{height} {keys:?}");
                assert_ne!(cells, dark_cells, "{theme} {width}x{height} {keys:?} looks like the dark theme");
            }
        }
    }
}
