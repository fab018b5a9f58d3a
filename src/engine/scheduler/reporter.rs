//! Owns what effects say to their dispatcher while they run. Must not wait for anybody.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::Event;
use crate::engine::workflow::Observer;
use crate::engine::{JobFinished, Progress};

/// What effects say while they run.
pub(super) enum Signal {
    /// No job of this account will be accepted until a person acts.
    Account(String),
    /// The provider has as many unfinished tickets as it takes.
    Full,
    /// A POST leaves, or its outcome is safe.
    Posting(bool),
    /// No budget is left for a job of this price.
    BudgetExceeded,
    /// A job has ended here.
    JobFinished(JobFinished),
}

struct Reporter {
    facts: mpsc::Sender<Event>,
    signals: mpsc::UnboundedSender<Signal>,
}

/// An observer that passes on what it hears.
pub(super) fn new(facts: mpsc::Sender<Event>) -> (Arc<dyn Observer>, mpsc::UnboundedReceiver<Signal>) {
    let (signals, said) = mpsc::unbounded_channel();
    (Arc::new(Reporter { facts, signals }), said)
}

impl Reporter {
    fn signal(&self, signal: Signal) {
        // The dispatcher is gone only when this process ends; then nobody needs to know.
        let _ = self.signals.send(signal);
    }
}

impl Observer for Reporter {
    fn progress(&self, progress: Progress) {
        // May be lost when the reader is slow: the next one tells.
        let _ = self.facts.try_send(Event::Progress(progress));
    }
    fn account_trouble(&self, reason: &str) {
        self.signal(Signal::Account(crate::text::sanitize_line(reason, 200)));
    }
    fn provider_full(&self) {
        self.signal(Signal::Full);
    }
    fn posting(&self, in_flight: bool) {
        self.signal(Signal::Posting(in_flight));
    }
    fn over_budget(&self) {
        self.signal(Signal::BudgetExceeded);
    }
    fn ended(&self, ended: JobFinished) {
        self.signal(Signal::JobFinished(ended));
    }
}
