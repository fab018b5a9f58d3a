//! The prompt editor and the prompt history.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_textarea::{CursorMove, DataCursor, TextArea, WrapMode};

use crate::text;

/// Longest prompt in bytes, as the catalog takes it.
const MAX_BYTES: usize = 131_072;
/// Most lines: the editor counts rows of the screen in 16 bits.
const MAX_LINES: usize = 10_000;

/// The prompt's editor.
#[derive(Debug, Clone)]
pub struct PromptEditor {
    area: TextArea<'static>,
    /// Newest first.
    history: Vec<String>,
    /// Which old prompt is shown.
    place: Option<usize>,
    /// What was typed before an old prompt took its place.
    typed: String,
    /// The length of a text that was truncated, until it is edited.
    cut_from: Option<usize>,
    /// Characters of the last insertion that cannot be sent.
    refused: usize,
    /// At least as many bytes and lines as the text has: it is measured only when these reach the limits.
    at_most: (usize, usize),
    /// Columns and rows of the screen that it has.
    size: (u16, u16),
}

impl PromptEditor {
    /// An editor with that text; `history` has the newest prompt first.
    pub fn new(prompt: &str, history: Vec<String>) -> Self {
        let mut editor = Self {
            area: new_area(),
            history,
            place: None,
            typed: String::new(),
            cut_from: None,
            refused: 0,
            at_most: (0, 1),
            size: (0, 0),
        };
        editor.replace(prompt);
        editor
    }

    /// The prompt as it will be sent.
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.area.is_empty()
    }

    /// Problems of the text that the catalog does not check.
    pub fn problem(&self) -> Option<String> {
        let whole = self.cut_from?;
        Some(format!("truncated to the first {} of {whole} bytes; check the end", self.text().len()))
    }

    /// A remark about the last insertion that does not prevent a submit.
    pub fn remark(&self) -> Option<String> {
        match self.refused {
            0 => None,
            1 => Some("removed 1 control character: it cannot be sent".to_owned()),
            refused => Some(format!("removed {refused} control characters: they cannot be sent")),
        }
    }

    /// Replaces the history, newest first.
    pub fn set_history(&mut self, history: Vec<String>) {
        self.history = history;
    }

    /// Earlier prompts, newest first.
    pub fn history(&self) -> &[String] {
        &self.history
    }

    /// Replaces the text by an earlier prompt; `Ctrl+N` brings back what was typed.
    pub fn take(&mut self, prompt: &str) {
        if self.place.is_none() {
            self.typed = self.text();
        }
        self.place = self.history.iter().position(|old| old == prompt);
        self.replace(prompt);
    }

    /// The editor itself, for drawing.
    pub fn area(&mut self) -> &mut TextArea<'static> {
        &mut self.area
    }

    /// Takes that many columns and rows of the screen. In a new size, no more rows are above the screen than the cursor needs.
    pub fn resize(&mut self, size: (u16, u16)) {
        if std::mem::replace(&mut self.size, size) == size || self.area.scroll_offset().0 == 0 {
            return;
        }
        let DataCursor(row, column) = self.area.cursor();
        // Beyond 16 bits the cursor could not be put back.
        if let (Ok(row), Ok(column)) = (u16::try_from(row), u16::try_from(column)) {
            self.area.scroll((-i16::MAX, 0));
            self.area.move_cursor(CursorMove::Jump(row, column));
        }
    }

    /// Moves the cursor one row of the screen down; false where it is on the last one.
    pub fn down(&mut self) -> bool {
        let before = self.area.cursor();
        self.area.move_cursor(CursorMove::Down);
        self.area.cursor() != before
    }

    /// Takes a key; true where the text may have changed.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if let KeyCode::Char(character) = key.code {
            if control && character == 'z' {
                return self.area.undo();
            }
            let typed = character.to_string();
            if !control && (character.is_control() || text::entered_text(&typed).refused > 0) {
                self.paste(&typed);
                return true;
            }
        }
        let changed = self.area.input(key);
        if changed {
            self.cut_from = None;
            self.refused = 0;
            // The largest character, and the longest text that Ctrl+Y brings back, count as an insertion.
            let inserted = if control { MAX_BYTES } else { 4 };
            self.keep_within_bounds(inserted);
        }
        changed
    }

    /// Begins a new line.
    pub fn new_line(&mut self) {
        self.area.insert_newline();
        self.cut_from = None;
        self.at_most.1 += 1;
        self.keep_within_bounds(1);
    }

    /// Inserts pasted text with its line breaks, without other control characters.
    pub fn paste(&mut self, pasted: &str) {
        let text::EnteredText { text: clean, refused } = text::entered_text(pasted);
        let length = self.measure();
        let lines = MAX_LINES.saturating_sub(self.area.lines().len());
        let kept = beginning(&clean, MAX_BYTES.saturating_sub(length), lines);
        self.cut_from = (kept.len() < clean.len()).then_some(length + clean.len());
        self.refused = refused;
        self.area.insert_str(kept);
        self.measure();
    }

    /// Empties it; `Ctrl+Z` brings it back.
    pub fn clear(&mut self) {
        self.cut_from = None;
        self.refused = 0;
        self.area.clear();
    }

    /// The prompt before this one.
    pub fn older(&mut self) {
        let next = self.place.map_or(0, |place| place + 1);
        let Some(prompt) = self.history.get(next).cloned() else { return };
        if self.place.is_none() {
            self.typed = self.text();
        }
        self.place = Some(next);
        self.replace(&prompt);
    }

    /// The prompt after this one; at last what was typed.
    pub fn newer(&mut self) {
        let Some(place) = self.place else { return };
        self.place = place.checked_sub(1);
        let prompt = match self.place {
            Some(place) => self.history.get(place).cloned().unwrap_or_default(),
            None => std::mem::take(&mut self.typed),
        };
        self.replace(&prompt);
    }

    /// `2 of 14` while an old prompt is shown.
    pub fn place(&self) -> Option<(usize, usize)> {
        self.place.map(|place| (place + 1, self.history.len()))
    }

    fn replace(&mut self, prompt: &str) {
        let text::EnteredText { text: clean, refused } = text::entered_text(prompt);
        self.refused = refused;
        let kept = beginning(&clean, MAX_BYTES, MAX_LINES);
        self.cut_from = (kept.len() < clean.len()).then_some(clean.len());
        self.area = new_area();
        self.area.insert_str(kept);
        self.area.move_cursor(CursorMove::Bottom);
        self.area.move_cursor(CursorMove::End);
        self.measure();
    }

    /// The length of the text in bytes; from here on the bounds are exact.
    fn measure(&mut self) -> usize {
        let lines = self.area.lines();
        let bytes = lines.iter().map(String::len).sum::<usize>() + lines.len() - 1;
        self.at_most = (bytes, lines.len());
        bytes
    }

    /// Takes back an insertion of at most so many bytes that exceeded the limits.
    fn keep_within_bounds(&mut self, inserted: usize) {
        self.at_most.0 += inserted;
        if self.at_most.0 <= MAX_BYTES && self.at_most.1 <= MAX_LINES && inserted < MAX_BYTES {
            return;
        }
        if self.measure() > MAX_BYTES || self.at_most.1 > MAX_LINES {
            self.area.undo();
            self.measure();
        }
    }
}

fn new_area() -> TextArea<'static> {
    let mut area = TextArea::default();
    area.set_wrap_mode(WrapMode::WordOrGlyph);
    area.set_cursor_line_style(ratatui::style::Style::new());
    area
}

/// At most so many bytes and so many lines from the beginning.
fn beginning(text: &str, bytes: usize, lines: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = &text[..end];
    match text.match_indices('\n').nth(lines) {
        Some((at, _)) => &text[..at],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(editor: &mut PromptEditor, code: KeyCode, modifiers: KeyModifiers) {
        editor.key(KeyEvent::new(code, modifiers));
    }

    #[test]
    fn history_restores_the_typed_prompt() {
        let mut editor = PromptEditor::new("mine", vec!["newest".into(), "old\nest".into()]);
        editor.older();
        assert_eq!((editor.text().as_str(), editor.place()), ("newest", Some((1, 2))));
        editor.older();
        editor.older();
        assert_eq!(editor.text(), "old\nest");
        editor.newer();
        editor.newer();
        assert_eq!((editor.text().as_str(), editor.place()), ("mine", None));
    }

    #[test]
    fn control_characters_are_removed_and_reported() {
        let mut editor = PromptEditor::new("a\u{1b}[2Jb", Vec::new());
        assert_eq!(editor.remark().as_deref(), Some("removed 1 control character: it cannot be sent"));
        editor.paste("c\u{202e}d\r\ne\0f");
        assert_eq!(editor.remark().as_deref(), Some("removed 2 control characters: they cannot be sent"));
        press(&mut editor, KeyCode::Char('\t'), KeyModifiers::NONE);
        press(&mut editor, KeyCode::Char('g'), KeyModifiers::NONE);
        assert_eq!(editor.text(), "a[2Jbcd\nef\tg");
        assert_eq!(editor.remark(), None);
    }

    #[test]
    fn typed_joiners_stay_in_the_text() {
        let mut editor = PromptEditor::new("", Vec::new());
        for character in "می\u{200c}خواهم 👩\u{200d}🚀 ❤\u{fe0f}".chars() {
            press(&mut editor, KeyCode::Char(character), KeyModifiers::NONE);
        }
        assert_eq!(editor.text(), "می\u{200c}خواهم 👩\u{200d}🚀 ❤\u{fe0f}");
    }

    #[test]
    fn truncated_prompt_is_reported_until_edited() {
        let mut editor = PromptEditor::new(&"x".repeat(1_048_576), Vec::new());
        assert_eq!(editor.text().len(), MAX_BYTES);
        assert!(editor.problem().is_some_and(|line| line.contains("1048576")));
        press(&mut editor, KeyCode::Char('y'), KeyModifiers::NONE);
        assert_eq!(editor.text().len(), MAX_BYTES, "there is no room for one more");
        press(&mut editor, KeyCode::Backspace, KeyModifiers::NONE);
        assert_eq!(editor.problem(), None);

        let mut editor = PromptEditor::new(&"\n".repeat(50_000), Vec::new());
        assert!(editor.area().lines().len() <= MAX_LINES + 1);
        editor.paste(&"\n".repeat(50_000));
        assert!(editor.area().lines().len() <= MAX_LINES + 1);
    }

    #[test]
    fn clearing_can_be_undone() {
        let mut editor = PromptEditor::new("keep", Vec::new());
        editor.clear();
        assert!(editor.is_empty());
        press(&mut editor, KeyCode::Char('z'), KeyModifiers::CONTROL);
        assert_eq!(editor.text(), "keep");
    }
}
