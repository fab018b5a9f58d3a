//! The console's state, and how a message changes it. `update` is a plain function: it cannot await and performs nothing;
//! it returns effects. The current time comes with each message.
//!
//! ```text
//!  keys.rs      which overlay or pane gets a key       events.rs   events of the engine
//!  mouse.rs     which overlay or pane gets the mouse
//!  actions.rs   what an action does                    paging.rs   the rows of a large store, as they are scrolled to
//!  job_actions.rs    what is done to jobs, and its price    clock.rs    when time alone changes the screen
//!  edits.rs     actions that a typed line describes
//!  bulk.rs      actions on all that the filter matches   draw.rs     the whole screen
//!  matching.rs  the filter, and how many jobs match it    log_actions.rs   the logs, and the lines of a step
//!  leave.rs     what is kept for the next start           contexts.rs      the way to another configuration
//!  quit.rs      leaving, with or without waiting          gallery.rs  images in a grid and side by side
//! ```

mod actions;
mod bulk;
mod clock;
mod contexts;
mod draw;
mod edits;
mod events;
mod gallery;
mod job_actions;
mod keys;
mod leave;
mod log_actions;
mod matching;
mod mouse;
mod paging;
mod quit;
mod undo;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use ratatui::layout::Rect;
use ratatui_image::picker::Picker;
use tokio::sync::mpsc::UnboundedReceiver;

use super::activity::Activity;
use super::board::Board;
use super::form::Drafts;
use super::keymap::{InputContext, KeyMap};
use super::layout::{Layout, PaneName};
use super::line_editor::LineEditor;
use super::message::{Effect, Message};
use super::notices::{Notice, NoticeLevel, Notices};
use super::notifications::Notifier;
use super::overlays::{Overlay, job};
use super::panes::image::{ImageMessage, ImagePane, Place, Tiles};
use super::panes::logs::LogPane;
use super::panes::queue::{QueuePane, QueueSettings};
use super::panes::steps::StepsPane;
use super::saved::{Presets, SavedView};
use super::status::Status;
use super::theme::Theme;
use super::time_zone::DisplayZone;
use super::{ConsoleOptions, ContextChoice, NamedFilter, ThemeChoice};
use crate::catalog::Catalog;
use crate::engine::{BulkRecord, Command};
use crate::jobs::{Job, JobId};
use matching::Matching;
use paging::Paging;
use undo::UndoEntry;

/// The console's whole state.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not one state")]
pub struct App {
    context: String,
    /// The contexts that can be opened instead.
    contexts: Vec<ContextChoice>,
    views: Vec<NamedFilter>,
    adapters: String,
    simulated: bool,
    read_only: bool,
    /// Who uses this console, for the record of a change.
    operator: String,
    zone: DisplayZone,
    theme: Theme,
    /// Which key means what.
    keys: KeyMap,
    /// Whether the mouse is the console's, not the terminal's.
    has_mouse: bool,
    /// Used instead where the terminal reports a light background.
    light_theme: Option<Theme>,
    catalog: &'static Catalog,
    now: DateTime<Utc>,
    size: Rect,
    board: Board,
    status: Status,
    queue: QueuePane,
    /// Columns and order of the queue.
    queue_settings: QueueSettings,
    activity: Activity,
    steps: StepsPane,
    image: ImagePane,
    /// The images of the gallery.
    tiles: Tiles,
    /// The images that are compared.
    compared: Tiles,
    /// On a slow line, the operator requested images.
    images_requested: bool,
    /// No image is requested for them before.
    tiles_paused_until: Option<DateTime<Utc>>,
    logs: LogPane,
    focus: PaneName,
    /// What the stacked screen shows below the queue.
    lower: PaneName,
    /// What covers the panes; the last is on top.
    overlays: Vec<Overlay>,
    notices: Notices,
    notifier: Notifier,
    filter: LineEditor,
    /// What `u` restores, the latest action last.
    undo: Vec<UndoEntry>,
    /// An undo was sent and is not completed.
    undo_pending: bool,
    drafts: Drafts,
    /// When the current question was put: an answer that follows at once was not meant for it.
    question_at: DateTime<Utc>,
    /// What a bulk retry left out, for the notice of its outcome.
    skipped: Option<String>,
    /// Prompts that were submitted, newest first.
    history: Vec<String>,
    /// Parameter sets of the form.
    presets: Presets,
    /// Whether the view is kept for the next start, and what was written last.
    keeps_view: bool,
    saved_view: SavedView,
    /// When the view is written, after it was touched.
    save_view_at: Option<DateTime<Utc>>,
    /// A new job to select as soon as it is listed.
    select_when_shown: Option<JobId>,
    /// Images that are to be saved as soon as their bytes arrive, with the name of the file.
    saves: HashMap<JobId, String>,
    /// The job whose image is shown or waited for, and since when it is selected.
    image_selection: Option<(JobId, DateTime<Utc>)>,
    /// The last job whose lines were requested from the log files.
    searched_logs: Option<JobId>,
    paging: Paging,
    /// The first row is selected as soon as it is loaded.
    jumped_to_top: bool,
    /// How many jobs of the store match the filter, as last counted.
    matching: Matching,
    /// A count was requested and has not arrived.
    counting: bool,
    /// How many jobs of a large store are held, as last counted.
    held: Option<u64>,
    /// That count was requested and has not arrived.
    counting_held: bool,
    /// The next digit is a number of images with new seeds.
    awaits_seeds: bool,
    /// The action on many jobs whose plan is awaited.
    planning: Option<bulk::Planning>,
    /// The price of that action is shown even where it is simulated.
    asks_price: bool,
    /// The bulk actions of the store: open, or ended in the last minutes.
    bulk: Vec<BulkRecord>,
    quitting: bool,
    /// Quit as soon as no job runs here.
    quits_when_done: bool,
    effects: Vec<Effect>,
    dirty: bool,
}

/// Bytes of the images that the gallery and the comparison keep.
const GALLERY_BYTES: usize = 24 * 1024 * 1024;
const COMPARE_BYTES: usize = 32 * 1024 * 1024;

impl App {
    /// A console without data, and the messages of its image thread.
    pub fn new(
        options: &ConsoleOptions,
        picker: Picker,
        now: DateTime<Utc>,
    ) -> (Self, UnboundedReceiver<ImageMessage>) {
        let (image, images) = ImagePane::new(picker, options.images);
        let tiles = image.tiles(Place::Gallery, 0, GALLERY_BYTES);
        let compared = image.tiles(Place::Compare, 0, COMPARE_BYTES);
        let mut app = Self {
            context: options.context.clone(),
            contexts: options.contexts.clone(),
            views: options.views.clone(),
            adapters: options.adapters.clone(),
            simulated: options.simulated,
            read_only: options.read_only,
            operator: options.operator.clone(),
            zone: options.zone,
            theme: options.theme(false),
            light_theme: matches!(options.theme, ThemeChoice::ByBackground { .. }).then(|| options.theme(true)),
            keys: options.keys,
            has_mouse: true,
            catalog: Catalog::builtin(),
            now,
            size: Rect::new(0, 0, 80, 24),
            board: Board::default(),
            status: Status::default(),
            queue: QueuePane::default(),
            queue_settings: QueueSettings::default(),
            activity: Activity::default(),
            steps: StepsPane::default(),
            image,
            tiles,
            compared,
            images_requested: false,
            tiles_paused_until: None,
            logs: LogPane::new(),
            focus: PaneName::Queue,
            lower: PaneName::Steps,
            overlays: Vec::new(),
            notices: Notices::default(),
            notifier: Notifier::new(&options.notify),
            filter: LineEditor::default(),
            undo: Vec::new(),
            undo_pending: false,
            drafts: Drafts::default(),
            question_at: now,
            skipped: None,
            history: options.saved.prompts.clone(),
            presets: options.saved.presets.clone(),
            keeps_view: options.files.is_some(),
            saved_view: SavedView::default(),
            save_view_at: None,
            select_when_shown: None,
            saves: HashMap::new(),
            image_selection: None,
            searched_logs: None,
            paging: Paging::default(),
            jumped_to_top: false,
            matching: Matching::Unknown,
            counting: false,
            held: None,
            counting_held: false,
            awaits_seeds: false,
            planning: None,
            asks_price: false,
            bulk: Vec::new(),
            quitting: false,
            quits_when_done: false,
            effects: Vec::new(),
            dirty: true,
        };
        if let Some(text) = options.greeting.clone() {
            app.notices.push(Notice { level: NoticeLevel::Info, text }, now);
        }
        app.restore(options.saved.view.clone());
        for text in options.saved.problems.iter().cloned() {
            app.notices.push(Notice { level: NoticeLevel::Error, text }, now);
        }
        (app, images)
    }

    /// The first commands: load the newest jobs and the costs.
    pub fn start(&mut self) -> Vec<Effect> {
        self.send(Command::RefreshCosts);
        self.page();
        std::mem::take(&mut self.effects)
    }

    /// Takes in what happened at `now`; what is to be done about it comes out.
    pub fn update(&mut self, message: Message, now: DateTime<Utc>) -> Vec<Effect> {
        self.now = now;
        if matches!(message, Message::Key(_) | Message::Mouse(_) | Message::Paste(_)) {
            self.touch_view();
        }
        let covers = self.covers();
        let had_gallery = self.has_gallery();
        match message {
            Message::Key(key) => self.on_key(key),
            Message::Mouse(mouse) => self.on_mouse(mouse),
            Message::Paste(text) => self.on_paste(&text),
            Message::Resize(width, height) => {
                self.size = Rect::new(0, 0, width, height);
                self.dirty = true;
            }
            Message::Tick => {
                self.notices.expire(now);
                if self.matching == Matching::Unknown {
                    self.count_matching();
                }
                self.dirty = true;
            }
            Message::Event(event) => self.on_event(event),
            Message::EngineClosed => self.on_engine_closed(),
            Message::Log(record) => {
                self.logs.push(record);
                self.dirty |= self.is_shown(PaneName::Logs);
            }
            Message::LogHistory(records) => {
                self.logs.merge(records);
                self.dirty |= self.is_shown(PaneName::Logs);
            }
            Message::Image(message) => {
                self.dirty |= match message.place {
                    Place::Pane => self.image.on_message(message),
                    Place::Gallery => self.tiles.on_message(message),
                    Place::Compare => self.compared.on_message(message),
                }
            }
            Message::CommandDropped(command) => self.on_command_dropped(&command),
            Message::Written => {}
            Message::Presets(presets) => self.on_presets(presets),
            Message::EffectDone(notice) => self.notify(notice.level, notice.text),
            Message::InputsMeasured(spec, sizes, unreadable) => self.on_inputs_measured(&spec, sizes, unreadable),
            Message::RequestsPriced(priced) => self.on_requests_priced(priced),
            Message::LightBackground => {
                if let Some(light) = self.light_theme.take() {
                    self.theme = light;
                    self.dirty = true;
                }
            }
            Message::LineSpeed(bytes_per_second) => self.on_line_speed(bytes_per_second),
            Message::FrameCut => self.on_frame_cut(),
            Message::Terminate => self.quit(),
            Message::Suspend => self.effects.push(Effect::Suspend),
            Message::Resumed => {
                self.invalidate_images();
                self.dirty = true;
            }
        }
        if self.quits_when_done && !self.quitting && self.running_here() == 0 {
            self.quit();
        }
        if self.image.keeps_remains() && self.covers() != covers {
            self.effects.push(Effect::Redraw);
        }
        if let Some(Overlay::Form(form)) = self.overlays.last_mut() {
            self.effects.extend(form.next_measurement().map(Effect::MeasureInputs));
        }
        if self.has_gallery() != had_gallery {
            self.apply_filter();
        }
        self.effects.extend(self.notifier.take_due(now).into_iter().map(Effect::Notify));
        self.request_image();
        self.page();
        self.request_tiles();
        self.save_view();
        std::mem::take(&mut self.effects)
    }

    /// Sends every image to the terminal again.
    fn invalidate_images(&mut self) {
        self.image.invalidate();
        self.tiles.invalidate();
        self.compared.invalidate();
    }

    /// Whether the screen differs from what was last drawn.
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// The selected job.
    fn selected(&self) -> Option<&Arc<Job>> {
        let compared = match self.overlays.last() {
            Some(Overlay::Compare(compare)) => compare.chosen(),
            _ => None,
        };
        compared.or(self.queue.selected()).and_then(|id| self.board.job(id))
    }

    /// Where keys go.
    fn input_context(&self) -> InputContext {
        self.overlays.last().map_or(InputContext::Pane(self.focus), Overlay::input_context)
    }

    fn layout(&self) -> Layout {
        Layout::new(self.size, self.focus, self.lower)
    }

    /// Whether a pane can be seen, by itself or on the whole screen.
    fn is_shown(&self, pane: PaneName) -> bool {
        match self.overlays.iter().rev().find(|overlay| overlay.covers_all()) {
            Some(Overlay::Image) => pane == PaneName::Image,
            Some(Overlay::Logs) => pane == PaneName::Logs,
            Some(Overlay::Job(_)) => pane == PaneName::Image && self.size.width >= job::MIN_WIDTH_WITH_IMAGE,
            Some(_) => false,
            None => self.layout().area_of(pane).is_some(),
        }
    }

    fn send(&mut self, command: Command) {
        self.effects.push(Effect::Send(command));
    }

    /// Shows a reply to a key.
    fn notify(&mut self, level: NoticeLevel, text: impl Into<String>) {
        self.notices.push_reply(Notice { level, text: text.into() }, self.now);
        self.dirty = true;
    }

    /// Requests the selected job's image once the selection has stayed for a moment.
    fn request_image(&mut self) {
        let selected = self.queue.selected().cloned();
        if self.image_selection.as_ref().map(|(id, _)| id) != selected.as_ref() {
            self.image_selection = selected.map(|id| (id, self.now));
        }
        let rests = self.image_selection.as_ref().is_none_or(|(_, since)| self.now - *since >= clock::IMAGE_LOAD_DELAY);
        if rests && (self.is_shown(PaneName::Logs) || matches!(self.overlays.last(), Some(Overlay::Job(_)))) {
            self.search_logs();
        }
        if rests && self.shows_images() && self.is_shown(PaneName::Image) {
            let job = self.selected().map(Arc::clone);
            if let Some(command) = self.image.next_request(job.as_deref()) {
                self.send(command);
            }
        }
    }
}

/// The level of an answer to a key that did nothing.
const NO_EFFECT: NoticeLevel = NoticeLevel::Warning;
