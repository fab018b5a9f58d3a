//! The cost report: whole days from the daily rollups, the ends of a span that starts or ends within a day from the entries.
//! A report over whole days reads one document for each ended month that has charges, and a few for the present month; a real report
//! also has the entries of the open months counted by the server, so that the charges of other programs are in it at once.

use chrono::{DateTime, Days, NaiveDate, Utc};
use firestore::gcloud_sdk::google::firestore::v1::Document;

use crate::costs::CostTable;
use crate::store::charges::ChargeRow;
use crate::store::firestore::FirestoreStore;
use crate::store::firestore::connection::query::Query;
use crate::store::firestore::documents::value;
use crate::store::firestore::ledger::entries::{COSTS, OPEN_CHARGES, parse_entry, warn_excluded};
use crate::store::firestore::ledger::external::Purpose;
use crate::store::firestore::ledger::months::month_id;
use crate::store::firestore::ledger::rollup::{self, Sums};
use crate::store::firestore::ledger::shards;
use crate::store::{CostQuery, StoreError};
use crate::time::midnight;

impl FirestoreStore {
    pub(crate) async fn cost_table(&self, query: &CostQuery) -> Result<CostTable, StoreError> {
        let (first, last) = whole_days(query.from, query.to);
        let mut sums = Sums::new();
        if first < last {
            sums = if query.simulated {
                let mut sums = rollup::read(&self.simulated_months(first, last).await?);
                sums.retain(|key, _| (first..last).contains(&key.day));
                sums
            } else {
                self.complete_sums(first..last, Purpose::Report).await?
            };
            for (from, to) in [(query.from, midnight(first)), (midnight(last), query.to)] {
                self.add_entries(&mut sums, from, to, query.simulated).await?;
            }
        } else {
            self.add_entries(&mut sums, query.from, query.to, query.simulated).await?;
        }
        let table = CostTable::new((query.from, query.to), query.simulated, rollup::cost_rows(&sums));
        Ok(table.with_tags(rollup::tag_rows(&sums)).with_others(rollup::counts_by_others(&sums)))
    }

    /// The simulated months that touch those days: other programs record real charges only.
    async fn simulated_months(&self, first: NaiveDate, last: NaiveDate) -> Result<Vec<Document>, StoreError> {
        let (from, to) = (month_id(first, true), month_id(last - Days::new(1), true));
        let client = &self.shared.client;
        let months = client.query(shards::query_months(client, &from, &to)).await?;
        // An ended month that is still in parts becomes one document here: one read for later reports.
        shards::compact(client, &self.shards, &months, Utc::now().date_naive()).await;
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
