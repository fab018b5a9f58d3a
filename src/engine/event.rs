//! The events out of the engine: facts as plain data that can be logged, replayed and asserted. How they are worded is up to the
//! reader.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::UncertainCharges;
use crate::costs::{
    AccountCheck, Budget, BudgetExceeded, CostGrouping, CostReport, CostTable, DEFAULT_SOFT_PERCENT, Outlook, Usd,
};
use crate::engine::{AuditEntry, BulkPlan, BulkRecord, FleetUsage, Outage, Pause, TagEdit};
use crate::jobs::filter::Filter;
use crate::jobs::sort::Place;
use crate::jobs::{FailureCode, Job, JobId, StageName, StepName};
use crate::store::{Counts, JobCost, MatchCounts, PageCursor, StoreError};
use crate::text;

/// An event out of the engine.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The current state of these jobs. At least once; a newer revision always wins.
    Jobs(Vec<Arc<Job>>),
    /// A document that cannot be read; it is left unchanged.
    Unreadable {
        /// Its id.
        id: JobId,
        /// One sanitized line.
        reason: String,
    },
    /// This job was removed from the store.
    Removed(JobId),
    /// A page of jobs, as requested. If it has fewer jobs than requested and a next page exists, reading further costs money, so
    /// the reader decides.
    Page {
        /// In the requested order.
        jobs: Vec<Arc<Job>>,
        /// Where the next page begins; `None` if nothing follows.
        next: Option<PageCursor>,
    },
    /// A page of a sorted list, as requested.
    SortedPage {
        /// In the requested order.
        jobs: Vec<Arc<Job>>,
        /// Where the next page begins; `None` if nothing follows.
        next: Option<Place>,
        /// Only jobs created at this time or later were sorted: the store bills every document that is read.
        read_back_to: Option<DateTime<Utc>>,
    },
    /// A requested page could not be read.
    PageFailed {
        /// One sanitized line why.
        reason: String,
    },
    /// How many jobs of the store match a filter; `None` where only reading the documents could answer.
    Matching {
        /// The filter.
        filter: Filter,
        /// By stage.
        counts: Option<MatchCounts>,
    },
    /// What an action on many jobs would do, as requested; or one sanitized line why that is not known.
    BulkPlanned(Result<Box<BulkPlan>, String>),
    /// The bulk actions that are open, or ended in the last minutes, newest first; whenever one changes.
    BulkActions(Vec<BulkRecord>),
    /// A bulk action could not be started or changed: one sanitized line why.
    BulkFailed(String),
    /// How many jobs are in each stage: all jobs, not only those that were sent.
    Counts(Counts),
    /// What a running job does now. May be lost; the next one replaces it.
    Progress(Progress),
    /// What was spent.
    Costs(Box<CostOverview>),
    /// The uncertain charges, as requested, or one sanitized line why not.
    Uncertain(Result<UncertainCharges, String>),
    /// What the documents cost that all processes read and write, as requested; `None` from a store that bills nothing.
    StoreUsage(Option<Box<FleetUsage>>),
    /// What operators did to a job, as requested: newest first, or one sanitized line why not.
    Audit(JobId, Result<Vec<AuditEntry>, String>),
    /// The most expensive jobs of a span, as requested.
    CostJobs {
        /// The line of the report whose jobs they are; `None` for all of the span.
        only: Option<(CostGrouping, String)>,
        /// The most expensive first, or one sanitized line why not.
        jobs: Result<Vec<JobCost>, String>,
    },
    /// Whether this process starts jobs. Also the one announcement of an account failure.
    Intake(Intake),
    /// The pause that every worker of the store applies, as soon as it is known and whenever it changes.
    Paused(Option<Pause>),
    /// The pause could not be changed; one sanitized line why.
    PauseFailed(String),
    /// The caps of the store were changed by this process, in one line; or one sanitized line why not.
    BudgetChanged(Result<String, String>),
    /// Slots in use, and in total.
    Slots {
        /// Tickets open now, in this process.
        used: usize,
        /// At most.
        total: usize,
    },
    /// The connection to the store.
    Connection(ConnectionState),
    /// How many workers of this machine are alive, with the local engine; whenever that changes.
    Workers(usize),
    /// What the requests of jobs show to be unreachable: the provider, the image host, the bucket. All of them, whenever that changes.
    Outages(Vec<Outage>),
    /// The workers and the server of the Temporal engine.
    Temporal(TemporalStatus),
    /// A budget does not allow queued jobs, which are held. Once for each budget period, and again after the intake was resumed.
    BudgetExceeded(BudgetExceeded),
    /// A condition of the store that an operator must resolve; it lasts until the next of these events.
    StoreAlarm(Option<StoreAlarm>),
    /// The result of a command.
    CommandCompleted(CommandOutcome),
    /// A command failed as a whole: it changed nothing.
    CommandFailed {
        /// The command.
        kind: CommandKind,
        /// One sanitized line why.
        reason: String,
    },
    /// An image, as requested.
    Image {
        /// The job.
        id: JobId,
        /// The attempt that generated it.
        attempt: u32,
        /// The file's bytes, or one sanitized line why not.
        bytes: Result<Bytes, String>,
    },
    /// How many POSTs are in flight: a shutdown waits for them.
    SubmitsInFlight(usize),
    /// A job has ended in this process.
    JobFinished(JobFinished),
    /// The engine has stopped; nothing follows.
    Stopped,
}

/// How a job ended that ran in this process. Jobs that end in other processes are not reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobFinished {
    /// Its stage now.
    pub stage: StageName,
    /// Why, if it failed.
    pub code: Option<FailureCode>,
}

/// What a running job does now.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The job.
    pub id: JobId,
    /// Its attempt.
    pub attempt: u32,
    /// The step that runs.
    pub step: StepName,
    /// From 0 to 1, if known: reported by the provider, or estimated from the model's usual time.
    pub fraction: Option<f32>,
    /// The provider's status, sanitized.
    pub status: String,
}

/// What was spent.
#[derive(Debug, Clone, PartialEq)]
pub struct CostOverview {
    /// Since midnight UTC, by model.
    pub today: CostReport,
    /// Today and the six days before, by model.
    pub week: CostReport,
    /// Today and the 29 days before, by model.
    pub month: CostReport,
    /// Since the first of this UTC month, by model: what the monthly cap counts.
    pub calendar_month: CostReport,
    /// These 30 days and this UTC month, for a report of any part by any grouping.
    pub table: Arc<CostTable>,
    /// The burn rate and the forecast of the month.
    pub outlook: Outlook,
    /// The change of the balance against the charges, where it is known.
    pub account: Option<AccountCheck>,
    /// The cap of the UTC day: the lower one of the store's and this process's.
    pub daily_cap: Option<Usd>,
    /// The cap of the UTC month: the lower one of the store's and this process's.
    pub monthly_cap: Option<Usd>,
    /// The caps of single models, as the store keeps them.
    pub model_caps: BTreeMap<String, Budget>,
    /// The share of a cap, in percent, from which to warn, where the store has one.
    pub soft_percent: Option<u8>,
    /// The balance of the provider's account, if known.
    pub credits: Option<Usd>,
    /// The most that storing one image costs, where the bucket costs money: a submit sets it aside with its own price.
    pub storage_bound: Option<Usd>,
    /// When this was computed.
    pub at: DateTime<Utc>,
}

impl CostOverview {
    /// The caps whose soft mark is reached before the cap itself is, each by its name and with a line for an operator.
    pub fn soft_marks(&self) -> Vec<(String, String)> {
        let percent = u64::from(self.soft_percent.unwrap_or(DEFAULT_SOFT_PERCENT));
        let total = [
            ("daily budget".to_owned(), self.daily_cap, self.today.committed()),
            ("monthly budget".to_owned(), self.monthly_cap, self.calendar_month.committed()),
        ];
        let of_model = |(model, caps): (&String, &Budget)| {
            let name = text::sanitize_line(model, 40);
            let used = |report: &CostReport| self.table.committed_of(model, (report.from, report.to));
            [
                (format!("daily budget of {name}"), caps.daily, used(&self.today)),
                (format!("monthly budget of {name}"), caps.monthly, used(&self.calendar_month)),
            ]
        };
        let mark = |(name, cap, used): (String, Option<Usd>, Usd)| {
            let cap = cap?;
            let is_reached = used * 100 >= cap * percent && used < cap;
            let line = format!("{name}: {} of {} used; jobs over the cap are held", used.display(), cap.display());
            is_reached.then_some((name, line))
        };
        total.into_iter().chain(self.model_caps.iter().flat_map(of_model)).filter_map(mark).collect()
    }
}

/// Whether jobs are started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intake {
    /// They are.
    Open,
    /// An operator paused the intake of this process alone.
    Paused,
    /// The account cannot submit, or images cannot be stored.
    AccountBlocked(Outage),
    /// This process is read-only.
    ReadOnly,
}

/// The state of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionState {
    /// Connected.
    Connected,
    /// Not connected.
    Disconnected {
        /// The last contact.
        since: DateTime<Utc>,
        /// One sanitized line why.
        reason: String,
        /// When the next attempt to connect begins, where that is known.
        retry_at: Option<DateTime<Utc>>,
    },
}

/// The workers and the server of the Temporal engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemporalStatus {
    /// Worker processes, on all machines.
    pub workers: usize,
    /// Tasks that wait for a worker.
    pub backlog: u64,
    /// The connection to the server.
    pub server: ConnectionState,
    /// Why jobs do not start although the server responds.
    pub conflict: Option<QueueConflict>,
}

/// Another program polls the task queue: its tasks would reach this process, and this process's tasks would reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueConflict {
    /// Since when.
    pub since: DateTime<Utc>,
    /// One sanitized line: who polls, and what to do.
    pub reason: String,
}

/// A condition of the store that an operator must resolve: it may cost money, or nothing can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreAlarm {
    /// A few words for a header.
    pub summary: String,
    /// One sanitized line: what happened, and what to do.
    pub message: String,
}

impl StoreAlarm {
    /// The store holds documents of another backend and was not taken over.
    pub fn not_owned() -> Self {
        Self { summary: "not taken over".to_owned(), message: StoreError::NotOwned.to_string() }
    }
}

/// The commands on jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommandKind {
    /// Create.
    Submitted,
    /// Retry.
    Retried,
    /// Cancel.
    Cancelled,
    /// Approve.
    Approved,
    /// Reject images.
    ImagesRejected,
    /// Hide.
    Hidden,
    /// Undo an earlier command.
    Undone,
    /// Resolve an uncertain charge.
    Resolved,
    /// Add and remove tags.
    Tagged,
}

/// The result of a command.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandOutcome {
    /// The command.
    pub kind: CommandKind,
    /// The jobs that were changed.
    pub succeeded: Vec<JobId>,
    /// The jobs that could not be changed, with one sanitized line each.
    pub rejected: Vec<(JobId, String)>,
    /// The jobs as they were before, for `Command::Undo`; empty if it cannot be undone.
    pub previous: Vec<Job>,
    /// What the new attempts will cost at most, if known.
    pub estimate: Option<Usd>,
    /// What `CommandKind::Tagged` did: an undo leaves jobs whose tags changed since.
    pub tag_edit: Option<TagEdit>,
}

impl CommandOutcome {
    /// A command that has changed nothing yet.
    pub fn nothing(kind: CommandKind) -> Self {
        Self { kind, succeeded: Vec::new(), rejected: Vec::new(), previous: Vec::new(), estimate: None, tag_edit: None }
    }
}
