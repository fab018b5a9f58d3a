//! Owns the cost report: whole days from the daily sums, the ends of a span that begins or ends within a day from the entries.
//! A report over whole days reads one document for each month that has charges, and a few for the month that is booked into.

use std::collections::HashMap;

use chrono::{DateTime, Days, NaiveDate, Utc};
use firestore::gcloud_sdk::google::firestore::v1::Document;

use super::super::{CostQuery, StoreError};
use super::ledger::{self, COSTS, ChargeRow, OPEN};
use super::query::Query;
use super::rollup::{self, Sums};
use super::{FirestoreStore, JOBS, shards, value};
use crate::costs::CostTable;
use crate::time::midnight;

/// Job documents that are looked up at once for what became of their money.
const AT_ONCE: usize = 300;

impl FirestoreStore {
    pub(super) async fn cost_table(&self, query: &CostQuery) -> Result<CostTable, StoreError> {
        let (first, last) = whole_days(query.from, query.to);
        let mut sums = Sums::new();
        if first < last {
            let months = self.months(first, last, query.simulated).await?;
            sums = rollup::read(&months);
            sums.retain(|key, _| (first..last).contains(&key.day));
            for (from, to) in [(query.from, midnight(first)), (midnight(last), query.to)] {
                self.add_entries(&mut sums, from, to, query.simulated).await?;
            }
        } else {
            self.add_entries(&mut sums, query.from, query.to, query.simulated).await?;
        }
        Ok(CostTable::new((query.from, query.to), query.simulated, rollup::cost_rows(&sums)))
    }

    /// The months that touch those days.
    async fn months(&self, first: NaiveDate, last: NaiveDate, simulated: bool) -> Result<Vec<Document>, StoreError> {
        let (from, to) = (rollup::month_id(first, simulated), rollup::month_id(last - Days::new(1), simulated));
        let client = &self.shared.client;
        let months = client.query(shards::of_months(client, &from, &to)).await?;
        // An ended month that is still in parts becomes one document here, so that later readers pay one read for it.
        shards::fold(client, &self.shards, &months, Utc::now().date_naive()).await;
        Ok(months)
    }

    /// Adds the entries of less than a day: one read for each, and one for each of their jobs.
    async fn add_entries(
        &self,
        sums: &mut Sums,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        simulated: bool,
    ) -> Result<(), StoreError> {
        if from >= to {
            return Ok(());
        }
        let mut entries: Vec<(String, ChargeRow)> = Vec::new();
        for collection in [COSTS, OPEN] {
            let query = Query::of(collection).at_least("timestamp", value::time(from));
            let documents = self.shared.client.query(query.less_than("timestamp", value::time(to)).build()).await?;
            for document in &documents {
                match ledger::read_entry(document) {
                    Ok(entry) if entry.1.simulated == simulated => entries.push(entry),
                    Ok(_) => {}
                    Err(reason) => tracing::warn!("an entry of {collection} is in no sum: {reason}"),
                }
            }
        }
        for (_, row) in self.with_causes(entries).await? {
            rollup::add(sums, &row, 1);
        }
        Ok(())
    }

    /// The entries with what became of their money; `recorded` where no job knows.
    pub(super) async fn with_causes(
        &self,
        mut entries: Vec<(String, ChargeRow)>,
    ) -> Result<Vec<(String, ChargeRow)>, StoreError> {
        let causes = self.causes(&entries).await?;
        for (job, row) in &mut entries {
            if row.cause == ledger::RECORDED
                && let Some(cause) = causes.get(&(job.clone(), row.attempt))
            {
                row.cause.clone_from(cause);
            }
        }
        Ok(entries)
    }

    /// What became of the money of each attempt: only the jobs know.
    async fn causes(&self, entries: &[(String, ChargeRow)]) -> Result<HashMap<(String, u32), String>, StoreError> {
        let mut jobs: Vec<&str> =
            entries.iter().filter(|(_, row)| row.cause == ledger::RECORDED).map(|(job, _)| job.as_str()).collect();
        jobs.sort_unstable();
        jobs.dedup();
        jobs.retain(|id| crate::jobs::JobId::new(*id).is_ok());
        let mut causes = HashMap::new();
        for some in jobs.chunks(AT_ONCE) {
            let names = some.iter().map(|id| self.shared.client.name(JOBS, id)).collect();
            for document in self.shared.client.get(names).await? {
                let Some(Ok(known)) = self.read(&document).map(|reading| reading.content) else { continue };
                for attempt in &known.job.attempts {
                    let key = (known.job.id.as_str().to_owned(), attempt.number);
                    causes.insert(key, ledger::cause_of(attempt).to_owned());
                }
            }
        }
        Ok(causes)
    }
}

/// The whole UTC days within a span: the first, and the one behind the last.
fn whole_days(from: DateTime<Utc>, to: DateTime<Utc>) -> (NaiveDate, NaiveDate) {
    let first = from.date_naive();
    let first = if midnight(first) < from { first + Days::new(1) } else { first };
    (first, to.date_naive())
}
