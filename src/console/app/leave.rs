//! Leave and return: what is kept of the view, when it is written, and how it is restored.

use chrono::{DateTime, Duration, Utc};

use super::App;
use crate::console::form::Draft;
use crate::console::message::{Effect, Kept};
use crate::console::overlays::Overlay;
use crate::console::panes::queue::QueueSettings;
use crate::console::saved::{MAX_MARKS, SavedView};

/// How long after a key the view is written at the latest, so that a crash loses little.
const SAVE_DELAY: Duration = Duration::seconds(10);

/// Larger drafts are not kept.
const MAX_DRAFT_BYTES: usize = 500_000;

impl App {
    /// Columns and order of the queue, to be kept for the next start.
    pub fn queue_settings(&self) -> &QueueSettings {
        &self.queue_settings
    }

    /// Shows the queue with these columns in this order.
    pub fn set_queue_settings(&mut self, settings: QueueSettings) {
        let sort = settings.sort;
        self.queue_settings = settings;
        if self.board.sort() != sort {
            self.board.set_sort(sort);
            self.restart_paging(false);
            self.queue.select_index(0, &self.board);
        }
        self.dirty = true;
    }

    /// Restores the last view, before the first jobs are loaded.
    pub(super) fn restore(&mut self, saved: SavedView) {
        self.set_focus(saved.focus());
        // Columns of another version are not restored.
        if let Ok(settings) = serde_json::from_value::<QueueSettings>(saved.queue.clone())
            && !settings.columns.is_empty()
        {
            self.set_queue_settings(settings);
        }
        if !saved.filter.is_empty() {
            self.filter.insert(&saved.filter);
            self.apply_filter();
        }
        self.board.mark_all(saved.marked.iter().cloned());
        self.select_when_shown.clone_from(&saved.selected);
        self.drafts.new.clone_from(&saved.draft);
        self.drafts.clone.clone_from(&saved.clone_draft);
        self.saved_view = saved;
    }

    /// What is kept of the view as it is now.
    fn view(&self) -> SavedView {
        let (mut draft, mut clone_draft) = (self.drafts.new.clone(), self.drafts.clone.clone());
        // A form that is open is kept as Esc would keep it.
        if let Some(Overlay::Form(form)) = self.overlays.iter().find(|overlay| matches!(overlay, Overlay::Form(_)))
            && form.is_worth_keeping()
        {
            match form.source() {
                Some(id) => clone_draft = Some((id.clone(), form.draft())),
                None => draft = Some(form.draft()),
            }
        }
        // An input image that was pasted has megabytes: it is typed again.
        let is_small = |draft: &Draft| draft.bytes() <= MAX_DRAFT_BYTES;
        draft = draft.filter(is_small);
        clone_draft = clone_draft.filter(|(_, draft)| is_small(draft));
        let marked = self.marked_ids();
        let mut view = SavedView {
            filter: self.filter.as_str().to_owned(),
            selected: self.queue.selected().cloned(),
            // Thousands of marks are written once a key; more are not worth it.
            marked: if marked.len() > MAX_MARKS { Vec::new() } else { marked },
            draft,
            clone_draft,
            queue: serde_json::to_value(&self.queue_settings).unwrap_or_default(),
            ..SavedView::default()
        };
        view.set_focus(self.focus);
        view
    }

    /// Something of the view may have changed.
    pub(super) fn touch_view(&mut self) {
        if self.keeps_view {
            self.save_view_at.get_or_insert(self.now + SAVE_DELAY);
        }
    }

    /// When the view is to be written, if it was touched.
    pub(super) fn view_due_at(&self) -> Option<DateTime<Utc>> {
        self.save_view_at
    }

    /// Writes the view where that is due, and before the console quits.
    pub(super) fn save_view(&mut self) {
        let quits = self.effects.iter().position(|effect| matches!(effect, Effect::Quit(_)));
        let is_due = self.save_view_at.is_some_and(|at| at <= self.now);
        if !self.keeps_view || (quits.is_none() && !is_due) {
            return;
        }
        self.save_view_at = None;
        let view = self.view();
        if view != self.saved_view {
            self.saved_view = view.clone();
            let place = quits.unwrap_or(self.effects.len());
            self.effects.insert(place, Effect::Keep(Kept::View(Box::new(view))));
        }
    }
}
