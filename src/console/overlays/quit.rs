//! The question before quitting while this console is working on images that cost real money.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::centred;
use crate::console::theme::Theme;
use crate::console::widgets;
use crate::text;
use crate::text::format;

/// Prompts that are named.
const NAMED: usize = 3;

/// What is lost if nothing collects it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuitDialog {
    running: usize,
    facts: Vec<String>,
}

impl QuitDialog {
    /// The question about so many running images. `tasks` are those that are known, with the time since their submit; `others` is how
    /// many other workers are alive on this machine, if that is known.
    pub fn new(running: usize, tasks: &[(&str, Option<chrono::Duration>)], others: Option<usize>) -> Self {
        let line = |(prompt, age): &(&str, Option<chrono::Duration>)| {
            let age = age.map(|age| format!(" ({} ago)", format::age(age))).unwrap_or_default();
            format!("· {}{age}", text::sanitize_line(prompt, 48))
        };
        let mut facts: Vec<String> = tasks.iter().take(NAMED).map(line).collect();
        let unnamed = running.saturating_sub(facts.len());
        if unnamed > 0 && !facts.is_empty() {
            facts.push(format!("· and {unnamed} more"));
        }
        facts.push("They are paid for. The provider deletes a finished image after about 10 minutes.".to_owned());
        facts.push(match others {
            Some(0) => {
                "No other worker runs on this machine: within that time start `darkroom worker`, or this console again."
                    .to_owned()
            }
            Some(others) => format!("{} on this machine will collect them.", format::count(others, "other worker")),
            None => "Another worker on this store, or `darkroom worker`, collects them until then.".to_owned(),
        });
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
