//! The commands into the engine: plain data that can be logged, replayed and asserted.

use chrono::{DateTime, Utc};

use super::{BulkAction, BulkControl, BulkItem, BulkPlan, BulkTarget, CommandOutcome, NewJob, TagEdit};
use crate::costs::{BudgetEdit, CostGrouping};
use crate::jobs::filter::Filter;
use crate::jobs::sort::{Place, Sort};
use crate::jobs::{BillingAnswer, JobId};
use crate::store::{PageCursor, SortOrder};

/// A command into the engine. Each is answered by at least one event.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Create these jobs, all or none. Answered by `Event::CommandCompleted` with `CommandKind::Submitted`.
    Submit(Vec<NewJob>),
    /// Retry these, each with its `fingerprint` when its price was shown: one that has changed since is rejected.
    Retry(Vec<BulkItem>),
    /// Cancel these.
    Cancel(Vec<JobId>),
    /// Approve these.
    Approve(Vec<JobId>),
    /// Reject the images of these.
    Reject(Vec<JobId>),
    /// Hide these from lists. Nothing is deleted.
    Hide(Vec<JobId>),
    /// Show these hidden jobs in lists again.
    Unhide(Vec<JobId>),
    /// Undo the command with this outcome: restore its `previous` jobs, if nothing has happened to them since.
    Undo(Box<CommandOutcome>),
    /// Start no more jobs in this process; those under way continue.
    PauseIntake,
    /// Start jobs in this process again; also after an account failure blocked the intake.
    ResumeIntake,
    /// Start no more jobs in any worker of the store (`Event::Paused`).
    PauseAll {
        /// Who requests it: `user@host`.
        by: String,
        /// Why.
        reason: Option<String>,
    },
    /// Start jobs in every worker of the store again, and in this process whatever paused it.
    ResumeAll {
        /// Who requests it: `user@host`.
        by: String,
    },
    /// Tickets open at once, at least 1.
    SetSlots(usize),
    /// Send the image's bytes (`Event::Image`).
    LoadImage(JobId),
    /// Send jobs that match (`Event::Page`).
    LoadPage {
        /// Which jobs.
        filter: Filter,
        /// Where the previous page ended; the first ones of the order if `None`.
        after: Option<PageCursor>,
        /// In which order.
        order: SortOrder,
        /// At most this many.
        limit: usize,
    },
    /// Send jobs that match in the order of a field (`Event::SortedPage`).
    LoadSorted {
        /// Which jobs.
        filter: Filter,
        /// In which order.
        sort: Sort,
        /// From the end of the list to its beginning.
        backwards: bool,
        /// Where the previous page ended.
        after: Option<Place>,
        /// At most this many.
        limit: usize,
    },
    /// Count the jobs of the store that match (`Event::Matching`).
    CountMatching(Filter),
    /// Find the jobs that an action would take, and its price (`Event::BulkPlanned`). Nothing is changed.
    PlanBulk(BulkAction, BulkTarget),
    /// Add and remove tags of these.
    Tag(Vec<JobId>, TagEdit),
    /// Record a confirmed bulk action, counted down before its first job (`Event::BulkActions`).
    StartBulk {
        /// What was confirmed.
        plan: Box<BulkPlan>,
        /// How the jobs were chosen: the filter as it was typed, or `marked`.
        chosen: String,
    },
    /// Pause, resume or stop the bulk action of that id.
    ControlBulk(String, BulkControl),
    /// Replace an uncertain charge of a job by what the bill says.
    ResolveCharge {
        /// The job.
        id: JobId,
        /// The attempt that was charged.
        attempt: u32,
        /// What the bill says.
        answer: BillingAnswer,
        /// Who says so: `user@host`.
        by: String,
    },
    /// Change the caps of the store (`Event::BudgetChanged`): every process applies them at once.
    ChangeBudget {
        /// What to change.
        edit: BudgetEdit,
        /// Who changes it: `user@host`.
        by: String,
    },
    /// Send the most expensive jobs of a span (`Event::CostJobs`).
    LoadCostJobs {
        /// First instant inside, first instant outside.
        span: (DateTime<Utc>, DateTime<Utc>),
        /// Only those of this line of a report.
        only: Option<(CostGrouping, String)>,
        /// At most this many.
        limit: usize,
    },
    /// Send what the documents cost that all processes read and write (`Event::StoreUsage`).
    LoadUsage,
    /// Send what operators did to a job (`Event::Audit`).
    LoadAudit(JobId),
    /// Send the uncertain charges (`Event::Uncertain`).
    LoadUncertain,
    /// Send the cost overview now (`Event::Costs`); it is also sent whenever costs change.
    RefreshCosts,
    /// Shut down: start nothing, finish a POST in flight, then stop with `Event::Stopped`.
    Stop,
}
