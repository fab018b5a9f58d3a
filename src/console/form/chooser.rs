//! The list over the form's fields: earlier prompts, presets, or the name under which a preset is saved.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::console::line_editor::LineEditor;
use crate::console::theme::Theme;
use crate::console::widgets;
use crate::text::{fold_for_search, format, sanitize_line};

/// What is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChooserKind {
    /// A prompt of the history.
    Prompts,
    /// A preset.
    Presets,
    /// The name of a preset that is saved.
    SavePreset,
}

/// What a key did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChooserOutcome {
    /// The list stays.
    Nothing,
    /// The list goes.
    Close,
    /// This entry was chosen, or this name was typed.
    Take(String),
    /// This preset is to be removed; the list stays.
    Remove(String),
}

/// The list, what was typed, and the chosen entry.
#[derive(Debug, Clone)]
pub struct Chooser {
    /// What is chosen.
    pub kind: ChooserKind,
    line: LineEditor,
    /// What is taken, what is shown, and the text that is searched.
    entries: Vec<(String, String, String)>,
    found: Vec<usize>,
    chosen: usize,
    /// The last preset that Delete named: the second Delete removes it.
    doomed: Option<String>,
    /// The first row that is shown, and where the rows are on the screen.
    shown: (usize, Rect),
}

impl Chooser {
    /// A list of entries: the value, and the text shown with it.
    pub fn new(kind: ChooserKind, entries: Vec<(String, String)>) -> Self {
        let entries = entries.into_iter().map(|(key, note)| {
            let shown = if note.is_empty() { sanitize_line(&key, 300) } else { format!("{key}  {note}") };
            let searched = if kind == ChooserKind::Prompts { fold_for_search(&key) } else { fold_for_search(&shown) };
            (key, shown, searched)
        });
        let mut chooser = Self {
            kind,
            line: LineEditor::default(),
            entries: entries.collect(),
            found: Vec::new(),
            chosen: 0,
            doomed: None,
            shown: (0, Rect::ZERO),
        };
        chooser.find();
        chooser
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> ChooserOutcome {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let doomed = self.doomed.take();
        match key.code {
            KeyCode::Esc => return ChooserOutcome::Close,
            KeyCode::Enter => return self.take(),
            KeyCode::Up => self.step(-1),
            KeyCode::Down => self.step(1),
            KeyCode::Char('p') if control => self.step(-1),
            KeyCode::Char('n' | 'r') if control => self.step(1),
            KeyCode::PageUp => self.step(-10),
            KeyCode::PageDown => self.step(10),
            KeyCode::Delete if self.kind == ChooserKind::Presets => {
                let chosen = self.chosen().map(|(key, _)| key.to_owned());
                if chosen.is_some() && chosen == doomed {
                    return ChooserOutcome::Remove(chosen.unwrap_or_default());
                }
                self.doomed = chosen;
            }
            _ => {
                if self.line.key(key) {
                    self.find();
                }
            }
        }
        ChooserOutcome::Nothing
    }

    /// Takes pasted text.
    pub fn paste(&mut self, text: &str) {
        self.line.insert(text);
        self.find();
    }

    /// Chooses the row under the mouse; true where there is one.
    pub fn click(&mut self, column: u16, row: u16) -> bool {
        let (first, area) = self.shown;
        let index = first + usize::from(row.saturating_sub(area.y));
        let hits = area.contains((column, row).into()) && index < self.found.len();
        if hits {
            self.chosen = index;
        }
        hits
    }

    /// Moves the choice by some rows.
    pub fn step(&mut self, rows: isize) {
        let last = self.found.len().saturating_sub(1);
        self.chosen = self.chosen.saturating_add_signed(rows).min(last);
    }

    /// What Enter takes: the chosen entry, or the typed name.
    pub fn take(&self) -> ChooserOutcome {
        if self.kind == ChooserKind::SavePreset {
            let name = self.line.as_str().trim();
            return if name.is_empty() { ChooserOutcome::Nothing } else { ChooserOutcome::Take(name.to_owned()) };
        }
        self.chosen().map_or(ChooserOutcome::Close, |(key, _)| ChooserOutcome::Take(key.to_owned()))
    }

    fn chosen(&self) -> Option<(&str, &str)> {
        let (key, shown, _) = self.entries.get(*self.found.get(self.chosen)?)?;
        Some((key, shown))
    }

    fn find(&mut self) {
        let typed = fold_for_search(self.line.as_str());
        let words: Vec<&str> = typed.split_whitespace().collect();
        let matches = |(_, _, searched): &(String, String, String)| words.iter().all(|word| searched.contains(word));
        let found = self.entries.iter().enumerate().filter(|(_, entry)| matches(entry));
        self.found = found.map(|(index, _)| index).collect();
        self.chosen = 0;
    }

    fn title(&self) -> &'static str {
        match self.kind {
            ChooserKind::Prompts => "Earlier prompts",
            ChooserKind::Presets => "Presets",
            ChooserKind::SavePreset => "Save as preset",
        }
    }

    fn keys(&self) -> String {
        match (self.kind, &self.doomed) {
            (_, Some(doomed)) => format!("Del again removes '{doomed}'"),
            (ChooserKind::Prompts, None) => "type to search · Enter takes · Esc".to_owned(),
            (ChooserKind::Presets, None) => "type to search · Enter takes · Del removes · Esc".to_owned(),
            (ChooserKind::SavePreset, None) => "type a name · Enter saves · Esc".to_owned(),
        }
    }

    /// Draws it over an area.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        widgets::clear(frame, area, theme);
        let block = widgets::pane(self.title(), &self.keys(), area.width, true, theme);
        let inner = block.inner(area);
        frame.render_widget(block, area);
        if inner.height == 0 {
            return;
        }
        let width = usize::from(inner.width).saturating_sub(1);
        let (typed, cell) = self.line.visible(width.saturating_sub(2));
        let prompt = Line::from(vec![Span::styled("> ", theme.accent), Span::styled(typed, theme.text)]);
        frame.render_widget(prompt, Rect { height: 1, ..inner });
        let column = inner.x.saturating_add(2).saturating_add(u16::try_from(cell).unwrap_or(0));
        frame.set_cursor_position((column.min(inner.right().saturating_sub(1)), inner.y));
        let list = Rect { y: inner.y + 1, height: inner.height - 1, ..inner };
        let rows = usize::from(list.height);
        let first = (self.chosen + 1).saturating_sub(rows);
        self.shown = (first, list);
        let lines = self.found.iter().enumerate().skip(first).take(rows).map(|(place, index)| {
            let text = self.entries.get(*index).map_or("", |(_, shown, _)| shown.as_str());
            let line = Line::styled(format!(" {}", format::fit(text, width)), theme.text);
            let is_chosen = place == self.chosen && self.kind != ChooserKind::SavePreset;
            if is_chosen { line.style(theme.selected) } else { line }
        });
        let mut lines: Vec<Line<'_>> = lines.collect();
        if lines.is_empty() {
            let text = match (self.kind, self.entries.is_empty()) {
                (ChooserKind::Prompts, true) => " No prompt was submitted yet",
                (ChooserKind::Presets, true) => " No preset is saved · Ctrl+S in the form saves one",
                (ChooserKind::SavePreset, _) => " Model, count, tags and parameters are saved, the prompt is not",
                (_, false) => " Nothing matches",
            };
            lines.push(Line::styled(format::cut(text, width), theme.dim));
        }
        frame.render_widget(Paragraph::new(lines), list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompts() -> Chooser {
        let entry = |text: &str| (text.to_owned(), String::new());
        Chooser::new(ChooserKind::Prompts, vec![entry("a neon fox"), entry("Été in the rain"), entry("neon owl")])
    }

    #[test]
    fn words_find_an_earlier_prompt() {
        let mut chooser = prompts();
        chooser.paste("ete");
        assert_eq!(chooser.take(), ChooserOutcome::Take("Été in the rain".into()));
        let mut chooser = prompts();
        chooser.paste("neon ow");
        assert_eq!(chooser.key(KeyCode::Enter.into()), ChooserOutcome::Take("neon owl".into()));
        chooser.paste("nowhere");
        assert_eq!(chooser.key(KeyCode::Enter.into()), ChooserOutcome::Close, "nothing to take");
    }

    #[test]
    fn preset_is_removed_by_the_second_delete() {
        let presets = vec![("portrait".to_owned(), "width=1024".to_owned()), ("wide".to_owned(), String::new())];
        let mut chooser = Chooser::new(ChooserKind::Presets, presets);
        assert_eq!(chooser.key(KeyCode::Delete.into()), ChooserOutcome::Nothing);
        assert_eq!(chooser.key(KeyCode::Down.into()), ChooserOutcome::Nothing);
        assert_eq!(chooser.key(KeyCode::Delete.into()), ChooserOutcome::Nothing, "another one");
        assert_eq!(chooser.key(KeyCode::Delete.into()), ChooserOutcome::Remove("wide".into()));
    }
}
