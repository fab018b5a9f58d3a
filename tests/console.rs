//! Frames and keys: the real `App` on a test terminal, with a fixed time and fixed ids. What a frame shows is written to
//! `tests/snapshots`, to be read.

mod hostile_frames;
mod keys;
mod studio;

use chrono::{DateTime, Utc};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use darkroom::console::{App, ConsoleOptions, Effect, ImagesMode, Message, ThemeName};
use darkroom::engine::{Command, CommandKind, CommandOutcome, ConnectionState, Event, Intake};
use darkroom::jobs::{Job, Spec};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui_image::picker::Picker;

/// A console on a test terminal.
pub(crate) struct Studio {
    pub(crate) app: App,
    pub(crate) terminal: Terminal<TestBackend>,
    pub(crate) now: DateTime<Utc>,
}

pub(crate) fn options(simulated: bool) -> ConsoleOptions {
    ConsoleOptions {
        context: "default".into(),
        adapters: "sqlite · local".into(),
        simulated,
        greeting: None,
        images: ImagesMode::Off,
        ascii: false,
        theme: ThemeName::Dark,
    }
}

impl Studio {
    /// A console that has heard nothing.
    pub(crate) fn empty(width: u16, height: u16, options: &ConsoleOptions) -> Self {
        let (app, _) = App::new(options, Picker::halfblocks(), studio::now());
        let terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let mut studio = Self { app, terminal, now: studio::now() };
        studio.app.start();
        studio.draw();
        studio
    }

    /// A console that has heard everything, with the generating job selected.
    pub(crate) fn busy(width: u16, height: u16) -> Self {
        Self::busy_with(width, height, &options(true))
    }

    pub(crate) fn busy_with(width: u16, height: u16, options: &ConsoleOptions) -> Self {
        let mut studio = Self::empty(width, height, options);
        for event in studio::events() {
            studio.event(event);
        }
        for record in studio::logs() {
            studio.tell(Message::Log(record));
        }
        studio.draw();
        studio.keys("jjj");
        studio
    }

    pub(crate) fn tell(&mut self, message: Message) -> Vec<Effect> {
        self.app.update(message, self.now)
    }

    pub(crate) fn event(&mut self, event: Event) -> Vec<Effect> {
        self.tell(Message::Event(event))
    }

    /// Presses a named key; returns what it caused.
    pub(crate) fn press(&mut self, code: KeyCode) -> Vec<Effect> {
        self.tell(Message::Key(KeyEvent::new(code, KeyModifiers::NONE)))
    }

    /// Types characters; returns what they caused, page requests left out.
    pub(crate) fn keys(&mut self, keys: &str) -> Vec<Effect> {
        let effects: Vec<Effect> = keys.chars().flat_map(|key| self.press(KeyCode::Char(key))).collect();
        effects.into_iter().filter(|effect| !matches!(effect, Effect::Send(Command::LoadPage { .. }))).collect()
    }

    pub(crate) fn draw(&mut self) {
        let app = &mut self.app;
        self.terminal.draw(|frame| app.draw(frame)).unwrap();
    }

    /// The frame as text.
    pub(crate) fn frame(&mut self) -> String {
        self.draw();
        self.terminal.backend().to_string()
    }
}

const SIZES: [(u16, u16); 4] = [(200, 60), (120, 40), (80, 24), (40, 12)];

pub(crate) fn snapshot(name: &str, mut studio: Studio) {
    insta::assert_snapshot!(name, studio.frame());
}

#[test]
fn a_busy_studio_at_every_size() {
    for (width, height) in SIZES {
        snapshot(&format!("busy_{width}x{height}"), Studio::busy(width, height));
    }
    snapshot("busy_30x5", Studio::busy(30, 5));
    snapshot("busy_90x5", Studio::busy(90, 5));
}

#[test]
fn before_anything_is_heard_and_without_any_job() {
    for (width, height) in [(120, 40), (40, 12)] {
        snapshot(&format!("connecting_{width}x{height}"), Studio::empty(width, height, &options(true)));
        let mut studio = Studio::empty(width, height, &options(true));
        studio.event(Event::Connection(ConnectionState::Connected));
        studio.event(Event::Page { jobs: Vec::new(), next: None });
        studio.event(Event::Counts(darkroom::store::Counts::default()));
        snapshot(&format!("no_jobs_{width}x{height}"), studio);
    }
}

#[test]
fn each_kind_of_job_explains_itself() {
    let searches = [("held", "lighthouse at"), ("failed", "glass"), ("done", "boat"), ("second_attempt", "moth")];
    for (name, search) in searches {
        let mut studio = Studio::busy(120, 40);
        studio.keys("/");
        studio.keys(search);
        studio.press(KeyCode::Enter);
        snapshot(&format!("job_{name}_120x40"), studio);
    }
}

#[test]
fn what_is_wrong_takes_the_place_of_what_is_fine() {
    for (width, height) in SIZES {
        let mut studio = Studio::busy(width, height);
        studio.event(Event::Connection(ConnectionState::Disconnected {
            since: studio::ago(42),
            reason: "connection refused".into(),
        }));
        studio.event(Event::Intake(Intake::AccountBlocked("the account has no credits left".into())));
        studio.event(Event::Unreadable { id: studio::id(99), reason: "stage: unknown name 'paused'".into() });
        snapshot(&format!("trouble_{width}x{height}"), studio);
    }
}

#[test]
fn screens_over_the_panes() {
    for (width, height) in [(120, 40), (80, 24), (40, 12)] {
        for (name, keys) in
            [("help", "?"), ("palette", ":pict"), ("logs", "L"), ("job", "\n"), ("costs", "$"), ("form", "n")]
        {
            let mut studio = Studio::busy(width, height);
            for key in keys.chars() {
                studio.press(if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) });
            }
            snapshot(&format!("{name}_{width}x{height}"), studio);
        }
    }
}

#[test]
fn the_panes_that_only_small_screens_have_to_ask_for() {
    for (width, height) in [(80, 24), (40, 12)] {
        for (name, key) in [("image", "2"), ("steps", "3"), ("logs", "4"), ("spend", "5")] {
            let mut studio = Studio::busy(width, height);
            studio.keys(key);
            snapshot(&format!("pane_{name}_{width}x{height}"), studio);
        }
    }
}

#[test]
fn a_question_before_real_money() {
    for (width, height) in [(120, 40), (40, 12)] {
        let mut studio = Studio::busy_with(width, height, &options(false));
        studio.keys("R");
        snapshot(&format!("confirm_{width}x{height}"), studio);
    }
}

#[test]
fn filter_marks_notice_and_leaving() {
    let mut studio = Studio::busy(120, 40);
    studio.keys("/status:f moth");
    snapshot("filter_none_120x40", studio);
    let mut studio = Studio::busy(80, 24);
    studio.keys("/status:done");
    studio.press(KeyCode::Enter);
    studio.keys(" j ");
    studio.event(Event::CommandCompleted(CommandOutcome {
        kind: CommandKind::Retried,
        succeeded: vec![studio::id(1), studio::id(2), studio::id(3)],
        rejected: Vec::new(),
        previous: vec![Job::new(studio::id(1), Spec::new("flux-dev", "a fox"), true, studio::now())],
        estimate: Some("0.12".parse().unwrap()),
    }));
    snapshot("filter_marks_notice_80x24", studio);
    let mut studio = Studio::busy(80, 24);
    studio.event(Event::SubmitsInFlight(1));
    studio.keys("q");
    snapshot("leaving_80x24", studio);
}

#[test]
fn ascii_and_no_colour() {
    let mut options = options(true);
    options.ascii = true;
    options.theme = ThemeName::Mono;
    let mut studio = Studio::busy_with(120, 40, &options);
    let frame = studio.frame();
    let foreign: String = frame.chars().filter(|character| !character.is_ascii()).collect();
    assert_eq!(foreign, "", "only ASCII is drawn");
    insta::assert_snapshot!("ascii_120x40", frame);
    let coloured = studio
        .terminal
        .backend()
        .buffer()
        .content
        .iter()
        .any(|cell| cell.fg != ratatui::style::Color::Reset || cell.bg != ratatui::style::Color::Reset);
    assert!(!coloured, "no colour at all");
}
