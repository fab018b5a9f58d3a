//! Applies keys and pasted text to the form.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::chooser::{Chooser, ChooserKind, ChooserOutcome};
use super::draft::is_chosen;
use super::{Field, Form};
use crate::catalog::Parameter;
use crate::console::saved::Preset;
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
    /// This parameter set is to be saved under that name; the form stays.
    SavePreset(String, Preset),
    /// The preset of that name is to be removed; the form stays.
    RemovePreset(String),
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
        if let Some(chooser) = &mut self.chooser {
            let (kind, outcome) = (chooser.kind, chooser.key(key));
            return self.on_chooser(kind, outcome);
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
            KeyCode::Char('r') if control => self.search_history(),
            KeyCode::Char('o') if control => self.choose_preset(),
            KeyCode::Char('s') if control => self.name_preset(),
            KeyCode::Char('t') if control => self.toggle_matrix(),
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
        if let Some(chooser) = &mut self.chooser {
            return chooser.paste(text);
        }
        match self.focus {
            Field::Prompt => {
                self.prompt.paste(text);
                self.changed();
            }
            Field::Model | Field::Matrix => {}
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
        if !self.unreadable.is_empty() {
            // The file may exist by the next Enter: it is checked again.
            self.measured.0.clear();
        }
        let wrong = self.fields().into_iter().find(|field| self.problem(*field).is_some());
        if let Some(field) = wrong {
            self.focus_on(field);
            return FormOutcome::Nothing;
        }
        if !self.validated.problems.is_empty() {
            return FormOutcome::Nothing;
        }
        // Many images from one key are confirmed even where they are free.
        let asks = !self.simulated || self.plan.as_ref().is_some_and(|plan| plan.images() > 1);
        if asks && !was_armed {
            self.armed = true;
            return FormOutcome::Nothing;
        }
        let Some(plan) = &self.plan else { return FormOutcome::Submit(self.validated.jobs()) };
        match plan.jobs(&self.draft, self.catalog, &self.validated.tags) {
            Ok(jobs) => FormOutcome::Submit(jobs),
            Err(problem) => {
                self.focus_on(Field::Prompt);
                self.validated.problems.push(problem);
                FormOutcome::Nothing
            }
        }
    }

    fn on_chooser(&mut self, kind: ChooserKind, outcome: ChooserOutcome) -> FormOutcome {
        match outcome {
            ChooserOutcome::Nothing => return FormOutcome::Nothing,
            ChooserOutcome::Remove(name) => return FormOutcome::RemovePreset(name),
            ChooserOutcome::Close => {}
            ChooserOutcome::Take(text) => match kind {
                ChooserKind::SavePreset => {
                    self.chooser = None;
                    return FormOutcome::SavePreset(text, self.draft().preset(self.catalog));
                }
                ChooserKind::Prompts => {
                    self.focus_on(Field::Prompt);
                    self.prompt.take(&text);
                    self.changed();
                }
                ChooserKind::Presets => {
                    if let Some(preset) = self.presets.get(&text).cloned() {
                        self.draft.apply(&preset);
                        self.unknown_model = None;
                        self.changed();
                        self.refresh();
                        self.focus_on(self.fields().first().copied().unwrap_or(Field::Model));
                    }
                }
            },
        }
        self.chooser = None;
        FormOutcome::Nothing
    }

    fn search_history(&mut self) {
        let prompts = self.prompt.history().iter().map(|prompt| (prompt.clone(), String::new()));
        self.chooser = Some(Chooser::new(ChooserKind::Prompts, prompts.collect()));
    }

    pub(super) fn choose_preset(&mut self) {
        let presets = self.presets.iter().map(|(name, preset)| (name.clone(), preset.summary()));
        self.chooser = Some(Chooser::new(ChooserKind::Presets, presets.collect()));
    }

    fn name_preset(&mut self) {
        self.refresh();
        let presets = self.presets.iter().map(|(name, preset)| (name.clone(), preset.summary()));
        self.chooser = Some(Chooser::new(ChooserKind::SavePreset, presets.collect()));
    }

    fn toggle_matrix(&mut self) {
        self.draft.matrix = !self.draft.matrix;
        if matches!(self.focus, Field::Models | Field::Sizes | Field::Seeds) {
            self.focus_on(Field::Matrix);
        }
        self.changed();
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
            Field::Matrix => {}
            field => {
                self.editor.clear();
                self.set_text(field, String::new());
            }
        }
    }

    pub(super) fn step(&mut self, by: isize) {
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
            (Field::Matrix, KeyCode::Left | KeyCode::Right | KeyCode::Char(' ' | 'y' | 'n')) => self.toggle_matrix(),
            (Field::Matrix, _) => {}
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
