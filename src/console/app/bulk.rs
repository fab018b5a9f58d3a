//! Actions on more jobs than the board knows: the engine finds and prices them in the store, then the question is asked.

use chrono::{DateTime, Utc};

use super::undo::UndoEntry;
use super::{App, NO_EFFECT};
use crate::console::keymap::Action;
use crate::console::notices::NoticeLevel;
use crate::console::overlays::Overlay;
use crate::console::overlays::bulk::status_line;
use crate::engine::{BulkAction, BulkControl, BulkPlan, BulkRecord, BulkState, BulkTarget, Command};
use crate::jobs::filter::{Completion, Vocabulary, complete};
use crate::text::format;

/// A plan that the engine makes.
#[derive(Debug)]
pub(super) struct Planning {
    /// What was left out before.
    skipped: Option<String>,
    /// Whether it only marks the jobs.
    marks: bool,
}

impl App {
    /// Requests which jobs an action takes, and what it costs.
    pub(super) fn plan_bulk(&mut self, action: BulkAction, target: BulkTarget) {
        self.plan_rest(action, target, None);
    }

    /// The same for the jobs that are left of an action.
    pub(super) fn plan_rest(&mut self, action: BulkAction, target: BulkTarget, skipped: Option<String>) {
        if self.planning.is_some() {
            return self.notify(NO_EFFECT, "Still counting the jobs of the last action");
        }
        self.planning = Some(Planning { skipped, marks: action == BulkAction::Mark });
        self.notify(NoticeLevel::Info, format!("Counting the jobs to {}…", action.verb()));
        self.send(Command::PlanBulk(action, target));
    }

    /// Marks all jobs of the store that match; where there are marks, takes them away.
    pub(super) fn mark_all_matching(&mut self) {
        if self.board.marked() > 0 {
            return self.board.clear_marks();
        }
        self.plan_bulk(BulkAction::Mark, BulkTarget::Matching(self.board.filter().clone()));
    }

    /// Refuses an action on marked jobs until the store has reported which those are: it would take the selected job alone.
    pub(super) fn waits_for_marks(&mut self, action: Action) -> bool {
        let takes_marks = matches!(
            action,
            Action::Retry
                | Action::Cancel
                | Action::Approve
                | Action::Reject
                | Action::Hide
                | Action::Tag
                | Action::Clone
                | Action::NewSeed
                | Action::NewSeeds
                | Action::Compare
                | Action::SaveImage
        );
        let is_marking = self.planning.as_ref().is_some_and(|planning| planning.marks);
        if !takes_marks || !is_marking || self.shows_one_job() {
            return false;
        }
        let text = format!("Still marking: press {} again when the jobs are marked", self.key(action));
        self.notify(NO_EFFECT, text);
        true
    }

    pub(super) fn on_bulk_planned(&mut self, plan: Result<Box<BulkPlan>, String>) {
        let planning = self.planning.take();
        let asks_price = std::mem::take(&mut self.asks_price);
        let plan = match plan {
            Ok(plan) => *plan,
            Err(reason) => {
                return self.notify(NoticeLevel::Error, format!("Could not count the jobs: {reason}"));
            }
        };
        if plan.action == BulkAction::Mark {
            let jobs = format::count(plan.ids.len(), "job");
            self.board.mark_all(plan.ids);
            return self.notify(NoticeLevel::Info, format!("Marked {jobs} · the next action applies to all of them"));
        }
        // A question must not open under keys that are meant for something else.
        let context = self.input_context();
        if context.is_question() || context.takes_text() {
            let text = format!("Nothing was changed: close this first, then {} again", plan.action.verb());
            return self.notify(NO_EFFECT, text);
        }
        if plan.ids.is_empty() {
            let text = match plan.skipped() {
                None if plan.reason.is_some() => {
                    format!("Nothing to {}: {}", plan.action.verb(), plan.reason.unwrap_or_default())
                }
                Some(_) => "All failed jobs that match are moderated and would fail again".to_owned(),
                None => format!("No matching job: nothing to {}", plan.action.verb()),
            };
            return self.notify(NO_EFFECT, text);
        }
        let skipped = plan.skipped().or(planning.and_then(|planning| planning.skipped));
        // In simulation nothing that only spends asks, except for clones: the line before did not show their number.
        let asks = asks_price || plan.action != BulkAction::Retry || !self.simulated;
        let question = asks.then(|| {
            let mut facts: Vec<String> = plan.facts().into_iter().map(|fact| format!("{fact}.")).collect();
            if let Some(skipped) = skipped.as_ref().filter(|_| plan.skipped().is_none()) {
                facts.push(format!("Moderated jobs would fail again: {skipped}."));
            }
            if plan.is_long() {
                let (undo, show) = (self.key(Action::Undo), self.key(Action::BulkScreen));
                facts.push(format!("It begins after 5 seconds: {undo} cancels it, {show} shows it."));
            }
            (plan.question(), facts)
        });
        let ids = || plan.ids.clone();
        let command = match &plan.action {
            BulkAction::Mark => return,
            _ if plan.is_long() => {
                let undone = if let BulkAction::Undo { of, .. } = &plan.action { Some(of) } else { None };
                let undone = undone.map(|id| format!("bulk action {id}"));
                let chosen = match self.filter.as_str().trim() {
                    _ if let Some(undone) = &undone => undone,
                    _ if self.board.marked() > 0 => "marked",
                    "" => "all jobs",
                    filter => filter,
                };
                Command::StartBulk { chosen: chosen.to_owned(), plan: Box::new(plan) }
            }
            BulkAction::Retry => Command::Retry(plan.items()),
            BulkAction::Cancel => Command::Cancel(ids()),
            BulkAction::Approve => Command::Approve(ids()),
            BulkAction::Reject => Command::Reject(ids()),
            BulkAction::Hide => Command::Hide(ids()),
            BulkAction::Unhide => Command::Unhide(ids()),
            BulkAction::Tag(edit) => Command::Tag(ids(), edit.clone()),
            BulkAction::Clone { .. } | BulkAction::Undo { .. } => return,
        };
        self.send_or_confirm(command, question, skipped);
    }

    /// Takes in the state of the bulk actions; one notice where one has ended in another process.
    pub(super) fn on_bulk_actions(&mut self, records: Vec<BulkRecord>) {
        for record in &records {
            let before = self.bulk.iter().find(|known| known.id == record.id);
            if !record.is_open() && before.is_some_and(BulkRecord::is_open) {
                let mut text = sentence(&status_line(record, &records, self.now));
                // Whatever lease its worker still has: by the time of the undo it has none.
                let has_undo = record.undo_obstacle(DateTime::<Utc>::MAX_UTC).is_none() && record.undone_by.is_none();
                if record.by == self.operator && has_undo {
                    self.keep_undo(UndoEntry::Bulk(record.id.clone()));
                    text = format!("{text} · {} to undo", self.key(Action::Undo));
                }
                self.report(NoticeLevel::Info, text);
            }
        }
        self.bulk = records;
        self.dirty = true;
    }

    /// The newest open action of this operator: what `u` stops.
    pub(super) fn own_bulk(&self) -> Option<&BulkRecord> {
        self.bulk.iter().find(|record| record.is_open() && record.by == self.operator)
    }

    /// Whether an action of this operator can still be cancelled before its first job.
    pub(super) fn is_counting_down(&self) -> bool {
        let first = self.bulk.iter().find(|record| record.is_open());
        first.is_some_and(|record| record.by == self.operator && record.starts_at > self.now)
    }

    /// The line above the footer while an action is under way.
    pub(super) fn bulk_line(&self) -> Option<String> {
        let record = self.bulk.iter().find(|record| record.is_open())?;
        let begins = record.starts_at > self.now;
        let price = record.price_usd.filter(|_| begins).map(|usd| format!(", about {}", usd.display()));
        let line = format!("{}{}", sentence(&status_line(record, &self.bulk, self.now)), price.unwrap_or_default());
        // Where text is typed, its keys are letters.
        let types = self.input_context().takes_text();
        let key = format!("{}{}", if types { "Esc, then " } else { "" }, self.key(Action::Undo));
        let undo = match record.by == self.operator {
            true if begins => format!(" · {key} cancels"),
            true => format!(" · {key} stops"),
            false => String::new(),
        };
        let show = match self.overlays.last() {
            Some(Overlay::Bulk(_)) => String::new(),
            _ if types => String::new(),
            _ => format!(" · {} shows it", self.key(Action::BulkScreen)),
        };
        Some(format!("{line}{undo}{show}"))
    }

    /// `p` and `x` on the screen of the bulk actions.
    pub(super) fn control_selected_bulk(&mut self, stop: bool) {
        let Some(Overlay::Bulk(screen)) = self.overlays.last() else { return };
        let Some(record) = screen.selected(&self.bulk) else {
            return self.notify(NO_EFFECT, "No bulk action selected");
        };
        let (id, state) = (record.id.clone(), record.state);
        let control = match (stop, state) {
            (_, BulkState::Done | BulkState::Stopped) => {
                return self.notify(NO_EFFECT, "This bulk action has ended");
            }
            (true, _) => BulkControl::Stop,
            (false, BulkState::Paused) => BulkControl::Resume,
            (false, BulkState::Running) => BulkControl::Pause,
        };
        self.send(Command::ControlBulk(id, control));
    }

    /// Stops this operator's open action; false where there is none.
    pub(super) fn stop_own_bulk(&mut self) -> bool {
        let Some(record) = self.own_bulk() else { return false };
        let (id, title) = (record.id.clone(), record.title());
        self.send(Command::ControlBulk(id, BulkControl::Stop));
        self.notify(NoticeLevel::Info, format!("Stopping: {title}"));
        true
    }

    /// How the filter that is typed can go on.
    pub(super) fn completions(&self) -> Vec<Completion> {
        let models: Vec<&str> = self.catalog.models.iter().map(|model| model.name.as_str()).collect();
        let tags = self.board.tags();
        complete(self.filter.as_str(), Vocabulary { models: &models, tags: &tags })
    }

    /// Takes the first suggestion.
    pub(super) fn complete_filter(&mut self) {
        let Some(first) = self.completions().into_iter().next() else { return };
        self.filter.clear();
        self.filter.insert(&first.text);
        self.apply_filter();
    }
}

/// The same with a capital letter.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}
