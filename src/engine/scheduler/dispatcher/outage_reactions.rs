//! What the dispatcher does while the account, the provider or the bucket does not work.

use tokio::time::Instant;

use super::{Dispatcher, Phase};
use crate::engine::{Dependency, Event, Intake, Mode, Outage};

impl Dispatcher {
    /// Starts no more jobs until an operator acts. The event is the one announcement of it.
    pub(super) async fn block_intake(&mut self, dependency: Dependency, reason: String) {
        if !matches!(self.intake, Intake::AccountBlocked(_)) {
            let since = self.due_queue.now();
            self.set_intake(Intake::AccountBlocked(Outage { dependency, since, reason })).await;
        }
    }

    /// The provider, the image host or the bucket was lost, or is back.
    pub(super) async fn on_outages(&mut self, outages: Vec<Outage>) {
        if self.bucket_gate.update(&outages, Instant::now()) {
            self.due_queue.invalidate();
        }
        self.emit(Event::Outages(outages)).await;
    }

    pub(super) fn check_outages(&mut self) {
        let now = Instant::now();
        self.outages.expire(now);
        if self.settings.mode != Mode::Observe && self.phase == Phase::Working && self.bucket_gate.take_check(now) {
            self.command_tasks.check_bucket(self.stop.clone());
        }
    }
}

/// Why no job is submitted although the account may work.
pub(super) fn not_stored(reason: &str) -> String {
    format!("images cannot be stored: {reason}")
}
