//! A line that is typed before an action: tags, the edits of clones, the reason of a pause.

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use super::centred;
use crate::console::line_editor::LineEditor;
use crate::console::theme::Theme;
use crate::console::widgets;
use crate::engine::{SpecEdit, TagEdit};

/// What the line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinePurpose {
    /// Tags to add and to remove.
    Tags,
    /// What clones change.
    CloneEdits,
    /// Why the intake is paused; may be empty.
    PauseReason,
}

/// The dialog.
#[derive(Debug, Clone)]
pub struct LineDialog {
    /// What the line is for.
    pub purpose: LinePurpose,
    /// `Tag 12 jobs`.
    title: String,
    line: LineEditor,
}

impl LineDialog {
    /// An empty line.
    pub fn new(purpose: LinePurpose, title: String) -> Self {
        Self { purpose, title, line: LineEditor::default() }
    }

    /// What was typed.
    pub fn text(&self) -> &str {
        self.line.as_str().trim()
    }

    /// Takes a key that types.
    pub fn key(&mut self, key: KeyEvent) {
        self.line.key(key);
    }

    /// Takes pasted text.
    pub fn paste(&mut self, text: &str) {
        self.line.insert(text);
    }

    /// What is wrong with the line, once something was typed.
    fn problem(&self) -> Option<String> {
        let text = self.text();
        if text.is_empty() {
            return None;
        }
        match self.purpose {
            LinePurpose::Tags => TagEdit::parse(text).err(),
            LinePurpose::CloneEdits => SpecEdit::parse(text).err(),
            LinePurpose::PauseReason => None,
        }
    }

    fn hints(&self) -> &'static [&'static str] {
        match self.purpose {
            LinePurpose::Tags => &["Words are added, words behind a minus are removed: cover -draft"],
            LinePurpose::CloneEdits => &[
                "What the clones change; empty: the same once more.",
                "model=flux-2-max  seed=  width=1024  tags=\"night -draft\"",
                "prompt=\"{prompt}, at night\"",
            ],
            LinePurpose::PauseReason => &["Optional. All workers start no new jobs; jobs under way continue."],
        }
    }

    fn keys(&self) -> [(&'static str, &'static str); 2] {
        match self.purpose {
            LinePurpose::Tags => [("Enter", "tag"), ("Esc", "back")],
            LinePurpose::CloneEdits => [("Enter", "count and price them"), ("Esc", "back")],
            LinePurpose::PauseReason => [("Enter", "pause"), ("Esc", "back")],
        }
    }

    /// Draws it in the middle of an area.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let width = area.width.saturating_sub(2).min(72);
        let room = usize::from(width.saturating_sub(4));
        let (typed, cell) = self.line.visible(room.saturating_sub(2));
        let before: String = typed.chars().take_while_width(cell);
        let rest = typed.get(before.len()..).unwrap_or_default();
        let mut after = rest.chars();
        let under = after.next().unwrap_or(' ');
        let cursor = Style::new().add_modifier(Modifier::REVERSED);
        let mut lines = vec![Line::from(vec![
            Span::styled(" > ", theme.accent),
            Span::styled(before, theme.text),
            Span::styled(under.to_string(), cursor),
            Span::styled(after.as_str().to_owned(), theme.text),
        ])];
        if let Some(problem) = self.problem() {
            lines.extend(
                widgets::wrap(&problem, room).into_iter().map(|line| Line::styled(format!(" {line}"), theme.bad)),
            );
        } else {
            let hints = self.hints().iter().flat_map(|hint| widgets::wrap(hint, room));
            lines.extend(hints.map(|line| Line::styled(format!(" {line}"), theme.dim)));
        }
        if lines.len() + 4 <= usize::from(area.height) {
            lines.push(Line::default());
            let keys = self.keys().into_iter().flat_map(|(key, word)| {
                [Span::styled(format!(" {key} "), theme.accent), Span::raw(format!("{word}   "))]
            });
            lines.push(Line::from(keys.collect::<Vec<_>>()));
        }
        let area = centred(area, width, lines.len() as u16 + 2);
        widgets::clear(frame, area, theme);
        let block = theme.block(true).title(Line::styled(format!(" {} ", self.title), theme.accent));
        frame.render_widget(Paragraph::new(lines).block(block), area);
    }
}

trait TakeWidth {
    /// The characters of the first so many cells.
    fn take_while_width(self, cells: usize) -> String;
}

impl TakeWidth for std::str::Chars<'_> {
    fn take_while_width(self, cells: usize) -> String {
        let mut taken = String::new();
        for character in self {
            if taken.width() >= cells {
                break;
            }
            taken.push(character);
        }
        taken
    }
}
