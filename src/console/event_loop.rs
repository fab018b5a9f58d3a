//! The loop of the console: it waits in one place, drains what is there, and draws once, when something changed. Must not
//! decide anything: `App` does.

use std::time::{Duration, Instant};

use chrono::Utc;
use crossterm::clipboard::CopyToClipboard;
use crossterm::event::Event as TerminalEvent;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver};

use super::app::App;
use super::input::Input;
use super::message::{Effect, ExitReason, Message};
use super::outside::Outside;
use super::panes::image::ImageMessage;
use super::signals::{Asked, Signals};
use super::terminal::{self, Screen};
use super::{ConsoleError, ConsoleOptions};
use crate::console::notices::{Notice, NoticeLevel};
use crate::engine::{Command, Event};
use crate::telemetry::logging::LogRecord;

/// At most 30 frames a second.
const FRAME: Duration = Duration::from_millis(33);
/// At most this much is taken from one source before the others have their turn.
const BATCH: usize = 1_024;

/// Runs the console in this process's terminal until the person leaves or the engine ends.
///
/// `commands` is never waited for: where it is full, the person is told that the order was not taken.
///
/// # Errors
///
/// Where standard input or output is no terminal, or signals cannot be caught. A terminal that goes away later is no error:
/// the engine is asked to stop, and the console ends when it has.
pub async fn run(
    options: ConsoleOptions,
    commands: Sender<Command>,
    events: Receiver<Event>,
    logs: Receiver<LogRecord>,
) -> Result<ExitReason, ConsoleError> {
    let signals = Signals::new().map_err(ConsoleError::Signals)?;
    let screen = Screen::enter().map_err(ConsoleError::Terminal)?;
    let picker = terminal::picker(options.images);
    let input = Input::start().map_err(ConsoleError::Terminal)?;
    let (app, images) = App::new(&options, picker, Utc::now());
    let running =
        Running { app, screen, commands, outside: Outside::default(), is_visible: true, own_stop: false, exit: None };
    let sources = Sources { keys: Some(input), events: Some(events), logs: Some(logs), images, signals };
    running.run(sources).await
}

/// Everything that the loop waits for.
struct Sources {
    /// `None` once the terminal is gone.
    keys: Option<Input>,
    /// `None` once the engine is gone.
    events: Option<Receiver<Event>>,
    logs: Option<Receiver<LogRecord>>,
    images: UnboundedReceiver<ImageMessage>,
    signals: Signals,
}

/// What the loop woke up for.
enum Woken {
    /// `None` is "the terminal is gone".
    Keys(Option<TerminalEvent>),
    /// So many events are in the buffer; 0 is "the engine is gone".
    Events(usize),
    /// The same for log lines.
    Logs(usize),
    Image(ImageMessage),
    Signal(Asked),
    Told(Notice),
    Time,
}

struct Running {
    app: App,
    screen: Screen,
    commands: Sender<Command>,
    outside: Outside,
    /// The terminal is there.
    is_visible: bool,
    /// We stopped ourselves: the SIGCONT that follows is known already.
    own_stop: bool,
    exit: Option<ExitReason>,
}

impl Running {
    async fn run(mut self, mut sources: Sources) -> Result<ExitReason, ConsoleError> {
        self.on_size();
        let first = self.app.start();
        self.perform(first);
        let mut event_buffer = Vec::new();
        let mut log_buffer = Vec::new();
        let mut drawn_at: Option<Instant> = None;
        while self.exit.is_none() {
            if self.is_visible && self.app.is_dirty() && drawn_at.is_none_or(|at| at.elapsed() >= FRAME) {
                self.draw();
                drawn_at = Some(Instant::now());
            }
            let wait = self.wait(drawn_at);
            // The only await of the console.
            let woken = tokio::select! {
                key = next_key(&mut sources.keys) => Woken::Keys(key),
                count = receive(&mut sources.events, &mut event_buffer) => Woken::Events(count),
                count = receive(&mut sources.logs, &mut log_buffer) => Woken::Logs(count),
                Some(message) = sources.images.recv() => Woken::Image(message),
                asked = sources.signals.next() => Woken::Signal(asked),
                Some(notice) = self.outside.next(), if !self.outside.is_idle() => Woken::Told(notice),
                () = sleep(wait) => Woken::Time,
            };
            match woken {
                Woken::Keys(Some(event)) => self.on_terminal(event),
                Woken::Keys(None) => {
                    sources.keys = None;
                    self.on_hang_up();
                }
                Woken::Events(0) => {
                    sources.events = None;
                    self.update(Message::EngineClosed);
                }
                Woken::Events(_) => event_buffer.drain(..).for_each(|event| self.update(Message::Event(event))),
                Woken::Logs(0) => sources.logs = None,
                Woken::Logs(_) => log_buffer.drain(..).for_each(|record| self.update(Message::Log(record))),
                Woken::Image(message) => self.update(Message::Image(message)),
                Woken::Signal(asked) => {
                    if let (Asked::Resized, Some(keys)) = (asked, sources.keys.as_mut()) {
                        keys.size_changed();
                    }
                    self.on_signal(asked);
                }
                Woken::Told(notice) => self.update(Message::EffectDone(notice)),
                Woken::Time => {
                    if !self.app.is_dirty() {
                        self.update(Message::Tick);
                    }
                }
            }
        }
        Ok(self.exit.unwrap_or(ExitReason::EngineClosed))
    }

    /// How long nothing has to be done; `None` is "until something happens".
    fn wait(&self, drawn_at: Option<Instant>) -> Option<Duration> {
        if !self.is_visible {
            return None;
        }
        if self.app.is_dirty() {
            return Some(drawn_at.map_or(Duration::ZERO, |at| FRAME.saturating_sub(at.elapsed())));
        }
        self.app.next_tick().map(|at| (at - Utc::now()).to_std().unwrap_or(Duration::ZERO))
    }

    fn update(&mut self, message: Message) {
        let effects = terminal::ours(|| self.app.update(message, Utc::now()));
        self.perform(effects);
    }

    fn draw(&mut self) {
        let (app, screen) = (&mut self.app, &mut self.screen);
        if terminal::ours(|| screen.draw(|frame| app.draw(frame))).is_err() {
            self.on_hang_up();
        }
    }

    fn on_terminal(&mut self, event: TerminalEvent) {
        let message = match event {
            TerminalEvent::Key(key) => Message::Key(key),
            TerminalEvent::Mouse(mouse) => Message::Mouse(mouse),
            TerminalEvent::Paste(text) => Message::Paste(text),
            TerminalEvent::Resize(width, height) => Message::Resize(width, height),
            TerminalEvent::FocusGained | TerminalEvent::FocusLost => return,
        };
        self.update(message);
    }

    fn on_size(&mut self) {
        if let Ok((width, height)) = self.screen.size() {
            self.update(Message::Resize(width, height));
        }
    }

    /// The terminal is gone: ask the engine to stop, once, and wait for it unseen.
    fn on_hang_up(&mut self) {
        if std::mem::replace(&mut self.is_visible, false) {
            tracing::warn!("the terminal is gone; the console ends when the engine has put its work down");
            self.update(Message::Terminate);
        }
    }

    fn on_signal(&mut self, asked: Asked) {
        match asked {
            Asked::End => self.update(Message::Terminate),
            Asked::HungUp => self.on_hang_up(),
            Asked::Resized => self.on_size(),
            Asked::Suspend => self.update(Message::Suspend),
            Asked::Continued => {
                if !std::mem::replace(&mut self.own_stop, false) {
                    self.come_back();
                }
            }
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(command) => match self.commands.try_send(command) {
                    Ok(()) => {}
                    Err(TrySendError::Full(command)) => self.update(Message::CommandDropped(command)),
                    Err(TrySendError::Closed(_)) => self.update(Message::EngineClosed),
                },
                Effect::Copy(text) => self.write(CopyToClipboard::to_clipboard_from(text)),
                Effect::Open(address) => self.outside.open(address),
                Effect::Save { name, bytes } => match std::env::current_dir() {
                    Ok(folder) => self.outside.save(folder, name, bytes),
                    Err(error) => self.tell(format!("{name} was not saved: {error}")),
                },
                Effect::Suspend => self.suspend(),
                Effect::Redraw => {
                    if self.screen.forget().is_err() {
                        self.on_hang_up();
                    }
                }
                Effect::Quit(reason) => self.exit = Some(reason),
            }
        }
    }

    fn write(&mut self, command: impl crossterm::Command) {
        if self.is_visible && self.screen.write(command).is_err() {
            self.on_hang_up();
        }
    }

    fn tell(&mut self, text: String) {
        self.update(Message::EffectDone(Notice { level: NoticeLevel::Error, text }));
    }

    fn suspend(&mut self) {
        terminal::restore();
        self.own_stop = true;
        if let Err(error) = Signals::stop() {
            self.own_stop = false;
            self.tell(format!("this process cannot be stopped for now: {error}"));
        }
        self.come_back();
    }

    /// The terminal is ours again, whatever was done to it meanwhile.
    fn come_back(&mut self) {
        if self.is_visible {
            match self.screen.enter_again() {
                Ok(()) => self.update(Message::Resumed),
                Err(_) => self.on_hang_up(),
            }
        }
    }
}

async fn next_key(keys: &mut Option<Input>) -> Option<TerminalEvent> {
    match keys {
        Some(keys) => keys.next().await,
        None => std::future::pending().await,
    }
}

async fn receive<T>(source: &mut Option<Receiver<T>>, buffer: &mut Vec<T>) -> usize {
    match source {
        Some(source) => source.recv_many(buffer, BATCH).await,
        None => std::future::pending().await,
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
