//! Switching to another context: the engine is stopped as on quitting, then the program starts again on the other configuration.

use crossterm::event::KeyEvent;

use super::{App, NO_EFFECT};
use crate::console::message::{Effect, NextContext};
use crate::console::notices::NoticeLevel;
use crate::console::overlays::Overlay;
use crate::console::overlays::contexts::{ContextKey, ContextMenu};

impl App {
    pub(super) fn open_contexts(&mut self) {
        if self.quitting {
            return self.notify(NO_EFFECT, "Shutting down already");
        }
        if self.contexts.is_empty() {
            return self.notify(NO_EFFECT, "This console runs on a configuration of its own; it has no other context");
        }
        let current = Some(self.context.clone())
            .filter(|name| self.contexts.iter().any(|choice| choice.name.as_ref() == Some(name)));
        self.overlays.push(Overlay::Contexts(ContextMenu::new(self.contexts.clone(), current)));
    }

    /// Takes a key while the list of contexts is open. Returns whether it was for the list.
    pub(super) fn on_context_key(&mut self, key: KeyEvent) -> bool {
        let running = self.running_here();
        let too_early = self.answer_is_too_early();
        let now = self.now;
        let Some(Overlay::Contexts(menu)) = self.overlays.last_mut() else { return false };
        if menu.is_asking() && too_early {
            return true;
        }
        match menu.key(key, running) {
            ContextKey::Ignored => return false,
            ContextKey::Taken => {}
            ContextKey::Asked => self.question_at = now,
            ContextKey::Refused(why) => self.notify(NO_EFFECT, why),
            ContextKey::Switch(choice) => {
                self.overlays.clear();
                self.effects.push(Effect::SwitchContext(NextContext { name: choice.name.clone() }));
                self.notify(NoticeLevel::Info, format!("Switching to {}", choice.shown_name()));
                self.quit();
            }
        }
        true
    }
}
