//! The port to the job documents and the cost ledger, and its adapters.
//!
//! Every save is a compare-and-set on the job's revision; a job and its charges are saved in one atomic write. Adapters must
//! not know providers, buckets or engines, and must not change a job.

mod charges;
mod errors;
#[cfg(feature = "firestore")]
pub mod firestore;
mod inspection;
mod query;
pub mod schema;
mod settings;
mod shared_record;
mod sorted;
pub mod sqlite;

use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

pub use errors::StoreError;
pub use inspection::{DefaultChoice, DefaultChoices, DocumentCount, ForeignActivity, FormerDefaults, StoreInspection};
pub use query::{
    BudgetChange, Change, CostJobsQuery, CostQuery, Counts, DATELESS, DueQuery, JobCost, JobVersion, MatchCounts, Page,
    PageCursor, PageQuery, SortOrder, StoreUsage, TaskLimits, UNDATED, UncertainCharge, cursor_text, parse_cursor,
};
pub use settings::{Ownership, StoreSettings};
pub use shared_record::SharedRecord;
pub use sorted::{SortedPage, SortedQuery};

use schema::{ExportPage, ExportQuery, ImportOutcome, Record, RollupCheck};
pub use schema::{ImportedDocument, RemoveOutcome};

use crate::costs::{Budget, BudgetRecord, CostTable};
use crate::jobs::filter::Filter;
use crate::jobs::{Job, JobId};

/// Job documents and the cost ledger.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Makes sure that this process may write, and claims a store that no other backend has used. Every write does the same.
    /// Errors: `NotOwned`.
    async fn require_ownership(&self) -> Result<(), StoreError> {
        // A store of one machine has no other backend.
        Ok(())
    }

    /// What other programs left in this store, with what requests become under the chosen defaults; `None` for a store that no other
    /// program uses. Writes nothing.
    async fn inspect(&self, _choices: &DefaultChoices) -> Result<Option<StoreInspection>, StoreError> {
        Ok(None)
    }

    /// The newest sign, of the last hour, that another backend works on a store that darkroom owns. Cheap: it may be called often.
    async fn foreign_activity(&self) -> Result<Option<ForeignActivity>, StoreError> {
        Ok(None)
    }

    /// Documents that were read and written through this store so far; `None` for a store that bills nothing.
    fn usage(&self) -> Option<StoreUsage> {
        None
    }

    /// Creates all of `jobs` or none. Durable when it returns. Errors: `AlreadyExists` names the first id that is taken.
    async fn create(&self, jobs: Vec<Job>) -> Result<(), StoreError>;

    /// The job of that id.
    async fn get(&self, id: &JobId) -> Result<Option<Job>, StoreError>;

    /// At most `limit` ids that begin with `prefix`, in order.
    async fn find(&self, prefix: &str, limit: usize) -> Result<Vec<JobId>, StoreError>;

    /// Saves the job and all its charges in one durable write, if no other process saved it since it was read; returns the new revision.
    /// Errors: `Conflict` otherwise, `BudgetExceeded` where the reservation does not fit under `save.budget`, `AttemptBooked`
    /// where the note before an order has the number of a charge that the job no longer knows of. After `Unavailable` the same
    /// save may be made again: one that was carried out is recognised.
    async fn save(&self, save: Save) -> Result<u64, StoreError>;

    /// The save that begins a submit, if the provider's account has room for one more task: check and write are one transaction, so
    /// that workers that submit in the same instant do not pass the limit together. Errors: as for `save`, and `TaskLimit`.
    async fn save_submit(&self, save: Save, limits: TaskLimits) -> Result<u64, StoreError>;

    /// What a worker could act on now.
    async fn due(&self, query: DueQuery) -> Result<Vec<Job>, StoreError>;

    /// When the next job that is not yet due will be; `None` where none waits. Claims that run out count.
    async fn next_due(&self, query: DueQuery) -> Result<Option<chrono::DateTime<chrono::Utc>>, StoreError>;

    /// Jobs for people, in an order, a page at a time, and what stands between them that cannot be read.
    async fn list(&self, query: PageQuery) -> Result<Page, StoreError>;

    /// The jobs of that page alone.
    async fn list_jobs(&self, query: PageQuery) -> Result<Vec<Job>, StoreError> {
        Ok(self.list(query).await?.jobs)
    }

    /// Jobs for people in the order of a field, a page at a time. A store that bills every document it reads sorts the newest ones only.
    async fn list_sorted(&self, query: SortedQuery) -> Result<SortedPage, StoreError> {
        sorted::scan(self, query).await
    }

    /// How many jobs there are in each stage.
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// How many jobs a filter matches, all of the store; `None` where only reading the documents could answer.
    async fn count_matching(&self, filter: &Filter) -> Result<Option<MatchCounts>, StoreError>;

    /// What was spent, for reports by any grouping.
    async fn costs(&self, query: CostQuery) -> Result<CostTable, StoreError>;

    /// The most expensive jobs of a span, or of one line of its report. A shared store reads a bounded number of entries: of a longer
    /// span its most expensive ones.
    async fn cost_jobs(&self, query: CostJobsQuery) -> Result<Vec<JobCost>, StoreError>;

    /// Charges that are unknown or unconfirmed, newest first, at most `limit`. The simulator's, or real ones.
    async fn uncertain_charges(&self, simulated: bool, limit: usize) -> Result<Vec<UncertainCharge>, StoreError>;

    /// The changes of the caps that this store keeps for all its processes, newest first: the first one holds the caps that apply.
    async fn budget_history(&self, limit: usize) -> Result<Vec<BudgetRecord>, StoreError>;

    /// Changes the caps. Every process on the store applies them from its next submit on.
    async fn change_budget(&self, change: BudgetChange) -> Result<(), StoreError>;

    /// The shared record of that name.
    async fn shared_record(&self, kind: &str, id: &str) -> Result<Option<SharedRecord>, StoreError>;

    /// Writes a shared record if its revision is still the one that was read; revision 0 creates it. Returns the new revision.
    /// Errors: `RecordConflict` otherwise. After `Unavailable` the same write may be made again.
    async fn put_shared_record(&self, record: SharedRecord) -> Result<u64, StoreError>;

    /// At most `limit` shared records of a kind, the last changed first; one that cannot be read is left out.
    async fn shared_records(&self, kind: &str, limit: usize) -> Result<Vec<SharedRecord>, StoreError>;

    /// Takes over documents of other programs and stores, all of this call in few durable writes, each entry of the books with its
    /// sums in the same one. One verdict for each, in their order; existing records are never overwritten. Taking the same over
    /// again writes nothing, so that one that was broken off is finished by doing it once more. A job that is darkroom's own brings
    /// its charges along; one of another backend does not: its entries are documents of their own. With `dry_run` nothing is
    /// written. No two records of a call may have the same collection and id.
    async fn import(&self, records: Vec<Record>, dry_run: bool) -> Result<Vec<ImportOutcome>, StoreError>;

    /// Removes imported documents whose content is still the imported one, entries with their sums and jobs with the charges that they
    /// brought along, each in one durable write. Entries that a job found when it was imported stand for their charges again. An entry
    /// whose job is stored is kept, so jobs are removed in an earlier call. One outcome for each, in their order. With `dry_run`
    /// nothing is removed.
    async fn remove_imported(
        &self,
        documents: Vec<ImportedDocument>,
        dry_run: bool,
    ) -> Result<Vec<RemoveOutcome>, StoreError>;

    /// Removes finished jobs, each with its document in one durable write, if no other process saved it since it was read. Their charges
    /// stay, with their causes, as entries without a job. A job with a claim or an uncertain charge is kept. One outcome for each, in
    /// their order. Watches report the removal.
    async fn remove_finished(&self, jobs: Vec<JobVersion>) -> Result<Vec<RemoveOutcome>, StoreError>;

    /// Documents in the contract's form, a page at a time, always in the same order.
    async fn export(&self, query: ExportQuery) -> Result<ExportPage, StoreError>;

    /// Recomputes the sums from the entries and returns the stored sums that differed, and the entries that no sum includes; with
    /// `correct` the sums are right afterwards. `None` from a store whose sums cannot differ from its entries.
    async fn verify_rollups(&self, correct: bool) -> Result<Option<RollupCheck>, StoreError>;

    /// Changes from now on, those of other processes included. At least once, coalesced, in no promised order.
    async fn watch(&self) -> Result<Box<dyn ChangeStream>, StoreError>;
}

/// A stream of changes that is pulled, so that a slow reader costs no memory.
#[async_trait]
pub trait ChangeStream: Send {
    /// Waits for at least one change; returns at most a few hundred, each job once in its newest version. Cancel-safe.
    async fn next(&mut self) -> Result<Vec<Change>, StoreError>;

    /// How long ago it was last certain that nothing is missed. A file is always certain.
    fn since_last_contact(&self) -> Duration {
        Duration::ZERO
    }
}

/// One compare-and-set write.
#[derive(Debug, Clone)]
pub struct Save {
    /// The job as it shall be, with the revision as it was read.
    pub job: Arc<Job>,
    /// Set on the save that begins a submit: the caps of this process, which can only lower those of the store. The job's
    /// reservation must fit under both, beside everything that is charged or reserved already; check and write are one
    /// transaction.
    pub budget: Option<Budget>,
}

impl Save {
    /// A save that reserves nothing.
    pub fn new(job: &Job) -> Self {
        Self { job: Arc::new(job.clone()), budget: None }
    }
}
