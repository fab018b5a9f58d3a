//! Colours and symbols. Colour is never the only sign of anything.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;
use ratatui::widgets::Block;

use crate::jobs::{Job, Review, StageName, StepState};

/// Colours and symbols of every pane.
#[derive(Debug, Clone)]
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
    /// Light text on a dark background. The background is part of the theme, so that the contrast does not depend on the
    /// terminal's own colours.
    pub fn dark() -> Self {
        let fg = |index| Style::new().fg(Color::Indexed(index));
        Self {
            ascii: false,
            base: fg(252).bg(Color::Indexed(234)),
            text: fg(252),
            dim: fg(248),
            accent: fg(80),
            good: fg(114),
            warning: fg(221),
            bad: fg(209),
            running: fg(111).add_modifier(Modifier::BOLD),
            selected: Style::new().bg(Color::Indexed(237)),
            border: fg(243),
            border_focused: fg(80),
            simulated: fg(221).add_modifier(Modifier::REVERSED | Modifier::BOLD),
            real_money: fg(209).add_modifier(Modifier::REVERSED | Modifier::BOLD),
        }
    }

    /// Dark text on a light background.
    pub fn light() -> Self {
        let fg = |index| Style::new().fg(Color::Indexed(index));
        Self {
            ascii: false,
            base: fg(234).bg(Color::Indexed(231)),
            text: fg(234),
            dim: fg(240),
            accent: fg(24),
            good: fg(22),
            warning: fg(94),
            bad: fg(124),
            running: fg(25).add_modifier(Modifier::BOLD),
            selected: Style::new().bg(Color::Indexed(254)),
            border: fg(246),
            border_focused: fg(24),
            simulated: fg(94).add_modifier(Modifier::REVERSED | Modifier::BOLD),
            real_money: fg(124).add_modifier(Modifier::REVERSED | Modifier::BOLD),
        }
    }

    /// Without any colour (`NO_COLOR`): bold, dim, underlined and reversed instead.
    pub fn mono() -> Self {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        Self {
            ascii: false,
            base: Style::new(),
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
            real_money: bold.add_modifier(Modifier::REVERSED),
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
mod tests {
    use super::*;
    use crate::console::test_fixtures::contrast;

    #[test]
    fn text_of_every_theme_has_a_contrast_of_4_5() {
        for (name, theme) in [("dark", Theme::dark()), ("light", Theme::light())] {
            let texts = [
                ("text", theme.text),
                ("dim", theme.dim),
                ("accent", theme.accent),
                ("good", theme.good),
                ("warning", theme.warning),
                ("bad", theme.bad),
                ("running", theme.running),
                ("simulated", theme.simulated),
                ("real money", theme.real_money),
            ];
            for (role, style) in texts {
                for background in [theme.base, theme.selected] {
                    let found = contrast(style.fg.unwrap(), background.bg.unwrap());
                    assert!(found >= 4.5, "{name}: {role} on {:?} has {found:.2}", background.bg);
                }
            }
        }
    }
}
