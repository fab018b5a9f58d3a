//! Owns the editing of one line of text. Must not know what the text is for.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::text;

/// Longest text of a line, in bytes: an input image of 20 MB as base64.
const MAX_BYTES: usize = 30_000_000;
/// Texts above this many bytes are shown by their size and not edited in place.
const SHOWN_BYTES: usize = 4_096;

/// Where the cursor is, in bytes, always between two characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor(usize);

impl Cursor {
    /// Behind the last character.
    pub fn at_end(text: &str) -> Self {
        Self(text.len())
    }

    /// Takes a key; true where it was one for a line of text.
    pub fn key(&mut self, text: &mut String, key: KeyEvent) -> bool {
        let at = floor(text, self.0);
        let before = text[..at].chars().next_back().map_or(0, char::len_utf8);
        let after = text[at..].chars().next().map_or(0, char::len_utf8);
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        self.0 = match key.code {
            KeyCode::Left => at - before,
            KeyCode::Right => at + after,
            KeyCode::Home => 0,
            KeyCode::End => text.len(),
            KeyCode::Char('a') if control => 0,
            KeyCode::Char('e') if control => text.len(),
            KeyCode::Char('w') if control => {
                let kept = text[..at].trim_end().rfind(' ').map_or(0, |space| space + 1);
                text.replace_range(kept..at, "");
                kept
            }
            KeyCode::Backspace => {
                text.replace_range(at - before..at, "");
                at - before
            }
            KeyCode::Delete => {
                text.replace_range(at..at + after, "");
                at
            }
            KeyCode::Char(character) if !control && !key.modifiers.contains(KeyModifiers::ALT) => {
                self.0 = at;
                self.insert(text, character.encode_utf8(&mut [0; 4]));
                return true;
            }
            _ => return false,
        };
        true
    }

    /// Inserts text, cleaned to one line. What is too long is not inserted at all.
    pub fn insert(&mut self, text: &mut String, inserted: &str) {
        let at = floor(text, self.0);
        // A single space must not be cleaned away.
        let clean = if inserted == " " { " ".to_owned() } else { text::sanitize_line(inserted, MAX_BYTES) };
        if text.len() + clean.len() > MAX_BYTES {
            return;
        }
        text.insert_str(at, &clean);
        self.0 = at + clean.len();
    }

    /// The part of the text that fits into `width` cells with the cursor in it, and the cell of the cursor.
    pub fn window(self, text: &str, width: usize) -> (String, usize) {
        if text.len() > SHOWN_BYTES {
            let shown = text::format::cut(&text::format::bytes(text.len() as u64), width);
            let cell = shown.width();
            return (shown, cell);
        }
        let at = floor(text, self.0);
        let room = width.saturating_sub(1);
        let mut start = at;
        let mut cells = 0;
        for character in text[..at].chars().rev() {
            cells += character.width().unwrap_or(0);
            if cells > room {
                break;
            }
            start -= character.len_utf8();
        }
        let cell = text[start..at].width();
        let mut end = at;
        let mut used = cell;
        for character in text[at..].chars() {
            used += character.width().unwrap_or(0);
            if used > width {
                break;
            }
            end += character.len_utf8();
        }
        (text[start..end].to_owned(), cell)
    }
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(cursor: &mut Cursor, text: &mut String, code: KeyCode) {
        cursor.key(text, KeyEvent::new(code, KeyModifiers::NONE));
    }

    #[test]
    fn characters_of_any_length_are_edited_whole() {
        let mut text = "añ漢".to_owned();
        let mut cursor = Cursor::at_end(&text);
        press(&mut cursor, &mut text, KeyCode::Backspace);
        press(&mut cursor, &mut text, KeyCode::Left);
        press(&mut cursor, &mut text, KeyCode::Char('é'));
        assert_eq!(text, "aéñ");
        press(&mut cursor, &mut text, KeyCode::Delete);
        assert_eq!(text, "aé");
        cursor.key(&mut text, KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL));
        assert_eq!(text, "");
    }

    #[test]
    fn what_is_pasted_becomes_one_clean_line() {
        let mut text = String::new();
        let mut cursor = Cursor::default();
        cursor.insert(&mut text, "a\u{1b}[31m\nb\tc");
        assert_eq!(text, "a[31m b c");
    }

    #[test]
    fn the_cursor_stays_in_the_window() {
        let text = "0123456789漢字";
        let mut cursor = Cursor::at_end(text);
        assert_eq!(cursor.window(text, 5), ("漢字".to_owned(), 4));
        cursor.0 = 0;
        assert_eq!(cursor.window(text, 5), ("01234".to_owned(), 0));
        let long = "x".repeat(2_000_000);
        assert_eq!(Cursor::at_end(&long).window(&long, 20).0, "2.0 MB");
    }
}
