//! Folds the engine's events into board, status and notices.

use bytes::Bytes;

use super::App;
use super::matching::{Matching, held};
use super::undo::UndoEntry;
use crate::console::keymap::Action;
use crate::console::message::{Effect, ExitReason};
use crate::console::notices::{Notice, NoticeLevel};
use crate::console::overlays::Overlay;
use crate::costs::Usd;
use crate::engine::{
    Command, CommandKind, CommandOutcome, ConnectionState, CostOverview, Event, Intake, MatchCounts, Pause, StoreAlarm,
    TemporalStatus,
};
use crate::jobs::filter::Filter;
use crate::jobs::{Job, JobId, StageName};
use crate::text::format;

impl App {
    pub(super) fn on_event(&mut self, event: Event) {
        self.dirty |= !matches!(event, Event::Progress(_));
        match event {
            Event::Jobs(jobs) => {
                for job in jobs {
                    self.activity.observe(&job, self.now);
                    self.board.upsert(job, true, self.now);
                }
                self.after_jobs();
            }
            Event::Page { jobs, next } => {
                self.on_page(jobs, next);
                self.after_jobs();
            }
            Event::SortedPage { jobs, next, read_back_to } => {
                self.on_sorted_page(jobs, next, read_back_to);
                self.after_jobs();
            }
            Event::Unreadable { id, reason } => {
                self.board.upsert_unreadable(id, &reason, self.now);
                self.after_jobs();
            }
            Event::Removed(id) => {
                self.board.remove(&id);
                self.after_jobs();
            }
            Event::Progress(progress) => self.dirty |= self.board.update_progress(progress),
            Event::Counts(counts) => {
                self.notifier.on_counts(&counts);
                self.status.counts = Some(counts);
                self.count_matching();
                self.count_held();
            }
            Event::Matching { filter, counts } => self.on_matching(&filter, counts),
            Event::BulkPlanned(plan) => self.on_bulk_planned(plan),
            Event::BulkActions(records) => self.on_bulk_actions(records),
            Event::BulkFailed(why) => self.report(NoticeLevel::Error, format!("Bulk action not changed: {why}")),
            Event::Costs(costs) => self.on_costs(costs),
            Event::Intake(intake) => self.on_intake(intake),
            Event::Paused(pause) => self.on_pause(pause),
            Event::PauseFailed(reason) => {
                self.report(NoticeLevel::Error, format!("The intake of all workers was not changed: {reason}"));
            }
            Event::BudgetChanged(Ok(change)) => {
                self.report(NoticeLevel::Info, format!("Budget: {change} · every process applies it at once"));
            }
            Event::BudgetChanged(Err(reason)) => {
                self.report(NoticeLevel::Error, format!("The budget was not changed: {reason}"));
            }
            Event::Slots { used, total } => self.status.slots = Some((used, total)),
            Event::Connection(link) => self.status.connection = Some(link),
            Event::Outages(outages) => self.status.outages = outages,
            Event::Workers(workers) => self.status.workers = Some(workers),
            Event::Temporal(fleet) => self.on_temporal(fleet),
            Event::StoreAlarm(alarm) => self.on_store_alarm(alarm),
            Event::BudgetExceeded(exceeded) => {
                self.notifier.on_budget(exceeded.summary());
                self.report(NoticeLevel::Warning, exceeded.summary());
            }
            Event::PageFailed { reason } => {
                self.paging.on_failed();
                self.report(NoticeLevel::Error, format!("Could not load older jobs: {reason}"));
            }
            Event::CommandFailed { kind, reason } => {
                self.report(NoticeLevel::Error, format!("No jobs were {}: {reason}", past_tense(kind)));
            }
            Event::CommandCompleted(outcome) => self.on_command_completed(outcome),
            Event::Image { id, attempt, bytes } => self.on_image(&id, attempt, bytes),
            Event::CostJobs { only, jobs } => {
                for overlay in &mut self.overlays {
                    if let Overlay::Costs(screen) = overlay {
                        screen.load(only.as_ref(), jobs.clone());
                    }
                }
            }
            Event::StoreUsage(usage) => self.status.usage = usage,
            Event::Audit(id, entries) => {
                for overlay in &mut self.overlays {
                    if let Overlay::Job(screen) = overlay {
                        screen.load_audit(&id, entries.clone());
                    }
                }
            }
            Event::Uncertain(charges) => {
                for overlay in &mut self.overlays {
                    if let Overlay::Budget(screen) = overlay {
                        screen.load(charges.clone());
                    }
                }
            }
            Event::SubmitsInFlight(submits_in_flight) => self.status.submits_in_flight = submits_in_flight,
            // The board has it from the job itself.
            Event::JobFinished(_) => {}
            Event::Stopped => {
                if self.quitting {
                    self.effects.push(Effect::Quit(ExitReason::Stopped));
                } else {
                    self.on_engine_closed();
                }
            }
        }
    }

    fn on_matching(&mut self, filter: &Filter, counts: Option<MatchCounts>) {
        if *filter == held() && self.counting_held {
            self.counting_held = false;
            self.held = counts.map(|counts| counts.total());
            return;
        }
        self.counting = false;
        if *filter == *self.board.filter() {
            self.matching = counts.map_or(Matching::Uncounted, Matching::Counted);
        } else {
            self.count_matching();
        }
    }

    fn on_costs(&mut self, costs: Box<CostOverview>) {
        let marks = costs.soft_marks();
        let reported =
            std::mem::replace(&mut self.status.soft_marks, marks.iter().map(|mark| mark.0.clone()).collect());
        for (_, line) in marks.into_iter().filter(|mark| !reported.contains(&mark.0)) {
            self.report(NoticeLevel::Warning, line);
        }
        self.status.costs = Some(costs);
    }

    fn on_image(&mut self, id: &JobId, attempt: u32, bytes: Result<Bytes, String>) {
        if let Some(name) = self.saves.remove(id) {
            match &bytes {
                Ok(bytes) => self.effects.push(Effect::Save { name, bytes: bytes.clone() }),
                Err(why) => self.notify(NoticeLevel::Error, format!("Could not save the image: {why}")),
            }
        }
        self.tiles.on_bytes(id, attempt, &bytes);
        self.compared.on_bytes(id, attempt, &bytes);
        self.image.on_bytes(id, attempt, bytes);
    }

    /// A notice that answers no key.
    pub(super) fn report(&mut self, level: NoticeLevel, text: String) {
        self.notices.push(Notice { level, text }, self.now);
        self.dirty = true;
    }

    fn after_jobs(&mut self) {
        if let Some(id) = self.select_when_shown.take_if(|id| self.board.position(id).is_some()) {
            self.queue.select(id, &self.board);
        }
        self.queue.follow(&self.board);
        self.bound_rows();
        self.queue.follow(&self.board);
    }

    fn on_pause(&mut self, pause: Option<Pause>) {
        let notice = match (&self.status.pause, &pause) {
            (_, Some(pause)) => {
                let line = pause.line(self.now);
                Some((
                    NoticeLevel::Warning,
                    format!("Intake of all workers {line} · press {} to resume", self.key(Action::Pause)),
                ))
            }
            (Some(_), None) => Some((NoticeLevel::Info, "Intake resumed: all workers start jobs again".to_owned())),
            (None, None) => None,
        };
        self.status.pause = pause;
        if let Some((level, text)) = notice {
            self.notify(level, text);
        }
    }

    /// One notice for each new alarm; the header shows it permanently.
    fn on_store_alarm(&mut self, alarm: Option<StoreAlarm>) {
        if let Some(alarm) = alarm.as_ref().filter(|alarm| self.status.alarm.as_ref() != Some(*alarm)) {
            self.report(NoticeLevel::Error, alarm.message.clone());
        }
        self.status.alarm = alarm;
    }

    fn on_intake(&mut self, intake: Intake) {
        // Only an engine that was read-only can become writable: after `darkroom takeover`.
        if intake == Intake::ReadOnly || self.status.intake == Intake::ReadOnly {
            self.read_only = intake == Intake::ReadOnly;
        }
        let notice = match (&self.status.intake, &intake) {
            (old, new) if old == new => None,
            (Intake::ReadOnly, Intake::Paused) => {
                let text = format!("The store was taken over: press {} to run jobs here", self.key(Action::Pause));
                Some((NoticeLevel::Warning, text))
            }
            (_, Intake::Paused) => {
                let key = self.key(Action::Pause);
                Some((NoticeLevel::Warning, format!("This process alone starts no new jobs · press {key} to resume")))
            }
            (Intake::Paused | Intake::AccountBlocked(_), Intake::Open) => {
                Some((NoticeLevel::Info, "Intake resumed: jobs start again".to_owned()))
            }
            (_, Intake::AccountBlocked(blocked)) => {
                let (reason, key) = (&blocked.reason, self.key(Action::Pause));
                Some((NoticeLevel::Error, format!("Intake paused: {reason} · fix the cause, press {key} to resume")))
            }
            _ => None,
        };
        self.status.intake = intake;
        if let Some((level, text)) = notice {
            self.notify(level, text);
        }
    }

    /// One notice for each change; the header shows the state permanently.
    fn on_temporal(&mut self, fleet: TemporalStatus) {
        let was_down =
            self.status.temporal.as_ref().is_some_and(|old| matches!(old.server, ConnectionState::Disconnected { .. }));
        match &fleet.server {
            ConnectionState::Disconnected { reason, .. } if !was_down => {
                self.notify(NoticeLevel::Error, format!("Temporal unreachable: {reason}; jobs are waiting"));
            }
            ConnectionState::Connected if was_down => self.notify(NoticeLevel::Info, "Temporal connection restored"),
            _ => {}
        }
        let was_blocked = self.status.temporal.as_ref().is_some_and(|old| old.conflict.is_some());
        match &fleet.conflict {
            Some(conflict) if !was_blocked => {
                self.notify(NoticeLevel::Error, format!("Jobs are waiting: {}", conflict.reason));
            }
            None if was_blocked => self.notify(NoticeLevel::Info, "Temporal task queue is free again: jobs start"),
            _ => {}
        }
        self.status.temporal = Some(fleet);
    }

    pub(super) fn on_engine_closed(&mut self) {
        if self.status.engine_closed {
            return;
        }
        self.status.engine_closed = true;
        if self.quitting {
            self.effects.push(Effect::Quit(ExitReason::Stopped));
        } else {
            let key = self.key(Action::Quit);
            self.notify(
                NoticeLevel::Error,
                format!("The engine stopped unexpectedly; no further updates · {key} quits"),
            );
        }
    }

    /// The engine's queue is full and the command is lost: the operator must know.
    pub(super) fn on_command_dropped(&mut self, command: &Command) {
        match command {
            Command::LoadPage { .. } | Command::LoadSorted { .. } => self.paging.on_dropped(),
            Command::LoadImage(id) => {
                self.saves.remove(id);
                self.on_load_dropped(id);
                let why = "engine busy; select the job again".to_owned();
                self.image.on_bytes(id, 0, Err(why));
            }
            Command::Stop => {
                self.quitting = false;
                let text = format!("Engine busy, quit request was dropped · press {} again", self.key(Action::Quit));
                self.notify(NoticeLevel::Warning, text);
            }
            Command::Submit(_) => {
                let is_clone = matches!(self.drafts.submitted, Some((Some(_), _)));
                let key = self.key(if is_clone { Action::Clone } else { Action::New });
                if let Some((source, draft)) = self.drafts.submitted.take() {
                    self.keep_draft(source, draft);
                }
                let text = format!("Engine busy: nothing was submitted · {key} reopens your draft");
                self.notify(NoticeLevel::Error, text);
            }
            Command::RefreshCosts | Command::LoadAudit(_) | Command::LoadUsage => {}
            Command::CountMatching(_) => (self.counting, self.counting_held) = (false, false),
            Command::PlanBulk(..) => {
                self.planning = None;
                self.notify(NoticeLevel::Error, "Engine busy: nothing was changed · try again");
            }
            Command::Undo(..) => {
                self.undo_pending = false;
                let text = format!("Engine busy: nothing was undone · press {} again", self.key(Action::Undo));
                self.notify(NoticeLevel::Error, text);
            }
            Command::Retry(_) => {
                self.skipped = None;
                self.notify(NoticeLevel::Error, "Engine busy: nothing was retried · try again");
            }
            _ => self.notify(NoticeLevel::Error, "Engine busy: nothing was changed · try again"),
        }
    }

    fn on_command_completed(&mut self, outcome: CommandOutcome) {
        let (level, mut text) = describe(&outcome, &self.key(Action::Undo));
        if outcome.kind == CommandKind::Retried
            && let Some(skipped) = self.skipped.take()
        {
            text = format!("{text} · {skipped}");
        }
        if outcome.kind == CommandKind::Submitted {
            self.drafts.submitted = None;
            // In the gallery a selection that moves by itself would put the next approval on another image.
            if !self.has_gallery() {
                self.select_when_shown = outcome.succeeded.first().cloned();
            }
            self.after_jobs();
        }
        if outcome.kind == CommandKind::Resolved {
            self.send(Command::LoadUncertain);
            self.send(Command::RefreshCosts);
        }
        if outcome.kind == CommandKind::Undone {
            if std::mem::take(&mut self.undo_pending) {
                self.undo.pop();
            }
        } else if !outcome.previous.is_empty() {
            self.keep_undo(UndoEntry::Command(Box::new(outcome)));
        }
        self.notify(level, text);
    }
}

/// What a command does to jobs, as in `No jobs were cancelled`.
fn past_tense(kind: CommandKind) -> &'static str {
    match kind {
        CommandKind::Submitted => "submitted",
        CommandKind::Retried => "retried",
        CommandKind::Cancelled => "cancelled",
        CommandKind::Approved => "approved",
        CommandKind::ImagesRejected => "rejected",
        CommandKind::Hidden => "hidden",
        CommandKind::Undone => "restored",
        CommandKind::Resolved => "resolved",
        CommandKind::Tagged => "tagged",
    }
}

/// `Retrying 3 jobs, about $0.12 · u to undo`.
fn describe(outcome: &CommandOutcome, undo: &str) -> (NoticeLevel, String) {
    let not_done = past_tense(outcome.kind);
    let done = match outcome.kind {
        CommandKind::Submitted => "Queued",
        CommandKind::Retried => "Retrying",
        CommandKind::Cancelled => "Cancelled",
        CommandKind::Approved => "Approved",
        CommandKind::ImagesRejected => "Rejected the image of",
        CommandKind::Hidden => "Hid",
        CommandKind::Undone => "Restored",
        CommandKind::Resolved => "Resolved the charge of",
        CommandKind::Tagged => "Tagged",
    };
    let mut parts = Vec::new();
    if !outcome.succeeded.is_empty() {
        let cost = outcome.estimate.map(|estimate| format!(", about {}", estimate.display())).unwrap_or_default();
        let jobs = outcome.succeeded.len();
        let checks = if outcome.kind == CommandKind::Retried { checks(outcome) } else { 0 };
        let tasks = format::count(checks, "earlier task");
        parts.push(match jobs.saturating_sub(checks) {
            _ if checks == 0 => format!("{done} {}{cost}", format::count(jobs, "job")),
            0 => format!("Checking {tasks} at no charge"),
            paid => format!("Checking {tasks}, retrying {}{cost}", format::count(paid, "job")),
        });
        if outcome.kind == CommandKind::Cancelled
            && let Some(charged) = charged(outcome.previous.iter())
        {
            parts.push(format!("{} stays charged", charged.display()));
        }
        if !outcome.previous.is_empty() && outcome.kind != CommandKind::Undone {
            parts.push(format!("{undo} to undo"));
        }
    }
    let level = match (outcome.succeeded.is_empty(), outcome.rejected.first()) {
        (false, None) => NoticeLevel::Info,
        (true, None) => {
            parts.push(format!("No jobs were {not_done}"));
            NoticeLevel::Warning
        }
        (nothing, Some((_, why))) => {
            parts.push(format!("{} not {not_done}: {why}", format::count(outcome.rejected.len(), "job")));
            if nothing { NoticeLevel::Error } else { NoticeLevel::Warning }
        }
    };
    (level, parts.join(" · "))
}

/// Retried jobs whose earlier task is only checked, which costs nothing.
fn checks(outcome: &CommandOutcome) -> usize {
    outcome.previous.iter().filter(|job| job.retry_kind().is_ok_and(|kind| !kind.may_pay())).count()
}

/// What the accepted tasks of generating jobs cost; `None` where nothing is charged.
pub(super) fn charged<'a>(jobs: impl Iterator<Item = &'a Job>) -> Option<Usd> {
    let generating = jobs.filter(|job| job.stage_name() == StageName::Generating);
    let charges = generating.filter_map(|job| job.attempt()?.charge.as_ref()?.amount);
    let sum: Usd = charges.sum();
    (sum > Usd::ZERO).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::JobId;

    /// A failed job, with an accepted task or without.
    fn timed_out(is_accepted: bool) -> Job {
        use crate::jobs::{BillingStatus, Claim, Failure, FailureCode, Receipt, Ticket, WorkerId};
        let now = chrono::DateTime::UNIX_EPOCH;
        let mut job = Job::new(JobId::new("f").unwrap(), crate::jobs::Spec::new("m", "p"), true, now);
        job.begin_submit(Claim { worker: WorkerId::new("w"), until: now }, None, now).unwrap();
        let failure = |code| Failure::new(code, "no image", BillingStatus::Unknown, now);
        if is_accepted {
            let ticket = Ticket { id: "t".into(), polling_url: "https://api.example/t".into() };
            let (cost, input_megapixels, output_megapixels) = (None, None, None);
            job.accept(Receipt { ticket, cost, input_megapixels, output_megapixels, accepted_at: now }, None, now)
                .unwrap();
            job.fail(failure(FailureCode::TimedOut), None, now).unwrap();
        } else {
            job.reject_by_provider(failure(FailureCode::RequestModerated), now).unwrap();
        }
        job
    }

    #[test]
    fn outcome_notice_lists_price_and_rejections() {
        let id = |text: &str| JobId::new(text).unwrap();
        let mut outcome = CommandOutcome {
            kind: CommandKind::Retried,
            succeeded: vec![id("a"), id("b"), id("c")],
            rejected: Vec::new(),
            previous: vec![Job::new(id("a"), crate::jobs::Spec::new("m", "p"), true, chrono::DateTime::UNIX_EPOCH)],
            estimate: Some("0.12".parse().unwrap()),
            tag_edit: None,
        };
        assert_eq!(describe(&outcome, "u").1, "Retrying 3 jobs, about $0.12 · u to undo");
        let mut paid = Job::new(id("p"), crate::jobs::Spec::new("m", "p"), true, chrono::DateTime::UNIX_EPOCH);
        paid.attempts[0].charge = Some(crate::costs::Charge {
            service: crate::costs::Service::BflApi,
            amount: "0.03".parse().ok(),
            basis: crate::costs::Basis::Quoted,
            model: String::new(),
            at: chrono::DateTime::UNIX_EPOCH,
            simulated: true,
        });
        let queued = CommandOutcome { kind: CommandKind::Cancelled, previous: vec![paid.clone()], ..outcome.clone() };
        assert!(!describe(&queued, "u").1.contains("charged"), "nothing of it was accepted now");
        paid.stage = crate::jobs::Stage::Generating;
        let cancelled = CommandOutcome { succeeded: vec![id("p")], previous: vec![paid], estimate: None, ..queued };
        assert_eq!(describe(&cancelled, "u").1, "Cancelled 1 job · $0.03 stays charged · u to undo");
        let mut retried = outcome.clone();
        retried.previous = (0..3).map(|number| timed_out(number < 2)).collect();
        assert_eq!(describe(&retried, "u").1, "Checking 2 earlier tasks, retrying 1 job, about $0.12 · u to undo");
        retried.previous.truncate(2);
        (retried.succeeded, retried.estimate) = (vec![id("a"), id("b")], None);
        assert_eq!(describe(&retried, "u").1, "Checking 2 earlier tasks at no charge · u to undo");
        outcome.rejected.push((id("d"), "it is generating".into()));
        assert_eq!(
            describe(&outcome, "u"),
            (
                NoticeLevel::Warning,
                "Retrying 3 jobs, about $0.12 · u to undo · 1 job not retried: it is generating".into()
            )
        );
        outcome.succeeded.clear();
        assert_eq!(describe(&outcome, "u"), (NoticeLevel::Error, "1 job not retried: it is generating".into()));
    }
}
