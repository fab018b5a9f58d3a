//! The queries of the store port and the shapes of their results.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};

use super::SharedRecord;
use crate::costs::{Basis, BudgetEdit, CostGrouping, Service, Usd};
use crate::jobs::filter::Filter;
use crate::jobs::{Job, JobId, StageName, WorkerId};

/// What a worker could act on: queued and due; or submitting or generating, due, and not held by a claim that still runs.
#[derive(Debug, Clone)]
pub struct DueQuery {
    /// The present.
    pub now: DateTime<Utc>,
    /// Jobs of the simulator, or of the real API; the others are never touched.
    pub simulated: bool,
    /// Whether queued jobs are wanted (the intake is open), or only those that are under way.
    pub queued: bool,
    /// Workers that are known to have exited: their claims count as expired.
    pub dead_workers: Vec<WorkerId>,
    /// At most this many: those under way first, then the oldest.
    pub limit: usize,
}

/// The order of a page. Ties are broken by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortOrder {
    /// By creation, newest first.
    NewestFirst,
    /// By creation, oldest first.
    OldestFirst,
}

/// A place in the order of creation: a time and an id.
pub type PageCursor = (DateTime<Utc>, JobId);

/// The time of a cursor among jobs whose creation time is not a time.
pub const UNDATED: DateTime<Utc> = DateTime::<Utc>::MIN_UTC;

/// The time of a cursor among jobs without a creation time, which are in the order of their ids.
pub const DATELESS: DateTime<Utc> = DateTime::<Utc>::MAX_UTC;

/// The text of a cursor: `2026-11-22T12:00:00.000000Z,ID`, `undated,ID` or `dateless,ID`.
pub fn cursor_text((at, id): &PageCursor) -> String {
    if *at == UNDATED {
        format!("undated,{id}")
    } else if *at == DATELESS {
        format!("dateless,{id}")
    } else {
        format!("{},{id}", at.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

/// The cursor of that text; `None` for any other text.
pub fn parse_cursor(text: &str) -> Option<PageCursor> {
    let (at, id) = text.split_once(',')?;
    let at = match at {
        "undated" => UNDATED,
        "dateless" => DATELESS,
        at => at.parse().ok()?,
    };
    Some((at, JobId::new(id).ok()?))
}

/// Jobs for people.
#[derive(Debug, Clone)]
pub struct PageQuery {
    /// Only these stages; empty is all.
    pub stages: Vec<StageName>,
    /// Only those created at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Continue behind this place: that of a job, or where the page before ended.
    pub after: Option<PageCursor>,
    /// Only those whose prompt, id, model or tags contain this text, letter case ignored.
    pub search: Option<String>,
    /// Only those that match this filter. Where it requests hidden jobs, only those are listed.
    pub filter: Filter,
    /// Whether hidden ones are wanted too.
    pub hidden: bool,
    /// In which order.
    pub order: SortOrder,
    /// At most this many.
    pub limit: usize,
}

impl Default for PageQuery {
    fn default() -> Self {
        Self {
            stages: Vec::new(),
            since: None,
            after: None,
            search: None,
            filter: Filter::default(),
            hidden: false,
            order: SortOrder::NewestFirst,
            limit: 100,
        }
    }
}

/// A job as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobVersion {
    /// Its id.
    pub id: JobId,
    /// Its revision.
    pub revision: u64,
}

/// What a look at the jobs found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// At most as many as were asked for.
    pub jobs: Vec<Job>,
    /// Documents among them that cannot be read, each with one clean line.
    pub unreadable: Vec<(JobId, String)>,
    /// Where the next page begins; `None` where nothing follows. A page that is not full and yet has a next one stopped because
    /// every document that is read costs money: the caller decides whether to continue.
    pub next: Option<PageCursor>,
}

/// How many jobs there are in each stage; stages without jobs may be absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// Visible jobs by stage.
    pub by_stage: BTreeMap<StageName, u64>,
    /// Hidden jobs of all stages.
    pub hidden: u64,
}

impl Counts {
    /// Visible jobs in that stage.
    pub fn of(&self, stage: StageName) -> u64 {
        self.by_stage.get(&stage).copied().unwrap_or(0)
    }

    /// All visible jobs.
    pub fn total(&self) -> u64 {
        self.by_stage.values().sum()
    }
}

/// How many jobs a filter matches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MatchCounts {
    /// By stage; stages without jobs may be absent.
    pub by_stage: BTreeMap<StageName, u64>,
}

impl MatchCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.by_stage.values().sum()
    }
}

/// The charges of a span of time.
#[derive(Debug, Clone)]
pub struct CostQuery {
    /// First instant inside.
    pub from: DateTime<Utc>,
    /// First instant outside.
    pub to: DateTime<Utc>,
    /// The simulator's money, or the real one; never both in one sum.
    pub simulated: bool,
}

/// The jobs behind a cost report.
#[derive(Debug, Clone)]
pub struct CostJobsQuery {
    /// First instant inside.
    pub from: DateTime<Utc>,
    /// First instant outside.
    pub to: DateTime<Utc>,
    /// The simulator's money, or the real one.
    pub simulated: bool,
    /// Only the charges of this line of a report.
    pub only: Option<(CostGrouping, String)>,
    /// At most this many, the most expensive first.
    pub limit: usize,
}

/// What one job cost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobCost {
    /// The job's id.
    pub job_id: String,
    /// Its money that counts, in dollars.
    pub usd: Usd,
    /// Money that may or may not be billed.
    pub uncertain_usd: Usd,
    /// How many charges.
    pub count: u64,
}

impl JobCost {
    /// The most expensive first.
    pub(crate) fn sort(jobs: &mut [Self]) {
        let key = |job: &Self| (std::cmp::Reverse((job.usd, job.uncertain_usd)), job.job_id.clone());
        jobs.sort_by_cached_key(key);
    }
}

/// Documents that this process read and wrote, as the store bills them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreUsage {
    /// Documents read.
    pub reads: u64,
    /// Documents written or deleted.
    pub writes: u64,
}

/// A charge that may or may not be billed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UncertainCharge {
    /// Its job's id.
    pub job_id: String,
    /// The attempt of darkroom's own; `None` for an entry of another program.
    pub attempt: Option<u32>,
    /// Whose bill it would be on.
    pub service: Service,
    /// Dollars; `None` where no price is known.
    pub amount: Option<Usd>,
    /// Unknown or unconfirmed.
    pub basis: Basis,
    /// The model.
    pub model: String,
    /// When it was charged, or the request was sent.
    pub at: DateTime<Utc>,
}

/// A change of the caps that the store keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetChange {
    /// When.
    pub at: DateTime<Utc>,
    /// Who: `user@host`.
    pub by: String,
    /// What.
    pub edit: BudgetEdit,
}

/// How many tasks the provider's account may have unfinished at once. Checked against all jobs of the store that a worker holds: those
/// submitting or generating under a claim that has not expired. So a worker that died blocks a task for as long as its claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskLimits {
    /// The present.
    pub now: DateTime<Utc>,
    /// Of all models together; `None` has no limit.
    pub total: Option<u32>,
    /// Of the job's model.
    pub model: Option<u32>,
}

impl TaskLimits {
    /// Whether there is any.
    pub fn is_limited(&self) -> bool {
        self.total.is_some() || self.model.is_some()
    }
}

/// One change of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The current version of a job.
    Job(Arc<Job>),
    /// A document that cannot be parsed.
    Unreadable {
        /// Its id.
        id: JobId,
        /// One clean line.
        reason: String,
    },
    /// A document is gone.
    Removed(JobId),
    /// The current version of a shared record that change streams report; see `SharedRecord::WATCHED`.
    SharedRecord(SharedRecord),
    /// The caps that the store keeps were changed.
    Budget,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_round_trips_as_text() {
        let noon = "2026-11-22T12:00:00.000001Z".parse().unwrap();
        for (at, id) in [(noon, "a"), (UNDATED, "a,b"), (DATELESS, "with space")] {
            let cursor = (at, JobId::new(id).unwrap());
            assert_eq!(parse_cursor(&cursor_text(&cursor)), Some(cursor));
        }
        for other in ["", "2h", "2026-11-22", "yesterday,a", "undated,"] {
            assert_eq!(parse_cursor(other), None, "{other}");
        }
    }
}
