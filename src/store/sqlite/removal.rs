//! Removes jobs inside a transaction of the writer. Watches learn of it from the table of removed jobs.

use rusqlite::{Connection, params};

use super::super::schema::{RemoveOutcome, encode_costs_of_removed};
use super::super::{JobVersion, StoreError};
use super::save::Sequence;
use super::{export, ledger};

/// How long a removal can be reported, in seconds: a watch that sleeps longer shows the job until it is opened again.
const REPORTED_FOR: i64 = 7 * 86_400;

/// Removes finished jobs that are still the ones that were read. Their charges become entries without a job.
pub(super) fn remove_finished(
    connection: &Connection,
    jobs: &[JobVersion],
    sequence: &mut Sequence,
) -> Result<Vec<RemoveOutcome>, StoreError> {
    jobs.iter().map(|version| remove_one(connection, version, sequence)).collect()
}

fn remove_one(
    connection: &Connection,
    version: &JobVersion,
    sequence: &mut Sequence,
) -> Result<RemoveOutcome, StoreError> {
    let job = match export::stored_job(connection, &version.id)? {
        None => return Ok(RemoveOutcome::Missing),
        Some(Err(reason)) => return Ok(RemoveOutcome::Kept(reason)),
        Some(Ok((job, _))) => job,
    };
    if job.revision != version.revision {
        return Ok(RemoveOutcome::Kept("it was changed since it was read".to_owned()));
    }
    if let Some(obstacle) = job.retention_obstacle() {
        return Ok(RemoveOutcome::Kept(obstacle.as_str().to_owned()));
    }
    let entries = match encode_costs_of_removed(&job) {
        Ok(entries) => entries,
        Err(reason) => return Ok(RemoveOutcome::Kept(reason)),
    };
    remove_job(connection, job.id.as_str(), sequence)?;
    for entry in entries {
        ledger::insert_entry(connection, &entry)?;
    }
    Ok(RemoveOutcome::Removed)
}

/// Removes a job with its charges.
pub(super) fn remove_job(connection: &Connection, id: &str, sequence: &mut Sequence) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM charges WHERE job_id = ?1",
        "DELETE FROM imported_jobs WHERE id = ?1",
        "DELETE FROM replaced_costs WHERE job_id = ?1",
        "DELETE FROM jobs WHERE id = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([id])?;
    }
    connection
        .prepare_cached("INSERT INTO removed_jobs (seq, id, at) VALUES (?1, ?2, unixepoch())")?
        .execute(params![sequence.next(), id])?;
    // The newest one keeps the number of the newest change.
    connection
        .prepare_cached(
            "DELETE FROM removed_jobs
             WHERE at < unixepoch() - ?1 AND seq < (SELECT max(seq) FROM removed_jobs)",
        )?
        .execute([REPORTED_FOR])?;
    Ok(())
}
