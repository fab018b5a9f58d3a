//! What the engine said, folded into board, status and notices. Must not order anything by itself but what was asked for.

use super::App;
use crate::console::format;
use crate::console::message::{Effect, ExitReason};
use crate::engine::{Acted, Action, Command, Event, Fleet, Intake, Link, NoticeLevel};

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
            Event::Older { jobs, next } => {
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
            Event::Link(link) => self.status.link = Some(link),
            Event::Fleet(fleet) => self.on_fleet(fleet),
            Event::Notice(notice) => {
                self.notices.say(notice, self.now);
                self.dirty = true;
            }
            Event::Acted(acted) => self.on_acted(acted),
            Event::Picture { id, attempt, bytes } => {
                if let Some(name) = self.saves.remove(&id) {
                    match &bytes {
                        Ok(bytes) => self.effects.push(Effect::Save { name, bytes: bytes.clone() }),
                        Err(why) => self.say(NoticeLevel::Error, format!("not saved: {why}")),
                    }
                }
                self.picture.on_bytes(&id, attempt, bytes);
            }
            Event::PostsInFlight(posts) => self.status.posts = posts,
            // The board has it from the job itself.
            Event::Ended(_) => {}
            Event::Stopped => {
                if self.leaving {
                    self.effects.push(Effect::Quit(ExitReason::Stopped));
                } else {
                    self.on_engine_gone();
                }
            }
        }
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
            (Intake::Paused | Intake::Account(_), Intake::Open) => {
                Some((NoticeLevel::Info, "intake open: jobs start again".to_owned()))
            }
            (_, Intake::Account(reason)) => {
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
    fn on_fleet(&mut self, fleet: Fleet) {
        let was_down = self.status.fleet.as_ref().is_some_and(|old| matches!(old.server, Link::Down { .. }));
        match &fleet.server {
            Link::Down { reason, .. } if !was_down => {
                self.say(NoticeLevel::Error, format!("Temporal: {reason}; jobs wait until it is back"));
            }
            Link::Live if was_down => self.say(NoticeLevel::Info, "Temporal is back"),
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
            Command::LoadOlder { .. } => self.paging.not_sent(),
            Command::LoadPicture(id) => {
                self.saves.remove(id);
                let why = "the engine is busy; select the job again".to_owned();
                self.picture.on_bytes(id, 0, Err(why));
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

    fn on_acted(&mut self, acted: Acted) {
        let (level, text) = words(&acted);
        if acted.action == Action::Submitted {
            self.submitted = None;
            self.select_next = acted.done.first().cloned();
            self.after_jobs();
        }
        if !acted.before.is_empty() && acted.action != Action::Undone {
            self.undo = Some((acted.action, acted.before));
        }
        self.say(level, text);
    }
}

/// `3 jobs queued again, about $0.12 · u undoes`.
fn words(acted: &Acted) -> (NoticeLevel, String) {
    let (done, not_done) = match acted.action {
        Action::Submitted => ("queued", "queued"),
        Action::Retried => ("queued again", "retried"),
        Action::Cancelled => ("cancelled", "cancelled"),
        Action::Approved => ("approved", "approved"),
        Action::Hidden => ("hidden", "hidden"),
        Action::Undone => ("put back", "put back"),
    };
    let mut parts = Vec::new();
    if !acted.done.is_empty() {
        let cost = acted.estimate.map(|estimate| format!(", about {}", estimate.display())).unwrap_or_default();
        parts.push(format!("{} {done}{cost}", format::count(acted.done.len(), "job")));
        if !acted.before.is_empty() && acted.action != Action::Undone {
            parts.push("u undoes".to_owned());
        }
    }
    let level = match (acted.done.is_empty(), acted.refused.first()) {
        (false, None) => NoticeLevel::Info,
        (true, None) => {
            parts.push(format!("no job was {not_done}"));
            NoticeLevel::Warning
        }
        (nothing, Some((_, why))) => {
            parts.push(format!("{} not {not_done}: {why}", format::count(acted.refused.len(), "job")));
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
        let mut acted = Acted {
            action: Action::Retried,
            done: vec![id("a"), id("b"), id("c")],
            refused: Vec::new(),
            before: vec![crate::jobs::Job::new(
                id("a"),
                crate::jobs::Spec::new("m", "p"),
                true,
                chrono::DateTime::UNIX_EPOCH,
            )],
            estimate: Some("0.12".parse().unwrap()),
        };
        assert_eq!(words(&acted).1, "3 jobs queued again, about $0.12 · u undoes");
        acted.refused.push((id("d"), "it is generating".into()));
        assert_eq!(
            words(&acted),
            (
                NoticeLevel::Warning,
                "3 jobs queued again, about $0.12 · u undoes · 1 job not retried: it is generating".into()
            )
        );
        acted.done.clear();
        assert_eq!(words(&acted), (NoticeLevel::Error, "1 job not retried: it is generating".into()));
    }
}
