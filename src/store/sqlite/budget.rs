//! The caps that this store keeps for all its processes, and the record of their changes.

use chrono::DateTime;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::StoreError;
use super::super::query::BudgetChange;
use super::row::nanoseconds;
use crate::costs::{BudgetRecord, BudgetSettings};

/// The caps that apply now.
pub(super) fn current(connection: &Connection) -> Result<BudgetSettings, StoreError> {
    let text: Option<String> = connection
        .prepare_cached("SELECT settings FROM budget_changes ORDER BY number DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    text.map_or_else(|| Ok(BudgetSettings::default()), |text| parse(&text))
}

/// The newest changes, newest first.
pub(super) fn history(connection: &Connection, limit: usize) -> Result<Vec<BudgetRecord>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT at, by, change, settings FROM budget_changes ORDER BY number DESC LIMIT ?1")?;
    let mut rows = statement.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(BudgetRecord {
            at: DateTime::from_timestamp_nanos(row.get(0)?),
            by: row.get(1)?,
            change: row.get(2)?,
            settings: parse(&row.get::<_, String>(3)?)?,
        });
    }
    Ok(records)
}

/// Records a change, inside the transaction that the writer opened.
pub(super) fn change(connection: &Connection, change: &BudgetChange) -> Result<(), StoreError> {
    let mut settings = current(connection)?;
    change.edit.apply(&mut settings);
    let text = serde_json::to_string(&settings).map_err(|error| StoreError::Unusable(error.to_string()))?;
    connection
        .prepare_cached("INSERT INTO budget_changes (at, by, change, settings) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![nanoseconds(change.at), change.by, change.edit.summary(), text])?;
    Ok(())
}

/// Caps that cannot be read must not count as "no cap".
fn parse(text: &str) -> Result<BudgetSettings, StoreError> {
    serde_json::from_str(text)
        .map_err(|error| StoreError::Unusable(format!("the budget in the database cannot be read: {error}")))
}
