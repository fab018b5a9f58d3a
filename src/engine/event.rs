//! Owns the facts out of the engine: plain data that can be logged, replayed and asserted. Must not carry a closure.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::costs::{CostReport, Usd};
use crate::jobs::{FailureCode, Job, JobId, StageName, StepName};
use crate::store::{Counts, PageCursor};

/// A fact out of the engine.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// These jobs are now like this. At least once; a newer revision always wins.
    Jobs(Vec<Arc<Job>>),
    /// A document that cannot be read; it is left as it is.
    Unreadable {
        /// Its id.
        id: JobId,
        /// One clean line.
        reason: String,
    },
    /// This job is gone from the store.
    Removed(JobId),
    /// Older jobs, as asked for. Where they are fewer and there is more, looking on costs money: a person decides.
    Page {
        /// Newest first.
        jobs: Vec<Arc<Job>>,
        /// Where to go on; `None` where nothing older exists.
        next: Option<PageCursor>,
    },
    /// How many jobs there are in each stage, all of them, not only those that were sent.
    Counts(Counts),
    /// What a running job does just now. May be lost; the next one tells.
    Progress(Progress),
    /// What was spent.
    Costs(Box<CostOverview>),
    /// Whether jobs are started.
    Intake(Intake),
    /// Slots in use, and how many there are.
    Slots {
        /// Tickets open now, in this process.
        used: usize,
        /// At most.
        total: usize,
    },
    /// The line to the store.
    Connection(ConnectionState),
    /// Who works where jobs run on a fleet.
    Temporal(TemporalStatus),
    /// Something a person should know.
    Notice(Notice),
    /// What became of an order.
    CommandCompleted(CommandOutcome),
    /// An image, as asked for.
    Image {
        /// The job.
        id: JobId,
        /// The attempt that made it.
        attempt: u32,
        /// The file's bytes, or one clean line why not.
        bytes: Result<Bytes, String>,
    },
    /// A POST is in flight: leaving waits for it. 0 when there is none.
    SubmitsInFlight(usize),
    /// This process has brought a job to its end.
    JobFinished(JobFinished),
    /// The engine has ended; nothing follows.
    Stopped,
}

/// How a job ended that was worked on in this process. Nothing is said of those that others ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobFinished {
    /// Where it is now.
    pub stage: StageName,
    /// Why, if it failed.
    pub code: Option<FailureCode>,
}

/// What a running job does just now.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The job.
    pub id: JobId,
    /// Its attempt.
    pub attempt: u32,
    /// The step that runs.
    pub step: StepName,
    /// From 0 to 1, where known: the provider's word, or reckoned from the model's usual time.
    pub fraction: Option<f32>,
    /// The provider's word for it, cleaned.
    pub status: String,
}

/// What was spent, for the panes.
#[derive(Debug, Clone, PartialEq)]
pub struct CostOverview {
    /// Since midnight UTC, by model.
    pub today: CostReport,
    /// Today and the six days before, by model.
    pub week: CostReport,
    /// Today and the 29 days before, by model.
    pub month: CostReport,
    /// The same 30 days, by day.
    pub by_day: CostReport,
    /// The same 30 days, by cause.
    pub by_cause: CostReport,
    /// The same 30 days, by service.
    pub by_service: CostReport,
    /// The cap of the day.
    pub daily_cap: Option<Usd>,
    /// The cap of the month.
    pub monthly_cap: Option<Usd>,
    /// What is left on the provider's account, where it said.
    pub credits: Option<Usd>,
    /// When this was added up.
    pub at: DateTime<Utc>,
}

/// Whether jobs are started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intake {
    /// Yes.
    Open,
    /// A person paused it.
    Paused,
    /// The account cannot order; one clean line why.
    AccountBlocked(String),
    /// This process only looks.
    ReadOnly,
}

/// The line to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionState {
    /// Up.
    Connected,
    /// Down since then; one clean line why.
    Disconnected {
        /// Since when.
        since: DateTime<Utc>,
        /// Why.
        reason: String,
    },
}

/// Who works where jobs run on a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemporalStatus {
    /// Worker processes, on all machines.
    pub workers: usize,
    /// Tasks that wait for one of them.
    pub backlog: u64,
    /// The line to the server that gives out the work.
    pub server: ConnectionState,
}

/// How loud a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeLevel {
    /// It went well.
    Info,
    /// It may matter.
    Warning,
    /// It went wrong.
    Error,
}

/// Something a person should know: one clean line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How loud.
    pub level: NoticeLevel,
    /// What.
    pub text: String,
}

/// What was done to jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommandKind {
    /// Made.
    Submitted,
    /// Tried once more.
    Retried,
    /// Stopped.
    Cancelled,
    /// Found good.
    Approved,
    /// Put out of sight.
    Hidden,
    /// Put back to what they were.
    Undone,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandOutcome {
    /// What was done.
    pub kind: CommandKind,
    /// The jobs it was done to, as they are now.
    pub succeeded: Vec<JobId>,
    /// The jobs it could not be done to, with one clean line each.
    pub rejected: Vec<(JobId, String)>,
    /// The jobs as they were before, for `Command::Undo`; empty where it cannot be undone.
    pub previous: Vec<Job>,
    /// What the new attempts will cost at most, where known.
    pub estimate: Option<Usd>,
}
