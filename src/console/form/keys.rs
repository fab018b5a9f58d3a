//! Applies keys and pasted text to the form.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::draft::is_chosen;
use super::{Field, Form};
use crate::catalog::Parameter;
use crate::engine::NewJob;

/// What a key came to.
#[derive(Debug, Clone, PartialEq)]
pub enum FormOutcome {
    /// The form stays.
    Nothing,
    /// The form goes; its draft is to be kept.
    Close,
    /// The form goes and these jobs are to be made; its draft is to be forgotten.
    Submit(Vec<NewJob>),
}

impl Form {
    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> FormOutcome {
        if key.kind == KeyEventKind::Release {
            return FormOutcome::Nothing;
        }
        // A held key repeats: its repetition confirms nothing.
        if key.kind == KeyEventKind::Repeat && key.code == KeyCode::Enter {
            return FormOutcome::Nothing;
        }
        let was_armed = std::mem::take(&mut self.armed);
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let another_line = key.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SHIFT);
        match key.code {
            KeyCode::Esc if was_armed => {}
            KeyCode::Esc => return FormOutcome::Close,
            KeyCode::Enter if another_line => self.new_line(),
            KeyCode::Enter => return self.submit(was_armed),
            KeyCode::Char('j') if control => self.new_line(),
            KeyCode::Char('p') if control => self.old_prompt(true),
            KeyCode::Char('n') if control => self.old_prompt(false),
            KeyCode::Char('u') if control => self.clear(),
            KeyCode::BackTab => self.step(-1),
            KeyCode::Tab if key.modifiers.contains(KeyModifiers::SHIFT) => self.step(-1),
            KeyCode::Tab => self.step(1),
            _ => self.field_key(key),
        }
        FormOutcome::Nothing
    }

    /// Takes pasted text: into the prompt with its line breaks, elsewhere as one line.
    pub fn paste(&mut self, text: &str) {
        self.armed = false;
        match self.focus {
            Field::Prompt => {
                self.prompt.paste(text);
                self.changed();
            }
            Field::Model => {}
            Field::Parameter(index) if self.parameter(index).is_some_and(|parameter| is_chosen(&parameter.kind)) => {}
            field => {
                self.editor.insert(text);
                self.set_text(field, self.editor.as_str().to_owned());
            }
        }
    }

    /// Submits; real money needs a second Enter, after the first one has shown the price.
    fn submit(&mut self, was_armed: bool) -> FormOutcome {
        self.refresh();
        self.refused = true;
        let wrong = self.fields().into_iter().find(|field| self.problem(*field).is_some());
        if let Some(field) = wrong {
            self.focus_on(field);
            return FormOutcome::Nothing;
        }
        if !self.validated.problems.is_empty() {
            return FormOutcome::Nothing;
        }
        if !self.simulated && !was_armed {
            self.armed = true;
            return FormOutcome::Nothing;
        }
        FormOutcome::Submit(self.validated.jobs())
    }

    fn new_line(&mut self) {
        if self.focus == Field::Prompt {
            self.prompt.new_line();
            self.changed();
        }
    }

    fn old_prompt(&mut self, older: bool) {
        if !self.fields().contains(&Field::Prompt) {
            return;
        }
        if self.focus != Field::Prompt {
            self.focus_on(Field::Prompt);
        }
        if older {
            self.prompt.older();
        } else {
            self.prompt.newer();
        }
        self.changed();
    }

    fn clear(&mut self) {
        match self.focus {
            Field::Prompt => {
                self.prompt.clear();
                self.changed();
            }
            Field::Model => self.picker.clear(),
            field => {
                self.editor.clear();
                self.set_text(field, String::new());
            }
        }
    }

    fn step(&mut self, by: isize) {
        let fields = self.fields();
        let place = fields.iter().position(|field| *field == self.focus).unwrap_or(0);
        let next = place.saturating_add_signed(by);
        let next = match by {
            -1 if place == 0 => fields.len().saturating_sub(1),
            1 if next >= fields.len() => 0,
            _ => next.min(fields.len().saturating_sub(1)),
        };
        if let Some(field) = fields.get(next) {
            self.focus_on(*field);
        }
    }

    fn field_key(&mut self, key: KeyEvent) {
        match (self.focus, key.code) {
            (Field::Prompt, KeyCode::Down) if key.modifiers.is_empty() => {
                if !self.prompt.down() {
                    self.step(1);
                }
            }
            (Field::Prompt, _) => {
                if self.prompt.key(key) {
                    self.changed();
                }
            }
            (_, KeyCode::Up) => self.step(-1),
            (_, KeyCode::Down) => self.step(1),
            (_, KeyCode::PageUp) => self.step(-5),
            (_, KeyCode::PageDown) => self.step(5),
            (Field::Model, _) => self.model_key(key),
            (field, _) => {
                let chosen = match field {
                    Field::Parameter(index) => self.parameter(index).filter(|parameter| is_chosen(&parameter.kind)),
                    _ => None,
                };
                match chosen {
                    Some(parameter) => self.choice_key(parameter, key),
                    None => self.line_key(field, key),
                }
            }
        }
    }

    fn line_key(&mut self, field: Field, key: KeyEvent) {
        if self.editor.key(key) && self.editor.as_str() != self.text(field) {
            self.set_text(field, self.editor.as_str().to_owned());
        }
    }

    fn model_key(&mut self, key: KeyEvent) {
        let current = self.draft.model.clone();
        let plain = !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        let chosen = match key.code {
            KeyCode::Left => self.picker.step(self.catalog, &current, false),
            KeyCode::Right => self.picker.step(self.catalog, &current, true),
            KeyCode::Char(character) if plain => self.picker.type_character(self.catalog, &current, character),
            KeyCode::Backspace => {
                self.picker.backspace();
                None
            }
            _ => None,
        };
        if let Some(model) = chosen {
            self.draft.model = model;
            self.unknown_model = None;
            self.changed();
        }
    }

    fn choice_key(&mut self, parameter: &'static Parameter, key: KeyEvent) {
        let words = Self::words(&parameter.kind);
        let (current, _) = self.chosen(parameter);
        let place = words.iter().position(|word| Some(word) == current.as_ref());
        let count = words.len();
        let next = match (key.code, place) {
            (KeyCode::Backspace | KeyCode::Delete, _) => {
                self.draft.set(&parameter.name, String::new());
                return self.changed();
            }
            (KeyCode::Right | KeyCode::Char(' '), Some(place)) => (place + 1) % count,
            (KeyCode::Left, Some(place)) => (place + count - 1) % count,
            (KeyCode::Right | KeyCode::Left | KeyCode::Char(' '), None) => 0,
            (KeyCode::Char(character), _) => {
                let after = place.map_or(0, |place| place + 1);
                let begins = |word: &String| word.to_lowercase().starts_with(character.to_ascii_lowercase());
                let Some(found) = (after..count).chain(0..after.min(count)).find(|place| begins(&words[*place])) else {
                    return;
                };
                found
            }
            _ => return,
        };
        let Some(word) = words.get(next) else { return };
        // The API's own default is shown as such, and not sent.
        let default = parameter.default.as_ref().is_some_and(|value| {
            value.as_str() == Some(word) || value.as_bool().is_some_and(|value| value.to_string() == *word)
        });
        self.draft.set(&parameter.name, if default { String::new() } else { word.clone() });
        self.changed();
    }
}
