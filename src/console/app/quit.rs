//! Quitting: at once, or after the running jobs.

use super::App;
use crate::console::message::{Effect, ExitReason, LeftJobs};
use crate::console::overlays::Overlay;
use crate::console::overlays::quit::{OpenTask, QuitDialog};
use crate::engine::Command;
use crate::jobs::StageName;

impl App {
    /// How many jobs this console is working on.
    pub(super) fn running_here(&self) -> usize {
        self.status.slots.map_or(0, |(used, _)| used)
    }

    /// What other processes continue when this console has quit.
    pub fn left_jobs(&self) -> LeftJobs {
        if self.read_only {
            return LeftJobs::default();
        }
        let has_worker = self.status.workers.is_some_and(|workers| workers > 1);
        LeftJobs { generating: self.status.count(StageName::Generating), has_worker }
    }

    /// Quits, but asks first where images that cost real money may be lost.
    pub(super) fn request_quit(&mut self) {
        let is_confirmed = matches!(self.overlays.last(), Some(Overlay::Quit(_)));
        if is_confirmed {
            self.overlays.pop();
        }
        let running = self.running_here();
        let can_wait = !self.simulated && !self.status.engine_closed && !self.quitting && !self.quits_when_done;
        if is_confirmed || !can_wait || running == 0 {
            return self.quit();
        }
        let tasks = self.board.running_jobs().map(|job| OpenTask::of(job)).collect();
        let others = self.status.workers.map(|workers| workers.saturating_sub(1));
        let dialog = QuitDialog::new(running, tasks, others);
        self.overlays.push(Overlay::Quit(dialog));
        self.dirty = true;
    }

    pub(super) fn quit_when_done(&mut self) {
        self.overlays.pop();
        self.quits_when_done = true;
        self.send(Command::PauseIntake);
        self.dirty = true;
    }

    /// Requests the engine to stop; the second time, quits without waiting.
    pub(super) fn quit(&mut self) {
        self.dirty = true;
        let reason = match (self.status.engine_closed, self.quitting) {
            (true, _) => ExitReason::EngineClosed,
            (false, true) => ExitReason::QuitWithoutWaiting { submits_in_flight: self.status.submits_in_flight },
            (false, false) => {
                self.quitting = true;
                self.send(Command::Stop);
                return;
            }
        };
        self.effects.push(Effect::Quit(reason));
    }
}
