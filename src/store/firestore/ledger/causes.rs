//! What became of the money of entries: only their jobs know.

use std::collections::HashMap;

use crate::jobs::JobId;
use crate::store::StoreError;
use crate::store::charges::{CAUSE_UNKNOWN, ChargeRow, cause_of};
use crate::store::firestore::{FirestoreStore, JOBS};

/// Job documents that are read at once.
const BATCH_SIZE: usize = 300;

impl FirestoreStore {
    /// The entries with their causes; unknown where no job has one. One read for each job of such an entry.
    pub(crate) async fn with_causes(
        &self,
        mut entries: Vec<(String, ChargeRow)>,
    ) -> Result<Vec<(String, ChargeRow)>, StoreError> {
        let causes = self.causes(&entries).await?;
        for (job, row) in &mut entries {
            if needs_cause(row)
                && let Some(cause) = causes.get(&(job.clone(), row.attempt))
            {
                row.cause.clone_from(cause);
            }
        }
        Ok(entries)
    }

    async fn causes(&self, entries: &[(String, ChargeRow)]) -> Result<HashMap<(String, u32), String>, StoreError> {
        let mut jobs: Vec<&str> =
            entries.iter().filter(|(_, row)| needs_cause(row)).map(|(job, _)| job.as_str()).collect();
        jobs.sort_unstable();
        jobs.dedup();
        jobs.retain(|id| JobId::new(*id).is_ok());
        let mut causes = HashMap::new();
        for batch in jobs.chunks(BATCH_SIZE) {
            let names = batch.iter().map(|id| self.shared.client.name(JOBS, id)).collect();
            for document in self.shared.client.get(names).await? {
                // The attempts of another program's document are not those of the entries.
                if !document.fields.contains_key("darkroom") {
                    continue;
                }
                let Some(Ok(loaded)) = self.read(&document).map(|parsed| parsed.content) else { continue };
                for attempt in &loaded.job.attempts {
                    let key = (loaded.job.id.as_str().to_owned(), attempt.number);
                    causes.insert(key, cause_of(attempt).to_owned());
                }
            }
        }
        Ok(causes)
    }
}

/// Whether the entry belongs to an attempt of darkroom and does not contain its cause.
fn needs_cause(row: &ChargeRow) -> bool {
    row.attempt > 0 && row.cause == CAUSE_UNKNOWN
}
