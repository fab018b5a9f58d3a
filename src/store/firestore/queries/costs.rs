//! The cost report: whole days from the daily rollups, the ends of a span that starts or ends within a day from the entries.
//! A report over whole days reads one document for each ended month that has charges, and a few for the present month.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use firestore::gcloud_sdk::google::firestore::v1::Document;

use crate::costs::CostReport;
use crate::store::charges::ChargeRow;
use crate::store::firestore::FirestoreStore;
use crate::store::firestore::connection::query::Query;
use crate::store::firestore::documents::value;
use crate::store::firestore::ledger::entries::{COSTS, OPEN_CHARGES, parse_entry};
use crate::store::firestore::ledger::months::month_id;
use crate::store::firestore::ledger::rebuild::warn_excluded;
use crate::store::firestore::ledger::rollup::{self, Sums};
use crate::store::firestore::ledger::shards;
use crate::store::{CostQuery, StoreError};

/// The longest span that a screen queries repeatedly.
const SCREEN_DAYS: u64 = 30;

/// The ids of the first and the last month.
type Bounds = (String, String);

/// The months as they were read last, for the several reports of one screen.
#[derive(Default)]
pub(crate) struct Months {
    known: Mutex<HashMap<Bounds, (u64, Vec<Document>)>>,
}

impl FirestoreStore {
    pub(crate) async fn cost_report(&self, query: &CostQuery) -> Result<CostReport, StoreError> {
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
        let rows = rollup::report_rows(&sums, query.grouping);
        Ok(CostReport::from_rows((query.from, query.to), query.simulated, query.grouping, rows))
    }

    /// The months that touch those days. While a listener is open, they are read again only after something changed.
    async fn months(&self, first: NaiveDate, last: NaiveDate, simulated: bool) -> Result<Vec<Document>, StoreError> {
        let version = self.shared.cache.version();
        // A screen queries the day, the week and the month: one read serves all of them.
        let first = if version.is_some() { first.min(last - Days::new(SCREEN_DAYS)) } else { first };
        let bounds = (month_id(first, simulated), month_id(last - Days::new(1), simulated));
        if let Some(version) = version {
            let known = self.months.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, months)) = known.get(&bounds).filter(|(read_at, _)| *read_at == version) {
                return Ok(months.clone());
            }
        }
        let client = &self.shared.client;
        let months = client.query(shards::query_months(client, &bounds.0, &bounds.1)).await?;
        // An ended month that is still in parts becomes one read for later reports.
        shards::compact(client, &self.shards, &months, Utc::now().date_naive()).await;
        if let Some(version) = version {
            let mut known = self.months.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.retain(|_, (read_at, _)| *read_at == version);
            known.insert(bounds, (version, months.clone()));
        }
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
        for collection in [COSTS, OPEN_CHARGES] {
            let query = Query::of(collection).at_least("timestamp", value::time(from));
            let documents = self.shared.client.query(query.less_than("timestamp", value::time(to)).build()).await?;
            for document in &documents {
                match parse_entry(document) {
                    Ok(entry) if entry.1.simulated == simulated => entries.push(entry),
                    Ok(_) => {}
                    Err(reason) => warn_excluded(collection, document, &reason),
                }
            }
        }
        for (_, row) in self.with_causes(entries).await? {
            rollup::add(sums, &row, 1);
        }
        Ok(())
    }

}

/// The whole UTC days within a span: the first, and the one after the last.
fn whole_days(from: DateTime<Utc>, to: DateTime<Utc>) -> (NaiveDate, NaiveDate) {
    let first = from.date_naive();
    let first = if midnight(first) < from { first + Days::new(1) } else { first };
    (first, to.date_naive())
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}
