//! The ledger's tables and their SQL.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::Rng;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use rust_decimal::Decimal;

use super::{BillEntry, LedgerError, Opened};
use crate::costs::Credits;
use crate::jobs::ImageFormat;
use crate::simulator::faults::FaultPlan;
use crate::simulator::images::Subject;
use crate::simulator::ticket::{REMEMBERED, Ticket};

/// Version of the form below.
const SCHEMA_VERSION: i64 = 1;

/// Tickets that are remembered at most; the bill never forgets.
pub(in crate::simulator) const MAX_REMEMBERED: usize = 20_000;

const SCHEMA: &str = "
    CREATE TABLE tickets (
        id TEXT PRIMARY KEY, model TEXT NOT NULL, prompt TEXT NOT NULL, seed INTEGER NOT NULL,
        width INTEGER NOT NULL, height INTEGER NOT NULL, format TEXT NOT NULL,
        accepted_at INTEGER NOT NULL, ready_at INTEGER NOT NULL, faults TEXT NOT NULL, cost TEXT NOT NULL
    ) STRICT;
    CREATE TABLE bill (
        ticket TEXT PRIMARY KEY, model TEXT NOT NULL, credits TEXT NOT NULL, at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE secret (value TEXT NOT NULL) STRICT;
    PRAGMA user_version = 1;
";

/// The open database. Times are microseconds since 1970, credits decimal text.
pub(super) struct Database {
    connection: Connection,
}

impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.to_string())
    }
}

impl Database {
    /// Opens or makes the file; in memory without one.
    pub fn open(file: Option<&Path>) -> Result<Self, LedgerError> {
        let mut connection = match file {
            Some(file) => Connection::open(file)?,
            None => Connection::open_in_memory()?,
        };
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let transaction = connection.transaction()?;
        match transaction.pragma_query_value(None, "user_version", |row| row.get(0))? {
            0 => transaction.execute_batch(SCHEMA)?,
            SCHEMA_VERSION => {}
            newer => return Err(LedgerError::Newer(newer)),
        }
        transaction.commit()?;
        Ok(Self { connection })
    }

    /// Opens an existing file without changing it.
    pub fn open_for_reading(file: &Path) -> Result<Self, LedgerError> {
        // Not read-only: reading a WAL that a killed process left needs its index to be rebuilt.
        let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        Ok(Self { connection })
    }

    /// What is still remembered, after old tickets were dropped.
    pub fn load(&mut self, now: DateTime<Utc>) -> Result<Opened, LedgerError> {
        let oldest = (now - REMEMBERED).timestamp_micros();
        let transaction = self.connection.transaction()?;
        transaction.execute("DELETE FROM tickets WHERE accepted_at < ?1", [oldest])?;
        let known = transaction.query_row("SELECT value FROM secret", [], |row| row.get(0)).optional()?;
        let secret = if let Some(secret) = known {
            secret
        } else {
            let secret = format!("{:032x}", rand::rng().random::<u128>());
            transaction.execute("INSERT INTO secret VALUES (?1)", [&secret])?;
            secret
        };
        transaction.commit()?;
        let mut tickets = self
            .connection
            .prepare("SELECT * FROM tickets ORDER BY rowid DESC LIMIT ?1")?
            .query_map([i64::try_from(MAX_REMEMBERED).unwrap_or(i64::MAX)], ticket)?
            .collect::<Result<Vec<_>, _>>()?;
        tickets.reverse();
        let billed = self
            .connection
            .prepare("SELECT credits, at FROM bill")?
            .query_map([], |row| Ok((decimal(row, "credits")?, time(row, "at")?)))?
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Opened { tickets, billed, secret })
    }

    /// All of them or none.
    pub fn record(&mut self, entries: &[(Arc<Ticket>, Option<DateTime<Utc>>)]) -> Result<(), LedgerError> {
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO tickets VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")?;
            let mut charge = transaction.prepare_cached("INSERT INTO bill VALUES (?1, ?2, ?3, ?4)")?;
            for (ticket, billed_at) in entries {
                let subject = &ticket.subject;
                let cost = ticket.cost.to_string();
                insert.execute(params![
                    ticket.id,
                    ticket.model,
                    &*subject.prompt,
                    subject.seed,
                    subject.width,
                    subject.height,
                    subject.format.as_str(),
                    ticket.accepted_at.timestamp_micros(),
                    ticket.ready_at.timestamp_micros(),
                    ticket.faults.to_text(),
                    cost,
                ])?;
                if let Some(at) = billed_at {
                    charge.execute(params![ticket.id, ticket.model, cost, at.timestamp_micros()])?;
                }
            }
        }
        Ok(transaction.commit()?)
    }

    /// The bill up to that time, in the order of booking.
    pub fn bill(&self, until: DateTime<Utc>) -> Result<Vec<BillEntry>, LedgerError> {
        let mut select = self.connection.prepare_cached("SELECT * FROM bill WHERE at <= ?1 ORDER BY rowid")?;
        let entries = select.query_map([until.timestamp_micros()], |row| {
            Ok(BillEntry {
                ticket: row.get("ticket")?,
                model: row.get("model")?,
                credits: Credits::new(decimal(row, "credits")?),
                at: time(row, "at")?,
            })
        })?;
        Ok(entries.collect::<Result<_, _>>()?)
    }
}

fn ticket(row: &Row<'_>) -> rusqlite::Result<Ticket> {
    let format = match row.get_ref("format")?.as_str()? {
        "png" => ImageFormat::Png,
        "webp" => ImageFormat::Webp,
        _ => ImageFormat::Jpeg,
    };
    let prompt: String = row.get("prompt")?;
    let subject = Subject {
        prompt: prompt.into(),
        seed: row.get("seed")?,
        width: row.get("width")?,
        height: row.get("height")?,
        format,
    };
    let times = (time(row, "accepted_at")?, time(row, "ready_at")?);
    let faults = FaultPlan::from_text(row.get_ref("faults")?.as_str()?);
    Ok(Ticket::new(row.get("id")?, row.get("model")?, subject, times, faults, decimal(row, "cost")?))
}

fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<DateTime<Utc>> {
    let micros: i64 = row.get(column)?;
    DateTime::from_timestamp_micros(micros).ok_or(rusqlite::Error::IntegralValueOutOfRange(0, micros))
}

fn decimal(row: &Row<'_>, column: &str) -> rusqlite::Result<Decimal> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error: rust_decimal::Error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}
