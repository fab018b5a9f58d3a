//! Performs actions, except those on jobs (`job_actions.rs`).

use super::{App, NO_EFFECT};
use crate::console::form::Form;
use crate::console::keymap::Action;
use crate::console::layout::PaneName;
use crate::console::message::Effect;
use crate::console::notices::NoticeLevel;
use crate::console::overlays::Overlay;
use crate::console::overlays::budget::BudgetScreen;
use crate::console::overlays::bulk::BulkScreen;
use crate::console::overlays::costs::CostScreen;
use crate::console::overlays::help::Help;
use crate::console::overlays::job::JobScreen;
use crate::console::overlays::palette::Palette;
use crate::console::overlays::queue_menu::{MenuKind, QueueMenu};
use crate::console::panes::logs::LogInput;
use crate::engine::{Command, Intake};
use crate::jobs::DriftSummary;

impl App {
    /// Notifies why an action cannot be performed now. Returns whether that is so.
    fn refuses(&mut self, action: Action) -> bool {
        if self.read_only
            && let Some(what) = action.changes()
        {
            let reason = self.status.alarm.as_ref().map_or("--observe", |alarm| alarm.summary.as_str());
            self.notify(NO_EFFECT, format!("Read-only console ({reason}): cannot {what}"));
            return true;
        }
        self.waits_for_marks(action)
    }

    pub(super) fn perform(&mut self, action: Action) {
        if self.refuses(action) {
            return;
        }
        match action {
            Action::Left => self.step_sideways(-1),
            Action::Right => self.step_sideways(1),
            Action::Up => self.scroll(-1),
            Action::Down => self.scroll(1),
            Action::PageUp => self.scroll(-self.page_size()),
            Action::PageDown => self.scroll(self.page_size()),
            Action::Top => self.scroll_to_end(true),
            Action::Bottom => self.scroll_to_end(false),
            Action::NextPane => self.step_focus(1),
            Action::PreviousPane => self.step_focus(PaneName::ALL.len() - 1),
            Action::Pane(pane) => self.set_focus(pane),
            Action::Back => self.back(),
            Action::Accept => self.accept(),
            Action::Clone if self.takes_marked() && self.board.marked() > 1 => self.ask_for_clone_edits(),
            Action::Tag => self.ask_for_tags(),
            Action::BulkScreen => self.overlays.push(Overlay::Bulk(BulkScreen::default())),
            Action::BulkPause => self.control_selected_bulk(false),
            Action::BulkStop => self.control_selected_bulk(true),
            Action::BulkUndo => self.undo_selected_bulk(),
            Action::New | Action::Clone => self.open_form(action == Action::Clone),
            Action::Open => self.open_job(),
            Action::Retry => self.retry(),
            Action::RetryAll => self.retry_all(),
            Action::RetryRecent => self.retry_recent(),
            Action::Cancel => self.cancel(),
            Action::Approve => self.approve(),
            Action::Reject => self.reject(),
            Action::Hide => self.hide(),
            Action::Undo => self.undo(),
            Action::Mark | Action::MarkRange | Action::MarkAll => self.mark(action),
            Action::Filter => {
                self.set_focus(PaneName::Queue);
                self.overlays.push(Overlay::Filter);
            }
            Action::Complete => self.complete_filter(),
            Action::Contexts => self.open_contexts(),
            Action::Views => self.open_views(),
            Action::SortMenu => self.open_queue_menu(MenuKind::Sort),
            Action::ColumnMenu => self.open_queue_menu(MenuKind::Columns),
            Action::FollowNewest => self.follow_newest(),
            Action::ShowImages => self.toggle_images(),
            Action::Gallery => self.open_gallery(),
            Action::Compare => self.compare(),
            Action::NewSeed => self.repeat_with_new_seed(),
            Action::NewSeeds => self.begin_seeds(),
            Action::FullImage => self.toggle_full_image(),
            Action::OpenImage | Action::CopyUrl | Action::SaveImage => self.use_image(action),
            Action::OlderAttempt => self.step_attempt(1),
            Action::NewerAttempt => self.step_attempt(-1),
            Action::CostScreen => self.open_costs(),
            Action::BudgetScreen => {
                self.send(Command::RefreshCosts);
                self.send(Command::LoadUncertain);
                self.overlays.push(Overlay::Budget(BudgetScreen::default()));
            }
            Action::LogScreen => self.open_logs(),
            Action::LogFollow => self.logs.toggle_follow(),
            Action::LogLevel => self.logs.cycle_level(),
            Action::LogScope => self.logs.toggle_scope(),
            Action::LogProcess => self.logs.cycle_process(),
            Action::LogSearch => self.type_into_logs(LogInput::Search),
            Action::LogText => self.type_into_logs(LogInput::Filter),
            Action::LogOlderMatch => self.next_log_match(true),
            Action::LogNewerMatch => self.next_log_match(false),
            Action::Document => {
                if let Some(Overlay::Job(screen)) = self.overlays.last_mut() {
                    screen.toggle_document();
                }
            }
            Action::NextStep => self.select_step(1),
            Action::PreviousStep => self.select_step(-1),
            Action::Pause => self.pause(),
            Action::PauseHere => self.pause_here(),
            Action::MoreSlots => self.change_slots(1),
            Action::FewerSlots => self.change_slots(-1),
            Action::Palette => {
                self.overlays.push(Overlay::Palette(Palette::new(self.keys, self.input_context(), self.read_only)));
            }
            Action::Help => {
                let (keys, context, read_only) = (self.keys, self.input_context(), self.read_only);
                let open = || Overlay::Help(Help::new(keys, context, read_only));
                self.toggle(|overlay| matches!(overlay, Overlay::Help(_)), open);
            }
            Action::ToggleMouse => self.toggle_mouse(),
            Action::Redraw => {
                self.invalidate_images();
                self.effects.push(Effect::Redraw);
            }
            Action::Suspend => self.effects.push(Effect::Suspend),
            Action::Quit => self.request_quit(),
            Action::QuitWhenDone => self.quit_when_done(),
        }
    }

    fn toggle_full_image(&mut self) {
        if self.selected().is_none() && !matches!(self.overlays.last(), Some(Overlay::Image)) {
            return self.notify(NO_EFFECT, "No job selected");
        }
        self.toggle(|overlay| matches!(overlay, Overlay::Image), || Overlay::Image);
    }

    /// Opens an overlay, or closes it where it is on top already.
    fn toggle(&mut self, is_it: impl Fn(&Overlay) -> bool, make: impl Fn() -> Overlay) {
        if self.overlays.last().is_some_and(&is_it) {
            self.overlays.pop();
        } else {
            self.overlays.push(make());
        }
    }

    /// One level back: the overlay on top; or a range, a notice, marks, the filter, the focus.
    fn back(&mut self) {
        if matches!(self.overlays.last(), Some(Overlay::Gallery(_))) && self.board.marked() > 0 {
            return self.board.clear_marks();
        }
        if let Some(Overlay::Job(screen)) = self.overlays.last_mut()
            && screen.leave_document()
        {
            return;
        }
        match self.overlays.pop() {
            Some(Overlay::Filter) => self.clear_filter(),
            Some(Overlay::LogInput) => self.logs.cancel_input(),
            // One level is also what narrows the lines.
            Some(Overlay::Logs) if self.logs.clear_one() => self.overlays.push(Overlay::Logs),
            Some(Overlay::Compare(_)) => self.compared.clear(),
            Some(_) => {}
            None if self.queue.drop_range() => {}
            None if self.board.marked() > 0 => self.board.clear_marks(),
            None if !self.filter.is_empty() => self.clear_filter(),
            None if self.notices.dismiss() => {}
            None => self.set_focus(PaneName::Queue),
        }
    }

    fn open_costs(&mut self) {
        self.send(Command::RefreshCosts);
        self.send(Command::LoadUsage);
        let mut drift = DriftSummary::default();
        self.board.shown_jobs().for_each(|job| drift.add(job));
        self.overlays.push(Overlay::Costs(CostScreen::new().with_drift(&drift)));
        self.load_cost_jobs();
    }

    /// Shows the job of that id in the queue, and no other.
    pub(super) fn show_job(&mut self, id: &str) {
        self.overlays.clear();
        self.set_focus(PaneName::Queue);
        self.filter.clear();
        self.filter.insert(&format!("id:\"{id}\""));
        self.apply_filter();
    }

    fn open_queue_menu(&mut self, kind: MenuKind) {
        self.set_focus(PaneName::Queue);
        self.overlays.push(Overlay::QueueMenu(QueueMenu::new(kind, &self.queue_settings)));
    }

    /// Keeps the selection on the first row, or not.
    fn follow_newest(&mut self) {
        let follows = self.queue.toggle_follow(&self.board);
        if follows {
            self.jump(true);
        }
        let text = if follows {
            format!("Following the first row · {} or any move stops", self.key(Action::FollowNewest))
        } else {
            "Not following any more".to_owned()
        };
        self.notify(NoticeLevel::Info, text);
    }

    fn clear_filter(&mut self) {
        self.filter.clear();
        self.apply_filter();
    }

    fn accept(&mut self) {
        match self.overlays.pop() {
            Some(Overlay::Confirm(confirm)) => {
                self.skipped = confirm.skipped;
                if self.takes_marked() {
                    self.board.clear_marks();
                }
                self.send(confirm.command);
            }
            Some(Overlay::Line(dialog)) => self.accept_line(dialog),
            Some(Overlay::Palette(palette)) => {
                if let Some(action) = palette.chosen() {
                    self.perform(action);
                }
            }
            // The filter stays; only its typing ends.
            Some(Overlay::Filter) => {
                self.apply_filter();
                self.paging.search_now();
            }
            Some(Overlay::LogInput) => {
                let found = self.logs.accept_input();
                if !found {
                    self.notify(NO_EFFECT, "No line contains this text");
                }
            }
            None => {}
            Some(other) => self.overlays.push(other),
        }
    }

    fn open_form(&mut self, clone: bool) {
        let mut form = if clone {
            let Some(job) = self.selected() else { return self.notify(NO_EFFECT, "No job selected") };
            let kept = self.drafts.clone.as_ref().filter(|(id, _)| *id == job.id).map(|(_, draft)| draft.clone());
            Form::clone_of(self.catalog, job, kept, self.history.clone(), self.simulated)
        } else {
            Form::new(self.catalog, self.drafts.new.take(), self.history.clone(), self.simulated)
        };
        form.set_presets(self.presets.clone());
        form.set_limits(self.form_limits());
        self.overlays.push(Overlay::Form(Box::new(form)));
    }

    fn open_job(&mut self) {
        if self.selected().is_some() {
            if let Some(id) = self.queue.selected().cloned() {
                self.overlays.push(Overlay::Job(JobScreen::new(id.clone())));
                self.send(Command::LoadAudit(id));
            }
        } else if let Some(id) = self.queue.selected().filter(|id| self.board.entry(id).is_some()) {
            let text = format!("Document {} cannot be read; darkroom does not change it", id.short());
            self.notify(NO_EFFECT, text);
        } else {
            self.notify(NO_EFFECT, "No job selected");
        }
    }

    fn mark(&mut self, action: Action) {
        if self.board.is_empty() {
            let text = if self.filter.is_empty() {
                format!("No jobs yet · {} creates the first one", self.key(Action::New))
            } else {
                "No jobs shown · press Esc to clear the filter".to_owned()
            };
            return self.notify(NO_EFFECT, text);
        }
        match action {
            Action::MarkRange => self.queue.mark_range(&mut self.board),
            Action::MarkAll if self.is_local() => self.board.toggle_all(),
            Action::MarkAll => self.mark_all_matching(),
            _ => {
                if let Some(id) = self.queue.selected().cloned() {
                    self.board.toggle_mark(&id);
                    self.queue.move_by(1, &self.board);
                }
            }
        }
    }

    /// The terminal selects text with the mouse only while no program takes it.
    fn toggle_mouse(&mut self) {
        self.has_mouse = !self.has_mouse;
        self.effects.push(Effect::Mouse(self.has_mouse));
        let key = self.key(Action::ToggleMouse);
        let text = if self.has_mouse {
            format!("Mouse on · {key} frees it for selecting text")
        } else {
            format!("Mouse off: the terminal selects text · {key} turns it on")
        };
        self.notify(NoticeLevel::Info, text);
    }

    fn step_attempt(&mut self, attempts: i64) {
        let Some(job) = self.selected().cloned() else { return };
        if !self.steps.step_attempt(&job, attempts) {
            let which = if attempts > 0 { "first" } else { "latest" };
            self.notify(NO_EFFECT, format!("Already at the {which} attempt"));
        }
    }

    /// Pauses or resumes all workers of the store; what paused this process alone ends too.
    fn pause(&mut self) {
        let by = self.operator.clone();
        let is_open = self.status.pause.is_none() && self.status.intake == Intake::Open;
        if self.status.intake == Intake::ReadOnly {
            self.notify(NO_EFFECT, "Read-only console (--observe): it does not run jobs");
        } else if is_open {
            self.ask_for_pause_reason();
        } else {
            self.quits_when_done = false;
            self.send(Command::ResumeAll { by });
        }
    }

    /// Pauses or resumes this process alone.
    fn pause_here(&mut self) {
        match self.status.intake {
            Intake::Open => self.send(Command::PauseIntake),
            Intake::Paused | Intake::AccountBlocked(_) => {
                self.quits_when_done = false;
                self.send(Command::ResumeIntake);
            }
            Intake::ReadOnly => self.notify(NO_EFFECT, "Read-only console (--observe): it does not run jobs"),
        }
    }

    fn change_slots(&mut self, by: isize) {
        let Some((_, total)) = self.status.slots else {
            return self.notify(NO_EFFECT, "The number of slots is not known yet");
        };
        let slots = total.saturating_add_signed(by).max(1);
        if slots == total {
            return self.notify(NO_EFFECT, "At least one slot is needed");
        }
        self.send(Command::SetSlots(slots));
    }

    fn page_size(&self) -> i64 {
        if let Some(Overlay::Gallery(gallery)) = self.overlays.last() {
            i64::try_from(gallery.rows()).unwrap_or(1)
        } else if self.overlays.is_empty() && self.focus == PaneName::Queue {
            self.queue.page()
        } else {
            i64::from(self.size.height / 2).max(1)
        }
    }

    fn scroll(&mut self, lines: i64) {
        if self.overlays.is_empty() {
            if lines > 0 && self.focus == PaneName::Queue && self.queue.is_at_end(&self.board) {
                self.paging.resume();
            }
            self.scroll_pane(self.focus, lines);
        } else {
            self.scroll_overlay(lines);
        }
    }

    /// Goes to the first or the last row; of a large store these may not be loaded yet.
    fn scroll_to_end(&mut self, to_first: bool) {
        let moves_rows = match self.overlays.last() {
            None => matches!(self.focus, PaneName::Queue | PaneName::Image),
            Some(overlay) => matches!(overlay, Overlay::Filter | Overlay::Image | Overlay::Gallery(_)),
        };
        if moves_rows && !self.jump(to_first) {
            return;
        }
        self.scroll(if to_first { -LIST_END } else { LIST_END });
    }

    pub(super) fn scroll_overlay(&mut self, lines: i64) {
        match self.overlays.last_mut() {
            Some(Overlay::Gallery(gallery)) => {
                let columns = gallery.columns();
                self.scroll_gallery(columns, lines);
            }
            Some(Overlay::Help(help)) => help.scroll(lines),
            Some(Overlay::Job(job)) => job.scroll(lines),
            Some(Overlay::Palette(palette)) => palette.step(lines),
            Some(Overlay::Bulk(screen)) => screen.step(lines, self.bulk.len()),
            Some(Overlay::Logs) => self.scroll_pane(PaneName::Logs, lines),
            Some(Overlay::Filter | Overlay::Image) => self.queue.move_by(lines, &self.board),
            _ => {}
        }
    }

    pub(super) fn scroll_pane(&mut self, pane: PaneName, lines: i64) {
        match pane {
            PaneName::Queue | PaneName::Image => self.queue.move_by(lines, &self.board),
            PaneName::Steps => {
                let job = self.queue.selected().and_then(|id| self.board.job(id));
                self.steps.select(job.map(std::sync::Arc::as_ref), lines);
            }
            PaneName::Logs => self.logs.scroll(lines),
            PaneName::Spend => {}
        }
    }

    pub(super) fn set_focus(&mut self, pane: PaneName) {
        self.focus = pane;
        if pane != PaneName::Queue {
            self.lower = pane;
        }
    }

    fn step_focus(&mut self, by: usize) {
        let all = PaneName::ALL;
        let place = all.iter().position(|pane| *pane == self.focus).unwrap_or(0);
        self.set_focus(all[(place + by) % all.len()]);
    }
}

/// More lines than any list has.
const LIST_END: i64 = i64::MAX / 4;
