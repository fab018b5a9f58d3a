//! An action on all jobs that a filter matches, or on many chosen ones: which jobs it takes and what it costs, before it begins.
//!
//! The plan holds the ids that were counted and priced. The action then takes exactly these, so that a job that comes to match
//! between the question and its answer is neither paid nor cancelled.

mod edit;
mod fingerprint;
mod record;
mod undo;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use edit::{SpecEdit, TagEdit};
pub(in crate::engine) use fingerprint::clone_fingerprint;
pub use fingerprint::fingerprint;
pub(in crate::engine) use record::{BatchResult, LEASE};
pub use record::{BulkControl, BulkItem, BulkLease, BulkRecord, BulkStart, BulkState, MIN_JOBS};
pub(in crate::engine) use undo::{keep_previous, keep_unchanged, kept_jobs, previous_of};

use super::{RetryPrice, is_submit_unknown};
use crate::catalog::Catalog;
use crate::costs::Usd;
use crate::jobs::filter::{Condition, Filter, JobStatus};
use crate::jobs::{Job, JobId, Review, StageName};
use crate::store::{PageQuery, Store, StoreError};
use crate::text::format;

/// Jobs between two saves of the position: what a crash repeats at most, and the time until a pause or a stop takes effect. What jobs
/// were before is kept by the positions that follow from it.
pub(in crate::engine) const BATCH_SIZE: usize = 50;

/// Jobs of one read.
const PAGE_SIZE: usize = 500;

/// Pages that may stop early, because every document that is read costs money, until the plan ends there.
const MAX_PARTIAL_PAGES: usize = 5;

/// What is done to many jobs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    /// Retry.
    Retry,
    /// Cancel.
    Cancel,
    /// Approve.
    Approve,
    /// Reject the images.
    Reject,
    /// Hide.
    Hide,
    /// Show hidden jobs again.
    Unhide,
    /// Add and remove tags.
    Tag(TagEdit),
    /// Create a job like each of them, with edits.
    Clone {
        /// What the clone changes.
        edit: SpecEdit,
        /// Whether the simulator generates the clones.
        simulated: bool,
    },
    /// Restore the jobs that an earlier bulk action changed, where nothing has happened to them since.
    Undo {
        /// The id of that action.
        of: String,
        /// What it did.
        action: Box<BulkAction>,
    },
    /// Mark on the screen: nothing is changed.
    Mark,
}

/// Which jobs an action takes.
#[derive(Debug, Clone, PartialEq)]
pub enum BulkTarget {
    /// All of the store that match.
    Matching(Filter),
    /// These.
    Jobs(Vec<JobId>),
    /// Those that the bulk action of that id changed.
    ChangedBy(String),
}

/// What an action would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkPlan {
    /// The action.
    pub action: BulkAction,
    /// The jobs that it applies to.
    pub ids: Vec<JobId>,
    /// What each of them was when it was counted.
    pub fingerprints: Vec<i64>,
    /// The price of retrying those of them that cost real money (or simulated money, where none does), or of their clones.
    pub price: RetryPrice,
    /// How many of them cost real money.
    pub real: usize,
    /// How many of them are generating.
    pub generating: usize,
    /// Moderated jobs that a retry leaves out, because they would fail, and cost, again.
    pub moderated: usize,
    /// Jobs that may already be billed (`submit_unknown`), which a retry leaves out, because it might bill them a second time.
    pub maybe_billed: usize,
    /// Jobs that the action does not apply to.
    pub inapplicable: usize,
    /// Why the first of them cannot be cloned or tagged.
    pub reason: Option<String>,
    /// Set where the search stopped to limit billed reads: older jobs are not in the plan.
    pub stopped_at: Option<DateTime<Utc>>,
}

impl BulkAction {
    /// `retry`, as in `jobs to retry`.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Hide => "hide",
            Self::Unhide => "show again",
            Self::Tag(_) => "tag",
            Self::Clone { .. } => "clone",
            Self::Undo { .. } => "undo",
            Self::Mark => "mark",
        }
    }

    /// What exactly is changed, where the verb does not say it.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Tag(edit) => Some(edit.summary()),
            Self::Clone { edit, .. } => Some(edit.summary()),
            Self::Undo { action, .. } => Some(
                action
                    .detail()
                    .map_or_else(|| action.verb().to_owned(), |detail| format!("{} {detail}", action.verb())),
            ),
            _ => None,
        }
    }

    /// Whether its jobs can be submitted, so that it costs money.
    pub fn may_pay(&self) -> bool {
        match self {
            Self::Retry | Self::Clone { .. } => true,
            // A cancelled job returns to the queue.
            Self::Undo { action, .. } => **action == Self::Cancel,
            _ => false,
        }
    }

    /// Errors: why the job cannot be edited so.
    fn check_edit(&self, job: &Job) -> Result<(), String> {
        match self {
            Self::Tag(edit) if edit.applied_to(&job.tags)? == job.tags => Err("it has these tags already".to_owned()),
            Self::Clone { edit, .. } => edit.clone_of(job).map(|_| ()),
            _ => Ok(()),
        }
    }

    fn applies_to(&self, job: &Job) -> bool {
        match self {
            Self::Retry => job.retry_kind().is_ok(),
            Self::Cancel => matches!(job.stage_name(), StageName::Queued | StageName::Generating),
            Self::Approve => job.stage_name() == StageName::Done,
            Self::Reject => is_rejectable(job),
            Self::Hide => !job.hidden && !job.stage_name().is_active(),
            Self::Unhide => job.hidden,
            Self::Tag(_) => !matches!(job.stage_name(), StageName::Submitting | StageName::Generating),
            Self::Clone { .. } | Self::Undo { .. } | Self::Mark => true,
        }
    }

    /// What else must be true of a job that the store looks for: it need not return the others.
    fn narrowed(&self, filter: Filter) -> Filter {
        let status = |stages: &[StageName]| Condition::Status(stages.iter().copied().map(JobStatus::Stage).collect());
        match self {
            Self::Retry if !names_stages(&filter) => filter.and(status(&[StageName::Failed])),
            Self::Cancel => filter.and(status(&[StageName::Queued, StageName::Generating])),
            Self::Approve => filter.and(status(&[StageName::Done])),
            Self::Reject => filter.and(status(&[StageName::Done, StageName::Approved])),
            _ => filter,
        }
    }
}

/// Whether the job has an image that is not rejected yet.
fn is_rejectable(job: &Job) -> bool {
    matches!(job.review(), Some(Review::Open | Review::Approved))
}

/// Retrying finished or cancelled jobs must be requested by their status: a filter without one takes the failed jobs.
fn names_stages(filter: &Filter) -> bool {
    filter.terms().iter().any(|term| !term.negated && matches!(term.condition, Condition::Status(_)))
}

/// Whether the filter requests failures by their code: then a retry takes moderated jobs and those that may be billed too.
fn names_errors(filter: &Filter) -> bool {
    filter.terms().iter().any(|term| !term.negated && matches!(term.condition, Condition::Error(_)))
}

impl BulkPlan {
    /// A plan for no job yet.
    pub fn new(action: BulkAction) -> Self {
        Self {
            action,
            ids: Vec::new(),
            fingerprints: Vec::new(),
            price: RetryPrice::default(),
            real: 0,
            generating: 0,
            moderated: 0,
            maybe_billed: 0,
            inapplicable: 0,
            reason: None,
            stopped_at: None,
        }
    }

    /// The jobs, each with its fingerprint when it was counted.
    pub fn items(&self) -> Vec<BulkItem> {
        self.ids.iter().cloned().zip(self.fingerprints.iter().copied()).collect()
    }

    /// Finds the jobs. Only their ids are kept.
    pub async fn make(store: &dyn Store, action: BulkAction, target: BulkTarget) -> Result<Self, StoreError> {
        let mut plan = Self::new(action.clone());
        let (mut paid, mut simulated) = (Vec::new(), RetryPrice::default());
        match target {
            BulkTarget::Jobs(ids) => {
                for id in ids {
                    match store.get(&id).await {
                        Ok(Some(job)) if plan.add(&job, true) => paid.push(job),
                        Ok(Some(_)) => {}
                        Ok(None) | Err(StoreError::Unreadable { .. }) => plan.inapplicable += 1,
                        Err(error) => return Err(error),
                    }
                }
            }
            BulkTarget::ChangedBy(id) => plan.add_changed_by(store, &id, &mut simulated).await?,
            BulkTarget::Matching(filter) => {
                let takes_all = action != BulkAction::Retry || names_errors(&filter);
                let filter = action.narrowed(filter);
                let mut query = PageQuery { filter, limit: PAGE_SIZE, ..PageQuery::default() };
                let mut partial = 0;
                loop {
                    let page = store.list(query.clone()).await?;
                    partial += usize::from(page.jobs.len() < PAGE_SIZE);
                    paid.extend(page.jobs.into_iter().filter(|job| plan.add(job, takes_all)));
                    plan.add_price(std::mem::take(&mut paid), &mut simulated).await?;
                    let Some(next) = page.next else { break };
                    if partial >= MAX_PARTIAL_PAGES {
                        plan.stopped_at = Some(next.0);
                        break;
                    }
                    query.after = Some(next);
                }
            }
        }
        plan.add_price(paid, &mut simulated).await?;
        // One sum never mixes real and simulated money.
        if plan.real == 0 {
            plan.price = simulated;
        }
        Ok(plan)
    }

    /// Prices jobs by their input images, which may be files. Clones get their fingerprints by the same sizes.
    async fn add_price(&mut self, jobs: Vec<Job>, simulated: &mut RetryPrice) -> Result<(), StoreError> {
        if jobs.is_empty() {
            return Ok(());
        }
        let (mut real, mut free, action) =
            (std::mem::take(&mut self.price), std::mem::take(simulated), self.action.clone());
        let add = move || {
            let (catalog, mut fingerprints) = (Catalog::builtin(), Vec::new());
            for job in &jobs {
                match &action {
                    BulkAction::Clone { edit, simulated } => {
                        let price = if *simulated { &mut free } else { &mut real };
                        let fingerprint = edit.clone_of(job).map_or(0, |clone| {
                            let sizes = catalog.measure_inputs(&clone.spec);
                            price.add_new_sized(&clone.spec, &sizes, catalog);
                            clone_fingerprint(&clone.spec, &sizes, catalog)
                        });
                        fingerprints.push(fingerprint);
                    }
                    BulkAction::Undo { .. } => {
                        let price = if job.simulated { &mut free } else { &mut real };
                        price.add_new(&job.spec, catalog);
                    }
                    _ if job.simulated => free.add(job, catalog),
                    _ => real.add(job, catalog),
                }
            }
            (real, free, fingerprints)
        };
        let added = tokio::task::spawn_blocking(add).await;
        let fingerprints;
        (self.price, *simulated, fingerprints) = added.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        self.fingerprints.extend(fingerprints);
        Ok(())
    }

    /// Returns whether the job is priced.
    fn add(&mut self, job: &Job, takes_all: bool) -> bool {
        if !self.action.applies_to(job) {
            self.inapplicable += 1;
        } else if let Err(why) = self.action.check_edit(job) {
            self.inapplicable += 1;
            self.reason.get_or_insert(why);
        } else if !takes_all && job.is_moderated() {
            self.moderated += 1;
        } else if !takes_all && is_submit_unknown(job) {
            self.maybe_billed += 1;
        } else {
            self.ids.push(job.id.clone());
            // The source of a clone may run, be approved or be tagged meanwhile: it is compared by the clone, which is priced below.
            if !matches!(self.action, BulkAction::Clone { .. }) {
                self.fingerprints.push(fingerprint(job));
            }
            self.generating += usize::from(job.stage_name() == StageName::Generating);
            if let BulkAction::Clone { simulated, .. } = &self.action {
                self.real += usize::from(!simulated);
            } else {
                self.real += usize::from(self.action == BulkAction::Retry && !job.simulated);
            }
            return self.action.may_pay();
        }
        false
    }

    /// The likely price of all of it, where it may cost something and that is known.
    pub fn amount(&self) -> Option<Usd> {
        (self.action.may_pay() && self.price.unpriced == 0).then_some(self.price.amount)
    }

    /// Whether it is recorded, counted down and continued by any worker, not done at once by one command.
    pub fn is_long(&self) -> bool {
        self.ids.len() >= MIN_JOBS || matches!(self.action, BulkAction::Clone { .. } | BulkAction::Undo { .. })
    }

    /// `Retry 12 jobs?`
    pub fn question(&self) -> String {
        let verb = match self.action {
            BulkAction::Retry => "Retry",
            BulkAction::Cancel => "Cancel",
            BulkAction::Approve => "Approve",
            BulkAction::Reject => "Reject",
            BulkAction::Hide => "Hide",
            BulkAction::Unhide => "Show again",
            BulkAction::Tag(_) => "Tag",
            BulkAction::Clone { .. } => "Clone",
            BulkAction::Undo { .. } => "Restore",
            BulkAction::Mark => "Mark",
        };
        format!("{verb} {}?", format::count(self.ids.len(), "job"))
    }

    /// What was left out, for the question and for the notice of the outcome.
    pub fn skipped(&self) -> Option<String> {
        let moderated = (self.moderated > 0).then(|| format::count(self.moderated, "moderated job"));
        let billed =
            (self.maybe_billed > 0).then(|| format!("{} that may be billed", format::count(self.maybe_billed, "job")));
        let skipped: Vec<String> = moderated.into_iter().chain(billed).collect();
        (!skipped.is_empty()).then(|| format!("skipped {}", skipped.join(" and ")))
    }

    /// What to know before confirming, as clauses without a full stop.
    pub fn facts(&self) -> Vec<String> {
        let mut facts = Vec::new();
        let what = match self.action {
            BulkAction::Undo { .. } => "Undoes",
            BulkAction::Tag(_) => "Tags",
            _ => "Changes",
        };
        facts.extend(self.action.detail().map(|detail| format!("{what}: {detail}")));
        match self.action {
            BulkAction::Retry | BulkAction::Clone { .. } if self.real > 0 => {
                facts.push(format!("This spends real money: {}", self.price.line()));
                facts.extend(self.price.facts());
            }
            BulkAction::Retry | BulkAction::Clone { .. } | BulkAction::Cancel if self.ids.is_empty() => {}
            BulkAction::Retry | BulkAction::Clone { .. } => {
                facts.push(format!("Simulated money: {}", self.price.line()));
            }
            BulkAction::Tag(_) => facts.push("Charges keep the tags that they were made with".to_owned()),
            BulkAction::Cancel if self.generating == 0 => {
                let (jobs, cost) = if self.ids.len() == 1 { ("it", "it costs") } else { ("them", "they cost") };
                facts.push(format!("Nothing was submitted for {jobs} yet: {cost} nothing"));
            }
            BulkAction::Cancel => {
                let are = if self.generating == 1 { "1 is" } else { &format!("{} are", self.generating) };
                facts.push(format!("{are} already generating: accepted tasks stay on the bill"));
            }
            BulkAction::Hide => facts.push("Hidden jobs are not deleted".to_owned()),
            BulkAction::Undo { .. } => {
                facts.push("Jobs that changed since stay as they are".to_owned());
                if self.price.jobs > 0 {
                    let money = if self.real > 0 { "This spends real money" } else { "Simulated money" };
                    facts.push(format!("Jobs return to the queue. {money}: {}", self.price.line()));
                }
                if self.generating > 0 {
                    let tasks = format::count(self.generating, "accepted task");
                    let are = if self.generating == 1 { "is" } else { "are" };
                    facts.push(format!("{tasks} {are} polled again, without another charge"));
                }
            }
            _ => {}
        }
        facts.extend(self.action.limit_of_undo(self.ids.len()));
        if let Some(skipped) = self.skipped() {
            let why = match (self.moderated, self.maybe_billed) {
                (_, 0) => "Moderated jobs would fail again",
                (0, _) => "submit_unknown may be billed a second time (error:submit_unknown includes it)",
                _ => "Moderated jobs would fail again, submit_unknown may be billed twice",
            };
            facts.push(format!("{why}: {skipped}"));
        }
        if let Some(reason) = &self.reason {
            facts.push(format!("{} left out: {reason}", format::count(self.inapplicable, "job")));
        }
        if let Some(at) = self.stopped_at {
            let at = at.format("%Y-%m-%d %H:%M UTC");
            facts.push(format!("Searched back to {at} to limit billed reads: older jobs are not included"));
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::jobs::{BillingStatus, Failure, FailureCode, Spec};
    use crate::store::sqlite::SqliteStore;

    fn job(number: usize, simulated: bool, code: Option<FailureCode>) -> Job {
        let at = DateTime::UNIX_EPOCH + chrono::Duration::seconds(i64::try_from(number).unwrap());
        let id = JobId::new(format!("job-{number:04}")).unwrap();
        let mut job = Job::new(id, Spec::new("flux-2-pro", format!("image {number}")), simulated, at);
        if let Some(code) = code {
            job.reject(Failure::new(code, "x", BillingStatus::Unknown, at), at).unwrap();
        }
        job
    }

    #[tokio::test]
    async fn plan_covers_the_whole_store_and_its_price() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.path().join("darkroom.db")).unwrap());
        let jobs = (0..1_300).map(|number| match number % 4 {
            0 if number % 100 == 0 => job(number, false, Some(FailureCode::SubmitUnknown)),
            0 => job(number, false, Some(FailureCode::ProviderError)),
            1 => job(number, false, Some(FailureCode::RequestModerated)),
            _ => job(number, false, None),
        });
        store.create(jobs.collect()).await.unwrap();
        let plan = async |action, text: &str| {
            let filter = Filter::parse(text, DateTime::UNIX_EPOCH).unwrap();
            BulkPlan::make(&*store, action, BulkTarget::Matching(filter)).await.unwrap()
        };
        let retry = plan(BulkAction::Retry, "").await;
        assert_eq!((retry.ids.len(), retry.real, retry.moderated, retry.inapplicable), (312, 312, 325, 0));
        assert_eq!(retry.maybe_billed, 13, "never silently");
        assert_eq!(plan(BulkAction::Retry, "error:submit_unknown").await.ids.len(), 13, "requested by name");
        let each = Catalog::builtin().estimate(&job(0, false, None).spec).amount.unwrap();
        assert_eq!(retry.price.amount, each * 312_u64);
        assert_eq!(retry.skipped().as_deref(), Some("skipped 325 moderated jobs and 13 jobs that may be billed"));
        assert_eq!(plan(BulkAction::Retry, "error:moderated").await.ids.len(), 325, "requested by name");
        assert_eq!(plan(BulkAction::Cancel, "").await.ids.len(), 650);
        assert_eq!(plan(BulkAction::Cancel, "status:failed").await.ids.len(), 0);
        let mark = plan(BulkAction::Mark, "").await;
        assert_eq!((mark.ids.len(), mark.facts()), (1_300, Vec::new()));
        let chosen = BulkTarget::Jobs(vec![JobId::new("job-0000").unwrap(), JobId::new("job-0002").unwrap()]);
        let retry = BulkPlan::make(&*store, BulkAction::Retry, chosen).await.unwrap();
        assert_eq!((retry.ids.len(), retry.inapplicable), (1, 1));
    }
}
