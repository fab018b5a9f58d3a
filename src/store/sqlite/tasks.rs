//! The limits on unfinished tasks, inside the transaction that the writer opened.

use rusqlite::{Connection, params};

use super::super::{StoreError, TaskLimits};
use super::row::{Row, nanoseconds};

/// Jobs that a worker holds.
pub(super) const UNDER_WAY: &str = "SELECT count(*) FROM jobs INDEXED BY jobs_under_way
     WHERE stage IN ('submitting', 'generating') AND simulated = ?1 AND claim_until > ?2 AND id <> ?3";

const UNDER_WAY_OF_MODEL: &str = "SELECT count(*) FROM jobs INDEXED BY jobs_under_way
     WHERE stage IN ('submitting', 'generating') AND simulated = ?1 AND claim_until > ?2 AND id <> ?3
       AND json_extract(document, '$.spec.model') = ?4";

/// Whether this job's task fits beside those of the other jobs.
pub(super) fn check(connection: &Connection, limits: &TaskLimits, row: &Row) -> Result<(), StoreError> {
    let now = nanoseconds(limits.now);
    let is_full = |count: i64, limit: u32| count >= i64::from(limit);
    if let Some(limit) = limits.model {
        let values = params![row.simulated, now, row.id.as_str(), row.model];
        let count = connection.prepare_cached(UNDER_WAY_OF_MODEL)?.query_row(values, |row| row.get(0))?;
        if is_full(count, limit) {
            return Err(StoreError::TaskLimit(Some(row.model.clone())));
        }
    }
    if let Some(limit) = limits.total {
        let values = params![row.simulated, now, row.id.as_str()];
        let count = connection.prepare_cached(UNDER_WAY)?.query_row(values, |row| row.get(0))?;
        if is_full(count, limit) {
            return Err(StoreError::TaskLimit(None));
        }
    }
    Ok(())
}
