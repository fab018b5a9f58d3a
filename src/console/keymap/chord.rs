//! A key with its modifiers, and how it is displayed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key with its modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chord {
    /// The key.
    pub code: KeyCode,
    /// The modifiers; Shift is part of the character.
    pub modifiers: KeyModifiers,
    /// An alternative key that works but is not displayed.
    pub hidden: bool,
}

impl Chord {
    /// A character.
    pub const fn char(character: char) -> Self {
        Self::code(KeyCode::Char(character))
    }

    /// A key with a name.
    pub const fn code(code: KeyCode) -> Self {
        Self { code, modifiers: KeyModifiers::NONE, hidden: false }
    }

    /// A character with Ctrl.
    pub const fn control(character: char) -> Self {
        Self { modifiers: KeyModifiers::CONTROL, ..Self::char(character) }
    }

    /// The same chord, not displayed.
    #[must_use]
    pub const fn hidden(self) -> Self {
        Self { hidden: true, ..self }
    }

    /// Reads `x`, `X`, `ctrl+k`, `alt+x`, `f5`, `space`, `up`, `pgdn`, `shift+tab`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut modifiers = KeyModifiers::NONE;
        let mut name = text;
        let mut has_shift = false;
        while let Some((modifier, rest)) = name.split_once('+').filter(|(_, rest)| !rest.is_empty()) {
            match modifier.to_ascii_lowercase().as_str() {
                "ctrl" => modifiers |= KeyModifiers::CONTROL,
                "alt" => modifiers |= KeyModifiers::ALT,
                "shift" => has_shift = true,
                _ => return None,
            }
            name = rest;
        }
        let mut characters = name.chars();
        if let (Some(character), None) = (characters.next(), characters.next()) {
            let is_control = modifiers.contains(KeyModifiers::CONTROL);
            let character = if is_control { character.to_ascii_lowercase() } else { character };
            let plain = !character.is_control() && !has_shift;
            return plain.then_some(Self { modifiers, ..Self::char(character) });
        }
        let code = match name.to_ascii_lowercase().as_str() {
            "space" => KeyCode::Char(' '),
            "up" => KeyCode::Up,
            "down" => KeyCode::Down,
            "left" => KeyCode::Left,
            "right" => KeyCode::Right,
            "home" => KeyCode::Home,
            "end" => KeyCode::End,
            "pgup" | "pageup" => KeyCode::PageUp,
            "pgdn" | "pagedown" => KeyCode::PageDown,
            "tab" if has_shift => return Some(Self { modifiers, ..Self::code(KeyCode::BackTab) }),
            "tab" => KeyCode::Tab,
            "enter" => KeyCode::Enter,
            "esc" => KeyCode::Esc,
            "del" | "delete" => KeyCode::Delete,
            "backspace" => KeyCode::Backspace,
            name => {
                let number = name.strip_prefix('f').and_then(|digits| digits.parse().ok());
                KeyCode::F(number.filter(|number| (1..=12).contains(number))?)
            }
        };
        (!has_shift).then_some(Self { modifiers, ..Self::code(code) })
    }

    /// Whether that key was pressed.
    pub fn is(self, key: KeyEvent) -> bool {
        let held = key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SUPER);
        let (code, held) = match key.code {
            KeyCode::Tab if key.modifiers.contains(KeyModifiers::SHIFT) => (KeyCode::BackTab, held),
            KeyCode::Char(letter) if held.contains(KeyModifiers::CONTROL) => {
                (KeyCode::Char(letter.to_ascii_lowercase()), held)
            }
            // Terminals that report keys exactly send the unshifted letter together with Shift.
            KeyCode::Char(letter) if key.modifiers.contains(KeyModifiers::SHIFT) && letter.is_ascii_lowercase() => {
                (KeyCode::Char(letter.to_ascii_uppercase()), held)
            }
            code => (code, held),
        };
        code == self.code && held == self.modifiers
    }

    /// As displayed: `n`, `Ctrl+K`, `↑`.
    pub fn shown(self, ascii: bool) -> String {
        let name = match self.code {
            KeyCode::Char(' ') => "space".to_owned(),
            KeyCode::Char(letter) if self.modifiers.contains(KeyModifiers::CONTROL) => {
                letter.to_ascii_uppercase().to_string()
            }
            KeyCode::Char(letter) => letter.to_string(),
            KeyCode::Up => if ascii { "Up" } else { "↑" }.to_owned(),
            KeyCode::Down => if ascii { "Down" } else { "↓" }.to_owned(),
            KeyCode::BackTab => "Shift+Tab".to_owned(),
            KeyCode::PageUp => "PgUp".to_owned(),
            KeyCode::PageDown => "PgDn".to_owned(),
            KeyCode::Delete => "Del".to_owned(),
            KeyCode::F(number) => format!("F{number}"),
            other => format!("{other:?}"),
        };
        let control = if self.modifiers.contains(KeyModifiers::CONTROL) { "Ctrl+" } else { "" };
        let alt = if self.modifiers.contains(KeyModifiers::ALT) { "Alt+" } else { "" };
        format!("{control}{alt}{name}")
    }
}
