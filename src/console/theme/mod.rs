//! Colours and symbols. Colour is never the only sign of anything.

mod file;

use ratatui::style::{Modifier, Style};
use ratatui::symbols::border;
use ratatui::widgets::Block;

use crate::jobs::{Job, Review, StageName, StepState};

pub use file::{AUTO, BUILT_IN, ThemeError, built_in, load};

/// Colours and symbols of every pane.
#[derive(Debug, Clone, Default)]
pub struct Theme {
    /// Only ASCII symbols and borders.
    pub ascii: bool,
    /// The whole screen before anything is drawn.
    pub base: Style,
    /// Plain text.
    pub text: Style,
    /// What matters less.
    pub dim: Style,
    /// Keys, titles, what can be acted on.
    pub accent: Style,
    /// Went well.
    pub good: Style,
    /// Waits, held, may matter.
    pub warning: Style,
    /// Went wrong.
    pub bad: Style,
    /// Runs.
    pub running: Style,
    /// The selected row.
    pub selected: Style,
    /// Borders of panes without the focus.
    pub border: Style,
    /// Borders of the pane with the focus.
    pub border_focused: Style,
    /// The badge SIMULATED, reversed.
    pub simulated: Style,
    /// The badge REAL MONEY, reversed.
    pub real_money: Style,
}

impl Theme {
    /// Light text on a dark background.
    pub fn dark() -> Self {
        Self::built_in("dark")
    }

    /// Dark text on a light background.
    pub fn light() -> Self {
        Self::built_in("light")
    }

    /// Without any colour (`NO_COLOR`): bold, underlined and reversed instead.
    pub fn mono() -> Self {
        Self::built_in("mono")
    }

    /// A theme of the program; where the name is wrong, everything has the terminal's own colours.
    fn built_in(name: &str) -> Self {
        built_in(name).unwrap_or_default()
    }

    /// The same with ASCII symbols and borders only, or not.
    #[must_use]
    pub fn with_ascii(self, ascii: bool) -> Self {
        Self { ascii, ..self }
    }

    /// Whether it is the one without colours.
    pub fn is_without_colours(&self) -> bool {
        self.accent.fg.is_none()
    }

    /// The frame of a pane.
    pub fn block<'a>(&self, focused: bool) -> Block<'a> {
        let style = if focused { self.border_focused } else { self.border };
        Block::bordered().border_set(border::ROUNDED).border_style(style)
    }

    /// The symbol, or its ASCII replacement.
    pub fn symbol(&self, symbol: &'static str, ascii: &'static str) -> &'static str {
        if self.ascii { ascii } else { symbol }
    }

    /// A bar of that many cells, filled up to a fraction from 0 to 1: `━━━━──`, or `####--`. The filled part comes first.
    pub fn bar(&self, fraction: f32, cells: usize) -> (String, String) {
        let full = (fraction.clamp(0.0, 1.0) * cells as f32).round() as usize;
        (self.symbol("━", "#").repeat(full), self.symbol("─", "-").repeat(cells - full))
    }

    /// The symbol of a job's state: `◌ ‖ ↑ ▶ ✓ ★ ✗ ⊘`, or `o = ^ > + * x -`.
    pub fn job_symbol(&self, job: &Job) -> &'static str {
        let (symbol, ascii) = match job.stage_name() {
            StageName::Queued if job.hold().is_some() => ("‖", "="),
            StageName::Queued => ("◌", "o"),
            StageName::Submitting => ("↑", "^"),
            StageName::Generating => ("▶", ">"),
            StageName::Done if job.review() == Some(Review::Rejected) => ("▽", "v"),
            StageName::Done => ("✓", "+"),
            StageName::Approved => ("★", "*"),
            StageName::Failed => ("✗", "x"),
            StageName::Cancelled => ("⊘", "-"),
        };
        if self.ascii { ascii } else { symbol }
    }

    /// The style of a job's state.
    pub fn job_style(&self, job: &Job) -> Style {
        match job.stage_name() {
            StageName::Queued if job.hold().is_some() => self.warning,
            StageName::Queued | StageName::Cancelled => self.dim,
            StageName::Submitting => self.accent,
            StageName::Generating => self.running,
            StageName::Done if job.review() == Some(Review::Rejected) => self.dim,
            StageName::Done => self.good,
            StageName::Approved => self.good.add_modifier(Modifier::BOLD),
            StageName::Failed => self.bad,
        }
    }

    /// The symbol of a step; `None` is a step that has not begun.
    pub fn step_symbol(&self, state: Option<StepState>) -> &'static str {
        let (symbol, ascii) = match state {
            None => ("◌", "o"),
            Some(StepState::Running) => ("▶", ">"),
            Some(StepState::Done) => ("✓", "+"),
            Some(StepState::Failed) => ("✗", "x"),
        };
        if self.ascii { ascii } else { symbol }
    }
}

#[cfg(test)]
mod tests;
