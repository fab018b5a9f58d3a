//! The record of the account's balance: one shared record for each provider, which grows only when the balance changes.

use chrono::{DateTime, TimeDelta, Utc};

use crate::costs::{AccountCheck, BalanceHistory, BalanceReading, CostTable, Usd};
use crate::store::{CostQuery, SharedRecord, Store, StoreError};
use crate::time::day_of;

/// The kind of the records.
const BALANCE: &str = "balance";

/// Shortest time between two recorded balances: several processes watch one account.
const MIN_INTERVAL: TimeDelta = TimeDelta::seconds(50);

fn id(simulated: bool) -> &'static str {
    if simulated { "simulated" } else { "real" }
}

/// The recorded balances of the simulator's account, or of the real one.
pub(super) async fn balance_history(store: &dyn Store, simulated: bool) -> Result<BalanceHistory, StoreError> {
    Ok(read(store, simulated).await?.0)
}

/// The change of the balance against the charges of a table, without charges that are newer than the last reading: those are read here.
pub async fn check_account(store: &dyn Store, table: &CostTable) -> Result<Option<AccountCheck>, StoreError> {
    let history = balance_history(store, table.is_simulated()).await?;
    let Some((_, last)) = AccountCheck::span(&history, table.span()) else { return Ok(None) };
    let end = day_of(last).1.min(table.span().1);
    let newer = if last < end {
        Some(store.costs(CostQuery { from: last, to: end, simulated: table.is_simulated() }).await?)
    } else {
        None
    };
    Ok(AccountCheck::of(&history, table, newer.as_ref()))
}

/// Records the balance where it differs from the last one. One read and at most one write; returns the history.
pub(super) async fn record_balance(
    store: &dyn Store,
    simulated: bool,
    usd: Usd,
    now: DateTime<Utc>,
) -> Result<BalanceHistory, StoreError> {
    let (mut history, revision) = read(store, simulated).await?;
    let is_recent = history.last().is_some_and(|last| now - last.at < MIN_INTERVAL);
    if is_recent || !history.add(BalanceReading { at: now, usd }) {
        return Ok(history);
    }
    let body = serde_json::to_value(&history).map_err(|error| StoreError::Unusable(error.to_string()))?;
    let record = SharedRecord::new(BALANCE, id(simulated), now, "darkroom", body);
    match store.put_shared_record(SharedRecord { revision, ..record }).await {
        // Another process recorded a balance at the same time.
        Ok(_) | Err(StoreError::RecordConflict { .. }) => Ok(history),
        Err(error) => Err(error),
    }
}

async fn read(store: &dyn Store, simulated: bool) -> Result<(BalanceHistory, u64), StoreError> {
    let Some(record) = store.shared_record(BALANCE, id(simulated)).await? else {
        return Ok((BalanceHistory::default(), 0));
    };
    // A damaged history is evidence that is lost, not a reason to stop: it begins again.
    Ok((serde_json::from_value(record.body).unwrap_or_default(), record.revision))
}
