//! Undo: what commands and bulk actions changed, the latest first.

use super::{App, NO_EFFECT};
use crate::console::keymap::Action;
use crate::console::overlays::Overlay;
use crate::engine::{BulkTarget, Command, CommandOutcome};

/// Actions that can be undone one after the other.
const MAX_UNDO_LEVELS: usize = 20;

/// What `u` restores.
#[derive(Debug)]
pub(super) enum UndoEntry {
    /// What a command changed.
    Command(Box<CommandOutcome>),
    /// What a bulk action changed: its id.
    Bulk(String),
}

impl App {
    pub(super) fn keep_undo(&mut self, entry: UndoEntry) {
        if self.undo.len() == MAX_UNDO_LEVELS {
            self.undo.remove(0);
        }
        self.undo.push(entry);
    }

    pub(super) fn undo(&mut self) {
        if self.stop_own_bulk() {
            return;
        }
        if let Some(UndoEntry::Bulk(id)) = self.undo.last() {
            let id = id.clone();
            // One whose worker still completes its last jobs can be undone a moment later.
            if !self.bulk.iter().any(|record| record.id == id && record.is_ending(self.now)) {
                self.undo.pop();
            }
            return self.undo_bulk(&id);
        }
        match self.undo.last() {
            Some(_) if self.undo_pending => self.notify(NO_EFFECT, "Undo in progress"),
            // The entry stays until the engine reports completion: a dropped command loses nothing.
            Some(UndoEntry::Command(outcome)) => {
                let command = Command::Undo(outcome.clone());
                self.undo_pending = true;
                self.send(command);
            }
            Some(UndoEntry::Bulk(_)) | None => {
                let key = self.key(Action::BulkScreen);
                self.notify(NO_EFFECT, format!("Nothing to undo · {key} lists bulk actions"));
            }
        }
    }

    /// `u` on the screen of the bulk actions.
    pub(super) fn undo_selected_bulk(&mut self) {
        let Some(Overlay::Bulk(screen)) = self.overlays.last() else { return };
        match screen.selected(&self.bulk).map(|record| (record.is_open(), record.id.clone())) {
            // One that is counted down is cancelled so.
            Some((true, _)) => self.control_selected_bulk(true),
            Some((false, id)) => self.undo_bulk(&id),
            None => self.notify(NO_EFFECT, "No bulk action selected"),
        }
    }

    /// Asks before a bulk action is undone; any process may have carried it out.
    pub(super) fn undo_bulk(&mut self, id: &str) {
        let Some(record) = self.bulk.iter().find(|record| record.id == id) else {
            return self
                .notify(NO_EFFECT, format!("Use `darkroom bulk undo {id}`: that action is not listed any more"));
        };
        if let Some(why) = record.undo_obstacle(self.now) {
            return self.notify(NO_EFFECT, format!("Cannot undo: {why}"));
        }
        self.plan_bulk(record.undo_action(), BulkTarget::ChangedBy(id.to_owned()));
    }
}
