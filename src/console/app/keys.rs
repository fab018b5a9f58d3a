//! Routes keys, pasted text and the mouse to the overlay or pane that takes them.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::{App, NO_EFFECT};
use crate::console::form::FormOutcome;
use crate::console::keymap::{self, Action, Chord};
use crate::console::layout::PaneName;
use crate::console::overlays::Overlay;
use crate::console::panes::footer;
use crate::engine::Command;

/// Lines that one turn of the wheel moves.
const WHEEL_LINES: i64 = 3;

impl App {
    pub(super) fn on_key(&mut self, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        self.dirty = true;
        let place = self.input_context();
        if matches!(self.overlays.last(), Some(Overlay::Form(_))) {
            return self.on_form_key(key);
        }
        if let Some(Overlay::Costs(screen)) = self.overlays.last_mut()
            && screen.key(key)
        {
            return;
        }
        if let Some(action) = keymap::action_for(place, key) {
            return self.perform(action);
        }
        if let Some(Overlay::Palette(palette)) = self.overlays.last_mut() {
            palette.key(key);
        } else if matches!(self.overlays.last(), Some(Overlay::Filter)) {
            if self.filter.key(key) {
                self.apply_filter();
            }
        } else if let KeyCode::Char(character) = key.code
            && place != keymap::InputContext::Confirm
        {
            let held = key.modifiers & KeyModifiers::CONTROL;
            let shown = Chord { modifiers: held, ..Chord::char(character) }.shown(self.theme.ascii);
            self.notify(NO_EFFECT, format!("{shown} is not bound here · press ? for help"));
        }
    }

    fn on_form_key(&mut self, key: KeyEvent) {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Char('c') => return self.perform(Action::Quit),
                KeyCode::Char('z') => return self.perform(Action::Suspend),
                KeyCode::Char('l') => return self.perform(Action::Redraw),
                _ => {}
            }
        }
        let Some(Overlay::Form(form)) = self.overlays.last_mut() else { return };
        match form.key(key) {
            FormOutcome::Nothing => {}
            FormOutcome::Close => {
                // An unchanged clone does not replace the draft of a new job.
                if form.is_worth_keeping() {
                    self.draft = Some(form.draft());
                }
                self.overlays.pop();
            }
            FormOutcome::Submit(jobs) => {
                self.submitted = Some(form.draft());
                if !form.is_copy() {
                    self.draft = None;
                }
                self.overlays.pop();
                for prompt in jobs.iter().map(|job| &job.spec.prompt).filter(|prompt| !prompt.is_empty()) {
                    self.history.retain(|old| old != prompt);
                    self.history.insert(0, prompt.clone());
                }
                self.send(Command::Submit(jobs));
            }
        }
    }

    pub(super) fn on_paste(&mut self, text: &str) {
        self.dirty = true;
        match self.overlays.last_mut() {
            Some(Overlay::Form(form)) => form.paste(text),
            Some(Overlay::Palette(palette)) => palette.paste(text),
            Some(Overlay::Filter) => {
                self.filter.insert(text);
                self.apply_filter();
            }
            _ => {}
        }
    }

    pub(super) fn on_mouse(&mut self, mouse: MouseEvent) {
        let wheel = match mouse.kind {
            MouseEventKind::ScrollUp => -WHEEL_LINES,
            MouseEventKind::ScrollDown => WHEEL_LINES,
            MouseEventKind::Down(MouseButton::Left) => 0,
            _ => return,
        };
        self.dirty = true;
        if !self.overlays.is_empty() {
            if wheel != 0 {
                self.scroll_overlay(wheel);
            }
            return;
        }
        let layout = self.layout();
        if wheel == 0 && layout.tabs.contains((mouse.column, mouse.row).into()) {
            if let Some(pane) = footer::tab_at(layout.tabs, mouse.column) {
                self.set_focus(pane);
            }
            return;
        }
        let Some((pane, _)) = layout.pane_at(mouse.column, mouse.row) else { return };
        if wheel != 0 {
            return self.scroll_pane(pane, wheel);
        }
        self.set_focus(pane);
        if pane == PaneName::Queue {
            self.queue.click(mouse.column, mouse.row, &self.board);
        }
    }
}
