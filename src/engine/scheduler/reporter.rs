//! What running steps report to their dispatcher, without ever waiting for it.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::Event;
use crate::costs::BudgetExceeded;
use crate::engine::workflow::Observer;
use crate::engine::{Dependency, JobFinished, Progress};

/// What running steps report.
pub(super) enum WorkerSignal {
    /// No job will be accepted, or its image stored, until an operator acts; one sanitized line why.
    AccountBlocked(Dependency, String),
    /// The provider has as many unfinished tickets as it accepts.
    ProviderFull,
    /// A POST begins (`true`), or its outcome is saved.
    SubmitInFlight(bool),
    /// A budget does not allow a job of this price.
    BudgetExceeded(BudgetExceeded),
    /// A job has ended here.
    JobFinished(JobFinished),
}

struct Reporter {
    events: mpsc::Sender<Event>,
    signals: mpsc::UnboundedSender<WorkerSignal>,
    /// Whether a screen shows what each job does.
    is_followed: bool,
}

/// An observer that forwards what it receives.
pub(super) fn new(
    events: mpsc::Sender<Event>,
    is_followed: bool,
) -> (Arc<dyn Observer>, mpsc::UnboundedReceiver<WorkerSignal>) {
    let (signals, receiver) = mpsc::unbounded_channel();
    (Arc::new(Reporter { events, signals, is_followed }), receiver)
}

impl Reporter {
    fn signal(&self, signal: WorkerSignal) {
        // The dispatcher is gone only when this process exits.
        let _ = self.signals.send(signal);
    }
}

impl Observer for Reporter {
    fn progress(&self, progress: Progress) {
        // May be lost when the reader is slow: the next one replaces it.
        if !self.is_followed {
            return;
        }
        let _ = self.events.try_send(Event::Progress(progress));
    }
    fn account_blocked(&self, by: Dependency, reason: &str) {
        self.signal(WorkerSignal::AccountBlocked(by, crate::text::sanitize_line(reason, 200)));
    }
    fn provider_full(&self) {
        self.signal(WorkerSignal::ProviderFull);
    }
    fn submit_in_flight(&self, in_flight: bool) {
        self.signal(WorkerSignal::SubmitInFlight(in_flight));
    }
    fn budget_exceeded(&self, exceeded: &BudgetExceeded) {
        self.signal(WorkerSignal::BudgetExceeded(exceeded.clone()));
    }
    fn job_finished(&self, finished: JobFinished) {
        self.signal(WorkerSignal::JobFinished(finished));
    }
}
