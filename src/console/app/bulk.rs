//! Actions on more jobs than the board knows: the engine finds and prices them in the store, then the question is asked.

use super::{App, NO_EFFECT};
use crate::console::notices::NoticeLevel;
use crate::engine::{BulkAction, BulkPlan, BulkTarget, Command};
use crate::jobs::filter::{Completion, Vocabulary, complete};
use crate::text::format;

/// A plan that the engine makes.
#[derive(Debug)]
pub(super) struct Planning {
    /// What was left out before.
    skipped: Option<String>,
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
        self.planning = Some(Planning { skipped });
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

    pub(super) fn on_bulk_planned(&mut self, plan: Result<Box<BulkPlan>, String>) {
        let planning = self.planning.take();
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
        if !self.overlays.is_empty() {
            let text = format!("Nothing was changed: close this first, then {} again", plan.action.verb());
            return self.notify(NO_EFFECT, text);
        }
        if plan.ids.is_empty() {
            let text = match plan.skipped() {
                Some(_) => "All failed jobs that match are moderated and would fail again".to_owned(),
                None => format!("No matching job: nothing to {}", plan.action.verb()),
            };
            return self.notify(NO_EFFECT, text);
        }
        let skipped = plan.skipped().or(planning.and_then(|planning| planning.skipped));
        // In simulation nothing that only spends asks.
        let asks = plan.action != BulkAction::Retry || !self.simulated;
        let question = asks.then(|| {
            let mut facts: Vec<String> = plan.facts().into_iter().map(|fact| format!("{fact}.")).collect();
            if let Some(skipped) = skipped.as_ref().filter(|_| plan.skipped().is_none()) {
                facts.push(format!("Moderated jobs would fail again: {skipped}."));
            }
            (plan.question(), facts)
        });
        let command = match plan.action {
            BulkAction::Retry => Command::Retry(plan.ids),
            BulkAction::Cancel => Command::Cancel(plan.ids),
            BulkAction::Approve => Command::Approve(plan.ids),
            BulkAction::Reject => Command::Reject(plan.ids),
            BulkAction::Hide => Command::Hide(plan.ids),
            BulkAction::Unhide => Command::Unhide(plan.ids),
            BulkAction::Mark => return,
        };
        self.send_or_confirm(command, question, skipped);
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
