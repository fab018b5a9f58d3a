//! The cost ledger's tables: charges, the check against the caps, and the reports.

use chrono::DateTime;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::{CostQuery, StoreError, UncertainCharge};
use super::budget;
use super::row::{DAY, LedgerRow, Row, nanoseconds};
use crate::costs::{Basis, Budget, BudgetPeriod, CostRow, CostTable, PriceTable, Service, Usd};

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
                "INSERT INTO charges (job_id, attempt, service, amount, basis, model, at, day, simulated, cause)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
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
                new.cause
            ])?;
    }
    Ok(())
}

fn booked(connection: &Connection, row: &Row) -> Result<Vec<LedgerRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT attempt, service, amount, basis, model, at, simulated, cause FROM charges WHERE job_id = ?1",
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

fn amount(text: &str) -> Result<Usd, StoreError> {
    text.parse().map_err(|error| StoreError::Unusable(format!("the ledger of the database is damaged: {error}")))
}

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
    Ok(CostTable::new((query.from, query.to), query.simulated, rows))
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
            day: DateTime::from_timestamp_nanos(row.get::<_, i64>(0)?.saturating_mul(DAY)).date_naive(),
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

fn basis(name: &str) -> Result<Basis, StoreError> {
    [Basis::Estimated, Basis::Quoted, Basis::Settled, Basis::Unknown, Basis::Unconfirmed]
        .into_iter()
        .find(|basis| basis.as_str() == name)
        .ok_or_else(|| StoreError::Unusable("the ledger of the database is damaged: a charge has no basis".to_owned()))
}
