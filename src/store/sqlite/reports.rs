//! The cost reports: sums by day, and the jobs behind them.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::super::{CostJobsQuery, CostQuery, JobCost, StoreError};
use super::ledger::{amount, basis};
use super::row::{DAY, nanoseconds};
use crate::costs::{
    CAUSE_IMAGE, CAUSE_IN_PROGRESS, CostGrouping, CostRow, CostTable, NO_MODEL, NO_TAG, PriceTable, TagRow, Usd,
};

/// What was spent, added up exactly: whole days from their counts, the rest of a day from its charges.
pub(super) fn costs(connection: &Connection, query: &CostQuery) -> Result<CostTable, StoreError> {
    const DAYS: &str = "SELECT day, model, service, cause, basis, nullif(amount, ''), count FROM daily
         WHERE simulated = ?1 AND day >= ?2 AND day < ?3";
    const CHARGES: &str = "SELECT day, model, service, cause, basis, amount, count(*) FROM booked
         WHERE simulated = ?1 AND at >= ?2 AND at < ?3 GROUP BY 1, 2, 3, 4, 5, 6";
    // One snapshot for all parts, or a charge that is settled meanwhile would stand in two of them or in none.
    let snapshot = connection.unchecked_transaction()?;
    let (from, to) = (nanoseconds(query.from), nanoseconds(query.to));
    let first = whole_day(&snapshot, query.simulated, from, Edge::First)?;
    let end = whole_day(&snapshot, query.simulated, to, Edge::End)?;
    let mut rows = Vec::new();
    if first < end {
        read_rows(&snapshot, DAYS, params![query.simulated, first, end], &mut rows)?;
        for (from, to) in [(from, first.saturating_mul(DAY)), (end.saturating_mul(DAY), to)] {
            read_rows(&snapshot, CHARGES, params![query.simulated, from, to], &mut rows)?;
        }
    } else {
        read_rows(&snapshot, CHARGES, params![query.simulated, from, to], &mut rows)?;
    }
    let mut tags = Vec::new();
    if first < end {
        read_tags(&snapshot, DAILY_TAGS, params![query.simulated, first, end], &mut tags)?;
        for (from, to) in [(from, first.saturating_mul(DAY)), (end.saturating_mul(DAY), to)] {
            read_tags(&snapshot, CHARGE_TAGS, params![query.simulated, from, to], &mut tags)?;
        }
    } else {
        read_tags(&snapshot, CHARGE_TAGS, params![query.simulated, from, to], &mut tags)?;
    }
    Ok(CostTable::new((query.from, query.to), query.simulated, rows).with_tags(tags))
}

/// The empty tag stands for any.
const DAILY_TAGS: &str = "SELECT day, nullif(tag, ''), basis, nullif(amount, ''), count FROM daily_tags
     WHERE simulated = ?1 AND day >= ?2 AND day < ?3";
const CHARGE_TAGS: &str = "SELECT day, NULL, basis, amount, count(*) FROM booked_jobs
         WHERE simulated = ?1 AND at >= ?2 AND at < ?3 AND tags <> '[]' GROUP BY 1, 3, 4
     UNION ALL SELECT day, tag.value, basis, amount, count(*) FROM booked_jobs, json_each(tags) AS tag
         WHERE simulated = ?1 AND at >= ?2 AND at < ?3 AND tags <> '[]' GROUP BY 1, 2, 3, 4";

fn read_tags(
    connection: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
    tags: &mut Vec<TagRow>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        tags.push(TagRow {
            day: date(row.get(0)?),
            tag: row.get(1)?,
            basis: basis(&row.get::<_, String>(2)?)?,
            amount: row.get::<_, Option<String>>(3)?.map(|text| amount(&text)).transpose()?,
            count: u64::try_from(row.get::<_, i64>(4)?).unwrap_or(0),
        });
    }
    Ok(())
}

fn date(day: i64) -> NaiveDate {
    DateTime::from_timestamp_nanos(day.saturating_mul(DAY)).date_naive()
}

#[derive(Clone, Copy, PartialEq)]
enum Edge {
    First,
    End,
}

/// The day that can stand for `at` as the first day of a span, or as the first day behind it: its own edge, or, where charges
/// lie on the wrong side of `at` on its day, the edge that leaves the whole day out.
fn whole_day(connection: &Connection, simulated: bool, at: i64, edge: Edge) -> Result<i64, StoreError> {
    let day = at.div_euclid(DAY);
    let (begin, next) = (day.saturating_mul(DAY), (day + 1).saturating_mul(DAY));
    let outside = if edge == Edge::First { (begin, at) } else { (at, next) };
    let clean = connection
        .prepare_cached("SELECT 1 FROM booked WHERE simulated = ?1 AND at >= ?2 AND at < ?3 LIMIT 1")?
        .query_row(params![simulated, outside.0, outside.1], |_| Ok(()))
        .optional()?
        .is_none();
    // As a first day, a day with charges before `at` is left out; as the end, a day without charges behind `at` is taken in.
    Ok(match edge {
        Edge::First if clean => day,
        Edge::First => day + 1,
        Edge::End if clean => day + 1,
        Edge::End => day,
    })
}

fn read_rows(
    connection: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
    table: &mut Vec<CostRow>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        table.push(CostRow {
            day: date(row.get(0)?),
            model: row.get(1)?,
            service: row.get(2)?,
            cause: row.get(3)?,
            basis: basis(&row.get::<_, String>(4)?)?,
            amount: row.get::<_, Option<String>>(5)?.map(|text| amount(&text)).transpose()?,
            count: u64::try_from(row.get::<_, i64>(6)?).unwrap_or(0),
        });
    }
    Ok(())
}

/// Charges of a span that are added up at once. Of a longer span the most expensive jobs are found from the top.
const MAX_SCANNED: i64 = 20_000;

/// Jobs that are examined from the top until the span is added up after all.
const MAX_PROBES: usize = 20_000;

const JOBS_BY_AMOUNT: &str = "SELECT job_id, nano FROM job_costs INDEXED BY job_costs_by_amount
     WHERE simulated = ?1 ORDER BY nano DESC";
const CHARGES_OF_JOB: &str = "SELECT amount, basis, count(*) FROM booked_jobs
     WHERE job_id = ?1 AND +simulated = ?2 AND +at >= ?3 AND +at < ?4 GROUP BY 1, 2";

/// The most expensive jobs of the query.
pub(super) fn cost_jobs(connection: &Connection, query: &CostJobsQuery) -> Result<Vec<JobCost>, StoreError> {
    let snapshot = connection.unchecked_transaction()?;
    let jobs = match &query.only {
        None if is_long(&snapshot, query)? => most_expensive(&snapshot, query)?,
        _ => None,
    };
    match jobs {
        Some(jobs) => Ok(jobs),
        None => scan(&snapshot, query),
    }
}

fn is_long(connection: &Connection, query: &CostJobsQuery) -> Result<bool, StoreError> {
    let days = (nanoseconds(query.from).div_euclid(DAY), nanoseconds(query.to).div_euclid(DAY));
    let count: i64 = connection
        .prepare_cached("SELECT coalesce(sum(count), 0) FROM daily WHERE simulated = ?1 AND day >= ?2 AND day <= ?3")?
        .query_row(params![query.simulated, days.0, days.1], |row| row.get(0))?;
    Ok(count > MAX_SCANNED)
}

/// Jobs in the order of what they cost in all, until no other job can have cost more in the span, to a billionth of a dollar.
/// `None` where that takes too long.
fn most_expensive(connection: &Connection, query: &CostJobsQuery) -> Result<Option<Vec<JobCost>>, StoreError> {
    let (from, to) = (nanoseconds(query.from), nanoseconds(query.to));
    let mut best: Vec<(i64, JobCost)> = Vec::new();
    let mut statement = connection.prepare_cached(JOBS_BY_AMOUNT)?;
    let mut jobs = statement.query(params![query.simulated])?;
    let mut charges = connection.prepare_cached(CHARGES_OF_JOB)?;
    let mut probes = 0;
    while let Some(job) = jobs.next()? {
        let (job_id, most): (String, i64) = (job.get(0)?, job.get(1)?);
        if best.len() >= query.limit && best.last().is_some_and(|(least, _)| *least >= most) {
            break;
        }
        probes += 1;
        if probes > MAX_PROBES {
            return Ok(None);
        }
        let mut cost = JobCost { job_id, ..JobCost::default() };
        let mut rows = charges.query(params![cost.job_id, query.simulated, from, to])?;
        while let Some(row) = rows.next()? {
            add(&mut cost, row.get(0)?, &row.get::<_, String>(1)?, row.get(2)?)?;
        }
        if cost.usd > Usd::ZERO {
            let spent = nano(cost.usd);
            let place = best.partition_point(|(other, _)| *other >= spent);
            best.insert(place, (spent, cost));
            best.truncate(query.limit);
        }
    }
    let mut jobs: Vec<JobCost> = best.into_iter().map(|(_, cost)| cost).collect();
    JobCost::sort(&mut jobs);
    Ok(Some(jobs))
}

fn nano(amount: Usd) -> i64 {
    use rust_decimal::prelude::ToPrimitive;
    let billionths = amount.decimal().checked_mul(rust_decimal::Decimal::from(1_000_000_000));
    billionths.and_then(|billionths| billionths.floor().to_i64()).unwrap_or(i64::MAX)
}

/// Adds up every charge of the span.
fn scan(connection: &Connection, query: &CostJobsQuery) -> Result<Vec<JobCost>, StoreError> {
    let mut from = query.from;
    let mut to = query.to;
    let mut condition = "";
    let mut values = Vec::new();
    if let Some((grouping, key)) = &query.only {
        if let Some((first, next)) = grouping.span_of(key) {
            (from, to) = (from.max(first), to.min(next));
        }
        let value;
        (condition, value) = match grouping {
            CostGrouping::Model if key != NO_MODEL => condition_of(*grouping, &spellings(connection, key)?),
            _ => condition_of(*grouping, key),
        };
        values.extend(value.map(Value::Text));
    }
    let sql = format!(
        "SELECT job_id, amount, basis, count(*) FROM booked_jobs
         WHERE simulated = ?1 AND at >= ?2 AND at < ?3 {condition} GROUP BY 1, 2, 3"
    );
    let span = [Value::from(query.simulated), Value::from(nanoseconds(from)), Value::from(nanoseconds(to))];
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(span.into_iter().chain(values)))?;
    let mut jobs: HashMap<String, JobCost> = HashMap::new();
    while let Some(row) = rows.next()? {
        let job_id: String = row.get(0)?;
        let cost = jobs.entry(job_id).or_insert_with_key(|id| JobCost { job_id: id.clone(), ..JobCost::default() });
        add(cost, row.get(1)?, &row.get::<_, String>(2)?, row.get(3)?)?;
    }
    let mut jobs: Vec<JobCost> = jobs.into_values().collect();
    JobCost::sort(&mut jobs);
    jobs.truncate(query.limit);
    Ok(jobs)
}

/// How charges spell that model: a JSON list.
fn spellings(connection: &Connection, model: &str) -> Result<String, StoreError> {
    let mut statement = connection.prepare_cached("SELECT DISTINCT model FROM daily")?;
    let models = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let same = models.into_iter().filter(|spelled| PriceTable::builtin().canonical(spelled) == model);
    Ok(serde_json::Value::from(same.collect::<Vec<_>>()).to_string())
}

/// The condition of a report's line; only words of this program are in the statement's text.
fn condition_of(grouping: CostGrouping, key: &str) -> (&'static str, Option<String>) {
    let text = || Some(key.to_owned());
    match grouping {
        CostGrouping::Model if key == NO_MODEL => ("AND model = ''", None),
        // A JSON list of the spellings of one model.
        CostGrouping::Model => ("AND model IN (SELECT value FROM json_each(?4))", text()),
        CostGrouping::Service => ("AND service = ?4", text()),
        CostGrouping::Cause => ("AND cause = ?4", text()),
        CostGrouping::Status => match key {
            "done" => ("AND cause = ?4", Some(CAUSE_IMAGE.to_owned())),
            "running" => ("AND cause = ?4", Some(CAUSE_IN_PROGRESS.to_owned())),
            // What no other status has.
            "failed" => ("AND cause NOT IN (?4, 'in_progress', 'cancelled', 'recorded')", Some(CAUSE_IMAGE.to_owned())),
            _ => ("AND cause = ?4", text()),
        },
        CostGrouping::Tag if key == NO_TAG => ("AND tags = '[]'", None),
        CostGrouping::Tag => ("AND EXISTS (SELECT 1 FROM json_each(tags) AS tag WHERE tag.value = ?4)", text()),
        CostGrouping::Day | CostGrouping::Week | CostGrouping::Month => ("", None),
    }
}

fn add(cost: &mut JobCost, text: Option<String>, of_basis: &str, count: i64) -> Result<(), StoreError> {
    let count = u64::try_from(count).unwrap_or(0);
    cost.count += count;
    let Some(text) = text else { return Ok(()) };
    let usd = amount(&text)? * count;
    if basis(of_basis)?.is_counted() {
        cost.usd += usd;
    } else {
        cost.uncertain_usd += usd;
    }
    Ok(())
}
