//! The filter of what is shown, the saved views, and how many jobs of the store match it.

use crossterm::event::KeyEvent;

use super::{App, NO_EFFECT};
use crate::console::overlays::Overlay;
use crate::console::overlays::views::{ViewKey, ViewMenu};
use crate::engine::{Command, MatchCounts};
use crate::jobs::filter::{Condition, Filter, JobStatus};

/// The filter of held jobs.
pub(super) fn held() -> Filter {
    Filter::default().and(Condition::Status(vec![JobStatus::Held]))
}

/// How many jobs of the store match a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matching {
    /// Not reported yet.
    Unknown,
    /// The store does not count that.
    Uncounted,
    /// As last counted.
    Counted(MatchCounts),
}

impl App {
    pub(super) fn open_views(&mut self) {
        if self.views.is_empty() {
            let text =
                "darkroom.toml defines no view: [views] with lines such as failures = \"status:failed since:24h\"";
            return self.notify(NO_EFFECT, text);
        }
        self.overlays.push(Overlay::Views(ViewMenu::new(self.views.clone(), self.filter.as_str())));
    }

    /// Takes a key while the list of views is open. Returns whether it was for the list.
    pub(super) fn on_view_key(&mut self, key: KeyEvent) -> bool {
        let Some(Overlay::Views(menu)) = self.overlays.last_mut() else { return false };
        match menu.key(key) {
            ViewKey::Ignored => return false,
            ViewKey::Taken => self.dirty = true,
            ViewKey::Show(view) => {
                self.overlays.pop();
                self.filter.clear();
                self.filter.insert(&view.filter);
                self.apply_filter();
            }
        }
        true
    }

    pub(super) fn apply_filter(&mut self) {
        let is_typing = matches!(self.overlays.last(), Some(Overlay::Filter));
        let text = self.filter.as_str();
        let parsed = if is_typing { Filter::parse_typed(text, self.now) } else { Filter::parse(text, self.now) };
        let parsed = parsed.map(|filter| self.with_gallery(filter));
        let is_changed = parsed.as_ref().err() != self.board.problem()
            || parsed.as_ref().is_ok_and(|filter| filter != self.board.filter());
        if is_changed {
            self.board.set_filter(parsed);
            self.restart_paging(is_typing);
            self.matching = Matching::Unknown;
            self.count_matching();
            self.queue.follow(&self.board);
        }
        self.dirty = true;
    }

    /// Requests how many jobs of the store match, where the board does not know that.
    pub(super) fn count_matching(&mut self) {
        let filter = self.board.filter();
        let waits = self.counting || self.paging.due_at().is_some_and(|due_at| due_at > self.now);
        if filter.is_empty() || self.board.problem().is_some() || self.is_local() || waits {
            return;
        }
        self.counting = true;
        self.send(Command::CountMatching(self.board.filter().clone()));
    }

    /// Requests how many jobs of a large store are held: the board knows only some of them.
    pub(super) fn count_held(&mut self) {
        if !self.board.is_complete() && !self.counting_held {
            self.counting_held = true;
            self.send(Command::CountMatching(held()));
        }
    }

    /// How many jobs are held, as far as that is known.
    pub(super) fn held_total(&self) -> u64 {
        let here = self.board.held() as u64;
        if self.board.is_complete() { here } else { self.held.unwrap_or(here) }
    }

    /// How many jobs of the store the list contains, as far as that is known.
    pub(super) fn matching_total(&self) -> Option<u64> {
        if self.is_local() {
            return Some(self.board.len() as u64);
        }
        if self.board.filter().is_empty() {
            return self.status.counts.as_ref().map(crate::engine::Counts::total);
        }
        if let Matching::Counted(counts) = &self.matching { Some(counts.total()) } else { None }
    }
}
