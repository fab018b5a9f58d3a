//! The scheduler's queries: what is due, and when the next job will be.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use super::super::{DueQuery, StoreError};
use super::row::{nanoseconds, read_row, row_columns};
use crate::jobs::{Job, WorkerId};

/// Submitting or generating, and unclaimed: without a claim, with one that has run out, or with one of a worker that is gone.
pub(super) const UNDER_WAY: &str = concat!(
    "SELECT ",
    row_columns!(),
    " FROM jobs INDEXED BY jobs_under_way
     WHERE stage IN ('submitting', 'generating') AND simulated = ?1 AND (not_before IS NULL OR not_before <= ?2)
       AND (claim_until IS NULL OR claim_until <= ?2 OR claim_worker IN (SELECT value FROM json_each(?3)))
     ORDER BY created_at, id"
);

pub(super) const QUEUED: &str = concat!(
    "SELECT ",
    row_columns!(),
    " FROM jobs INDEXED BY jobs_queued
     WHERE stage = 'queued' AND simulated = ?1 AND (not_before IS NULL OR not_before <= ?2)
     ORDER BY created_at, id"
);

/// Of each job that is under way the instant from which it is due, where that lies ahead.
pub(super) const NEXT_UNDER_WAY: &str = "SELECT min(free) FROM (
     SELECT max(coalesce(not_before, ?2),
                CASE WHEN claim_until IS NULL OR claim_worker IN (SELECT value FROM json_each(?3)) THEN ?2
                     ELSE claim_until END) AS free
     FROM jobs INDEXED BY jobs_under_way WHERE stage IN ('submitting', 'generating') AND simulated = ?1)
     WHERE free > ?2";

pub(super) const NEXT_QUEUED: &str = "SELECT min(not_before) FROM jobs INDEXED BY jobs_queued
     WHERE stage = 'queued' AND simulated = ?1 AND not_before > ?2";

/// What a worker could act on now. Unreadable documents are skipped and do not count.
pub(super) fn due(connection: &Connection, query: &DueQuery) -> Result<Vec<Job>, StoreError> {
    // One snapshot for both questions: no job stands in both answers.
    let snapshot = connection.unchecked_transaction()?;
    let (now, gone) = (nanoseconds(query.now), names(&query.dead_workers));
    let mut jobs = Vec::new();
    collect(&snapshot, UNDER_WAY, params![query.simulated, now, gone], query.limit, &mut jobs)?;
    if query.queued {
        collect(&snapshot, QUEUED, params![query.simulated, now], query.limit, &mut jobs)?;
    }
    Ok(jobs)
}

/// When `due` would next grow by itself.
pub(super) fn next_due(connection: &Connection, query: &DueQuery) -> Result<Option<DateTime<Utc>>, StoreError> {
    let snapshot = connection.unchecked_transaction()?;
    let (now, gone) = (nanoseconds(query.now), names(&query.dead_workers));
    let instant = |sql: &str, values: &[&dyn rusqlite::ToSql]| -> Result<Option<i64>, StoreError> {
        Ok(snapshot.prepare_cached(sql)?.query_row(values, |row| row.get(0))?)
    };
    let under_way = instant(NEXT_UNDER_WAY, params![query.simulated, now, gone])?;
    let queued = if query.queued { instant(NEXT_QUEUED, params![query.simulated, now])? } else { None };
    Ok(under_way.into_iter().chain(queued).min().map(DateTime::from_timestamp_nanos))
}

fn collect(
    connection: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
    limit: usize,
    jobs: &mut Vec<Job>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    while jobs.len() < limit
        && let Some(row) = rows.next()?
    {
        jobs.extend(read_row(row, 0)?.job.ok());
    }
    Ok(())
}

/// The workers as a JSON list, which `json_each` turns into rows.
fn names(workers: &[WorkerId]) -> String {
    serde_json::Value::from(workers.iter().map(WorkerId::as_str).collect::<Vec<_>>()).to_string()
}
