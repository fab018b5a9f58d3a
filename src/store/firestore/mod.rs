//! The store of a team: job documents and the cost ledger in Firestore, in the collections and fields that other programs share
//! (`store::schema`), with everything else in the map `darkroom` and in collections of darkroom's own.
//!
//! - A save is one commit: the job under the precondition of its update time, its entries in `costs`, its rollups, its cap.
//! - Reads cost money. While a change stream is open, a listener keeps the active jobs in a cache, and workers' queries cost nothing;
//!   daily rollups make a report one read for each month; the server counts.
//! - Start-up does not wait for the server: the connection is made in the background, and every call without a connection returns
//!   `Unavailable`.
//!
//! Rooms, each of which uses only those before it: `documents` (values, JSON, the cache; pure), `connection`, `ledger`, `listen`,
//! `queries`; `save` ties them together in one commit, and `ownership` decides whether commits may be made at all. Providers, buckets and engines are unknown here.

mod activity;
mod connection;
mod documents;
mod ledger;
mod listen;
mod ownership;
mod queries;
mod reject;
mod save;
mod shared_records;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use firestore::gcloud_sdk::google::firestore::v1::Document;

pub use connection::client::Usage;
pub use connection::options::FirestoreOptions;

use crate::costs::{BudgetRecord, CostTable};
use crate::jobs::filter::Filter;
use crate::jobs::{Job, JobId};
use crate::store::schema::{
    ExportPage, ExportQuery, ImportOutcome, ImportedDocument, Record, RemoveOutcome, RollupCheck,
};
use crate::store::{
    BudgetChange, ChangeStream, CostJobsQuery, CostQuery, Counts, DefaultChoices, DueQuery, ForeignActivity, JobCost,
    JobVersion, MatchCounts, Page, PageQuery, Save, SharedRecord, Store, StoreError, StoreInspection, StoreSettings,
    StoreUsage, TaskLimits, UncertainCharge,
};
use activity::ActivityWatch;
use connection::client::Client;
use documents::cache::DocumentCache;
use documents::{Defaults, ParsedDocument};
use ledger::shards::Shards;
use listen::stream::FirestoreStream;
use listen::supervisor::ListenerSupervisor;
use ownership::OwnershipCheck;
use queries::Counted;

/// The collection of job documents.
const JOBS: &str = "jobs";

/// Documents in Firestore.
pub struct FirestoreStore {
    shared: Arc<Shared>,
    supervisor: Mutex<Weak<ListenerSupervisor>>,
    /// Reservations are made one after another.
    reserving: tokio::sync::Mutex<()>,
    shards: Shards,
    counted: Counted,
    /// By day: when its entries agreed with the rollups, in nanoseconds of the server's time.
    compared: Mutex<HashMap<NaiveDate, u64>>,
    ownership: OwnershipCheck,
}

/// What the store and its listener share.
pub(crate) struct Shared {
    pub(crate) client: Arc<Client>,
    pub(crate) cache: DocumentCache,
    /// Replaced when the store's settings are read or changed.
    defaults: RwLock<Arc<Defaults>>,
    /// Whether the settings apply to this store.
    gated: bool,
    default_model: String,
    configured_model: Option<String>,
    activity: ActivityWatch,
}

impl Shared {
    fn read(&self, document: &Document) -> Option<ParsedDocument> {
        let parsed = documents::parse(document, &self.defaults())?;
        self.activity.note_document(&parsed);
        Some(parsed)
    }

    pub(crate) fn defaults(&self) -> Arc<Defaults> {
        Arc::clone(&self.defaults.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_defaults(&self, defaults: Defaults) {
        *self.defaults.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(defaults);
    }
}

impl FirestoreStore {
    /// A store that starts to connect; returns at once, whether or not a server is reachable. Must be called within a tokio
    /// runtime.
    pub fn connect(options: FirestoreOptions) -> Self {
        let client = Client::start(&options);
        let ownership = OwnershipCheck::new(&options);
        let FirestoreOptions { default_model, configured_model, simulated, hold_external, gated, .. } = options;
        let model = configured_model.clone().unwrap_or_else(|| default_model.clone());
        let defaults = Defaults { model, output_format: None, simulated, hold_external };
        let defaults = RwLock::new(Arc::new(defaults));
        Self {
            shared: Arc::new(Shared {
                client,
                cache: DocumentCache::default(),
                defaults,
                gated,
                default_model,
                configured_model,
                activity: ActivityWatch::default(),
            }),
            supervisor: Mutex::default(),
            reserving: tokio::sync::Mutex::default(),
            shards: Shards::default(),
            counted: Counted::default(),
            compared: Mutex::default(),
            ownership,
        }
    }

    /// Documents read and written through this store so far.
    pub fn usage(&self) -> Usage {
        self.shared.client.usage()
    }

    fn read(&self, document: &Document) -> Option<ParsedDocument> {
        let parsed = self.shared.read(document)?;
        self.shared.cache.record_read(&parsed);
        Some(parsed)
    }
}

#[async_trait]
impl Store for FirestoreStore {
    fn usage(&self) -> Option<StoreUsage> {
        let Usage { reads, writes } = self.shared.client.usage();
        Some(StoreUsage { reads, writes })
    }

    async fn require_ownership(&self) -> Result<(), StoreError> {
        self.claim_or_refuse().await
    }

    async fn inspect(&self, choices: &DefaultChoices) -> Result<Option<StoreInspection>, StoreError> {
        self.inspect_documents(choices).await.map(Some)
    }

    async fn foreign_activity(&self) -> Result<Option<ForeignActivity>, StoreError> {
        self.latest_foreign_activity().await
    }

    async fn create(&self, jobs: Vec<Job>) -> Result<(), StoreError> {
        self.claim_or_refuse().await?;
        self.create_jobs(jobs).await
    }

    async fn get(&self, id: &JobId) -> Result<Option<Job>, StoreError> {
        self.read_settings_once().await?;
        self.get_job(id).await
    }

    async fn find(&self, prefix: &str, limit: usize) -> Result<Vec<JobId>, StoreError> {
        self.find_ids(prefix, limit).await
    }

    async fn save(&self, save: Save) -> Result<u64, StoreError> {
        self.claim_or_refuse().await?;
        self.save_job(save, None).await
    }

    async fn save_submit(&self, save: Save, limits: TaskLimits) -> Result<u64, StoreError> {
        self.claim_or_refuse().await?;
        self.save_job(save, Some(limits)).await
    }

    async fn due(&self, query: DueQuery) -> Result<Vec<Job>, StoreError> {
        self.read_settings_once().await?;
        self.due_now(&query).await
    }

    async fn next_due(&self, query: DueQuery) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.read_settings_once().await?;
        self.due_next(&query).await
    }

    async fn list(&self, query: PageQuery) -> Result<Page, StoreError> {
        self.read_settings_once().await?;
        self.list_jobs(&query).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.count_stages().await
    }

    async fn count_matching(&self, filter: &Filter) -> Result<Option<MatchCounts>, StoreError> {
        self.read_settings_once().await?;
        self.count_filtered(filter).await
    }

    async fn costs(&self, query: CostQuery) -> Result<CostTable, StoreError> {
        self.read_settings_once().await?;
        self.cost_table(&query).await
    }

    async fn cost_jobs(&self, query: CostJobsQuery) -> Result<Vec<JobCost>, StoreError> {
        self.read_cost_jobs(&query).await
    }

    async fn uncertain_charges(&self, simulated: bool, limit: usize) -> Result<Vec<UncertainCharge>, StoreError> {
        self.read_uncertain(simulated, limit).await
    }

    async fn budget_history(&self, limit: usize) -> Result<Vec<BudgetRecord>, StoreError> {
        self.read_budget_history(limit).await
    }

    async fn change_budget(&self, change: BudgetChange) -> Result<(), StoreError> {
        self.claim_or_refuse().await?;
        self.write_budget_change(&change).await
    }

    async fn shared_record(&self, kind: &str, id: &str) -> Result<Option<SharedRecord>, StoreError> {
        self.read_record(kind, id).await
    }

    async fn put_shared_record(&self, record: SharedRecord) -> Result<u64, StoreError> {
        if record.kind != StoreSettings::KIND {
            self.claim_or_refuse().await?;
        }
        self.write_record(&record).await
    }

    async fn shared_records(&self, kind: &str, limit: usize) -> Result<Vec<SharedRecord>, StoreError> {
        self.newest_records(kind, limit).await
    }

    async fn import(&self, records: Vec<Record>, dry_run: bool) -> Result<Vec<ImportOutcome>, StoreError> {
        if dry_run {
            self.read_settings_once().await?;
        } else {
            self.claim_or_refuse().await?;
        }
        self.import_records(&records, dry_run).await
    }

    async fn remove_imported(
        &self,
        documents: Vec<ImportedDocument>,
        dry_run: bool,
    ) -> Result<Vec<RemoveOutcome>, StoreError> {
        self.remove_documents(&documents, dry_run).await
    }

    async fn remove_finished(&self, jobs: Vec<JobVersion>) -> Result<Vec<RemoveOutcome>, StoreError> {
        self.claim_or_refuse().await?;
        self.remove_finished_jobs(&jobs).await
    }

    async fn export(&self, query: ExportQuery) -> Result<ExportPage, StoreError> {
        self.export_page(&query).await
    }

    async fn verify_rollups(&self, correct: bool) -> Result<Option<RollupCheck>, StoreError> {
        if correct {
            self.claim_or_refuse().await?;
        }
        self.compare_rollups(correct).await.map(Some)
    }

    async fn watch(&self) -> Result<Box<dyn ChangeStream>, StoreError> {
        self.read_settings_once().await?;
        let supervisor = self.supervisor();
        supervisor.wait_until_live().await?;
        let shared = Arc::clone(&self.shared);
        Ok(Box::new(FirestoreStream { subscriber: shared.cache.subscribe(), shared, _supervisor: supervisor }))
    }
}
