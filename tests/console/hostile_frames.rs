//! Hostile texts and random keys: frames keep their shape, and nothing panics.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use darkroom::console::Message;
use darkroom::engine::{Command, CommandKind, ConnectionState, Dependency, Event, Outage, Progress};
use darkroom::jobs::{BillingStatus, Failure, FailureCode, Job, JobId, Spec, StepName};
use proptest::prelude::*;

use super::fixtures;
use super::harness::{ConsoleHarness, options};

const HOSTILE: [&str; 8] = [
    "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m",
    "\u{202e}evil\u{202c} \u{2066}x",
    "漢字かな混じり文です、とても長い行になります、本当に長いです、まだ続きます、もっと続きます",
    "👩‍👩‍👧‍👦🏳️‍🌈 e\u{301}\u{301}\u{301}\u{301} ﷽ ꧅",
    "مرحبا بالعالم שלום עולם",
    "line\nbreaks\r\nand\ttabs\u{85}\u{2028}\u{2029}",
    "\0\u{200b}\u{feff}\u{ad}",
    "",
];

/// Every row of the frame has exactly the screen's width, and no cell steers a terminal.
fn assert_is_a_frame(harness: &ConsoleHarness) {
    let buffer = harness.terminal.backend().buffer();
    for cell in &buffer.content {
        let symbol = cell.symbol();
        assert!(!symbol.chars().any(char::is_control), "{symbol:?}");
        assert!(!symbol.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}']), "{symbol:?}");
    }
}

fn hostile_job(number: u32, text: &str) -> Job {
    let id = JobId::new(format!("{number}{}", text.replace('/', "_"))).unwrap();
    let mut job = Job::new(id, Spec::new(text, text).with(text, text), true, fixtures::ago(i64::from(number)));
    job.revision = 1;
    job.tags = vec![text.to_owned()];
    if number % 2 == 1 {
        let failure = Failure::new(FailureCode::InvalidRequest, text, BillingStatus::No, fixtures::now());
        job.reject(failure, fixtures::now()).unwrap();
    }
    job
}

fn hostile_events(text: &str, number: u32) -> Vec<Event> {
    let job = hostile_job(number, text);
    let id = job.id.clone();
    vec![
        Event::Jobs(vec![Arc::new(job)]),
        Event::Unreadable {
            id: JobId::new(format!("u{number}{}", text.replace('/', "_"))).unwrap(),
            reason: text.into(),
        },
        Event::CommandFailed { kind: CommandKind::Retried, reason: text.into() },
        fixtures::blocked(text),
        Event::Outages(vec![Outage { dependency: Dependency::Provider, since: fixtures::ago(5), reason: text.into() }]),
        Event::Connection(ConnectionState::Disconnected {
            since: fixtures::ago(5),
            reason: text.into(),
            retry_at: None,
        }),
        Event::Progress(Progress {
            id,
            attempt: 1,
            step: StepName::Generate,
            fraction: Some(f32::NAN),
            status: text.into(),
        }),
    ]
}

#[test]
fn hostile_texts_stay_in_their_cells() {
    for (width, height) in super::SIZES {
        for (name, keys) in
            [("panes", ""), ("job", "\n"), ("help", "?"), ("filter", "/x"), ("palette", ":é"), ("gallery", "g")]
        {
            let mut hostile = options(true);
            hostile.context = HOSTILE.concat();
            let mut harness = ConsoleHarness::empty(width, height, &hostile);
            for (number, text) in (0..).zip(HOSTILE) {
                for event in hostile_events(text, number) {
                    harness.event(event);
                }
            }
            for key in keys.chars() {
                harness.press(if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) });
            }
            harness.draw();
            assert_is_a_frame(&harness);
            let frame = harness.frame();
            assert!(frame.contains("SIMULATED"), "{name} {width}x{height}: {frame}");
        }
    }
    let mut harness = ConsoleHarness::empty(120, 40, &options(true));
    for (number, text) in (0..).zip(HOSTILE) {
        harness.event(Event::Jobs(vec![Arc::new(hostile_job(number, text))]));
    }
    super::snapshot("hostile_120x40", harness);
}

#[derive(Debug, Clone)]
enum Step {
    Key(KeyCode, KeyModifiers),
    Paste(usize),
    Mouse(MouseEventKind, u16, u16),
    Size(u16, u16),
    Hostile(usize, u32),
    Known(usize),
    Removed(u32),
    Later(i64),
    NotSent,
}

fn step() -> impl Strategy<Value = Step> {
    let code = prop_oneof![
        6 => proptest::sample::select("njkgGrRCxadhuV* /iowy[]fltL$:p+-=12345?q".chars().collect::<Vec<_>>()).prop_map(KeyCode::Char),
        1 => any::<char>().prop_map(KeyCode::Char),
        3 => proptest::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Up, KeyCode::Down, KeyCode::PageUp,
            KeyCode::PageDown, KeyCode::Home, KeyCode::End, KeyCode::Backspace, KeyCode::Delete, KeyCode::Left, KeyCode::F(1),
        ]),
    ];
    let modifiers = prop_oneof![
        8 => Just(KeyModifiers::NONE), 1 => Just(KeyModifiers::CONTROL), 1 => Just(KeyModifiers::ALT), 1 => Just(KeyModifiers::SHIFT)
    ];
    let mouse = prop_oneof![
        Just(MouseEventKind::ScrollUp),
        Just(MouseEventKind::ScrollDown),
        Just(MouseEventKind::Down(MouseButton::Left))
    ];
    prop_oneof![
        10 => (code, modifiers).prop_map(|(code, modifiers)| Step::Key(code, modifiers)),
        1 => (0..HOSTILE.len()).prop_map(Step::Paste),
        2 => (mouse, 0u16..210, 0u16..70).prop_map(|(kind, column, row)| Step::Mouse(kind, column, row)),
        2 => prop_oneof![(0u16..210, 0u16..70), proptest::sample::select(super::SIZES.to_vec())].prop_map(|(width, height)| Step::Size(width, height)),
        2 => (0..HOSTILE.len(), 0u32..40).prop_map(|(text, number)| Step::Hostile(text, number)),
        3 => (0usize..9).prop_map(Step::Known),
        1 => (0u32..30).prop_map(Step::Removed),
        1 => (0i64..4_000).prop_map(Step::Later),
        1 => Just(Step::NotSent),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn no_key_event_or_size_breaks_the_console(simulated: bool, steps in proptest::collection::vec(step(), 1..40)) {
        let mut harness = ConsoleHarness::empty(100, 30, &options(simulated));
        for step in steps {
            match step {
                Step::Key(code, modifiers) => drop(harness.send(Message::Key(KeyEvent::new(code, modifiers)))),
                Step::Paste(text) => drop(harness.send(Message::Paste(HOSTILE[text].into()))),
                Step::Mouse(kind, column, row) => {
                    harness.send(Message::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
                }
                Step::Size(width, height) => {
                    harness.terminal.backend_mut().resize(width, height);
                    harness.send(Message::Resize(width, height));
                }
                Step::Hostile(text, number) => {
                    for event in hostile_events(HOSTILE[text], number) {
                        harness.event(event);
                    }
                }
                Step::Known(which) => drop(harness.event(fixtures::events().swap_remove(which))),
                Step::Removed(number) => drop(harness.event(Event::Removed(fixtures::id(number)))),
                Step::Later(milliseconds) => {
                    harness.now += chrono::Duration::milliseconds(milliseconds);
                    harness.send(Message::Tick);
                }
                Step::NotSent => drop(harness.send(Message::CommandDropped(Command::Submit(Vec::new())))),
            }
            let next = harness.app.next_tick();
            prop_assert!(next.is_none_or(|at| at > harness.now), "a tick in the past would spin the loop");
            harness.draw();
            assert_is_a_frame(&harness);
        }
    }
}
