//! The question before quitting while this console is working on images that cost real money.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::centred;
use crate::console::theme::Theme;
use crate::console::widgets;
use crate::text;

/// Prompts that are named.
const NAMED: usize = 3;

/// What is lost if nothing collects it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuitDialog {
    running: usize,
    facts: Vec<String>,
}

impl QuitDialog {
    /// The question about so many running images; `prompts` are those that are known.
    pub fn new(running: usize, prompts: &[&str]) -> Self {
        let mut facts: Vec<String> =
            prompts.iter().take(NAMED).map(|prompt| format!("· {}", text::sanitize_line(prompt, 56))).collect();
        let unnamed = running.saturating_sub(facts.len());
        if unnamed > 0 && !facts.is_empty() {
            facts.push(format!("· and {unnamed} more"));
        }
        facts.push(
            "They are paid for. The provider deletes a finished image after about 10 minutes; until then another worker on \
             this store, or `darkroom worker`, collects it."
                .to_owned(),
        );
        Self { running, facts }
    }

    /// Draws the question in the middle of an area.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let width = area.width.saturating_sub(2).min(64);
        let text_width = usize::from(width.saturating_sub(4));
        let wrapped = self.facts.iter().flat_map(|fact| widgets::wrap(fact, text_width));
        let mut lines: Vec<Line<'_>> = wrapped.map(|line| Line::raw(format!(" {line}"))).collect();
        if lines.len() + 5 <= usize::from(area.height) {
            lines.insert(0, Line::default());
            lines.push(Line::default());
            lines.push(Line::from(vec![
                Span::styled(" w ", theme.accent),
                Span::raw("wait, then quit    "),
                Span::styled(" y ", theme.accent),
                Span::raw("quit now    "),
                Span::styled(" n ", theme.accent),
                Span::raw("stay"),
            ]));
        }
        let area = centred(area, width, lines.len() as u16 + 2);
        frame.render_widget(Clear, area);
        let images = if self.running == 1 { "1 image is" } else { "images are" };
        let count = if self.running == 1 { String::new() } else { format!("{} ", self.running) };
        let title = format!(" Quit while {count}{images} being generated? ");
        let block = theme.block(true).title(Line::styled(title, theme.warning));
        frame.render_widget(Paragraph::new(lines).block(block), area);
    }
}
