//! Creating and saving one job, inside the transaction that the writer opened.

use std::sync::LazyLock;

use rusqlite::{Connection, OptionalExtension, named_params};

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
        Ok(Self { last: last_number(connection)? })
    }

    pub(super) fn next(&mut self) -> i64 {
        self.last += 1;
        self.last
    }
}

/// The number of the newest change in the file.
pub(super) fn last_number(connection: &Connection) -> Result<i64, StoreError> {
    let sql = "SELECT max((SELECT coalesce(max(seq), 0) FROM jobs), (SELECT coalesce(max(seq), 0) FROM removed_jobs))";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// What a job's row has beside its id. Each column is a parameter of the same name.
const COLUMNS: [&str; 22] = [
    "revision",
    "seq",
    "stage",
    "simulated",
    "hidden",
    "created_at",
    "not_before",
    "claim_until",
    "claim_worker",
    "reserved",
    "search",
    "document",
    "model",
    "tags",
    "failure",
    "held",
    "attempts",
    "cost",
    "rejected",
    "pixels",
    "duration",
    "prompt",
];

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let (names, values) = (COLUMNS.join(", "), COLUMNS.join(", :"));
    format!("INSERT INTO jobs (id, {names}) VALUES (:id, :{values}) ON CONFLICT (id) DO NOTHING")
});

static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let values = COLUMNS.map(|name| format!("{name} = :{name}")).join(", ");
    format!("UPDATE jobs SET {values} WHERE id = :id AND revision = :revision - 1")
});

/// Writes the row with a revision; returns how many rows were written.
fn execute(
    connection: &Connection,
    statement: &str,
    row: &Row,
    revision: i64,
    sequence: &mut Sequence,
) -> Result<usize, StoreError> {
    let written = connection.prepare_cached(statement)?.execute(named_params! {
        ":id": row.id.as_str(),
        ":revision": revision,
        ":seq": sequence.next(),
        ":stage": row.stage,
        ":simulated": row.simulated,
        ":hidden": row.hidden,
        ":created_at": row.created_at,
        ":not_before": row.not_before,
        ":claim_until": row.claim_until,
        ":claim_worker": row.claim_worker,
        ":reserved": row.reserved.map(|amount| amount.to_string()),
        ":search": row.search,
        ":document": row.document,
        ":model": row.fields.model,
        ":tags": row.fields.tags,
        ":failure": row.fields.failure,
        ":held": row.fields.held,
        ":attempts": row.fields.attempts,
        ":cost": row.fields.cost,
        ":rejected": row.fields.rejected,
        ":pixels": row.fields.pixels,
        ":duration": row.fields.duration,
        ":prompt": row.fields.prompt,
    })?;
    Ok(written)
}

pub(super) fn create(connection: &Connection, row: &Row, sequence: &mut Sequence) -> Result<(), StoreError> {
    if execute(connection, &INSERT, row, 1, sequence)? == 0 {
        return Err(StoreError::AlreadyExists(row.id.clone()));
    }
    if row.charges.is_empty() {
        return Ok(());
    }
    // A job that was removed comes back: from here on its own charges count, not the entries that it left.
    ledger::remove_entries_of(connection, row)?;
    ledger::sync_charges(connection, row)
}

pub(super) fn save(connection: &Connection, row: &Row, sequence: &mut Sequence) -> Result<u64, StoreError> {
    let new = row.revision.saturating_add(1);
    if execute(connection, &UPDATE, row, new, sequence)? == 0 {
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
