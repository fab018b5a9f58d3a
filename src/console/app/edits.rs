//! Actions that a typed line describes: tags, the edits of clones, the reason of a pause.

use super::{App, NO_EFFECT};
use crate::console::overlays::Overlay;
use crate::console::overlays::line::{LineDialog, LinePurpose};
use crate::engine::{BulkAction, BulkTarget, Command, SpecEdit, TagEdit};
use crate::jobs::JobId;
use crate::text::format;

impl App {
    /// The marked jobs, or else the selected one.
    fn target_ids(&self) -> Vec<JobId> {
        if !self.takes_marked() {
            return self.selected().map(|job| job.id.clone()).into_iter().collect();
        }
        self.marked_ids()
    }

    /// The marked jobs, those that are not loaded included.
    pub(super) fn marked_ids(&self) -> Vec<JobId> {
        let here = || self.board.marked_jobs().into_iter().map(|job| job.id.clone()).collect();
        self.board.marked_elsewhere().unwrap_or_else(here)
    }

    pub(super) fn ask_for_tags(&mut self) {
        match self.target_ids().len() {
            0 => self.notify(NO_EFFECT, "No job selected"),
            count => self.open_line(LinePurpose::Tags, format!("Tag {}", format::count(count, "job"))),
        }
    }

    pub(super) fn ask_for_clone_edits(&mut self) {
        let title = format!("Clone {} with edits", format::count(self.target_ids().len(), "marked job"));
        self.open_line(LinePurpose::CloneEdits, title);
    }

    pub(super) fn ask_for_pause_reason(&mut self) {
        self.open_line(LinePurpose::PauseReason, "Pause the intake of all workers: why?".to_owned());
    }

    fn open_line(&mut self, purpose: LinePurpose, title: String) {
        self.overlays.push(Overlay::Line(LineDialog::new(purpose, title)));
        self.dirty = true;
    }

    /// Enter in the dialog: a line that is wrong stays in it.
    pub(super) fn accept_line(&mut self, dialog: LineDialog) {
        let text = dialog.text().to_owned();
        let refused = match dialog.purpose {
            LinePurpose::PauseReason => {
                let reason = (!text.is_empty()).then_some(text);
                self.send(Command::PauseAll { by: self.operator.clone(), reason });
                None
            }
            LinePurpose::Tags => TagEdit::parse(&text).map(|edit| self.tag(edit)).err(),
            LinePurpose::CloneEdits => SpecEdit::parse(&text).map(|edit| self.clone_marked(edit)).err(),
        };
        if let Some(why) = refused {
            self.notify(NO_EFFECT, why);
            self.overlays.push(Overlay::Line(dialog));
        }
    }

    fn tag(&mut self, edit: TagEdit) {
        let ids = self.target_ids();
        if ids.len() >= crate::engine::MIN_JOBS {
            return self.plan_bulk(BulkAction::Tag(edit), BulkTarget::Jobs(ids));
        }
        if self.takes_marked() {
            self.board.clear_marks();
        }
        self.send(Command::Tag(ids, edit));
    }

    fn clone_marked(&mut self, edit: SpecEdit) {
        let action = BulkAction::Clone { edit, simulated: self.simulated };
        self.plan_bulk(action, BulkTarget::Jobs(self.target_ids()));
    }
}
