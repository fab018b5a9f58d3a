//! Owns the orders into the engine: plain data that can be logged, replayed and asserted. Must not carry a closure.

use super::CommandKind;
use crate::jobs::{Job, JobId, Spec};
use crate::store::PageCursor;

/// A job to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// What to generate.
    pub spec: Spec,
    /// Free words.
    pub tags: Vec<String>,
}

/// An order into the engine. Each is answered by at least one event.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Make these jobs, all or none. Answered by `Event::CommandCompleted` with `CommandKind::Submitted`.
    Submit(Vec<NewJob>),
    /// Try these once more.
    Retry(Vec<JobId>),
    /// Stop these.
    Cancel(Vec<JobId>),
    /// These are good.
    Approve(Vec<JobId>),
    /// Put these out of sight. Nothing is deleted.
    Hide(Vec<JobId>),
    /// Show these hidden jobs in lists again.
    Unhide(Vec<JobId>),
    /// Undo what `CommandOutcome` described: put these jobs back to what they were, where nothing has happened to them since.
    Undo(CommandKind, Vec<Job>),
    /// Start no more jobs; those under way go on.
    PauseIntake,
    /// Start jobs again; also after an account failure paused the intake.
    ResumeIntake,
    /// Tickets open at once, at least 1.
    SetSlots(usize),
    /// Send the image's bytes (`Event::Image`).
    LoadImage(JobId),
    /// Send older jobs than this one (`Event::Page`), at most `limit`; from the newest where `None`.
    LoadPage {
        /// Where the answer before ended.
        before: Option<PageCursor>,
        /// At most this many.
        limit: usize,
        /// Only those that contain this text.
        search: Option<String>,
        /// Whether hidden jobs are included.
        hidden: bool,
    },
    /// Send the cost overview now (`Event::Costs`); it also comes by itself when money moved.
    RefreshCosts,
    /// Leave: start nothing, finish a POST in flight, then end with `Event::Stopped`.
    Stop,
}
