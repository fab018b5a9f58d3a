//! Owns the writes to single jobs inside a transaction that the writer opened. Must not begin or commit one.

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::mpsc::UnboundedSender;

use super::super::StoreError;
use super::super::schema::{ImportOutcome, Record};
use super::row::Row;
use super::{import, ledger};
use crate::costs::Budget;

/// One thing to be written, whole or not at all.
#[derive(Debug)]
pub(super) enum Write {
    /// All of these jobs, or none.
    Create(Vec<Row>),
    /// One compare-and-set, with the caps that its reservation must fit under.
    Save(Box<Row>, Option<Budget>),
    /// Documents of other programs; the verdicts go that way, and hold once the write is answered.
    Import(Vec<Record>, UnboundedSender<Vec<ImportOutcome>>),
}

/// The place of each change among all changes of the file, for those who watch it.
pub(super) struct Sequence {
    last: i64,
}

impl Sequence {
    /// Goes on where the file is. Only the one who holds the write lock may count.
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

impl Write {
    /// Writes it, or says why not; then the caller must roll back what it wrote so far. Returns the job's new revision.
    pub(super) fn apply(&self, connection: &Connection, sequence: &mut Sequence) -> Result<u64, StoreError> {
        match self {
            Self::Create(rows) => {
                for row in rows {
                    create(connection, row, sequence)?;
                }
                Ok(1)
            }
            Self::Save(row, budget) => {
                let revision = save(connection, row, sequence)?;
                if let Some(budget) = budget {
                    ledger::check_budget(connection, budget, row)?;
                }
                Ok(revision)
            }
            Self::Import(records, verdicts) => {
                // Whoever asked may be gone: it is written all the same.
                let _ = verdicts.send(import::take_over(connection, records, Some(sequence))?);
                Ok(1)
            }
        }
    }
}

pub(super) fn create(connection: &Connection, row: &Row, sequence: &mut Sequence) -> Result<(), StoreError> {
    let created = connection
        .prepare_cached(
            "INSERT INTO jobs (id, revision, seq, stage, simulated, hidden, created_at, not_before, claim_until,
                               claim_worker, reserved, search, document)
             VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT (id) DO NOTHING",
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
        ])?;
    if created == 0 {
        return Err(StoreError::AlreadyExists(row.id.clone()));
    }
    if row.charges.is_empty() { Ok(()) } else { ledger::book(connection, row) }
}

fn save(connection: &Connection, row: &Row, sequence: &mut Sequence) -> Result<u64, StoreError> {
    let new = row.revision.saturating_add(1);
    let saved = connection
        .prepare_cached(
            "UPDATE jobs SET revision = ?3, seq = ?4, stage = ?5, simulated = ?6, hidden = ?7, created_at = ?8,
                             not_before = ?9, claim_until = ?10, claim_worker = ?11, reserved = ?12, search = ?13,
                             document = ?14
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
        ])?;
    if saved == 0 {
        return Err(why_not_saved(connection, row)?);
    }
    ledger::book(connection, row)?;
    Ok(u64::try_from(new).unwrap_or(u64::MAX))
}

fn why_not_saved(connection: &Connection, row: &Row) -> Result<StoreError, StoreError> {
    let there = connection
        .prepare_cached("SELECT 1 FROM jobs WHERE id = ?1")?
        .query_row([row.id.as_str()], |_| Ok(()))
        .optional()?;
    Ok(if there.is_some() { StoreError::Conflict(row.id.clone()) } else { StoreError::NotFound(row.id.clone()) })
}
