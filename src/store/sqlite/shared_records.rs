//! The records that all processes of the database share.

use chrono::DateTime;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{SharedRecord, StoreError};
use super::row::nanoseconds;

const COLUMNS: &str = "kind, id, revision, at, by, body";

/// The record of that name.
pub(super) fn get(connection: &Connection, kind: &str, id: &str) -> Result<Option<SharedRecord>, StoreError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM shared_records WHERE kind = ?1 AND id = ?2"))?;
    statement.query_row([kind, id], |row| Ok(parse(row))).optional()?.transpose()
}

/// The newest of a kind that can be read, newest first.
pub(super) fn newest(connection: &Connection, kind: &str, limit: usize) -> Result<Vec<SharedRecord>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM shared_records WHERE kind = ?1 ORDER BY at DESC, id DESC LIMIT ?2"
    ))?;
    let rows = statement.query_map(params![kind, i64::try_from(limit).unwrap_or(i64::MAX)], |row| Ok(parse(row)))?;
    SharedRecord::readable(rows.map(|row| row?))
}

/// Writes the record if its revision is still the one that was read, inside the transaction that the writer opened. Returns the
/// new revision.
pub(super) fn put(connection: &Connection, record: &SharedRecord) -> Result<u64, StoreError> {
    let existing = get(connection, &record.kind, &record.id)?;
    let revision = existing.as_ref().map_or(0, |existing| existing.revision);
    if revision != record.revision {
        return match existing {
            Some(existing) if existing.is_same_change(record) => Ok(revision),
            _ => Err(StoreError::RecordConflict { kind: record.kind.clone(), id: record.id.clone() }),
        };
    }
    connection
        .prepare_cached(&format!("INSERT OR REPLACE INTO shared_records ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"))?
        .execute(params![
            record.kind,
            record.id,
            i64::try_from(revision + 1).unwrap_or(i64::MAX),
            nanoseconds(record.at),
            record.by,
            record.body.to_string()
        ])?;
    Ok(revision + 1)
}

fn parse(row: &Row<'_>) -> Result<SharedRecord, StoreError> {
    let (kind, id): (String, String) = (row.get(0)?, row.get(1)?);
    let body = serde_json::from_str(&row.get::<_, String>(5)?).map_err(|error| {
        StoreError::Unusable(format!("the record {kind}/{id} in the database cannot be read: {error}"))
    })?;
    Ok(SharedRecord {
        kind,
        id,
        revision: u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0),
        at: DateTime::from_timestamp_nanos(row.get(3)?),
        by: row.get(4)?,
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::super::database;
    use super::*;

    #[test]
    fn unreadable_record_hides_no_other_one() {
        let connection = database::in_memory().unwrap();
        let connection = connection.lock().unwrap();
        let record = |id: &str| SharedRecord::new("audit", id, DateTime::UNIX_EPOCH, "ada@studio", id.into());
        for id in ["a", "b", "c"] {
            put(&connection, &record(id)).unwrap();
        }
        connection.execute("UPDATE shared_records SET body = '{' WHERE id = 'b'", []).unwrap();
        let ids: Vec<String> = newest(&connection, "audit", 10).unwrap().into_iter().map(|record| record.id).collect();
        assert_eq!(ids, ["c", "a"]);
        assert!(matches!(get(&connection, "audit", "b"), Err(StoreError::Unusable(_))), "by its name it is an error");
    }
}
