//! The store of a team: job documents and the cost ledger in Firestore, in the collections and fields that other programs share
//! (`document` and `ledger` say which), with everything of our own in the map `darkroom` and in collections of our own.
//!
//! - A save is one commit: the job under the precondition of its update time, its entries in `costs`, its daily sums, its cap.
//! - Reads are money. While somebody watches, a listener knows what is active, and workers' questions cost nothing; daily sums make
//!   a report one read for each month; counts are made by the server.
//! - Nothing waits for the server at the beginning: the connection is made in the background, and every question that comes before
//!   it is there, or after it is lost, is answered `Unavailable`.
//!
//! Must not know providers, buckets or engines.

mod board;
mod cap;
mod client;
mod costs;
mod counts;
mod document;
mod doubt;
mod emulator;
mod errors;
mod export;
mod health;
mod history;
mod import;
mod ledger;
mod listener;
mod options;
mod page;
mod plain;
mod query;
mod queue;
mod rebuild;
mod rollup;
mod save;
mod session;
mod shards;
mod snapshot;
mod stretch;
mod value;
mod watch;

use std::sync::{Arc, Mutex, Weak};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use firestore::gcloud_sdk::google::firestore::v1::Document;

pub use client::Usage;
pub use options::FirestoreOptions;
pub use rebuild::Difference;

use super::schema::{ExportPage, ExportQuery, ImportOutcome, Record, RollupMismatch};
use super::{ChangeStream, CostQuery, Counts, DueQuery, Page, PageQuery, Save, Store, StoreError};
use crate::costs::CostTable;
use crate::jobs::{Job, JobId};
use board::Board;
use client::Client;
use document::{Defaults, Reading};
use session::Session;
use watch::FirestoreWatch;

/// The collection that others write to.
const JOBS: &str = "jobs";

/// Documents in Firestore.
pub struct FirestoreStore {
    shared: Arc<Shared>,
    session: Mutex<Weak<Session>>,
    /// Reservations under a cap are made one after another.
    reserving: tokio::sync::Mutex<()>,
    shards: shards::Shards,
    counted: counts::Counted,
}

/// What the store and its listener have in common.
struct Shared {
    client: Arc<Client>,
    board: Board,
    defaults: Defaults,
}

impl Shared {
    /// Reads a document; whatever is read is remembered for the save that may follow.
    fn read(&self, document: &Document) -> Option<Reading> {
        document::read(document, &self.defaults)
    }
}

impl FirestoreStore {
    /// A store that begins to connect; it returns at once, whether or not a server is there. Must be called within a tokio
    /// runtime.
    pub fn connect(options: FirestoreOptions) -> Self {
        let client = Client::start(&options);
        let defaults = Defaults { model: options.default_model, simulated: options.simulated };
        Self {
            shared: Arc::new(Shared { client, board: Board::default(), defaults }),
            session: Mutex::default(),
            reserving: tokio::sync::Mutex::default(),
            shards: shards::Shards::default(),
            counted: counts::Counted::default(),
        }
    }

    /// What was read and written through this store so far.
    pub fn usage(&self) -> Usage {
        self.shared.client.usage()
    }

    fn read(&self, document: &Document) -> Option<Reading> {
        let reading = self.shared.read(document)?;
        self.shared.board.remember(&reading);
        Some(reading)
    }
}

#[async_trait]
impl Store for FirestoreStore {
    async fn create(&self, jobs: Vec<Job>) -> Result<(), StoreError> {
        self.create_jobs(jobs).await
    }

    async fn get(&self, id: &JobId) -> Result<Option<Job>, StoreError> {
        self.get_job(id).await
    }

    async fn find(&self, prefix: &str, limit: usize) -> Result<Vec<JobId>, StoreError> {
        self.find_ids(prefix, limit).await
    }

    async fn save(&self, save: Save) -> Result<u64, StoreError> {
        self.save_job(save).await
    }

    async fn due(&self, query: DueQuery) -> Result<Vec<Job>, StoreError> {
        self.due_now(&query).await
    }

    async fn next_due(&self, query: DueQuery) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.due_next(&query).await
    }

    async fn list(&self, query: PageQuery) -> Result<Page, StoreError> {
        self.look_at(&query).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.count_stages().await
    }

    async fn costs(&self, query: CostQuery) -> Result<CostTable, StoreError> {
        self.cost_table(&query).await
    }

    async fn import(&self, records: Vec<Record>, dry_run: bool) -> Result<Vec<ImportOutcome>, StoreError> {
        self.take_over(&records, dry_run).await
    }

    async fn export(&self, query: ExportQuery) -> Result<ExportPage, StoreError> {
        self.export_page(&query).await
    }

    async fn verify_rollups(&self, correct: bool) -> Result<Option<Vec<RollupMismatch>>, StoreError> {
        let differences = self.compare_sums(correct).await?;
        let told = |Difference { what, kept, counted }| RollupMismatch { what, kept, counted };
        Ok(Some(differences.into_iter().map(told).collect()))
    }

    async fn watch(&self) -> Result<Box<dyn ChangeStream>, StoreError> {
        let session = self.session();
        session.live().await?;
        let shared = Arc::clone(&self.shared);
        Ok(Box::new(FirestoreWatch { waiting: shared.board.register(), shared, _session: session }))
    }
}

#[cfg(test)]
mod tests;
