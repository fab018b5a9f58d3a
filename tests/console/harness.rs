//! The console on a test terminal: messages in, effects and frames out.

use chrono::{DateTime, Utc};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use darkroom::console::{App, ConsoleOptions, DisplayZone, Effect, ImagesMode, Message, NotifyOptions, ThemeChoice};
use darkroom::engine::{Command, Event};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui_image::picker::Picker;

use super::fixtures;

/// A console on a test terminal.
pub(crate) struct ConsoleHarness {
    pub(crate) app: App,
    pub(crate) terminal: Terminal<TestBackend>,
    pub(crate) now: DateTime<Utc>,
}

pub(crate) fn options(simulated: bool) -> ConsoleOptions {
    ConsoleOptions {
        context: "default".into(),
        contexts: Vec::new(),
        views: Vec::new(),
        adapters: "sqlite · local".into(),
        simulated,
        read_only: false,
        operator: "ada@studio".into(),
        keys: darkroom::console::KeyMap::default(),
        files: None,
        saved: darkroom::console::Saved::default(),
        greeting: None,
        images: ImagesMode::Off,
        ascii: false,
        zone: DisplayZone::Utc,
        theme: ThemeChoice::load("dark", &[]).unwrap(),
        notify: NotifyOptions::default(),
    }
}

impl ConsoleHarness {
    /// A console without data.
    pub(crate) fn empty(width: u16, height: u16, options: &ConsoleOptions) -> Self {
        let (app, _) = App::new(options, Picker::halfblocks(), fixtures::now());
        let terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let mut harness = Self { app, terminal, now: fixtures::now() };
        harness.app.start();
        harness.draw();
        harness
    }

    /// A console with all fixtures; the generating job is selected.
    pub(crate) fn busy(width: u16, height: u16) -> Self {
        Self::busy_with(width, height, &options(true))
    }

    pub(crate) fn busy_with(width: u16, height: u16, options: &ConsoleOptions) -> Self {
        let mut harness = Self::empty(width, height, options);
        for event in fixtures::events() {
            harness.event(event);
        }
        for record in fixtures::logs() {
            harness.send(Message::Log(record));
        }
        harness.draw();
        harness.keys("jjj");
        harness
    }

    pub(crate) fn send(&mut self, message: Message) -> Vec<Effect> {
        self.app.update(message, self.now)
    }

    pub(crate) fn event(&mut self, event: Event) -> Vec<Effect> {
        self.send(Message::Event(event))
    }

    /// Presses a named key; returns what it caused.
    pub(crate) fn press(&mut self, code: KeyCode) -> Vec<Effect> {
        self.send(Message::Key(KeyEvent::new(code, KeyModifiers::NONE)))
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
