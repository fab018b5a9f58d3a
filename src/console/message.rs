//! What goes into `App::update` and what comes out of it: plain data.

use bytes::Bytes;
use crossterm::event::{KeyEvent, MouseEvent};

use super::panes::image::ImageMessage;
use crate::catalog::{Catalog, InputSizes, SpecError};
use crate::console::notices::Notice;
use crate::console::notifications::Notification;
use crate::console::saved::{Preset, Presets, SavedView};
use crate::engine::{Command, Event, NewJob, RetryPrice};
use crate::jobs::{JobId, Spec};
use crate::telemetry::logging::LogRecord;

/// Everything that can happen to the console.
pub enum Message {
    /// A key.
    Key(KeyEvent),
    /// The mouse.
    Mouse(MouseEvent),
    /// Text that arrived at once: a bracketed paste, or more keys at a time than a person types. Line breaks are `\n`. It is
    /// text wherever text can be entered, and nothing elsewhere: never a command, never the answer to a dialog.
    Paste(String),
    /// The screen has another size: columns, rows.
    Resize(u16, u16),
    /// Time passed, and something on the screen shows time.
    Tick,
    /// A fact out of the engine.
    Event(Event),
    /// The engine stopped without reporting why.
    EngineClosed,
    /// A log line.
    Log(LogRecord),
    /// Lines of the log files: those of other processes and of earlier sessions.
    LogHistory(Vec<LogRecord>),
    /// A reply of the image thread.
    Image(ImageMessage),
    /// The engine's queue is full: this command was not sent.
    CommandDropped(Command),
    /// A file was written in the background: nothing on the screen changes.
    Written,
    /// The presets as they are in their file now, and what was done; or one line why not.
    Presets(Result<(Presets, String), String>),
    /// The result of an effect.
    EffectDone(Notice),
    /// The sizes of the input images that a form asked for, and which files cannot be read.
    InputsMeasured(Spec, InputSizes, Vec<SpecError>),
    /// The price of the requests of `Effect::PriceRequests`.
    RequestsPriced(PricedRequests),
    /// The terminal reported a light background.
    LightBackground,
    /// How many bytes a second a slow line takes; `None` where the line is fast.
    LineSpeed(Option<u64>),
    /// A frame was cut because the line is slow; the screen is empty.
    FrameCut,
    /// The system asks this process to end (SIGTERM, SIGINT, SIGHUP).
    Terminate,
    /// The system asks this process to stop for now (SIGTSTP).
    Suspend,
    /// The console has the terminal back; the screen is empty.
    Resumed,
}

/// What is kept in the console's files.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    /// A parameter set under a name.
    Preset(String, Preset),
    /// No preset of that name any more.
    NoPreset(String),
    /// Submitted prompts, the newest last.
    Prompts(Vec<String>),
    /// The view.
    View(Box<SavedView>),
}

/// What the loop does for the console.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Send a command to the engine, without waiting.
    Send(Command),
    /// Text to the terminal's clipboard.
    Copy(String),
    /// Open an address in the system's viewer.
    Open(String),
    /// Write an image to a new file in the current folder.
    Save {
        /// A safe name without a folder.
        name: String,
        /// The file's contents.
        bytes: Bytes,
    },
    /// Write what is kept for the next start.
    Keep(Kept),
    /// Search the log files for the lines of this job.
    SearchLogs(JobId),
    /// Measure the input images of this spec, for its price.
    MeasureInputs(Spec),
    /// Price these requests by their input images.
    PriceRequests(Vec<NewJob>),
    /// Open this context when the console has ended.
    SwitchContext(NextContext),
    /// Give the terminal back, stop this process until it is continued.
    Suspend,
    /// Notify an operator who looks elsewhere.
    Notify(Notification),
    /// Delete these images from the terminal, which keeps them by number.
    DropImages(Vec<u32>),
    /// Take the mouse, or leave it to the terminal.
    Mouse(bool),
    /// Draw every cell again.
    Redraw,
    /// End the loop.
    Quit(ExitReason),
}

/// Why the console ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitReason {
    /// The engine stopped on request.
    Stopped,
    /// The operator quit before the engine had stopped.
    QuitWithoutWaiting {
        /// Submits without an answer; they may be billed already.
        submits_in_flight: usize,
    },
    /// The engine stopped by itself.
    EngineClosed,
    /// The engine could not be started.
    EngineNotStarted,
}

/// Requests with their price.
#[derive(Debug, Clone, PartialEq)]
pub struct PricedRequests {
    /// The requests.
    pub requests: Vec<NewJob>,
    /// What they cost together.
    pub price: RetryPrice,
    /// Whether the size of every input image is known.
    pub is_measured: bool,
}

impl PricedRequests {
    /// Reads the files that are input images: run it where blocking is allowed, unless there are none.
    pub fn of(requests: Vec<NewJob>, catalog: &Catalog) -> Self {
        let (mut price, mut is_measured) = (RetryPrice::default(), true);
        for NewJob { spec, .. } in &requests {
            let sizes = catalog.measure_inputs(spec);
            is_measured &= catalog.has_sizes(spec, &sizes);
            price.add_new_sized(spec, &sizes, catalog);
        }
        Self { requests, price, is_measured }
    }
}

/// How the console ended, and what is opened next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleEnd {
    /// Why it ended.
    pub reason: ExitReason,
    /// The context that the operator chose.
    pub next_context: Option<NextContext>,
    /// What is left to other processes.
    pub left: LeftJobs,
}

/// Jobs that were generating at the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftJobs {
    /// How many.
    pub generating: u64,
    /// Whether another worker is alive on this machine.
    pub has_worker: bool,
}

impl LeftJobs {
    /// One line for the terminal; `None` where nothing is left.
    pub fn line(self) -> Option<String> {
        let (jobs, them) = match self.generating {
            0 => return None,
            1 => ("1 job is".to_owned(), "it"),
            count => (format!("{count} jobs are"), "them"),
        };
        let how = if self.has_worker {
            format!("another worker continues {them}")
        } else {
            format!("`darkroom worker` or this console continues {them}; a finished image is kept for about 10 minutes")
        };
        Some(format!("{jobs} still generating: {how}"))
    }
}

/// The context that is opened next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextContext {
    /// Its name; `None` is the configuration without a context.
    pub name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_after_quitting_names_who_continues() {
        let line = |generating, has_worker| LeftJobs { generating, has_worker }.line();
        assert_eq!((line(0, true), line(0, false)), (None, None));
        assert_eq!(line(2, true).unwrap(), "2 jobs are still generating: another worker continues them");
        let alone = "1 job is still generating: `darkroom worker` or this console continues it; \
                     a finished image is kept for about 10 minutes";
        assert_eq!(line(1, false).unwrap(), alone);
    }
}
