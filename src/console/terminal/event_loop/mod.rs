//! The loop of the console: it waits in one place, drains what has arrived, and draws once when something changed. All
//! decisions are `App`'s.
//!
//! What the operator does is drawn at once; background events are drawn at most 30 times a second. While the terminal has not
//! taken the last frame, no other is drawn: the next one shows the newest state.

mod effects;

use std::time::{Duration, Instant};

use chrono::Utc;
use crossterm::event::Event as TerminalEvent;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver};
use tokio::sync::oneshot;

use super::background::BackgroundTasks;
use super::input::Input;
use super::line_meter::LineSpeed;
use super::output::Written;
use super::screen::{self, Screen};
use super::signals::{SignalEvent, Signals};
use super::waits::{next_input, receive, sleep, started};
use crate::console::app::App;
use crate::console::message::{ConsoleEnd, Effect, ExitReason, Message, NextContext};
use crate::console::notifications::NotifyOptions;
use crate::console::panes::image::ImageMessage;
use crate::console::{ConsoleError, ConsoleFiles, ConsoleOptions, ThemeChoice};
use crate::engine::{Command, Event};
use crate::telemetry::log_files::LogHistory;
use crate::telemetry::logging::LogRecord;

/// Shortest time between two frames that only show background events.
const FRAME: Duration = Duration::from_millis(33);
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
    let mut screen = Screen::enter().map_err(ConsoleError::Terminal)?;
    let picker = screen::picker(options.images);
    let is_automatic = matches!(options.theme, ThemeChoice::ByBackground { .. });
    let first_frame_at = if is_automatic { screen.request_background() } else { None };
    let (input, background) = Input::start().map_err(ConsoleError::Terminal)?;
    let (app, images) = App::new(&options, picker, Utc::now());
    let event_loop = EventLoop {
        app,
        screen,
        commands: Commands::Waiting(Vec::new()),
        background: BackgroundTasks::default(),
        history: logs.history,
        files: options.files,
        has_mouse: true,
        is_visible: true,
        first_frame_at,
        line: LineSpeed::Fast,
        notify: options.notify,
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
        background,
    };
    event_loop.run(sources).await
}

/// Everything that the loop waits for.
struct Sources {
    /// `None` once the terminal is gone.
    input: Option<Input>,
    /// Whether the terminal reports a light background.
    background: UnboundedReceiver<bool>,
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
    Written(std::io::Result<Written>),
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
    /// The terminal's background is light, or dark.
    Background(bool),
    Timer,
}

/// Where commands go.
enum Commands {
    /// Commands for the engine that is starting.
    Waiting(Vec<Command>),
    Engine(Sender<Command>),
}

#[expect(clippy::struct_excessive_bools, reason = "four independent facts, no state machine")]
struct EventLoop {
    app: App,
    screen: Screen,
    commands: Commands,
    background: BackgroundTasks,
    history: LogHistory,
    files: Option<ConsoleFiles>,
    /// The mouse is the console's, not the terminal's.
    has_mouse: bool,
    /// The terminal still exists.
    is_visible: bool,
    /// The first frame waits until then for the terminal to report its background.
    first_frame_at: Option<Instant>,
    line: LineSpeed,
    notify: NotifyOptions,
    /// The operator did something that is not drawn yet.
    is_urgent: bool,
    drawn_at: Option<Instant>,
    /// The console stopped itself: the SIGCONT that follows needs no handling.
    stopped_by_us: bool,
    exit: Option<ExitReason>,
    /// The context that the operator chose.
    next_context: Option<NextContext>,
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
                Some(is_light) = sources.background.recv() => LoopEvent::Background(is_light),
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
                    if self.app.is_dirty() {
                        self.screen.cut();
                    }
                }
                LoopEvent::Written(Ok(written)) => self.on_written(written),
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
                LoopEvent::Background(is_light) => {
                    self.first_frame_at = None;
                    if is_light {
                        self.update(Message::LightBackground);
                        self.is_urgent = true;
                    }
                }
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
        Ok(ConsoleEnd { reason, next_context, left: self.app.left_jobs() })
    }

    fn on_written(&mut self, written: Written) {
        if self.line != written.line {
            self.line = written.line;
            let bytes_per_second = match written.line {
                LineSpeed::Fast => None,
                LineSpeed::Slow { bytes_per_second } => Some(bytes_per_second),
            };
            self.update(Message::LineSpeed(bytes_per_second));
        }
        if written.is_cut {
            self.update(Message::FrameCut);
            self.perform(vec![Effect::Redraw]);
        }
    }

    fn shall_draw(&self) -> bool {
        self.is_visible
            && self.first_frame_at.is_none_or(|at| Instant::now() >= at)
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
            if let Some(at) = self.first_frame_at {
                return Some(at.saturating_duration_since(Instant::now()));
            }
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
        self.first_frame_at = None;
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
}
