//! When an engine that runs until it is idle ends, and what it leaves.

use super::outage_reactions::not_stored;
use super::{Dispatcher, Phase};
use crate::engine::Intake;

impl Dispatcher {
    /// Nothing runs here: ends the engine where nothing is left, or where what is left waits for an operator, or for the end of a cap's
    /// period.
    pub(super) fn end_where_idle(&mut self) {
        if self.due_queue.is_drained() && !matches!(self.intake, Intake::AccountBlocked(_)) {
            self.phase = Phase::Idle;
        } else if let Some(trouble) = self.trouble() {
            self.end.trouble = Some(trouble);
            self.phase = Phase::Stopping;
        }
    }

    /// Why none of the jobs that are left can run now; `None` where some can, or run elsewhere.
    fn trouble(&self) -> Option<String> {
        if let Intake::AccountBlocked(blocked) = &self.intake {
            return Some(blocked.reason.clone());
        }
        if self.due_queue.has_only_held() {
            let line =
                "a cap holds them; raise it (`darkroom budget set`), or start the worker again when the period ends";
            return Some(line.to_owned());
        }
        if !self.due_queue.waits_for_intake() {
            return None;
        }
        if let Some(pause) = self.pause.paused() {
            let line = pause.line(self.due_queue.now());
            return Some(format!("the intake is {line}; `darkroom resume` starts jobs again"));
        }
        self.bucket_gate.reason().map(not_stored)
    }
}
