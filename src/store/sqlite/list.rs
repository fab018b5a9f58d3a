//! Queries for display: one job, ids by prefix, a page, the counts.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::super::{Counts, MatchCounts, Page, PageQuery, SortOrder, StoreError};
use super::filter;
use super::row::{nanoseconds, read_row, row_columns};
use crate::jobs::filter::{Filter, haystack};
use crate::jobs::{Job, JobId};
use crate::text::fold_for_search;

/// The job of that id. Errors: `Unreadable` where its document cannot be read.
pub(super) fn get(connection: &Connection, id: &JobId) -> Result<Option<Job>, StoreError> {
    let sql = concat!("SELECT ", row_columns!(), " FROM jobs WHERE id = ?1");
    let row = connection.prepare_cached(sql)?.query_row([id.as_str()], |row| read_row(row, 0)).optional()?;
    row.map(|row| row.job.map_err(|reason| StoreError::Unreadable { id: id.clone(), reason })).transpose()
}

/// Ids that begin with `prefix`, in order.
pub(super) fn find(connection: &Connection, prefix: &str, limit: usize) -> Result<Vec<JobId>, StoreError> {
    // In the order of the primary key, all that begin with the prefix stand together, and it is the first of them.
    let mut statement = connection.prepare_cached("SELECT id FROM jobs WHERE id >= ?1 ORDER BY id")?;
    let mut rows = statement.query([prefix])?;
    let mut ids = Vec::new();
    while ids.len() < limit
        && let Some(row) = rows.next()?
    {
        let id: String = row.get(0)?;
        if !id.starts_with(prefix) {
            break;
        }
        ids.extend(JobId::new(id));
    }
    Ok(ids)
}

/// A page of jobs. Unreadable documents do not count.
pub(super) fn list(connection: &Connection, query: &PageQuery) -> Result<Page, StoreError> {
    let (sql, values) = query_of(query);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut page = Page::default();
    while let Some(row) = rows.next()? {
        let stored = read_row(row, 0)?;
        match (stored.job, JobId::new(stored.id)) {
            // Whether a document can be read is in no column.
            (Ok(job), _) if query.filter.names_unreadable() && !query.filter.matches(&job, &haystack(&job)) => {}
            (Ok(job), _) => page.jobs.push(job),
            (Err(reason), Ok(id)) => page.unreadable.push((id, reason)),
            (Err(_), Err(_)) => {}
        }
        if page.jobs.len() >= query.limit {
            page.next = page.jobs.last().map(|job| (job.created_at, job.id.clone()));
            break;
        }
    }
    Ok(page)
}

/// What the rows of a page fulfil, wherever the page begins, and the values of these conditions.
pub(super) fn conditions_of(query: &PageQuery) -> (Vec<String>, Vec<Value>) {
    let mut conditions = vec!["TRUE".to_owned()];
    let mut values = Vec::new();
    let wants_hidden = query.filter.wants_hidden();
    if wants_hidden || !query.hidden {
        conditions.push(format!("hidden = {}", u8::from(wants_hidden)));
    }
    if !query.stages.is_empty() {
        let stages: Vec<&str> = query.stages.iter().map(|stage| stage.as_str()).collect();
        conditions.push(format!("stage IN ('{}')", stages.join("', '")));
    }
    if let Some(since) = query.since {
        conditions.push("created_at >= ?".to_owned());
        values.push(Value::Integer(nanoseconds(since)));
    }
    if let Some(search) = query.search.as_deref().map(fold_for_search).filter(|search| !search.is_empty()) {
        // Unlike LIKE, instr has no letters with a meaning of their own.
        conditions.push("instr(search, ?) > 0".to_owned());
        values.push(Value::Text(search));
    }
    filter::add(&query.filter, &mut conditions, &mut values);
    (conditions, values)
}

/// The statement and its values: only words of this program are in the statement's text.
pub(super) fn query_of(query: &PageQuery) -> (String, Vec<Value>) {
    let (mut conditions, mut values) = conditions_of(query);
    let (sign, direction) = match query.order {
        SortOrder::NewestFirst => ("<", "DESC"),
        SortOrder::OldestFirst => (">", "ASC"),
    };
    if let Some((created_at, id)) = &query.after {
        conditions.push(format!("(created_at, id) {sign} (?, ?)"));
        values.push(Value::Integer(nanoseconds(*created_at)));
        values.push(Value::Text(id.as_str().to_owned()));
    }
    let sql = format!(
        "SELECT {} FROM jobs INDEXED BY {} WHERE {}
         ORDER BY created_at {direction}, id {direction}",
        row_columns!(),
        filter::INDEX,
        conditions.join(" AND ")
    );
    (sql, values)
}

/// The statement that counts the jobs of a filter by stage, and its values.
pub(super) fn count_of(filter: &Filter) -> (String, Vec<Value>) {
    let mut conditions = vec![format!("hidden = {}", u8::from(filter.wants_hidden()))];
    let mut values = Vec::new();
    filter::add(filter, &mut conditions, &mut values);
    let sql = format!(
        "SELECT stage, count(*) FROM jobs INDEXED BY {} WHERE {} GROUP BY stage",
        filter::INDEX,
        conditions.join(" AND ")
    );
    (sql, values)
}

/// How many jobs the filter matches, by stage. A document is read only for words of prompts.
pub(super) fn count_matching(connection: &Connection, filter: &Filter) -> Result<MatchCounts, StoreError> {
    let (sql, values) = count_of(filter);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut counts = MatchCounts::default();
    while let Some(row) = rows.next()? {
        if let Ok(stage) = row.get::<_, String>(0)?.parse() {
            counts.by_stage.insert(stage, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0));
        }
    }
    Ok(counts)
}

pub(super) const COUNTS: &str = "SELECT hidden, stage, count(*) FROM jobs GROUP BY hidden, stage";

/// How many jobs there are in each stage, from the index alone.
pub(super) fn counts(connection: &Connection) -> Result<Counts, StoreError> {
    let mut statement = connection.prepare_cached(COUNTS)?;
    let mut rows = statement.query([])?;
    let mut counts = Counts::default();
    while let Some(row) = rows.next()? {
        let count = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
        if row.get::<_, bool>(0)? {
            counts.hidden += count;
        } else if let Ok(stage) = row.get::<_, String>(1)?.parse() {
            counts.by_stage.insert(stage, count);
        }
    }
    Ok(counts)
}
