//! Routes the mouse: a click on a hint of the footer is its key, the wheel moves what is on top, a click chooses.

use crossterm::event::{KeyCode, MouseButton, MouseEvent, MouseEventKind};

use super::App;
use crate::console::keymap::{Action, InputContext};
use crate::console::layout::PaneName;
use crate::console::overlays::Overlay;
use crate::console::panes::footer;

/// Lines that one turn of the wheel moves.
const WHEEL_LINES: i64 = 3;

impl App {
    pub(super) fn on_mouse(&mut self, mouse: MouseEvent) {
        let wheel = match mouse.kind {
            MouseEventKind::ScrollUp => -WHEEL_LINES,
            MouseEventKind::ScrollDown => WHEEL_LINES,
            MouseEventKind::Down(MouseButton::Left) => 0,
            _ => return,
        };
        self.dirty = true;
        let (column, row) = (mouse.column, mouse.row);
        if wheel == 0 && self.click_footer(column, row) {
            return;
        }
        if !self.overlays.is_empty() {
            return self.on_overlay_mouse(column, row, wheel);
        }
        let layout = self.layout();
        if wheel == 0 && layout.tabs.contains((column, row).into()) {
            if let Some(pane) = footer::tab_at(layout.tabs, column, self.keys, self.theme.ascii) {
                self.set_focus(pane);
            }
            return;
        }
        let Some((pane, _)) = layout.pane_at(column, row) else { return };
        if wheel != 0 {
            return self.scroll_pane(pane, wheel);
        }
        self.set_focus(pane);
        if pane == PaneName::Queue {
            self.queue.click(column, row, &self.board);
        }
    }

    /// Performs the action whose hint was clicked; false where there is none.
    fn click_footer(&mut self, column: u16, row: u16) -> bool {
        let (area, context) = (self.layout().footer, self.input_context());
        if !area.contains((column, row).into()) {
            return false;
        }
        let is_available = |action| self.is_available(action);
        let action = footer::action_at(area, column, self.keys, context, is_available, self.theme.ascii);
        let Some(action) = action else { return true };
        let answers = context == InputContext::Confirm && action == Action::Accept;
        if !answers || !self.answer_is_too_early() {
            self.perform(action);
        }
        true
    }

    fn on_overlay_mouse(&mut self, column: u16, row: u16, wheel: i64) {
        let arrow = if wheel < 0 { KeyCode::Up } else { KeyCode::Down };
        match self.overlays.last_mut() {
            Some(Overlay::Form(form)) if wheel != 0 => form.wheel(wheel.signum()),
            Some(Overlay::Form(form)) => _ = form.click(column, row),
            Some(Overlay::Palette(palette)) if wheel == 0 => {
                let accepts = palette.click(column, row);
                if accepts {
                    self.perform(Action::Accept);
                }
            }
            Some(Overlay::Costs(screen)) if wheel != 0 => {
                let outcome = screen.key(arrow.into());
                self.on_cost_key(outcome);
            }
            Some(Overlay::Budget(screen)) if wheel != 0 && !screen.is_typing() => {
                let outcome = screen.key(arrow.into());
                self.on_budget_key(outcome);
            }
            Some(Overlay::Gallery(gallery)) if wheel == 0 => {
                let place = gallery.place_at(column, row);
                if let Some(place) = place.filter(|place| *place < self.board.len()) {
                    self.queue.select_index(place, &self.board);
                }
            }
            // A row of tiles, or an action, at a time.
            Some(Overlay::Gallery(_) | Overlay::Bulk(_) | Overlay::Palette(_)) => self.scroll_overlay(wheel.signum()),
            Some(_) if wheel != 0 => self.scroll_overlay(wheel),
            _ => {}
        }
    }
}
