//! What the engine said, folded into board, status and notices. Must not order anything by itself but what was asked for.

use super::App;
use crate::console::message::{Effect, ExitReason};
use crate::console::notices::{Notice, NoticeLevel};
use crate::engine::{
    Command, CommandKind, CommandOutcome, ConnectionState, Event, Intake, TemporalStatus,
};
use crate::text::format;

impl App {
    pub(super) fn on_event(&mut self, event: Event) {
        self.dirty |= !matches!(event, Event::Progress(_));
        match event {
            Event::Jobs(jobs) => {
                for job in jobs {
                    self.board.put(job, true, self.now);
                }
                self.after_jobs();
            }
            Event::Page { jobs, next } => {
                self.paging.on_older(&jobs, next);
                for job in jobs {
                    self.board.put(job, false, self.now);
                }
                self.after_jobs();
            }
            Event::Unreadable { id, reason } => {
                self.board.put_unreadable(id, &reason, self.now);
                self.after_jobs();
            }
            Event::Removed(id) => {
                self.board.remove(&id);
                self.after_jobs();
            }
            Event::Progress(progress) => self.dirty |= self.board.put_progress(progress),
            Event::Counts(counts) => self.status.counts = Some(counts),
            Event::Costs(costs) => self.status.costs = Some(costs),
            Event::Intake(intake) => self.on_intake(intake),
            Event::Slots { used, total } => self.status.slots = Some((used, total)),
            Event::Connection(link) => self.status.link = Some(link),
            Event::Temporal(fleet) => self.on_fleet(fleet),
            Event::BudgetExceeded(exceeded) => self.report(NoticeLevel::Warning, exceeded.summary()),
            Event::PageFailed { reason } => {
                self.report(NoticeLevel::Error, format!("older jobs could not be loaded: {reason}"));
            }
            Event::CommandFailed { kind, reason } => {
                self.report(NoticeLevel::Error, format!("nothing was {}: {reason}", past_tense(kind)));
            }
            Event::CommandCompleted(acted) => self.on_acted(acted),
            Event::Image { id, attempt, bytes } => {
                if let Some(name) = self.saves.remove(&id) {
                    match &bytes {
                        Ok(bytes) => self.effects.push(Effect::Save { name, bytes: bytes.clone() }),
                        Err(why) => self.say(NoticeLevel::Error, format!("not saved: {why}")),
                    }
                }
                self.image.on_bytes(&id, attempt, bytes);
            }
            Event::SubmitsInFlight(posts) => self.status.posts = posts,
            // The board has it from the job itself.
            Event::JobFinished(_) => {}
            Event::Stopped => {
                if self.leaving {
                    self.effects.push(Effect::Quit(ExitReason::Stopped));
                } else {
                    self.on_engine_gone();
                }
            }
        }
    }

    /// A notice that answers no key.
    fn report(&mut self, level: NoticeLevel, text: String) {
        self.notices.say(Notice { level, text }, self.now);
        self.dirty = true;
    }

    fn after_jobs(&mut self) {
        if let Some(id) = self.select_next.take_if(|id| self.board.position(id).is_some()) {
            self.queue.select(id, &self.board);
        }
        self.queue.follow(&self.board);
    }

    fn on_intake(&mut self, intake: Intake) {
        let said = match (&self.status.intake, &intake) {
            (old, new) if old == new => None,
            (_, Intake::Paused) => {
                Some((NoticeLevel::Warning, "intake paused: no new jobs start; p resumes".to_owned()))
            }
            (Intake::Paused | Intake::AccountBlocked(_), Intake::Open) => {
                Some((NoticeLevel::Info, "intake open: jobs start again".to_owned()))
            }
            (_, Intake::AccountBlocked(reason)) => {
                Some((NoticeLevel::Error, format!("the account cannot order, intake paused: {reason} · p resumes")))
            }
            _ => None,
        };
        self.status.intake = intake;
        if let Some((level, text)) = said {
            self.say(level, text);
        }
    }

    /// Said once for each change; the header says it all the time.
    fn on_fleet(&mut self, fleet: TemporalStatus) {
        let was_down =
            self.status.fleet.as_ref().is_some_and(|old| matches!(old.server, ConnectionState::Disconnected { .. }));
        match &fleet.server {
            ConnectionState::Disconnected { reason, .. } if !was_down => {
                self.say(NoticeLevel::Error, format!("Temporal: {reason}; jobs wait until it is back"));
            }
            ConnectionState::Connected if was_down => self.say(NoticeLevel::Info, "Temporal is back"),
            _ => {}
        }
        self.status.fleet = Some(fleet);
    }

    pub(super) fn on_engine_gone(&mut self) {
        if self.status.engine_gone {
            return;
        }
        self.status.engine_gone = true;
        if self.leaving {
            self.effects.push(Effect::Quit(ExitReason::Stopped));
        } else {
            self.say(NoticeLevel::Error, "the engine has ended: nothing is heard or done any more · q leaves");
        }
    }

    /// The engine's queue is full: the order is lost, and whoever gave it must know.
    pub(super) fn on_not_sent(&mut self, command: &Command) {
        match command {
            Command::LoadPage { .. } => self.paging.not_sent(),
            Command::LoadImage(id) => {
                self.saves.remove(id);
                let why = "the engine is busy; select the job again".to_owned();
                self.image.on_bytes(id, 0, Err(why));
            }
            Command::Stop => {
                self.leaving = false;
                self.say(NoticeLevel::Warning, "the engine is busy and did not hear it: q again");
            }
            Command::Submit(_) => {
                self.draft = self.submitted.take();
                self.say(NoticeLevel::Error, "the engine is busy: nothing was ordered · n has the form as it was");
            }
            Command::RefreshCosts => {}
            _ => self.say(NoticeLevel::Error, "the engine is busy: nothing was done, try again"),
        }
    }

    fn on_acted(&mut self, acted: CommandOutcome) {
        let (level, text) = words(&acted);
        if acted.kind == CommandKind::Submitted {
            self.submitted = None;
            self.select_next = acted.succeeded.first().cloned();
            self.after_jobs();
        }
        if !acted.previous.is_empty() && acted.kind != CommandKind::Undone {
            self.undo = Some((acted.kind, acted.previous));
        }
        self.say(level, text);
    }
}

/// What a command does to jobs: `nothing was cancelled`.
fn past_tense(kind: CommandKind) -> &'static str {
    match kind {
        CommandKind::Submitted => "queued",
        CommandKind::Retried => "retried",
        CommandKind::Cancelled => "cancelled",
        CommandKind::Approved => "approved",
        CommandKind::Hidden => "hidden",
        CommandKind::Undone => "put back",
    }
}

/// `3 jobs queued again, about $0.12 · u undoes`.
fn words(acted: &CommandOutcome) -> (NoticeLevel, String) {
    let not_done = past_tense(acted.kind);
    let done = if acted.kind == CommandKind::Retried { "queued again" } else { not_done };
    let mut parts = Vec::new();
    if !acted.succeeded.is_empty() {
        let cost = acted.estimate.map(|estimate| format!(", about {}", estimate.display())).unwrap_or_default();
        parts.push(format!("{} {done}{cost}", format::count(acted.succeeded.len(), "job")));
        if !acted.previous.is_empty() && acted.kind != CommandKind::Undone {
            parts.push("u undoes".to_owned());
        }
    }
    let level = match (acted.succeeded.is_empty(), acted.rejected.first()) {
        (false, None) => NoticeLevel::Info,
        (true, None) => {
            parts.push(format!("no job was {not_done}"));
            NoticeLevel::Warning
        }
        (nothing, Some((_, why))) => {
            parts.push(format!("{} not {not_done}: {why}", format::count(acted.rejected.len(), "job")));
            if nothing { NoticeLevel::Error } else { NoticeLevel::Warning }
        }
    };
    (level, parts.join(" · "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::JobId;

    #[test]
    fn an_answer_says_what_was_done_what_it_costs_and_what_was_not() {
        let id = |text: &str| JobId::new(text).unwrap();
        let mut acted = CommandOutcome {
            kind: CommandKind::Retried,
            succeeded: vec![id("a"), id("b"), id("c")],
            rejected: Vec::new(),
            previous: vec![crate::jobs::Job::new(
                id("a"),
                crate::jobs::Spec::new("m", "p"),
                true,
                chrono::DateTime::UNIX_EPOCH,
            )],
            estimate: Some("0.12".parse().unwrap()),
        };
        assert_eq!(words(&acted).1, "3 jobs queued again, about $0.12 · u undoes");
        acted.rejected.push((id("d"), "it is generating".into()));
        assert_eq!(
            words(&acted),
            (
                NoticeLevel::Warning,
                "3 jobs queued again, about $0.12 · u undoes · 1 job not retried: it is generating".into()
            )
        );
        acted.succeeded.clear();
        assert_eq!(words(&acted), (NoticeLevel::Error, "1 job not retried: it is generating".into()));
    }
}
