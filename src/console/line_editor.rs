//! One line of editable text with a cursor: the filter, the palette, and the one-line fields of the submit form.
//!
//! The cursor moves by grapheme clusters, so that an emoji sequence or an accented letter is one step.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::text;

/// Longest search text, in bytes.
const MAX_SEARCH_BYTES: usize = 800;
/// Longest value of a form field, in bytes: an input image of 20 MB as base64.
const MAX_FIELD_BYTES: usize = 30_000_000;
/// Texts above this many bytes are shown by their size and not edited in place.
pub const MAX_SHOWN_BYTES: usize = 4_096;

/// A line of text and its cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineEditor {
    text: String,
    /// In bytes, always between two grapheme clusters.
    cursor: usize,
    max_bytes: usize,
    /// Whether the whole text is selected: typing replaces it.
    is_selected: bool,
    /// Characters of the last insertion that cannot be sent.
    refused: usize,
}

impl Default for LineEditor {
    /// An empty line for search texts.
    fn default() -> Self {
        Self { text: String::new(), cursor: 0, max_bytes: MAX_SEARCH_BYTES, is_selected: false, refused: 0 }
    }
}

impl LineEditor {
    /// A line for a value of the form, with the cursor at its end.
    pub fn field(text: String) -> Self {
        Self { cursor: text.len(), text, max_bytes: MAX_FIELD_BYTES, is_selected: false, refused: 0 }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Selects the whole text, so that typing replaces it.
    pub fn select_all(&mut self) {
        self.is_selected = !self.text.is_empty();
    }

    /// Whether the whole text is selected.
    pub fn is_selected(&self) -> bool {
        self.is_selected
    }

    /// How many characters of the last insertion were left out: control characters and direction overrides.
    pub fn refused(&self) -> usize {
        self.refused
    }

    /// Empties the line.
    pub fn clear(&mut self) {
        self.text.clear();
        self.cursor = 0;
        self.is_selected = false;
    }

    /// Whether the line is empty.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Inserts text at the cursor as one line; text that does not fit is cut at a grapheme boundary.
    pub fn insert(&mut self, inserted: &str) {
        if std::mem::take(&mut self.is_selected) {
            self.clear();
        }
        let text::EnteredText { text: clean, refused } = text::entered_line(inserted);
        self.refused = refused;
        let free = self.max_bytes.saturating_sub(self.text.len());
        let kept = if clean.len() <= free {
            clean.as_str()
        } else {
            let ends = clean.grapheme_indices(true).map(|(at, grapheme)| at + grapheme.len());
            &clean[..ends.take_while(|end| *end <= free).last().unwrap_or(0)]
        };
        self.text.insert_str(self.cursor, kept);
        self.cursor += kept.len();
    }

    /// Applies a key that edits the line or moves the cursor; `false` where the key has another meaning.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let typed = matches!(key.code, KeyCode::Char(_)) && !control && !alt;
        match key.code {
            KeyCode::Backspace | KeyCode::Delete if self.is_selected => self.clear(),
            KeyCode::Left => self.cursor = self.previous(),
            KeyCode::Right => self.cursor = self.next(),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            KeyCode::Char('a') if control => self.cursor = 0,
            KeyCode::Char('e') if control => self.cursor = self.text.len(),
            KeyCode::Char('u') if control => self.clear(),
            KeyCode::Char('w') if control => self.delete_word(),
            KeyCode::Backspace if control || alt => self.delete_word(),
            KeyCode::Backspace => self.delete(self.previous(), self.cursor),
            KeyCode::Delete => self.delete(self.cursor, self.next()),
            KeyCode::Char(character) if typed => self.insert(character.encode_utf8(&mut [0; 4])),
            _ => return false,
        }
        self.is_selected = false;
        if !typed {
            self.refused = 0;
        }
        true
    }

    fn previous(&self) -> usize {
        let before = self.text[..self.cursor].grapheme_indices(true).next_back();
        before.map_or(0, |(at, _)| at)
    }

    fn next(&self) -> usize {
        let after = self.text[self.cursor..].graphemes(true).next();
        self.cursor + after.map_or(0, str::len)
    }

    fn delete(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = from;
    }

    fn delete_word(&mut self) {
        let before = self.text[..self.cursor].trim_end();
        let from = before.rfind(' ').map_or(0, |space| space + 1);
        self.delete(from, self.cursor);
    }

    /// The part of the text that fits into `width` cells and contains the cursor, and the cell of the cursor.
    pub fn visible(&self, width: usize) -> (String, usize) {
        if self.text.len() > MAX_SHOWN_BYTES {
            let shown = text::format::cut(&text::format::bytes(self.text.len() as u64), width);
            let cell = shown.width();
            return (shown, cell);
        }
        let room = width.saturating_sub(1);
        let (mut start, mut cell) = (self.cursor, 0);
        for grapheme in self.text[..self.cursor].graphemes(true).rev() {
            if cell + grapheme.width() > room {
                break;
            }
            cell += grapheme.width();
            start -= grapheme.len();
        }
        let (mut end, mut used) = (self.cursor, cell);
        for grapheme in self.text[self.cursor..].graphemes(true) {
            used += grapheme.width();
            if used > width {
                break;
            }
            end += grapheme.len();
        }
        // A field of a cloned job has the text of another program.
        (text::sanitize_edited(&self.text[start..end]), cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(line: &mut LineEditor, code: KeyCode) -> bool {
        line.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn graphemes_are_edited_whole() {
        let mut line = LineEditor::field("añ漢".to_owned());
        press(&mut line, KeyCode::Backspace);
        press(&mut line, KeyCode::Left);
        press(&mut line, KeyCode::Char('é'));
        assert_eq!(line.as_str(), "aéñ");
        press(&mut line, KeyCode::Delete);
        assert_eq!(line.as_str(), "aé");
        line.key(KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL));
        assert_eq!(line.as_str(), "");
    }

    #[test]
    fn pasted_text_becomes_one_line() {
        let mut line = LineEditor::default();
        line.insert("a\u{1b}[31m\nb\tc");
        assert_eq!((line.as_str(), line.refused()), ("a[31m b c", 1));
        assert!(!press(&mut line, KeyCode::Enter));
    }

    #[test]
    fn words_are_deleted_and_the_length_is_bounded() {
        let mut line = LineEditor::default();
        line.insert("neon fox");
        assert!(press(&mut line, KeyCode::Char(' ')));
        assert!(press(&mut line, KeyCode::Char('é')));
        assert!(line.key(KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL)));
        assert_eq!(line.as_str(), "neon fox ");
        line.insert(&"漢".repeat(1_000));
        assert!(line.as_str().len() <= MAX_SEARCH_BYTES);
        assert!(line.as_str().ends_with('漢'));
    }

    #[test]
    fn typing_replaces_a_selected_text() {
        let mut line = LineEditor::field("42".to_owned());
        line.select_all();
        press(&mut line, KeyCode::Char('7'));
        press(&mut line, KeyCode::Char('8'));
        assert_eq!(line.as_str(), "78");
        line.select_all();
        press(&mut line, KeyCode::End);
        press(&mut line, KeyCode::Char('9'));
        assert_eq!(line.as_str(), "789", "a cursor key ends the selection");
    }

    #[test]
    fn an_emoji_sequence_is_one_step() {
        let mut line = LineEditor::field("a👩\u{200d}🚀".to_owned());
        press(&mut line, KeyCode::Backspace);
        assert_eq!(line.as_str(), "a");
    }

    #[test]
    fn the_cursor_stays_visible() {
        let mut line = LineEditor::field("0123456789漢字".to_owned());
        assert_eq!(line.visible(5), ("漢字".to_owned(), 4));
        press(&mut line, KeyCode::Home);
        assert_eq!(line.visible(5), ("01234".to_owned(), 0));
        assert_eq!(LineEditor::field("x".repeat(2_000_000)).visible(20).0, "2.0 MB");
    }
}
