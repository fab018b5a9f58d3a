//! Owns the console's whole state, and how a message changes it. `update` is a plain function: it cannot await, and it
//! performs nothing; what is to be done comes out as effects. Must not read a clock: the present comes with each message.
//!
//! ```text
//!  keys.rs      which overlay or pane gets a key       events.rs   what the engine said
//!  actions.rs   what an action does                    paging.rs   older jobs, as the list is scrolled
//!  orders.rs    what is done to jobs, and its price    clock.rs    when time alone changes the screen
//!  draw.rs      the whole screen
//! ```

mod actions;
mod clock;
mod draw;
mod events;
mod keys;
mod orders;
mod paging;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use ratatui::layout::Rect;
use ratatui_image::picker::Picker;
use tokio::sync::mpsc::UnboundedReceiver;

use super::ConsoleOptions;
use super::board::{Board, Filter};
use super::keymap::Place;
use super::layout::{Layout, PaneName};
use super::message::{Effect, ExitReason, Message};
use super::notices::{Notice, NoticeLevel, Notices};
use super::overlays::Overlay;
use super::overlays::form::Draft;
use super::panes::image::{ImageMessage, ImagePane};
use super::panes::logs::LogPane;
use super::panes::queue::QueuePane;
use super::panes::steps::StepsPane;
use super::status::Status;
use super::text_line::TextLine;
use super::theme::Theme;
use crate::catalog::Catalog;
use crate::engine::{Command, CommandKind};
use crate::jobs::{Job, JobId};
use paging::Paging;

/// The console's whole state.
pub struct App {
    context: String,
    adapters: String,
    simulated: bool,
    theme: Theme,
    catalog: &'static Catalog,
    now: DateTime<Utc>,
    size: Rect,
    board: Board,
    status: Status,
    queue: QueuePane,
    steps: StepsPane,
    image: ImagePane,
    logs: LogPane,
    focus: PaneName,
    /// What the stacked screen shows below the queue.
    lower: PaneName,
    /// What covers the panes; the last is on top.
    overlays: Vec<Overlay>,
    notices: Notices,
    filter: TextLine,
    /// What `u` would put back.
    undo: Option<(CommandKind, Vec<Job>)>,
    /// The form as it was left with Esc.
    draft: Option<Draft>,
    /// The form as it was submitted, until the engine has it.
    submitted: Option<Draft>,
    /// Prompts that were submitted, newest first.
    history: Vec<String>,
    /// A new job that is to be selected as soon as it is heard of.
    select_next: Option<JobId>,
    /// Images that are to be saved as soon as their bytes arrive, with the name of the file.
    saves: HashMap<JobId, String>,
    /// The job whose image is shown or waited for, and since when it is selected.
    pictured: Option<(JobId, DateTime<Utc>)>,
    paging: Paging,
    leaving: bool,
    effects: Vec<Effect>,
    dirty: bool,
}

impl App {
    /// A console that knows nothing yet, and what its image thread says.
    pub fn new(
        options: &ConsoleOptions,
        picker: Picker,
        now: DateTime<Utc>,
    ) -> (Self, UnboundedReceiver<ImageMessage>) {
        let (image, images) = ImagePane::new(picker, options.images);
        let mut app = Self {
            context: options.context.clone(),
            adapters: options.adapters.clone(),
            simulated: options.simulated,
            theme: options.theme(),
            catalog: Catalog::builtin(),
            now,
            size: Rect::new(0, 0, 80, 24),
            board: Board::default(),
            status: Status::default(),
            queue: QueuePane::default(),
            steps: StepsPane::default(),
            image,
            logs: LogPane::new(),
            focus: PaneName::Queue,
            lower: PaneName::Steps,
            overlays: Vec::new(),
            notices: Notices::default(),
            filter: TextLine::default(),
            undo: None,
            draft: None,
            submitted: None,
            history: Vec::new(),
            select_next: None,
            saves: HashMap::new(),
            pictured: None,
            paging: Paging::default(),
            leaving: false,
            effects: Vec::new(),
            dirty: true,
        };
        if let Some(text) = options.greeting.clone() {
            app.notices.say(Notice { level: NoticeLevel::Info, text }, now);
        }
        (app, images)
    }

    /// The first orders: the newest jobs, and what was spent.
    pub fn start(&mut self) -> Vec<Effect> {
        self.send(Command::RefreshCosts);
        self.page();
        std::mem::take(&mut self.effects)
    }

    /// Takes in what happened at `now`; what is to be done about it comes out.
    pub fn update(&mut self, message: Message, now: DateTime<Utc>) -> Vec<Effect> {
        self.now = now;
        match message {
            Message::Key(key) => self.on_key(key),
            Message::Mouse(mouse) => self.on_mouse(mouse),
            Message::Paste(text) => self.on_paste(&text),
            Message::Resize(width, height) => {
                self.size = Rect::new(0, 0, width, height);
                self.dirty = true;
            }
            Message::Tick => {
                self.notices.fade(now);
                self.dirty = true;
            }
            Message::Event(event) => self.on_event(event),
            Message::EngineGone => self.on_engine_gone(),
            Message::Log(record) => {
                self.logs.push(record);
                self.dirty |= self.is_shown(PaneName::Logs);
            }
            Message::Image(message) => self.dirty |= self.image.on_message(message),
            Message::NotSent(command) => self.on_not_sent(&command),
            Message::Told(notice) => self.say(notice.level, notice.text),
            Message::EndAsked => self.leave(),
            Message::SuspendAsked => self.effects.push(Effect::Suspend),
            Message::Resumed => {
                self.image.forget_screen();
                self.dirty = true;
            }
        }
        self.want_image();
        self.page();
        std::mem::take(&mut self.effects)
    }

    /// Whether the screen differs from what was last drawn.
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// The selected job.
    fn selected(&self) -> Option<&Arc<Job>> {
        self.queue.selected().and_then(|id| self.board.job(id))
    }

    /// Where keys go.
    fn place(&self) -> Place {
        self.overlays.last().map_or(Place::Pane(self.focus), Overlay::place)
    }

    fn layout(&self) -> Layout {
        Layout::new(self.size, self.focus, self.lower)
    }

    /// Whether a pane can be seen, by itself or on the whole screen.
    fn is_shown(&self, pane: PaneName) -> bool {
        match self.overlays.iter().rev().find(|overlay| overlay.covers_all()) {
            Some(Overlay::Image) => pane == PaneName::Image,
            Some(Overlay::Logs) => pane == PaneName::Logs,
            Some(_) => false,
            None => self.layout().area_of(pane).is_some(),
        }
    }

    fn send(&mut self, command: Command) {
        self.effects.push(Effect::Send(command));
    }

    /// Answers a key.
    fn say(&mut self, level: NoticeLevel, text: impl Into<String>) {
        self.notices.answer(Notice { level, text: text.into() }, self.now);
        self.dirty = true;
    }

    /// Asks for the selected job's image, once the selection has come to rest.
    fn want_image(&mut self) {
        let selected = self.queue.selected().cloned();
        if self.pictured.as_ref().map(|(id, _)| id) != selected.as_ref() {
            self.pictured = selected.map(|id| (id, self.now));
        }
        let rests = self.pictured.as_ref().is_none_or(|(_, since)| self.now - *since >= clock::REST);
        if rests && self.is_shown(PaneName::Image) {
            let job = self.selected().map(Arc::clone);
            if let Some(command) = self.image.wanted(job.as_deref()) {
                self.send(command);
            }
        }
    }

    fn apply_filter(&mut self) {
        self.board.set_filter(Filter::parse(self.filter.as_str()));
        self.queue.follow(&self.board);
        self.dirty = true;
    }

    /// Asks the engine to stop; asked again, does not wait for it.
    fn leave(&mut self) {
        self.dirty = true;
        let reason = match (self.status.engine_gone, self.leaving) {
            (true, _) => ExitReason::EngineGone,
            (false, true) => ExitReason::LeftAnyway { posts: self.status.posts },
            (false, false) => {
                self.leaving = true;
                self.send(Command::Stop);
                return;
            }
        };
        self.effects.push(Effect::Quit(reason));
    }
}

/// The level of an answer to a key that did nothing.
const NOTHING: NoticeLevel = NoticeLevel::Warning;
