//! Actions on jobs and their images: which jobs they apply to, what they cost, when they need a confirmation.

use std::sync::Arc;

use super::events::charged;
use super::{App, NO_EFFECT};
use crate::console::costs_view;
use crate::console::keymap::Action;
use crate::console::message::Effect;
use crate::console::notices::NoticeLevel;
use crate::console::overlays::Overlay;
use crate::console::overlays::budget::BudgetKey;
use crate::console::overlays::confirm::Confirm;
use crate::console::overlays::costs::CostKey;
use crate::costs::{Budget, BudgetEdit};
use crate::engine::{
    BulkAction, BulkTarget, Command, MIN_JOBS, RetryPrice, UncertainItem, fingerprint, is_submit_unknown,
};
use crate::jobs::filter::{Condition, Filter, JobStatus};
use crate::jobs::{BillingAnswer, Hold, Job, JobId, ObjectName, Review, StageName, StoredImage};
use crate::text::format;

impl App {
    /// Whether an action takes the marked jobs. A screen of one job acts on that job; of those that are compared, on the chosen one.
    pub(super) fn takes_marked(&self) -> bool {
        self.board.marked() > 0 && !self.shows_one_job()
    }

    pub(super) fn shows_one_job(&self) -> bool {
        let shows_one = |overlay: &Overlay| {
            matches!(overlay, Overlay::Compare(_) | Overlay::Job(_) | Overlay::Image | Overlay::Budget(_))
        };
        self.overlays.iter().any(shows_one)
    }

    /// The jobs that an action takes: the marked ones, or else the selected one.
    pub(super) fn targets(&self) -> Vec<Arc<Job>> {
        if self.takes_marked() {
            self.board.marked_jobs().into_iter().cloned().collect()
        } else {
            self.selected().cloned().into_iter().collect()
        }
    }

    /// The targets that an action applies to; notifies where none does.
    fn applicable(&mut self, action: BulkAction, fits: impl Fn(&Job) -> bool) -> Option<Vec<Arc<Job>>> {
        if self.takes_marked()
            && let Some(ids) = self.board.marked_elsewhere()
        {
            self.plan_bulk(action, BulkTarget::Jobs(ids));
            return None;
        }
        if self.takes_marked() && self.board.marked() >= MIN_JOBS {
            let ids = self.board.marked_jobs().into_iter().map(|job| job.id.clone()).collect();
            self.plan_bulk(action, BulkTarget::Jobs(ids));
            return None;
        }
        let verb = action.verb();
        let targets = self.targets();
        let applicable: Vec<Arc<Job>> = targets.iter().filter(|job| fits(job)).cloned().collect();
        if !applicable.is_empty() {
            return Some(applicable);
        }
        let text = match targets.as_slice() {
            [] => "No job selected".to_owned(),
            [job] => format!("Cannot {verb} a job that is {}", job.stage_name()),
            _ => format!("Cannot {verb} any of the marked jobs"),
        };
        self.notify(NO_EFFECT, text);
        None
    }

    /// Sends the command, or opens a confirmation first.
    pub(super) fn send_or_confirm(
        &mut self,
        command: Command,
        question: Option<(String, Vec<String>)>,
        skipped: Option<String>,
    ) {
        if let Some((question, facts)) = question {
            self.question_at = self.now;
            self.overlays.push(Overlay::Confirm(Confirm { question, facts, command, skipped }));
        } else {
            self.skipped = skipped;
            if self.takes_marked() {
                self.board.clear_marks();
            }
            self.send(command);
        }
    }

    pub(super) fn retry(&mut self) {
        if let Some(jobs) = self.applicable(BulkAction::Retry, |job| job.retry_kind().is_ok()) {
            self.retry_jobs(&jobs, None);
        }
    }

    /// All failed jobs shown, except moderated ones: the same request would fail, and cost, again.
    pub(super) fn retry_all(&mut self) {
        if self.board.problem().is_some() {
            return self.notify(NO_EFFECT, "The filter is not valid: nothing is shown · press Esc to clear it");
        }
        let failed_here = self.board.shown_jobs().filter(|job| job.stage_name() == StageName::Failed).count();
        if !self.is_local() || failed_here >= MIN_JOBS {
            let failed = Condition::Status(vec![JobStatus::Stage(StageName::Failed)]);
            let filter = self.board.filter().clone().and(failed);
            return self.plan_bulk(BulkAction::Retry, BulkTarget::Matching(filter));
        }
        let failed: Vec<Arc<Job>> =
            self.board.shown_jobs().filter(|job| job.stage_name() == StageName::Failed).cloned().collect();
        let (moderated, failed): (Vec<_>, Vec<_>) = failed.into_iter().partition(|job| job.is_moderated());
        match (failed.is_empty(), moderated.is_empty()) {
            (true, true) => self.notify(NO_EFFECT, "No failed jobs shown"),
            (true, false) => {
                let key = self.key(Action::Clone);
                let text =
                    format!("All failed jobs shown are moderated and would fail again · {key} clones one for editing");
                self.notify(NO_EFFECT, text);
            }
            (false, true) => self.retry_jobs(&failed, None),
            (false, false) => {
                let skipped = format!("skipped {}", format::count(moderated.len(), "moderated job"));
                self.retry_jobs(&failed, Some(skipped));
            }
        }
    }

    /// All failed jobs of the last hour, whatever is shown. The price is always shown first.
    pub(super) fn retry_recent(&mut self) {
        let failed = Condition::Status(vec![JobStatus::Stage(StageName::Failed)]);
        let recent = Condition::Since(self.now - chrono::Duration::hours(1));
        self.asks_price = true;
        self.plan_bulk(BulkAction::Retry, BulkTarget::Matching(Filter::default().and(failed).and(recent)));
    }

    fn retry_jobs(&mut self, jobs: &[Arc<Job>], skipped: Option<String>) {
        if !self.simulated && jobs.iter().any(|job| self.catalog.has_inputs(&job.spec)) {
            // The price depends on files, which the engine measures.
            return self.plan_rest(BulkAction::Retry, BulkTarget::Jobs(ids(jobs)), skipped);
        }
        // Several jobs are never retried with those among them that may already be billed unless the question has named them.
        let names_unknown = jobs.len() > 1 && jobs.iter().any(|job| is_submit_unknown(job));
        let question = (!self.simulated || names_unknown).then(|| {
            let price = RetryPrice::of(jobs.iter().map(Arc::as_ref), self.catalog);
            let money = if self.simulated { "Simulated money" } else { "This spends real money" };
            let mut facts = vec![format!("{money}: {}.", price.line())];
            facts.extend(price.facts().into_iter().map(|fact| format!("{fact}.")));
            if let Some(skipped) = &skipped {
                facts.push(format!("Moderated jobs would fail again: {skipped}."));
            }
            (format!("Retry {}?", format::count(jobs.len(), "job")), facts)
        });
        let items = jobs.iter().map(|job| (job.id.clone(), fingerprint(job))).collect();
        self.send_or_confirm(Command::Retry(items), question, skipped);
    }

    pub(super) fn cancel(&mut self) {
        let Some(jobs) = self.applicable(BulkAction::Cancel, costs_view::can_cancel) else { return };
        let question = (jobs.len() > 1).then(|| {
            let running = jobs.iter().filter(|job| job.stage_name() == StageName::Generating).count();
            let facts = if running == 0 {
                vec!["Nothing was submitted for them yet: they cost nothing.".to_owned()]
            } else {
                let charged = charged(jobs.iter().map(Arc::as_ref)).map(|usd| format!(" ({})", usd.display()));
                let charged = charged.unwrap_or_default();
                vec![format!("{} already generating: accepted tasks stay on the bill{charged}.", plural_verb(running))]
            };
            (format!("Cancel {}?", format::count(jobs.len(), "job")), facts)
        });
        self.send_or_confirm(Command::Cancel(ids(&jobs)), question, None);
    }

    pub(super) fn approve(&mut self) {
        if let Some(jobs) = self.applicable(BulkAction::Approve, |job| job.stage_name() == StageName::Done) {
            let single = !self.takes_marked();
            self.send_or_confirm(Command::Approve(ids(&jobs)), None, None);
            self.after_review(single);
        }
    }

    pub(super) fn reject(&mut self) {
        let is_rejectable = |job: &Job| matches!(job.review(), Some(Review::Open | Review::Approved));
        if let Some(jobs) = self.applicable(BulkAction::Reject, is_rejectable) {
            let single = !self.takes_marked();
            self.send_or_confirm(Command::Reject(ids(&jobs)), None, None);
            self.after_review(single);
        }
    }

    /// After the review of one job the next one is selected that has none.
    fn after_review(&mut self, single: bool) {
        match self.overlays.last_mut() {
            Some(Overlay::Compare(compare)) => compare.step(1),
            _ if single => self.queue.select_next(&self.board, |job| job.review() == Some(Review::Open)),
            _ => {}
        }
    }

    /// Hides jobs; under a filter that shows hidden jobs, shows them again.
    pub(super) fn hide(&mut self) {
        if self.board.filter().wants_hidden() {
            if let Some(jobs) = self.applicable(BulkAction::Unhide, |job| job.hidden) {
                self.send_or_confirm(Command::Unhide(ids(&jobs)), None, None);
            }
            return;
        }
        if let Some(jobs) = self.applicable(BulkAction::Hide, |_| true) {
            let question = (jobs.len() > 1).then(|| {
                let facts = vec!["Hidden jobs are not deleted.".to_owned()];
                (format!("Hide {}?", format::count(jobs.len(), "job")), facts)
            });
            self.send_or_confirm(Command::Hide(ids(&jobs)), question, None);
        }
    }

    /// What holds a job: of a cap, what the job needs at most, what is left now, and the key that raises the cap.
    pub(super) fn hold_line(&self, job: &Job) -> Option<String> {
        let hold = job.hold()?;
        let needs = self.catalog.reservation(job);
        let Hold::Budget { period, model, .. } = hold else { return Some(hold.summary()) };
        let caps = self.status.costs.as_deref().filter(|_| model.is_none()).map(costs_view::caps).unwrap_or_default();
        let now = caps.iter().find(|cap| cap.period == period).map(|cap| cap.cap - cap.used);
        let checked = needs.and_then(|needs| hold.left_at_check(needs));
        // Money that was released since looks the same as money that another submit reserves.
        let left = now.filter(|left| needs.is_some_and(|needs| *left < needs)).or(checked);
        Some(format!("{}; {} raises the cap", hold.summary_with(needs, left), self.key(Action::BudgetScreen)))
    }

    /// What a key of the cost screen asks for; false where the key is not for that screen.
    pub(super) fn on_cost_key(&mut self, outcome: CostKey) -> bool {
        match outcome {
            CostKey::Ignored => return false,
            CostKey::Taken => {}
            CostKey::Open(id) => self.show_job(&id),
            CostKey::Load => self.load_cost_jobs(),
        }
        true
    }

    /// Requests the jobs that the cost screen shows.
    pub(super) fn load_cost_jobs(&mut self) {
        if let Some(Overlay::Costs(screen)) = self.overlays.last() {
            let (span, only, limit) = screen.wanted_jobs(self.now);
            self.send(Command::LoadCostJobs { span, only, limit });
        }
    }

    /// What a key of the budget screen asks for; false where the key is not for that screen.
    pub(super) fn on_budget_key(&mut self, outcome: BudgetKey) -> bool {
        match outcome {
            BudgetKey::Ignored => return false,
            BudgetKey::Taken => {}
            BudgetKey::Refused(why) => self.notify(NO_EFFECT, why),
            BudgetKey::Open(id) => self.show_job(&id),
            BudgetKey::Resolve(..) if self.read_only => {
                self.notify(NO_EFFECT, "Read-only console (--observe): cannot resolve charges");
            }
            BudgetKey::Resolve(item, answer) => self.ask_to_resolve(&item, answer),
            BudgetKey::Change(_) if self.read_only => {
                self.notify(NO_EFFECT, "Read-only console (--observe): cannot change the budget");
            }
            BudgetKey::Change(edit) => self.ask_to_change_budget(edit),
        }
        true
    }

    fn ask_to_change_budget(&mut self, edit: BudgetEdit) {
        let question = match &edit {
            BudgetEdit::Set { caps: Budget { daily: Some(cap), .. }, .. } => {
                format!("Set the daily cap to {}?", cap.display())
            }
            BudgetEdit::Set { caps: Budget { monthly: Some(cap), .. }, .. } => {
                format!("Set the monthly cap to {}?", cap.display())
            }
            BudgetEdit::Set { soft_percent, .. } => format!("Warn from {} % of a cap on?", soft_percent.unwrap_or(0)),
            BudgetEdit::Clear { .. } | BudgetEdit::Remove { .. } => "Remove all caps of this store?".to_owned(),
        };
        let mut facts = vec!["Every process on this store applies it at once, without a restart.".to_owned()];
        if !self.simulated && !matches!(edit, BudgetEdit::Set { soft_percent: Some(_), .. }) {
            facts.push("Held jobs that fit are submitted, which spends real money.".to_owned());
        }
        let command = Command::ChangeBudget { edit, by: self.operator.clone() };
        self.question_at = self.now;
        self.overlays.push(Overlay::Confirm(Confirm { question, facts, command, skipped: None }));
    }

    fn ask_to_resolve(&mut self, item: &UncertainItem, answer: BillingAnswer) {
        let (Ok(id), Some(attempt)) = (JobId::new(item.job_id.as_str()), item.attempt) else { return };
        let question = match answer {
            BillingAnswer::Billed(Some(amount)) => format!("Book {} as billed?", amount.display()),
            BillingAnswer::Billed(None) => "Book the charge as billed?".to_owned(),
            BillingAnswer::NotBilled => "Remove the charge as not billed?".to_owned(),
        };
        let recorded = item.amount.map_or("an unknown amount".to_owned(), crate::costs::Usd::display);
        let facts = vec![
            format!("Job {id}, attempt {attempt}: {recorded} recorded as {}.", item.basis.as_str()),
            format!("{}.", item.why),
            "Compare with the provider's usage page first. A price that the provider reports later counts instead."
                .to_owned(),
        ];
        let command = Command::ResolveCharge { id, attempt, answer, by: self.operator.clone() };
        self.question_at = self.now;
        self.overlays.push(Overlay::Confirm(Confirm { question, facts, command, skipped: None }));
    }

    pub(super) fn use_image(&mut self, action: Action) {
        // A viewer opens one image; the other keys apply to the marked jobs.
        let marked = self.takes_marked() && action != Action::OpenImage;
        let targets = if marked { self.targets() } else { self.selected().cloned().into_iter().collect() };
        let jobs: Vec<Arc<Job>> = targets.into_iter().filter(|job| job.image().is_some()).collect();
        let Some(image) = jobs.first().and_then(|job| job.image()) else {
            let text = match (marked, self.selected()) {
                (true, _) => "None of the marked jobs has an image yet",
                (false, Some(_)) => "This job has no image yet",
                (false, None) => "No job selected",
            };
            return self.notify(NO_EFFECT, text);
        };
        match action {
            Action::OpenImage if is_openable(image) => self.effects.push(Effect::Open(image.url.clone())),
            Action::OpenImage => {
                let key = self.key(Action::SaveImage);
                self.notify(NoticeLevel::Error, format!("Cannot open this URL · {key} saves the image"));
            }
            Action::CopyUrl => {
                let urls: Vec<&str> =
                    jobs.iter().filter_map(|job| job.image()).map(|image| image.url.as_str()).collect();
                // Terminals do not report whether the copy succeeded.
                let text = match urls.as_slice() {
                    [url] => format!("Copied to the terminal's clipboard: {url}"),
                    urls => format!("Copied to the terminal's clipboard: {}", format::count(urls.len(), "URL")),
                };
                self.effects.push(Effect::Copy(urls.join("\n")));
                self.notify(NoticeLevel::Info, text);
            }
            _ => {
                if jobs.len() > MAX_SAVES {
                    let text = format!("Cannot save {} images at once · mark at most {MAX_SAVES}", jobs.len());
                    return self.notify(NO_EFFECT, text);
                }
                for job in &jobs {
                    let Some(image) = job.image() else { continue };
                    let name = ObjectName::for_attempt(&job.id, image_attempt(job), image.format);
                    self.saves.insert(job.id.clone(), name.file_name().to_owned());
                    self.send(Command::LoadImage(job.id.clone()));
                }
                if marked {
                    self.notify(NoticeLevel::Info, format!("Saving {}", format::count(jobs.len(), "image")));
                }
            }
        }
    }
}

/// Images that are saved by one key at most: each is loaded through the engine's queue.
const MAX_SAVES: usize = 50;

fn ids(jobs: &[Arc<Job>]) -> Vec<JobId> {
    jobs.iter().map(|job| job.id.clone()).collect()
}

fn plural_verb(number: usize) -> String {
    if number == 1 { "1 is".to_owned() } else { format!("{number} are") }
}

fn image_attempt(job: &Job) -> u32 {
    let with_image =
        |attempt: &&crate::jobs::Attempt| matches!(attempt.outcome, Some(crate::jobs::Outcome::Done { .. }));
    job.attempts.iter().rev().find(with_image).map_or(1, |attempt| attempt.number)
}

/// Whether an image's URL may be passed to the system viewer: documents are untrusted, and a viewer opens anything.
///
/// Web URLs are openable; a file only where its name is one that this program gives to an image.
fn is_openable(image: &StoredImage) -> bool {
    let Ok(url) = url::Url::parse(&image.url) else { return false };
    match url.scheme() {
        "https" | "http" => true,
        "file" => image.object.is_ours() && url.path().ends_with(&format!("/{}", image.object.file_name())),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::ImageFormat;

    #[test]
    fn untrusted_url_is_not_opened() {
        let object = ObjectName::for_attempt(&JobId::new("abc").unwrap(), 1, ImageFormat::Png);
        let image = |url: &str| StoredImage {
            object: object.clone(),
            url: url.into(),
            format: ImageFormat::Png,
            width: 1,
            height: 1,
            bytes: 1,
            sha256: String::new(),
        };
        for good in ["https://storage.example/a.png", "file:///data/generated-art/abc-1.png"] {
            assert!(is_openable(&image(good)), "{good}");
        }
        for bad in
            ["file:///etc/passwd", "javascript:alert(1)", "/bin/sh", "file:///x/evil.desktop", "smb://host/abc-1.png"]
        {
            assert!(!is_openable(&image(bad)), "{bad}");
        }
    }
}
