//! The cost screen: where the money went, by model, day, service or cause. Must not add up charges: the report did.

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;

use crate::console::theme::Theme;
use crate::engine::CostOverview;

/// The cost screen and its own state.
#[derive(Debug, Default)]
pub struct CostScreen {}

impl CostScreen {
    /// By model, 30 days.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a key; false where the key is not for this screen.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let _ = key;
        false
    }

    /// Draws the screen.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, costs: Option<&CostOverview>, theme: &Theme) {
        let _ = (frame, area, costs, theme);
    }
}
