//! Creating and saving one job, inside the transaction that the writer opened.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::StoreError;
use super::ledger;
use super::row::Row;

/// The number of each change among all changes of the file; watchers continue from the last number they read.
pub(super) struct Sequence {
    last: i64,
}

impl Sequence {
    /// Continues after the last number in the file. The caller must hold the write lock.
    pub(super) fn of(connection: &Connection) -> Result<Self, StoreError> {
        let last =
            connection.prepare_cached("SELECT coalesce(max(seq), 0) FROM jobs")?.query_row([], |row| row.get(0))?;
        Ok(Self { last })
    }

    fn next(&mut self) -> i64 {
        self.last += 1;
        self.last
    }
}

pub(super) fn create(connection: &Connection, row: &Row, sequence: &mut Sequence) -> Result<(), StoreError> {
    let created = connection
        .prepare_cached(
            "INSERT INTO jobs (id, revision, seq, stage, simulated, hidden, created_at, not_before, claim_until,
                               claim_worker, reserved, search, document, model, tags, failure, held, attempts, cost,
                               rejected)
             VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            row.id.as_str(),
            sequence.next(),
            row.stage,
            row.simulated,
            row.hidden,
            row.created_at,
            row.not_before,
            row.claim_until,
            row.claim_worker,
            row.reserved.map(|amount| amount.to_string()),
            row.search,
            row.document,
            row.fields.model,
            row.fields.tags,
            row.fields.failure,
            row.fields.held,
            row.fields.attempts,
            row.fields.cost,
            row.fields.rejected,
        ])?;
    if created == 0 {
        return Err(StoreError::AlreadyExists(row.id.clone()));
    }
    if row.charges.is_empty() { Ok(()) } else { ledger::sync_charges(connection, row) }
}

pub(super) fn save(connection: &Connection, row: &Row, sequence: &mut Sequence) -> Result<u64, StoreError> {
    let new = row.revision.saturating_add(1);
    let saved = connection
        .prepare_cached(
            "UPDATE jobs SET revision = ?3, seq = ?4, stage = ?5, simulated = ?6, hidden = ?7, created_at = ?8,
                             not_before = ?9, claim_until = ?10, claim_worker = ?11, reserved = ?12, search = ?13,
                             document = ?14, model = ?15, tags = ?16, failure = ?17, held = ?18, attempts = ?19,
                             cost = ?20, rejected = ?21
             WHERE id = ?1 AND revision = ?2",
        )?
        .execute(params![
            row.id.as_str(),
            row.revision,
            new,
            sequence.next(),
            row.stage,
            row.simulated,
            row.hidden,
            row.created_at,
            row.not_before,
            row.claim_until,
            row.claim_worker,
            row.reserved.map(|amount| amount.to_string()),
            row.search,
            row.document,
            row.fields.model,
            row.fields.tags,
            row.fields.failure,
            row.fields.held,
            row.fields.attempts,
            row.fields.cost,
            row.fields.rejected,
        ])?;
    if saved == 0 {
        return Err(why_not_saved(connection, row)?);
    }
    ledger::sync_charges(connection, row)?;
    Ok(u64::try_from(new).unwrap_or(u64::MAX))
}

fn why_not_saved(connection: &Connection, row: &Row) -> Result<StoreError, StoreError> {
    let there = connection
        .prepare_cached("SELECT 1 FROM jobs WHERE id = ?1")?
        .query_row([row.id.as_str()], |_| Ok(()))
        .optional()?;
    Ok(if there.is_some() { StoreError::Conflict(row.id.clone()) } else { StoreError::NotFound(row.id.clone()) })
}
