//! The submit form.

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;

use crate::console::theme::Theme;
use crate::engine::NewJob;
use crate::jobs::{Catalog, Spec};

/// What Esc keeps.
#[derive(Debug, Clone, Default)]
pub struct Draft {}

/// What a key came to.
#[derive(Debug, Clone, PartialEq)]
pub enum FormOutcome {
    /// The form stays.
    Nothing,
    /// The form goes; its draft is to be kept.
    Close,
    /// The form goes and these jobs are to be made; its draft is to be forgotten.
    Submit(Vec<NewJob>),
}

/// The submit form.
#[derive(Debug)]
pub struct Form {}

impl Form {
    /// A form for a new job; the draft of the last one, if it was closed without submitting.
    pub fn new(catalog: &'static Catalog, draft: Option<Draft>, history: Vec<String>, simulated: bool) -> Self {
        let _ = (catalog, draft, history, simulated);
        Self {}
    }

    /// A form filled from a job: a clone with edits.
    pub fn from_spec(catalog: &'static Catalog, spec: &Spec, history: Vec<String>, simulated: bool) -> Self {
        let _ = (catalog, spec, history, simulated);
        Self {}
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> FormOutcome {
        let _ = key;
        FormOutcome::Close
    }

    /// Takes pasted text.
    pub fn paste(&mut self, text: &str) {
        let _ = text;
    }

    /// Everything that was typed.
    pub fn draft(&self) -> Draft {
        Draft {}
    }

    /// Draws the form.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let _ = (frame, area, theme);
    }
}
