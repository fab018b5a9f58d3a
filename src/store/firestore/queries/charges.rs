//! Single charges behind the reports: uncertain ones, and those of the most expensive jobs. A bounded number of reads.

use std::collections::BTreeMap;

use firestore::gcloud_sdk::google::firestore::v1::Document;

use crate::costs::{Basis, CostGrouping, PriceTable};
use crate::store::charges::ChargeRow;
use crate::store::firestore::FirestoreStore;
use crate::store::firestore::connection::query::{NAME, Query};
use crate::store::firestore::documents::value;
use crate::store::firestore::ledger::entries::{COSTS, OPEN_CHARGES, parse_entry, warn_excluded};
use crate::store::{CostJobsQuery, JobCost, StoreError, UncertainCharge};

/// Entries that a report reads at most from each end: the newest of its span, and the most expensive of all.
const REPORT_ENTRIES: usize = 14;

/// Entries that one line of a report reads at most: the newest ones.
const LINE_ENTRIES: usize = 300;

impl FirestoreStore {
    /// Submits without an answer are in `darkroom_charges`, accepted ones that may not be billed in `costs`. One read for each.
    pub(crate) async fn read_uncertain(
        &self,
        simulated: bool,
        limit: usize,
    ) -> Result<Vec<UncertainCharge>, StoreError> {
        let is_simulated = value::boolean(simulated);
        let open = Query::of(OPEN_CHARGES).equal("details.simulated", is_simulated.clone());
        let mut unknown = Query::of(COSTS).equal("details.basis", value::text(Basis::Unknown.as_str()));
        if simulated {
            // Entries of other programs have no such mark: they are real.
            unknown = unknown.equal("details.simulated", is_simulated);
        }
        let mut charges = self.uncertain_of(OPEN_CHARGES, open, simulated, limit).await?;
        charges.extend(self.uncertain_of(COSTS, unknown, simulated, limit).await?);
        charges.sort_by(|left, right| right.at.cmp(&left.at).then(left.job_id.cmp(&right.job_id)));
        charges.truncate(limit);
        Ok(charges)
    }

    /// Page after page until there are enough: entries of the other kind of money, and those that cannot be read, hide no others.
    async fn uncertain_of(
        &self,
        collection: &str,
        query: Query,
        simulated: bool,
        limit: usize,
    ) -> Result<Vec<UncertainCharge>, StoreError> {
        let query = query.order(NAME, false).limit(limit);
        let (mut charges, mut page) = (Vec::new(), query.clone());
        loop {
            let documents = self.shared.client.query(page.build()).await?;
            for document in &documents {
                match parse_entry(document) {
                    Ok((job_id, row)) if row.simulated == simulated && !row.basis.is_counted() => {
                        charges.push(UncertainCharge {
                            job_id,
                            attempt: Some(row.attempt).filter(|attempt| *attempt > 0),
                            service: row.service,
                            amount: row.amount,
                            basis: row.basis,
                            model: row.model,
                            at: row.at,
                        });
                    }
                    Ok(_) => {}
                    Err(reason) => warn_excluded(collection, document, &reason),
                }
            }
            match documents.last() {
                Some(last) if documents.len() >= limit && charges.len() < limit => {
                    page = query.clone().start_after(vec![value::reference(&last.name)]);
                }
                _ => return Ok(charges),
            }
        }
    }

    /// Exact where the span has few entries. Of a longer one the most expensive entries, as far as they are in it: the server cannot
    /// order a span of time by amount without an index of its own.
    pub(crate) async fn read_cost_jobs(&self, query: &CostJobsQuery) -> Result<Vec<JobCost>, StoreError> {
        let (mut from, mut to) = (query.from, query.to);
        if let Some((first, next)) = query.only.as_ref().and_then(|(grouping, key)| grouping.span_of(key)) {
            (from, to) = (from.max(first), to.min(next));
        }
        let most = if query.only.is_some() { LINE_ENTRIES } else { REPORT_ENTRIES };
        let newest = |collection| {
            let query = Query::of(collection).at_least("timestamp", value::time(from));
            query.less_than("timestamp", value::time(to)).order("timestamp", true).limit(most).build()
        };
        let mut documents = self.shared.client.query(newest(COSTS)).await?;
        if query.only.is_none() && documents.len() == most {
            let expensive = Query::of(COSTS).order("cost_usd", true).limit(most).build();
            documents.extend(self.shared.client.query(expensive).await?);
            documents.sort_by(|left, right| left.name.cmp(&right.name));
            documents.dedup_by(|left, right| left.name == right.name);
        } else if query.only.is_some() {
            documents.extend(self.shared.client.query(newest(OPEN_CHARGES)).await?);
        }
        let mut entries: Vec<(String, ChargeRow)> = documents.iter().filter_map(entry_of).collect();
        entries.retain(|(_, row)| row.simulated == query.simulated && (from..to).contains(&row.at));
        if let Some((CostGrouping::Cause | CostGrouping::Status, _)) = query.only {
            entries = self.with_causes(entries).await?;
        }
        if let Some((grouping, key)) = &query.only {
            entries.retain(|(_, row)| is_of_line(row, *grouping, key));
        }
        let mut jobs: BTreeMap<String, JobCost> = BTreeMap::new();
        for (job_id, row) in entries {
            let cost = jobs.entry(job_id).or_insert_with_key(|id| JobCost { job_id: id.clone(), ..JobCost::default() });
            cost.count += 1;
            match row.amount {
                Some(amount) if row.basis.is_counted() => cost.usd += amount,
                Some(amount) => cost.uncertain_usd += amount,
                None => {}
            }
        }
        let mut jobs: Vec<JobCost> = jobs.into_values().collect();
        JobCost::sort(&mut jobs);
        jobs.truncate(query.limit);
        Ok(jobs)
    }
}

fn entry_of(document: &Document) -> Option<(String, ChargeRow)> {
    match parse_entry(document) {
        Ok(entry) => Some(entry),
        Err(reason) => {
            warn_excluded(COSTS, document, &reason);
            None
        }
    }
}

/// Whether the charge is in that line of a report; lines of time are spans already.
fn is_of_line(row: &ChargeRow, grouping: CostGrouping, key: &str) -> bool {
    match grouping {
        CostGrouping::Tag if key == crate::costs::NO_TAG => row.tags.is_empty(),
        CostGrouping::Tag => row.tags.iter().any(|tag| tag == key),
        CostGrouping::Model if key == crate::costs::NO_MODEL => row.model.is_empty(),
        CostGrouping::Model => PriceTable::builtin().canonical(&row.model) == key,
        CostGrouping::Service => row.service.as_str() == key,
        CostGrouping::Cause => row.cause == key,
        CostGrouping::Status => crate::costs::status_of(&row.cause) == key,
        CostGrouping::Day | CostGrouping::Week | CostGrouping::Month => true,
    }
}
