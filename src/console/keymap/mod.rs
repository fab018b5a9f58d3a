//! Which key triggers which action, in which context. The table in `table.rs` generates dispatch, footer, help and palette.
//! Actions are performed in `app`.

mod chord;
mod map;
mod names;
mod own_keys;
mod table;

pub use chord::Chord;
pub use map::KeyMap;
pub use names::MAX_TITLE;
pub use own_keys::{OwnKeys, own_keys};
pub use table::BINDINGS;

use super::layout::PaneName;

/// Everything that a key can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// The image to the left.
    Left,
    /// The image to the right.
    Right,
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// The first row.
    Top,
    /// The last row.
    Bottom,
    /// A screen up.
    PageUp,
    /// A screen down.
    PageDown,
    /// The next pane.
    NextPane,
    /// The pane before.
    PreviousPane,
    /// That pane.
    Pane(PaneName),
    /// The submit form.
    New,
    /// The job with all that is known of it.
    Open,
    /// One level back.
    Back,
    /// Yes; this one.
    Accept,
    /// Try again.
    Retry,
    /// Try all failed jobs again that are shown.
    RetryAll,
    /// Try all failed jobs of the last hour again.
    RetryRecent,
    /// The submit form filled from this job.
    Clone,
    /// Stop it.
    Cancel,
    /// It is good.
    Approve,
    /// It is not good.
    Reject,
    /// Hidden.
    Hide,
    /// Mark or unmark.
    Mark,
    /// Begin or end a range of marks.
    MarkRange,
    /// Mark all that are shown.
    MarkAll,
    /// Type a filter.
    Filter,
    /// Take the first suggestion.
    Complete,
    /// Choose a saved view.
    Views,
    /// Choose another context.
    Contexts,
    /// Choose the order of the queue.
    SortMenu,
    /// Choose the columns of the queue.
    ColumnMenu,
    /// Keep the selection on the first row, or not.
    FollowNewest,
    /// Show images on a slow line, or not.
    ShowImages,
    /// The images of finished jobs in a grid.
    Gallery,
    /// The marked jobs side by side.
    Compare,
    /// The same request again with another seed.
    NewSeed,
    /// The same request several times with new seeds.
    NewSeeds,
    /// The image on the whole screen.
    FullImage,
    /// The image in the system's viewer.
    OpenImage,
    /// The image's URL to the clipboard.
    CopyUrl,
    /// The image to a file.
    SaveImage,
    /// The attempt before.
    OlderAttempt,
    /// The attempt after.
    NewerAttempt,
    /// The cost screen.
    CostScreen,
    /// Caps and uncertain charges.
    BudgetScreen,
    /// The log screen.
    LogScreen,
    /// Logs: newest lines follow, or not.
    LogFollow,
    /// Logs: how loud a line must be.
    LogLevel,
    /// Logs: this job, or all.
    LogScope,
    /// Logs: type a text that is searched.
    LogSearch,
    /// Logs: type a text that every line must contain.
    LogText,
    /// Logs: the next older line that contains the searched text.
    LogOlderMatch,
    /// Logs: the next newer line that contains the searched text.
    LogNewerMatch,
    /// Logs: the lines of the next process.
    LogProcess,
    /// The job's document as it is stored.
    Document,
    /// The step after.
    NextStep,
    /// The step before.
    PreviousStep,
    /// Pause or resume the intake of all workers.
    Pause,
    /// Pause or resume the intake of this process.
    PauseHere,
    /// One slot more.
    MoreSlots,
    /// One slot less.
    FewerSlots,
    /// Add and remove tags.
    Tag,
    /// Actions on many jobs.
    BulkScreen,
    /// Pause or resume the selected bulk action.
    BulkPause,
    /// Stop the selected bulk action.
    BulkStop,
    /// Undo the selected bulk action.
    BulkUndo,
    /// Undo the last action.
    Undo,
    /// The list of all actions.
    Palette,
    /// The keys of this context.
    Help,
    /// Give the mouse to the terminal, for selecting text, or take it.
    ToggleMouse,
    /// Redraw the whole screen.
    Redraw,
    /// To the shell, to come back with `fg`.
    Suspend,
    /// Quit.
    Quit,
    /// Start no new jobs, and quit when the running ones are done.
    QuitWhenDone,
}

impl Action {
    /// What the action changes, for the notice of a read-only console; `None` where it changes nothing.
    pub fn changes(self) -> Option<&'static str> {
        match self {
            Self::New | Self::Clone | Self::NewSeed | Self::NewSeeds => Some("submit jobs"),
            Self::Retry | Self::RetryAll | Self::RetryRecent => Some("retry jobs"),
            Self::Cancel => Some("cancel jobs"),
            Self::Approve => Some("approve jobs"),
            Self::Reject => Some("reject images"),
            Self::Hide => Some("hide jobs"),
            Self::Tag => Some("tag jobs"),
            Self::BulkPause | Self::BulkStop | Self::BulkUndo => Some("change bulk actions"),
            Self::Undo => Some("undo actions"),
            Self::Pause | Self::PauseHere => Some("pause or resume the intake"),
            Self::MoreSlots | Self::FewerSlots => Some("change the slots"),
            _ => None,
        }
    }
}

/// Where keys go: the pane with the focus, or the overlay on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputContext {
    /// A pane.
    Pane(PaneName),
    /// The job screen.
    Job,
    /// The image on the whole screen.
    FullImage,
    /// Images in a grid.
    Gallery,
    /// Jobs side by side.
    Compare,
    /// The cost screen.
    CostScreen,
    /// Caps and uncertain charges.
    BudgetScreen,
    /// The log screen.
    LogScreen,
    /// A search or a text filter of the logs; typed text goes into it.
    LogInput,
    /// Actions on many jobs.
    BulkScreen,
    /// A line that is typed before an action.
    Line,
    /// The contexts that can be opened; numbers choose.
    Contexts,
    /// The saved views; numbers choose.
    Views,
    /// The help.
    Help,
    /// A question.
    Confirm,
    /// The question before quitting.
    Quit,
    /// The palette; typed text goes into it.
    Palette,
    /// The filter line; typed text goes into it.
    Filter,
    /// The order or the columns of the queue are being chosen; letters choose.
    QueueMenu,
    /// The submit form; it takes every key itself.
    Form,
}

/// What the help puts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// What is done to jobs.
    Jobs,
    /// Choosing jobs.
    Choose,
    /// Images.
    Image,
    /// Other screens and settings of what is shown.
    Views,
    /// The engine.
    Engine,
    /// Moving.
    Move,
}

impl Group {
    /// In display order.
    pub const ALL: [Self; 6] = [Self::Jobs, Self::Choose, Self::Image, Self::Views, Self::Engine, Self::Move];

    /// For the help.
    pub fn title(self) -> &'static str {
        match self {
            Self::Jobs => "Jobs",
            Self::Choose => "Choose",
            Self::Image => "Image",
            Self::Views => "Views",
            Self::Engine => "Engine",
            Self::Move => "Move",
        }
    }
}

/// Where a binding applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindingScope {
    /// Wherever no text is typed.
    Everywhere,
    /// In every context, also where text is typed (but not in the form, which has its own keys).
    Always,
    /// In the panes, not in overlays.
    Panes,
    /// In the panes and the screens of one job.
    OneJob,
    /// In the panes, the screens of one job, and those of several images.
    AnyImage,
    /// In these places only.
    Only(&'static [InputContext]),
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// What it means.
    pub action: Action,
    /// The keys; the first is the one that is shown.
    pub keys: &'static [Chord],
    /// Where.
    pub scope: BindingScope,
    /// For the help.
    pub group: Group,
    /// One or two words for the footer; empty where the footer does not list it.
    pub hint: &'static str,
    /// One line for help and palette.
    pub help: &'static str,
}

impl InputContext {
    /// Whether a question waits for its answer here.
    pub fn is_question(self) -> bool {
        matches!(self, Self::Confirm | Self::Quit)
    }

    /// Whether letters are typed here.
    pub fn takes_text(self) -> bool {
        matches!(
            self,
            Self::Palette
                | Self::Filter
                | Self::Form
                | Self::Line
                | Self::QueueMenu
                | Self::LogInput
                | Self::Contexts
                | Self::Views
        )
    }
}

impl BindingScope {
    fn contains(self, context: InputContext) -> bool {
        match self {
            Self::Everywhere => !context.takes_text() && !context.is_question(),
            Self::Always => context != InputContext::Form,
            Self::Panes => matches!(context, InputContext::Pane(_)),
            Self::OneJob => matches!(context, InputContext::Pane(_) | InputContext::Job | InputContext::FullImage),
            Self::AnyImage => {
                Self::OneJob.contains(context) || matches!(context, InputContext::Gallery | InputContext::Compare)
            }
            Self::Only(places) => places.contains(&context),
        }
    }
}

impl Binding {
    /// Whether the binding applies in that context.
    pub fn applies_in(&self, context: InputContext) -> bool {
        self.scope.contains(context)
    }

    /// Whether the binding belongs to one pane, or to it and its screen.
    pub fn is_of_one_place(&self) -> bool {
        matches!(self.scope, BindingScope::Only(places) if places.len() <= 2)
    }

    /// Its keys, for people: `j ↓`.
    pub fn keys_shown(&self, ascii: bool) -> String {
        let keys: Vec<String> =
            self.keys.iter().filter(|chord| !chord.hidden).map(|chord| chord.shown(ascii)).collect();
        keys.join(" ")
    }

    /// Its first key, for people.
    pub fn key_shown(&self, ascii: bool) -> String {
        self.keys.first().map(|chord| chord.shown(ascii)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
