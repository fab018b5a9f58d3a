//! The picture pane.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui_image::picker::Picker;
use tokio::sync::mpsc;

use crate::console::theme::Theme;
use crate::engine::{Command, Progress};
use crate::jobs::{Job, JobId};

/// How pictures are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ImagesMode {
    /// As well as the terminal can.
    #[default]
    Auto,
    /// With coloured half blocks, which every terminal has.
    HalfBlocks,
    /// Not at all: size and address instead.
    Off,
}

/// What the decoding thread has done; to be handed to `PicturePane::on_message`.
#[derive(Debug)]
pub struct PictureMessage {}

/// The picture pane and its own state.
#[derive(Debug)]
pub struct PicturePane {
    _sender: mpsc::UnboundedSender<PictureMessage>,
}

impl PicturePane {
    /// The pane, and what its decoding thread says.
    pub fn new(picker: Picker, mode: ImagesMode) -> (Self, mpsc::UnboundedReceiver<PictureMessage>) {
        let _ = (picker, mode);
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { _sender: sender }, receiver)
    }

    /// The order for the selected job's picture, once for each job and attempt.
    pub fn wanted(&mut self, job: Option<&Job>) -> Option<Command> {
        let _ = job;
        None
    }

    /// Takes a picture's bytes, or why there are none.
    pub fn on_bytes(&mut self, id: &JobId, attempt: u32, bytes: Result<Bytes, String>) {
        let _ = (id, attempt, bytes);
    }

    /// Takes what the decoding thread did; true where the screen changes.
    pub fn on_message(&mut self, message: PictureMessage) -> bool {
        let _ = message;
        true
    }

    /// Draws the pane.
    #[expect(clippy::too_many_arguments, reason = "the console hands over everything that a pane may show")]
    pub fn draw(
        &mut self,
        frame: &mut Frame<'_>,
        area: Rect,
        job: Option<&Job>,
        progress: Option<&Progress>,
        now: DateTime<Utc>,
        focused: bool,
        theme: &Theme,
    ) {
        let _ = (frame, area, job, progress, now, focused, theme);
    }
}
