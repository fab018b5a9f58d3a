//! Owns one line that is typed: filter, palette. Must not know what it is for.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::text;

/// Longest line, in characters: nobody types more, and what is pasted by mistake must not stall the screen.
const MAX: usize = 200;

/// One line of typed text, changed at its end.
#[derive(Debug, Default, Clone)]
pub struct TextLine {
    text: String,
}

impl TextLine {
    /// What stands in it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.text.clear();
    }

    /// Whether nothing stands in it.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Appends cleaned text.
    pub fn paste(&mut self, pasted: &str) {
        let free = MAX.saturating_sub(self.text.chars().count());
        self.text.extend(text::sanitize_line(pasted, MAX).chars().take(free));
    }

    /// Takes a key that types or deletes; `false` where it is another one.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Backspace if control || key.modifiers.contains(KeyModifiers::ALT) => self.delete_word(),
            KeyCode::Char('w') if control => self.delete_word(),
            KeyCode::Char('u') if control => self.text.clear(),
            KeyCode::Backspace => {
                self.text.pop();
            }
            KeyCode::Char(' ') if self.text.chars().count() < MAX => self.text.push(' '),
            KeyCode::Char(character) if !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => {
                self.paste(character.encode_utf8(&mut [0; 4]));
            }
            _ => return false,
        }
        true
    }

    fn delete_word(&mut self) {
        let kept = self.text.trim_end().rfind(' ').map_or(0, |space| space + 1);
        self.text.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_typed_and_deleted_and_nothing_hostile_gets_in() {
        let mut line = TextLine::default();
        line.paste("neon\u{1b}[2J fox");
        assert!(line.key(KeyEvent::new(KeyCode::Char(' '), KeyModifiers::NONE)));
        assert!(line.key(KeyEvent::new(KeyCode::Char('é'), KeyModifiers::NONE)));
        assert_eq!(line.as_str(), "neon[2J fox é");
        assert!(line.key(KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL)));
        assert_eq!(line.as_str(), "neon[2J fox ");
        assert!(!line.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)));
        line.paste(&"x".repeat(1_000));
        assert_eq!(line.as_str().chars().count(), MAX);
    }
}
