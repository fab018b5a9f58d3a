//! The loop of the console: it waits in one place, drains what has arrived, and draws once when something changed. All
//! decisions are `App`'s.
//!
//! What the operator does is drawn at once; background events are drawn at most 30 times a second. While the terminal has not
//! taken the last frame, no other is drawn: the next one shows the newest state.

use std::time::{Duration, Instant};

use chrono::Utc;
use crossterm::clipboard::CopyToClipboard;
use crossterm::event::Event as TerminalEvent;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver};
use tokio::sync::oneshot;

use super::background::BackgroundTasks;
use super::input::Input;
use super::screen::{self, Screen};
use super::signals::{SignalEvent, Signals};
use super::tmux;
use crate::console::app::App;
use crate::console::message::{ConsoleEnd, Effect, ExitReason, Message};
use crate::console::notices::{Notice, NoticeLevel};
use crate::console::panes::image::ImageMessage;
use crate::console::{ConsoleError, ConsoleFiles, ConsoleOptions};
use crate::engine::{Command, Event};
use crate::telemetry::log_files::LogHistory;
use crate::telemetry::logging::LogRecord;

/// Shortest time between two frames that only show background events.
const FRAME: Duration = Duration::from_millis(33);
/// At most this much is taken from one source before the others have their turn.
const BATCH: usize = 1_024;
/// How long the exit waits for files that are being written.
const WRITE_TIMEOUT: Duration = Duration::from_secs(3);

/// The two ends of a running engine.
pub struct EngineLink {
    /// Commands in. Sending never waits: where the queue is full, a notice reports that the command was not sent.
    pub commands: Sender<Command>,
    /// Events out.
    pub events: Receiver<Event>,
}

/// Where log lines come from.
pub struct LogSources {
    /// The lines of this process.
    pub records: Receiver<LogRecord>,
    /// The lines of the log files.
    pub older: Receiver<Vec<LogRecord>>,
    /// Searches the log files.
    pub history: LogHistory,
}

/// Runs the console in this process's terminal until the operator quits or the engine stops.
///
/// The first frame is drawn before the `engine` is ready: opening a store takes time. A sender that is dropped without an engine
/// ends the console with [`ExitReason::EngineNotStarted`].
///
/// # Errors
///
/// Standard input or output is not a terminal, or signals cannot be handled. A terminal that goes away later is not an error:
/// the engine is stopped, and the console ends when it has.
pub async fn run(
    options: ConsoleOptions,
    engine: oneshot::Receiver<EngineLink>,
    logs: LogSources,
) -> Result<ConsoleEnd, ConsoleError> {
    let signals = Signals::new().map_err(ConsoleError::Signals)?;
    let screen = Screen::enter().map_err(ConsoleError::Terminal)?;
    let picker = screen::picker(options.images);
    let input = Input::start().map_err(ConsoleError::Terminal)?;
    let (app, images) = App::new(&options, picker, Utc::now());
    let event_loop = EventLoop {
        app,
        screen,
        commands: Commands::Waiting(Vec::new()),
        background: BackgroundTasks::default(),
        history: logs.history,
        files: options.files,
        is_visible: true,
        is_urgent: true,
        drawn_at: None,
        stopped_by_us: false,
        exit: None,
        next_context: None,
    };
    let sources = Sources {
        input: Some(input),
        engine: Some(engine),
        events: None,
        logs: Some(logs.records),
        history: Some(logs.older),
        images,
        signals,
    };
    event_loop.run(sources).await
}

/// Everything that the loop waits for.
struct Sources {
    /// `None` once the terminal is gone.
    input: Option<Input>,
    /// `None` once the engine has started, or never will.
    engine: Option<oneshot::Receiver<EngineLink>>,
    /// `None` before the engine has started and once it is gone.
    events: Option<Receiver<Event>>,
    logs: Option<Receiver<LogRecord>>,
    history: Option<Receiver<Vec<LogRecord>>>,
    images: UnboundedReceiver<ImageMessage>,
    signals: Signals,
}

/// Why the loop woke up.
enum LoopEvent {
    /// So many terminal events are in the buffer; 0: the terminal is gone.
    Input(usize),
    /// The terminal took the last frame, or is gone.
    Written(std::io::Result<()>),
    /// The engine has started; `None`: it could not start.
    Engine(Option<EngineLink>),
    /// So many events of the engine are in the buffer; 0: the engine is gone.
    Events(usize),
    /// The same for log lines.
    Logs(usize),
    /// The same for batches of lines of the log files.
    History(usize),
    Image(ImageMessage),
    Signal(SignalEvent),
    EffectDone(Message),
    Timer,
}

/// Where commands go.
enum Commands {
    /// Commands for the engine that is starting.
    Waiting(Vec<Command>),
    Engine(Sender<Command>),
}

struct EventLoop {
    app: App,
    screen: Screen,
    commands: Commands,
    background: BackgroundTasks,
    history: LogHistory,
    files: Option<ConsoleFiles>,
    /// The terminal still exists.
    is_visible: bool,
    /// The operator did something that is not drawn yet.
    is_urgent: bool,
    drawn_at: Option<Instant>,
    /// The console stopped itself: the SIGCONT that follows needs no handling.
    stopped_by_us: bool,
    exit: Option<ExitReason>,
    /// The context that the operator chose.
    next_context: Option<Option<String>>,
}

impl EventLoop {
    async fn run(mut self, mut sources: Sources) -> Result<ConsoleEnd, ConsoleError> {
        self.on_size();
        let first = self.app.start();
        self.perform(first);
        let mut input_buffer = Vec::new();
        let mut event_buffer = Vec::new();
        let mut log_buffer = Vec::new();
        let mut history_buffer = Vec::new();
        while self.exit.is_none() {
            if self.shall_draw() {
                self.draw();
            }
            let wait = self.wait();
            // The only await of the console. Signals and keys come first, however many events there are.
            let woken = tokio::select! {
                biased;
                signal = sources.signals.next() => LoopEvent::Signal(signal),
                count = next_input(&mut sources.input, &mut input_buffer) => LoopEvent::Input(count),
                result = self.screen.written() => LoopEvent::Written(result),
                engine = started(&mut sources.engine) => LoopEvent::Engine(engine),
                Some(message) = self.background.next(), if !self.background.is_idle() => LoopEvent::EffectDone(message),
                Some(message) = sources.images.recv() => LoopEvent::Image(message),
                count = receive(&mut sources.events, &mut event_buffer) => LoopEvent::Events(count),
                count = receive(&mut sources.logs, &mut log_buffer) => LoopEvent::Logs(count),
                count = receive(&mut sources.history, &mut history_buffer) => LoopEvent::History(count),
                () = sleep(wait) => LoopEvent::Timer,
            };
            match woken {
                LoopEvent::Input(0) => {
                    sources.input = None;
                    self.on_hang_up();
                }
                LoopEvent::Input(_) => {
                    input_buffer.drain(..).for_each(|event| self.on_terminal(event));
                    self.is_urgent = true;
                }
                LoopEvent::Written(Ok(())) => {}
                LoopEvent::Written(Err(_)) => self.on_hang_up(),
                LoopEvent::Engine(engine) => {
                    sources.engine = None;
                    sources.events = self.on_engine(engine);
                }
                LoopEvent::Events(0) => {
                    sources.events = None;
                    self.update(Message::EngineClosed);
                }
                LoopEvent::Events(_) => event_buffer.drain(..).for_each(|event| self.update(Message::Event(event))),
                LoopEvent::Logs(0) => sources.logs = None,
                LoopEvent::Logs(_) => log_buffer.drain(..).for_each(|record| self.update(Message::Log(record))),
                LoopEvent::History(0) => sources.history = None,
                LoopEvent::History(_) => {
                    history_buffer.drain(..).for_each(|records| self.update(Message::LogHistory(records)));
                }
                LoopEvent::Image(message) => self.update(Message::Image(message)),
                LoopEvent::Signal(signal) => {
                    self.on_signal(signal);
                    self.is_urgent = true;
                }
                LoopEvent::EffectDone(message) => self.update(message),
                LoopEvent::Timer => {
                    if !self.app.is_dirty() {
                        self.update(Message::Tick);
                    }
                }
            }
        }
        self.background.finish(WRITE_TIMEOUT).await;
        let reason = self.exit.unwrap_or(ExitReason::EngineClosed);
        // A console that was not left in order opens nothing else.
        let next_context = self.next_context.filter(|_| reason == ExitReason::Stopped);
        Ok(ConsoleEnd { reason, next_context })
    }

    fn shall_draw(&self) -> bool {
        self.is_visible
            && self.app.is_dirty()
            && !self.screen.is_busy()
            && (self.is_urgent || self.drawn_at.is_none_or(|at| at.elapsed() >= FRAME))
    }

    /// How long the loop may sleep; `None` is until something arrives.
    fn wait(&self) -> Option<Duration> {
        if !self.is_visible {
            return None;
        }
        if self.app.is_dirty() {
            // A busy screen wakes the loop by itself.
            let wait = || self.drawn_at.map_or(Duration::ZERO, |at| FRAME.saturating_sub(at.elapsed()));
            return (!self.screen.is_busy()).then(wait);
        }
        self.app.next_tick().map(|at| (at - Utc::now()).to_std().unwrap_or(Duration::ZERO))
    }

    /// Sends what waited for the engine.
    fn on_engine(&mut self, engine: Option<EngineLink>) -> Option<Receiver<Event>> {
        let Some(EngineLink { commands, events }) = engine else {
            self.exit = Some(ExitReason::EngineNotStarted);
            return None;
        };
        if let Commands::Waiting(waiting) = std::mem::replace(&mut self.commands, Commands::Engine(commands)) {
            self.perform(waiting.into_iter().map(Effect::Send).collect());
        }
        Some(events)
    }

    fn update(&mut self, message: Message) {
        let effects = screen::with_panic_guard(|| self.app.update(message, Utc::now()));
        self.perform(effects);
    }

    fn draw(&mut self) {
        let (app, screen) = (&mut self.app, &mut self.screen);
        if screen::with_panic_guard(|| screen.draw(|frame| app.draw(frame))).is_err() {
            self.on_hang_up();
        }
        self.is_urgent = false;
        self.drawn_at = Some(Instant::now());
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

    /// The terminal is gone: stop the engine, once, and wait for it without drawing.
    fn on_hang_up(&mut self) {
        if std::mem::replace(&mut self.is_visible, false) {
            tracing::warn!("terminal closed; shutting down");
            self.update(Message::Terminate);
        }
    }

    fn on_signal(&mut self, signal: SignalEvent) {
        match signal {
            SignalEvent::Terminate => self.update(Message::Terminate),
            SignalEvent::HangUp => self.on_hang_up(),
            SignalEvent::Resize => self.on_size(),
            SignalEvent::Suspend => self.update(Message::Suspend),
            SignalEvent::Continue => {
                if !std::mem::replace(&mut self.stopped_by_us, false) {
                    self.resume();
                }
            }
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(command) => self.send(command),
                Effect::Copy(text) => self.write(CopyToClipboard::to_clipboard_from(text)),
                Effect::Open(address) => self.background.open(address),
                Effect::MeasureInputs(spec) => self.background.measure(spec),
                Effect::Save { name, bytes } => match std::env::current_dir() {
                    Ok(folder) => self.background.save(folder, name, bytes),
                    Err(error) => self.report_failure(format!("could not save {name}: {error}")),
                },
                Effect::SavePreset(name, preset) => {
                    if let Some(files) = &self.files {
                        self.background.save_preset(files.presets(), name, preset);
                    }
                }
                Effect::RemovePreset(name) => {
                    if let Some(files) = &self.files {
                        self.background.remove_preset(files.presets(), name);
                    }
                }
                Effect::AddPrompts(prompts) => {
                    if let Some(files) = &self.files {
                        self.background.add_prompts(files.clone(), prompts);
                    }
                }
                Effect::SearchLogs(job) => self.history.search(&job.to_string()),
                Effect::DropImages(numbers) => {
                    if self.is_visible {
                        self.screen.write_sequence(tmux::delete_kitty_images(&numbers));
                    }
                }
                Effect::SwitchContext(name) => self.next_context = Some(name),
                Effect::Suspend => self.suspend(),
                Effect::Redraw => {
                    if self.screen.clear().is_err() {
                        self.on_hang_up();
                    }
                }
                Effect::Quit(reason) => self.exit = Some(reason),
            }
        }
    }

    fn send(&mut self, command: Command) {
        match &mut self.commands {
            Commands::Waiting(waiting) => waiting.push(command),
            Commands::Engine(commands) => match commands.try_send(command) {
                Ok(()) => {}
                Err(TrySendError::Full(command)) => self.update(Message::CommandDropped(command)),
                Err(TrySendError::Closed(_)) => self.update(Message::EngineClosed),
            },
        }
    }

    fn write(&mut self, command: impl crossterm::Command) {
        if self.is_visible && self.screen.write(command).is_err() {
            self.on_hang_up();
        }
    }

    fn report_failure(&mut self, text: String) {
        self.update(Message::EffectDone(Notice { level: NoticeLevel::Error, text }));
    }

    fn suspend(&mut self) {
        screen::restore();
        self.stopped_by_us = true;
        if let Err(error) = Signals::stop() {
            self.stopped_by_us = false;
            self.report_failure(format!("cannot suspend: {error}"));
        }
        self.resume();
    }

    /// Sets the terminal up again, whatever was done to it meanwhile.
    fn resume(&mut self) {
        if self.is_visible {
            match self.screen.reenter() {
                Ok(()) => self.update(Message::Resumed),
                Err(_) => self.on_hang_up(),
            }
        }
    }
}

async fn next_input(input: &mut Option<Input>, buffer: &mut Vec<TerminalEvent>) -> usize {
    match input {
        Some(input) => input.next(buffer, BATCH).await,
        None => std::future::pending().await,
    }
}

async fn started(engine: &mut Option<oneshot::Receiver<EngineLink>>) -> Option<EngineLink> {
    match engine {
        Some(engine) => engine.await.ok(),
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
