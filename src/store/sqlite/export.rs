//! Exports the rows of the database as documents of the data contract.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::super::StoreError;
use super::super::schema::{
    Collection, CostEntry, Document, ExportPage, ExportQuery, Fields, encode_costs, encode_job, with_native,
};
use super::row::{nanoseconds, read_row, row_columns};
use crate::jobs::{Job, JobId, Stage};

/// Entries of other programs come first, then those of the jobs; the first letter of a page's mark says where it is.
const IMPORTED: char = 'i';
const OF_JOBS: char = 'j';

/// A job with its document, or why it cannot be read.
pub(super) type Stored = Result<(Job, Fields), String>;

/// The documents of a page.
pub(super) fn page(connection: &Connection, query: &ExportQuery) -> Result<ExportPage, StoreError> {
    let snapshot = connection.unchecked_transaction()?;
    match query.collection {
        Collection::Jobs => jobs(&snapshot, query),
        Collection::Costs => match query.after.as_deref().and_then(|after| after.strip_prefix(OF_JOBS)) {
            Some(after) => costs_of_jobs(&snapshot, query, after),
            None => imported_costs(&snapshot, query),
        },
    }
}

fn span(query: &ExportQuery) -> (i64, i64) {
    (query.from.map_or(i64::MIN, nanoseconds), query.to.map_or(i64::MAX, nanoseconds))
}

fn jobs(connection: &Connection, query: &ExportQuery) -> Result<ExportPage, StoreError> {
    let (from, to) = span(query);
    let sql = "SELECT id FROM jobs WHERE id > ?1 AND created_at >= ?2 AND created_at < ?3 ORDER BY id LIMIT ?4";
    let ids = ids(connection, sql, query.after.as_deref().unwrap_or_default(), (from, to), query.limit)?;
    let mut page = ExportPage { documents: Vec::new(), next: None, skipped: Vec::new() };
    for id in &ids {
        match JobId::new(id.as_str()).ok().map(|id| stored_job(connection, &id)).transpose()?.flatten() {
            Some(Ok((_, fields))) => page.documents.push(Document { id: id.clone(), fields }),
            Some(Err(reason)) => page.skipped.push((id.clone(), reason)),
            None => page.skipped.push((id.clone(), "it has no id".to_owned())),
        }
    }
    page.next = ids.into_iter().last();
    Ok(page)
}

fn imported_costs(connection: &Connection, query: &ExportQuery) -> Result<ExportPage, StoreError> {
    let (from, to) = span(query);
    let after = query.after.as_deref().and_then(|after| after.strip_prefix(IMPORTED)).unwrap_or_default();
    let mut statement = connection.prepare_cached(
        "SELECT id, document FROM imported_costs WHERE id > ?1 AND at >= ?2 AND at < ?3 ORDER BY id LIMIT ?4",
    )?;
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    let rows = statement
        .query_map(params![after, from, to, limit], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut page = ExportPage { documents: Vec::new(), next: Some(OF_JOBS.to_string()), skipped: Vec::new() };
    for row in rows {
        let (id, document) = row?;
        page.next = Some(format!("{IMPORTED}{id}"));
        match cost_in(&id, &document) {
            Ok(entry) => page.documents.push(Document { id, fields: entry.fields }),
            Err(reason) => page.skipped.push((id, reason)),
        }
    }
    Ok(page)
}

fn costs_of_jobs(connection: &Connection, query: &ExportQuery, after: &str) -> Result<ExportPage, StoreError> {
    let (from, to) = span(query);
    let sql = "SELECT DISTINCT job_id FROM charges WHERE job_id > ?1 AND at >= ?2 AND at < ?3 ORDER BY job_id LIMIT ?4";
    let ids = ids(connection, sql, after, (from, to), query.limit)?;
    let mut page = ExportPage { documents: Vec::new(), next: None, skipped: Vec::new() };
    for id in &ids {
        let Ok(id) = JobId::new(id.as_str()) else { continue };
        match stored_job(connection, &id)? {
            Some(Ok((job, _))) => {
                let inside = |at: DateTime<Utc>| (from..to).contains(&nanoseconds(at));
                let entries = encode_costs(&job).into_iter().filter(|entry| inside(entry.at));
                page.documents.extend(entries.map(|entry| Document { id: entry.id, fields: entry.fields }));
            }
            Some(Err(reason)) => page.skipped.push((id.as_str().to_owned(), reason)),
            None => {}
        }
    }
    page.next = ids.into_iter().last().map(|id| format!("{OF_JOBS}{id}"));
    Ok(page)
}

fn ids(
    connection: &Connection,
    sql: &str,
    after: &str,
    span: (i64, i64),
    limit: usize,
) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![after, span.0, span.1, limit], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The job of that id with its document, or why it cannot be read.
pub(super) fn stored_job(connection: &Connection, id: &JobId) -> Result<Option<Stored>, StoreError> {
    let sql = concat!("SELECT ", row_columns!(), " FROM jobs WHERE id = ?1");
    let row = connection.prepare_cached(sql)?.query_row([id.as_str()], |row| read_row(row, 0)).optional()?;
    let Some(row) = row else { return Ok(None) };
    let job = match row.job {
        Ok(job) => job,
        Err(reason) => return Ok(Some(Err(reason))),
    };
    let imported: Option<String> = connection
        .prepare_cached("SELECT document FROM imported_jobs WHERE id = ?1")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()?;
    let imported = imported.and_then(|text| serde_json::from_str::<Fields>(&text).ok());
    let fields = match imported {
        // Unchanged since the import: exported as imported.
        Some(fields) if job.revision == 1 => fields,
        imported => with_job_fields(&job, imported.unwrap_or_default()),
    };
    Ok(Some(Ok((job, fields))))
}

/// The job as it is now, with what else stood in the document that it came from.
fn with_job_fields(job: &Job, mut fields: Fields) -> Fields {
    let images = fields.get("generationCount").and_then(Value::as_u64).unwrap_or(0);
    if !matches!(job.stage, Stage::Failed { .. } | Stage::Cancelled) {
        fields.remove("errorMessage");
    }
    fields.extend(encode_job(job));
    let now = fields.get("generationCount").and_then(Value::as_u64).unwrap_or(0);
    fields.insert("generationCount".to_owned(), images.max(now).into());
    with_native(fields, job)
}

/// An imported entry as it stands in the database.
pub(super) fn cost_in(id: &str, document: &str) -> Result<CostEntry, String> {
    let fields = serde_json::from_str::<Fields>(document).map_err(|error| error.to_string())?;
    CostEntry::read(Some(id), fields)
}
