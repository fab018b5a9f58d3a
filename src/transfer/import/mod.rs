//! Import: the records of a file become documents of the store, in batches. The schema decides what a sound document is, the store
//! decides what is new.

mod dry_run;
mod reader;
mod summary;

use self::dry_run::DryRunTracker;
pub use self::reader::{Batch, ReadOptions, read};
pub use self::summary::{Counts, ImportSummary, JobsWithoutCosts};
use super::records::RejectedRow;
use crate::store::schema::Record;
use crate::store::{Store, StoreError};

/// An import on its way.
#[derive(Default)]
pub struct Importer {
    /// What happened so far.
    pub summary: ImportSummary,
    dry_run: Option<DryRunTracker>,
}

impl Importer {
    /// An import that writes, or one that only reports what it would do.
    pub fn new(is_dry_run: bool) -> Self {
        let mut importer = Self { dry_run: is_dry_run.then(DryRunTracker::default), ..Self::default() };
        importer.summary.dry_run = is_dry_run;
        importer
    }

    /// Imports one batch. Returns all of its rejected rows by their lines.
    pub async fn apply(&mut self, store: &dyn Store, batch: Batch) -> Result<Vec<RejectedRow>, StoreError> {
        let mut rejected = batch.rejected;
        if !batch.records.is_empty() {
            let records: Vec<Record> = batch.records.iter().map(|(_, record)| record.clone()).collect();
            let outcomes = store.import(records, self.summary.dry_run).await?;
            for ((line, record), outcome) in batch.records.iter().zip(outcomes) {
                let outcome = match &mut self.dry_run {
                    Some(tracker) => tracker.outcome(record, outcome),
                    None => outcome,
                };
                rejected.extend(self.summary.count(*line, record, outcome));
            }
        }
        rejected.sort_by_key(|row| row.line);
        for row in &rejected {
            self.summary.reject(row);
        }
        Ok(rejected)
    }
}
