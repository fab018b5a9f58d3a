//! Colours and symbols. Colour is never the only sign of anything.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;
use ratatui::widgets::Block;

use crate::jobs::{Job, StageName, StepState};

/// Colours and symbols of every pane.
#[derive(Debug, Clone)]
pub struct Theme {
    /// Only ASCII symbols and borders.
    pub ascii: bool,
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
}

impl Theme {
    /// For dark terminals.
    pub fn dark() -> Self {
        Self {
            ascii: false,
            text: Style::new(),
            dim: Style::new().fg(Color::DarkGray),
            accent: Style::new().fg(Color::Cyan),
            good: Style::new().fg(Color::Green),
            warning: Style::new().fg(Color::Yellow),
            bad: Style::new().fg(Color::Indexed(202)),
            running: Style::new().fg(Color::Blue).add_modifier(Modifier::BOLD),
            selected: Style::new().bg(Color::Indexed(238)),
            border: Style::new().fg(Color::DarkGray),
            border_focused: Style::new().fg(Color::Cyan),
            simulated: Style::new().fg(Color::Yellow).add_modifier(Modifier::REVERSED | Modifier::BOLD),
        }
    }

    /// For light terminals.
    pub fn light() -> Self {
        Self {
            dim: Style::new().fg(Color::Indexed(242)),
            accent: Style::new().fg(Color::Indexed(25)),
            good: Style::new().fg(Color::Indexed(28)),
            warning: Style::new().fg(Color::Indexed(130)),
            bad: Style::new().fg(Color::Indexed(160)),
            running: Style::new().fg(Color::Indexed(26)).add_modifier(Modifier::BOLD),
            selected: Style::new().bg(Color::Indexed(253)),
            border: Style::new().fg(Color::Indexed(248)),
            border_focused: Style::new().fg(Color::Indexed(25)),
            simulated: Style::new().fg(Color::Indexed(130)).add_modifier(Modifier::REVERSED | Modifier::BOLD),
            ..Self::dark()
        }
    }

    /// Without any colour (`NO_COLOR`): bold, dim, underlined and reversed instead.
    pub fn mono() -> Self {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        Self {
            ascii: false,
            text: Style::new(),
            dim: Style::new().add_modifier(Modifier::DIM),
            accent: bold,
            good: Style::new(),
            warning: bold,
            bad: bold.add_modifier(Modifier::UNDERLINED),
            running: bold,
            selected: Style::new().add_modifier(Modifier::REVERSED),
            border: Style::new().add_modifier(Modifier::DIM),
            border_focused: bold,
            simulated: bold.add_modifier(Modifier::REVERSED),
        }
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
