//! Pages in the order of a field: sorted in the index of filters, which holds all fields. Only the page's documents are read.

use chrono::{DateTime, Utc};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params_from_iter};

use super::super::sorted::{SortedPage, SortedQuery};
use super::super::{PageQuery, StoreError};
use super::filter;
use super::list::conditions_of;
use super::row::{nanoseconds, read_row, row_columns};
use crate::jobs::JobId;
use crate::jobs::filter::haystack;
use crate::jobs::sort::{HELD_RANK, LAST_TEXT, Place, STATUS_ORDER, Sort, SortKey, SortValue, stage_rank};

/// The expression that has the same value as `Sort::value`.
fn expression(sort: Sort) -> String {
    let text = |column: &str| {
        if sort.descending { column.to_owned() } else { format!("iif({column} = '', '{LAST_TEXT}', {column})") }
    };
    // The smallest integer, or the largest one: what is not known comes last.
    let missing = if sort.descending { "-9223372036854775807 - 1" } else { "9223372036854775807" };
    let number = |column: &str| format!("ifnull({column}, {missing})");
    match sort.key {
        SortKey::Age => "0".to_owned(),
        SortKey::Cost => "cost".to_owned(),
        SortKey::Attempts => "attempts".to_owned(),
        SortKey::Model => text("model"),
        SortKey::Tags => text("tags"),
        SortKey::Status => {
            let ranks = STATUS_ORDER.map(|stage| format!("WHEN '{}' THEN {}", stage.as_str(), stage_rank(stage)));
            format!("iif(held = 1, {HELD_RANK}, CASE stage {} ELSE 0 END)", ranks.join(" "))
        }
        SortKey::Size => number("pixels"),
        SortKey::Duration => number("duration"),
        SortKey::Worker => text("ifnull(claim_worker, '')"),
        SortKey::Prompt => text("prompt"),
    }
}

/// A page.
pub(super) fn list(connection: &Connection, query: &SortedQuery) -> Result<SortedPage, StoreError> {
    let (sql, values) = query_of(query);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut page = SortedPage::default();
    let (mut count, mut last) = (0, None);
    while let Some(row) = rows.next()? {
        let stored = read_row(row, 0)?;
        let id = JobId::new(stored.id);
        (count, last) =
            (count + 1, id.clone().ok().zip(value_of(row)?).map(|(id, (value, at))| Place { value, at, id }));
        match (stored.job, id) {
            // Whether a document can be read is in no column.
            (Ok(job), _) if query.filter.names_unreadable() && !query.filter.matches(&job, &haystack(&job)) => {}
            (Ok(job), _) => page.jobs.push(job),
            (Err(reason), Ok(id)) => page.unreadable.push((id, reason)),
            (Err(_), Err(_)) => {}
        }
    }
    page.next = last.filter(|_| count >= query.limit);
    Ok(page)
}

/// The columns behind those of the document: the value and the time of creation.
fn value_of(row: &rusqlite::Row<'_>) -> Result<Option<(SortValue, DateTime<Utc>)>, StoreError> {
    let value = match row.get_ref(5)? {
        ValueRef::Integer(number) => SortValue::Number(number),
        ValueRef::Text(text) => SortValue::Text(String::from_utf8_lossy(text).into()),
        _ => return Ok(None),
    };
    Ok(Some((value, DateTime::from_timestamp_nanos(row.get(6)?))))
}

/// The statement and its values: the inner select goes through the index alone, the outer one reads the documents of the page.
pub(super) fn query_of(query: &SortedQuery) -> (String, Vec<Value>) {
    let Sort { key, descending } = query.sort;
    let value = expression(query.sort);
    let direction = |descending: bool| if descending == query.backwards { "ASC" } else { "DESC" };
    let by_age = direction(key != SortKey::Age || descending);
    let direction = direction(descending);
    let whole = PageQuery { filter: query.filter.clone(), ..PageQuery::default() };
    let (mut conditions, mut values) = conditions_of(&whole);
    if let Some(after) = &query.after {
        let (place, instant) = (sql_value(&after.value), nanoseconds(after.at));
        let sign = |direction: &str| if direction == "DESC" { "<" } else { ">" };
        let (further, later) = (sign(direction), sign(by_age));
        conditions.push(format!("({value} {further} ? OR ({value} = ? AND (created_at, id) {later} (?, ?)))"));
        values.extend([place.clone(), place, Value::Integer(instant), Value::Text(after.id.as_str().to_owned())]);
    }
    values.push(Value::Integer(i64::try_from(query.limit).unwrap_or(i64::MAX)));
    let sql = format!(
        "SELECT {}, page_value, page_at
         FROM (SELECT id AS page_id, {value} AS page_value, created_at AS page_at FROM jobs INDEXED BY {} WHERE {}
               ORDER BY page_value {direction}, created_at {by_age}, id {by_age} LIMIT ?)
         CROSS JOIN jobs ON id = page_id
         ORDER BY page_value {direction}, page_at {by_age}, page_id {by_age}",
        row_columns!(),
        filter::INDEX,
        conditions.join(" AND ")
    );
    (sql, values)
}

fn sql_value(value: &SortValue) -> Value {
    match value {
        SortValue::Number(number) => Value::Integer(*number),
        SortValue::Text(text) => Value::Text(text.to_string()),
    }
}
