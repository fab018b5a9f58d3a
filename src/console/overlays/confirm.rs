//! The confirmation before an action that spends real money or affects many jobs.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::centred;
use crate::console::theme::Theme;
use crate::console::widgets;
use crate::engine::Command;

/// A question, and the command that is sent when it is confirmed.
#[derive(Debug, Clone, PartialEq)]
pub struct Confirm {
    /// The question: `Retry 3 jobs?`
    pub question: String,
    /// The facts to decide by: price, numbers.
    pub facts: Vec<String>,
    /// Sent when confirmed.
    pub command: Command,
    /// What the action leaves out, for the notice of its outcome.
    pub skipped: Option<String>,
}

impl Confirm {
    /// Draws the question in the middle of an area.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let width = area.width.saturating_sub(2).min(64);
        let text_width = usize::from(width.saturating_sub(4));
        let wrapped = self.facts.iter().flat_map(|fact| widgets::wrap(fact, text_width));
        let mut lines: Vec<Line<'_>> = wrapped.map(|line| Line::raw(format!(" {line}"))).collect();
        // Where there is no room for more, the footer still names the keys.
        if lines.len() + 5 <= usize::from(area.height) {
            lines.insert(0, Line::default());
            lines.push(Line::default());
            lines.push(Line::from(vec![
                Span::styled(" y ", theme.accent),
                Span::raw("yes    "),
                Span::styled(" n ", theme.accent),
                Span::raw("no"),
            ]));
        }
        let area = centred(area, width, lines.len() as u16 + 2);
        widgets::clear(frame, area, theme);
        let block = theme.block(true).title(Line::styled(format!(" {} ", self.question), theme.warning));
        frame.render_widget(Paragraph::new(lines).block(block), area);
    }
}
