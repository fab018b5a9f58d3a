//! The cost ledger's tables: charges, the check against the caps, and the uncertain charges.

use chrono::DateTime;
use rusqlite::{Connection, params};

use super::super::schema::{CostEntry, attempt_of, charge_id};
use super::super::{StoreError, UncertainCharge};
use super::budget;
use super::row::{DAY, LedgerRow, Row, nanoseconds, tags_text};
use crate::costs::{Basis, Budget, BudgetPeriod, PriceTable, Service, Usd};
use crate::jobs::{JobId, MAX_ATTEMPT_NUMBER};

/// Makes the ledger say about this job what the job says: writes what differs, and nothing where nothing does.
pub(super) fn sync_charges(connection: &Connection, row: &Row) -> Result<(), StoreError> {
    let booked = booked(connection, row)?;
    for old in booked.iter().filter(|old| !row.charges.contains(old)) {
        connection
            .prepare_cached("DELETE FROM charges WHERE job_id = ?1 AND attempt = ?2 AND service = ?3")?
            .execute(params![row.id.as_str(), old.attempt, old.service])?;
    }
    for new in row.charges.iter().filter(|new| !booked.contains(new)) {
        connection
            .prepare_cached(
                "INSERT INTO charges (job_id, attempt, service, amount, basis, model, at, day, simulated, cause,
                                      tags)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                row.id.as_str(),
                new.attempt,
                new.service,
                new.amount,
                new.basis,
                new.model,
                new.at,
                new.at.div_euclid(DAY),
                new.simulated,
                new.cause,
                new.tags
            ])?;
    }
    Ok(())
}

/// Writes an entry without a job.
pub(super) fn insert_entry(connection: &Connection, entry: &CostEntry) -> Result<(), StoreError> {
    let at = nanoseconds(entry.at);
    connection
        .prepare_cached(
            "INSERT INTO imported_costs (id, job_id, service, amount, basis, model, at, day, simulated, cause, document,
                                         tags)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            entry.id,
            entry.job_id,
            entry.service.as_str(),
            entry.amount.to_string(),
            entry.basis.as_str(),
            entry.model,
            at,
            at.div_euclid(DAY),
            entry.simulated,
            entry.cause,
            serde_json::Value::Object(entry.fields.clone()).to_string(),
            tags_text(&entry.tags),
        ])?;
    Ok(())
}

/// Removes the entries that a removed job left for these charges.
pub(super) fn remove_entries_of(connection: &Connection, row: &Row) -> Result<(), StoreError> {
    for charge in &row.charges {
        let id = entry_id(&row.id, charge.attempt, &charge.service);
        connection.prepare_cached("DELETE FROM imported_costs WHERE id = ?1")?.execute([id])?;
    }
    Ok(())
}

/// Keeps the entries that these charges replace, until the job is removed or its import is undone.
pub(super) fn keep_replaced_entries(connection: &Connection, row: &Row) -> Result<(), StoreError> {
    for charge in &row.charges {
        let id = entry_id(&row.id, charge.attempt, &charge.service);
        connection
            .prepare_cached(
                "INSERT INTO replaced_costs (id, job_id, document)
                 SELECT id, ?2, document FROM imported_costs WHERE id = ?1",
            )?
            .execute(params![id, row.id.as_str()])?;
    }
    Ok(())
}

/// The entries that an imported job replaced: id and document.
pub(super) fn replaced_entries(connection: &Connection, job: &str) -> Result<Vec<(String, String)>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id, document FROM replaced_costs WHERE job_id = ?1")?;
    let rows = statement.query_map([job], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether an imported job stands for the entry of that id.
pub(super) fn is_replaced(connection: &Connection, id: &str) -> Result<bool, StoreError> {
    Ok(connection.prepare_cached("SELECT 1 FROM replaced_costs WHERE id = ?1")?.exists([id])?)
}

fn entry_id(job: &JobId, attempt: i64, service: &str) -> Option<String> {
    let service = [Service::BflApi, Service::GoogleStorage].into_iter().find(|known| known.as_str() == service)?;
    Some(charge_id(job.as_str(), u32::try_from(attempt).ok()?, service))
}

/// Whether the submit that this save records may have its number: a job of the same id may have left entries. Errors:
/// `AttemptBooked`.
pub(super) fn check_attempt_number(connection: &Connection, row: &Row) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached("SELECT id FROM imported_costs WHERE job_id = ?1")?;
    let mut rows = statement.query([row.id.as_str()])?;
    let mut last = 0;
    while let Some(entry) = rows.next()? {
        let number = attempt_of(row.id.as_str(), &entry.get::<_, String>(0)?);
        // A higher number is not darkroom's.
        last = last.max(number.filter(|number| *number < MAX_ATTEMPT_NUMBER).unwrap_or(0));
    }
    if i64::from(last) < row.attempt {
        return Ok(());
    }
    Err(StoreError::AttemptBooked { id: row.id.clone(), free: last.saturating_add(1) })
}

fn booked(connection: &Connection, row: &Row) -> Result<Vec<LedgerRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT attempt, service, amount, basis, model, at, simulated, cause, tags FROM charges WHERE job_id = ?1",
    )?;
    let rows = statement.query_map([row.id.as_str()], |columns| {
        Ok(LedgerRow {
            attempt: columns.get(0)?,
            service: columns.get(1)?,
            amount: columns.get(2)?,
            basis: columns.get(3)?,
            model: columns.get(4)?,
            at: columns.get(5)?,
            simulated: columns.get(6)?,
            cause: columns.get(7)?,
            tags: columns.get(8)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether what this job sets aside fits under the caps of the store and of this process. Must be called inside the transaction
/// that writes the job, after the job was written, so that its own charges count as well.
pub(super) fn check_budget(connection: &Connection, process: Budget, row: &Row) -> Result<(), StoreError> {
    let settings = budget::current(connection)?;
    for period in settings.periods(process, &row.model, row.updated_at) {
        let committed = spent(connection, &period, row.simulated)? + reserved_by_others(connection, &period, row)?;
        period.check(committed, row.reserved).map_err(StoreError::BudgetExceeded)?;
    }
    Ok(())
}

/// Every charge of the period, however certain: it may be billed. A charge of unknown amount counts as the highest published
/// price. A period begins and ends at midnight.
fn spent(connection: &Connection, period: &BudgetPeriod, simulated: bool) -> Result<Usd, StoreError> {
    let days = (nanoseconds(period.from).div_euclid(DAY), nanoseconds(period.to).div_euclid(DAY));
    let counts = counts_under(period);
    let known = match &period.model {
        None => sum(
            connection,
            "SELECT amount, sum(count), '' FROM spent WHERE simulated = ?1 AND day >= ?2 AND day < ?3 GROUP BY amount",
            params![simulated, days.0, days.1],
            |_| true,
        ),
        Some(_) => sum(
            connection,
            "SELECT amount, sum(count), model FROM daily
             WHERE simulated = ?1 AND day >= ?2 AND day < ?3 AND amount <> '' GROUP BY amount, model",
            params![simulated, days.0, days.1],
            &counts,
        ),
    }?;
    let mut statement = connection.prepare_cached(
        "SELECT model, sum(count) FROM daily WHERE simulated = ?1 AND day >= ?2 AND day < ?3 AND amount = '' GROUP BY model",
    )?;
    let mut rows = statement.query(params![simulated, days.0, days.1])?;
    let mut unpriced = 0;
    while let Some(row) = rows.next()? {
        if counts(&row.get::<_, String>(0)?) {
            unpriced += row.get::<_, i64>(1)?;
        }
    }
    Ok(known + PriceTable::builtin().highest() * u64::try_from(unpriced).unwrap_or(0))
}

/// Whether charges of a model count under the cap, however the model is spelled.
fn counts_under(period: &BudgetPeriod) -> impl Fn(&str) -> bool {
    let only = period.model.as_deref();
    move |model| only.is_none_or(|only| only == PriceTable::builtin().canonical(model))
}

fn reserved_by_others(connection: &Connection, period: &BudgetPeriod, row: &Row) -> Result<Usd, StoreError> {
    sum(
        connection,
        "SELECT reserved, count(*), coalesce(json_extract(document, '$.spec.model'), '')
         FROM jobs INDEXED BY jobs_reserved
         WHERE simulated = ?1 AND reserved IS NOT NULL AND id <> ?2 GROUP BY 1, 3",
        params![row.simulated, row.id.as_str()],
        counts_under(period),
    )
}

/// The sum over rows of amount, count and model.
fn sum(
    connection: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
    counts: impl Fn(&str) -> bool,
) -> Result<Usd, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut total = Usd::ZERO;
    while let Some(row) = rows.next()? {
        if counts(&row.get::<_, String>(2)?) {
            total += amount(&row.get::<_, String>(0)?)? * u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
        }
    }
    Ok(total)
}

pub(super) fn amount(text: &str) -> Result<Usd, StoreError> {
    text.parse().map_err(|error| StoreError::Unusable(format!("the ledger of the database is damaged: {error}")))
}

/// Uncertain charges of darkroom's own jobs, and of entries that were imported.
pub(super) const UNCERTAIN: [&str; 2] = [
    "SELECT job_id, attempt, service, amount, basis, model, at FROM charges INDEXED BY charges_uncertain
     WHERE simulated = ?1 AND basis IN ('unknown', 'unconfirmed') ORDER BY at DESC LIMIT ?2",
    "SELECT job_id, NULL, service, amount, basis, model, at FROM imported_costs INDEXED BY imported_costs_uncertain
     WHERE simulated = ?1 AND basis IN ('unknown', 'unconfirmed') ORDER BY at DESC LIMIT ?2",
];

/// Charges that may or may not be billed, newest first.
pub(super) fn uncertain(
    connection: &Connection,
    simulated: bool,
    limit: usize,
) -> Result<Vec<UncertainCharge>, StoreError> {
    let snapshot = connection.unchecked_transaction()?;
    let mut charges = Vec::new();
    for sql in UNCERTAIN {
        let mut statement = snapshot.prepare_cached(sql)?;
        let mut rows = statement.query(params![simulated, i64::try_from(limit).unwrap_or(i64::MAX)])?;
        while let Some(row) = rows.next()? {
            let service: String = row.get(2)?;
            let services = [Service::BflApi, Service::GoogleStorage].into_iter();
            charges.push(UncertainCharge {
                job_id: row.get(0)?,
                attempt: row.get(1)?,
                service: services.clone().find(|known| known.as_str() == service).unwrap_or(Service::BflApi),
                amount: row.get::<_, Option<String>>(3)?.map(|text| amount(&text)).transpose()?,
                basis: basis(&row.get::<_, String>(4)?)?,
                model: row.get(5)?,
                at: DateTime::from_timestamp_nanos(row.get(6)?),
            });
        }
    }
    charges.sort_by(|left, right| right.at.cmp(&left.at).then(left.job_id.cmp(&right.job_id)));
    charges.truncate(limit);
    Ok(charges)
}

pub(super) fn basis(name: &str) -> Result<Basis, StoreError> {
    [Basis::Estimated, Basis::Quoted, Basis::Settled, Basis::Unknown, Basis::Unconfirmed]
        .into_iter()
        .find(|basis| basis.as_str() == name)
        .ok_or_else(|| StoreError::Unusable("the ledger of the database is damaged: a charge has no basis".to_owned()))
}
