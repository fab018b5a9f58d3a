//! The documents that each process reads and writes in a store that bills them: published by every worker, added up for a report.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::Ports;
use crate::costs::{PriceTable, Usd};
use crate::jobs::WorkerId;
use crate::store::{SharedRecord, Store, StoreError};
use crate::text::sanitize_line;

/// The kind of the records.
const KIND: &str = "usage";

/// When a process first publishes its usage after its start: one that ends sooner leaves no record.
const FIRST_PUBLISH_DELAY: Duration = Duration::from_mins(5);

/// Time between two records of one process: four writes an hour.
const PUBLISH_INTERVAL: Duration = Duration::from_mins(15);

/// Records that are older belong to processes that have ended.
const MAX_AGE: TimeDelta = TimeDelta::minutes(40);

/// Processes that are read at most.
const MAX_PROCESSES: usize = 100;

/// Hours of a month on the average.
const HOURS_OF_A_MONTH: u64 = 730;

/// What one process reads and writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProcessUsage {
    /// The worker.
    pub worker: String,
    /// Whether it is the process that reports.
    pub is_this_process: bool,
    /// Documents read in an hour, by the last span that was measured.
    pub reads_per_hour: u64,
    /// Documents written in an hour.
    pub writes_per_hour: u64,
    /// Documents read since its start.
    pub reads: u64,
    /// Documents written since its start.
    pub writes: u64,
    /// When it started.
    pub since: DateTime<Utc>,
    /// When that was measured.
    pub at: DateTime<Utc>,
}

/// What all processes on the store read and write.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct FleetUsage {
    /// The process that reports first, then those that published last.
    pub processes: Vec<ProcessUsage>,
    /// Documents read in an hour by all of them.
    pub reads_per_hour: u64,
    /// Documents written in an hour by all of them.
    pub writes_per_hour: u64,
    /// Dollars of an hour, at the published price and without the free quota; `None` where no price is known.
    pub usd_per_hour: Option<Usd>,
    /// Dollars of 730 such hours.
    pub usd_per_month: Option<Usd>,
}

#[derive(Serialize, Deserialize)]
struct Body {
    reads: u64,
    writes: u64,
    reads_per_hour: u64,
    writes_per_hour: u64,
    since: DateTime<Utc>,
}

/// A count of a span, as one of an hour.
fn per_hour(count: u64, span: TimeDelta) -> u64 {
    let seconds = u64::try_from(span.num_seconds()).unwrap_or(0).max(60);
    count.saturating_mul(3_600) / seconds
}

impl FleetUsage {
    /// The usage of all processes; `None` for a store that bills nothing. `own` is the process that reports and its start.
    pub async fn load(
        store: &dyn Store,
        own: Option<(&WorkerId, DateTime<Utc>)>,
        now: DateTime<Utc>,
    ) -> Result<Option<Self>, StoreError> {
        let Some(usage) = store.usage() else { return Ok(None) };
        let mut processes = Vec::new();
        if let Some((worker, since)) = own {
            processes.push(ProcessUsage {
                worker: worker.to_string(),
                is_this_process: true,
                reads_per_hour: per_hour(usage.reads, now - since),
                writes_per_hour: per_hour(usage.writes, now - since),
                reads: usage.reads,
                writes: usage.writes,
                since,
                at: now,
            });
        }
        for record in store.shared_records(KIND, MAX_PROCESSES).await? {
            let is_own = own.is_some_and(|(worker, _)| worker.as_str() == record.by);
            let Ok(body) = serde_json::from_value::<Body>(record.body) else { continue };
            if is_own || now - record.at > MAX_AGE {
                continue;
            }
            processes.push(ProcessUsage {
                worker: sanitize_line(&record.by, 120),
                is_this_process: false,
                reads_per_hour: body.reads_per_hour,
                writes_per_hour: body.writes_per_hour,
                reads: body.reads,
                writes: body.writes,
                since: body.since,
                at: record.at,
            });
        }
        Ok(Some(Self::of(processes)))
    }

    fn of(processes: Vec<ProcessUsage>) -> Self {
        let reads_per_hour = processes.iter().map(|process| process.reads_per_hour).sum();
        let writes_per_hour = processes.iter().map(|process| process.writes_per_hour).sum();
        let price = PriceTable::builtin().database();
        let usd_per_hour = price.map(|price| price.cost(reads_per_hour, writes_per_hour));
        let usd_per_month = usd_per_hour.map(|usd| usd * HOURS_OF_A_MONTH);
        Self { processes, reads_per_hour, writes_per_hour, usd_per_hour, usd_per_month }
    }
}

/// Publishes this worker's usage until `stop`. A store that bills nothing has nothing to publish.
pub(super) async fn publish(ports: Ports, worker: WorkerId, stop: CancellationToken) {
    let since = ports.clock.now();
    let Some(mut last) = ports.store.usage() else { return };
    let (mut last_at, mut place, mut delay) = (since, None, FIRST_PUBLISH_DELAY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(delay) => {}
        }
        delay = PUBLISH_INTERVAL;
        let (now, usage) = (ports.clock.now(), ports.store.usage().unwrap_or_default());
        let body = Body {
            reads: usage.reads,
            writes: usage.writes,
            reads_per_hour: per_hour(usage.reads.saturating_sub(last.reads), now - last_at),
            writes_per_hour: per_hour(usage.writes.saturating_sub(last.writes), now - last_at),
            since,
        };
        (last, last_at) = (usage, now);
        place = put(ports.store.as_ref(), &worker, body, place, now).await;
    }
}

/// The record of a process: its id and revision.
type Place = (String, u64);

/// Writes the record; returns its place, or `None` where another one must be found.
async fn put(
    store: &dyn Store,
    worker: &WorkerId,
    body: Body,
    place: Option<Place>,
    now: DateTime<Utc>,
) -> Option<Place> {
    let written = async {
        let (id, revision) = match place {
            Some(place) => place,
            None => find_place(store, worker, now).await?,
        };
        let body = serde_json::to_value(body).map_err(|error| StoreError::Unusable(error.to_string()))?;
        let record = SharedRecord::new(KIND, &id, now.trunc_subsecs(6), worker.as_str(), body);
        let revision = store.put_shared_record(SharedRecord { revision, ..record }).await?;
        Ok::<_, StoreError>((id, revision))
    };
    written.await.inspect_err(|error| tracing::debug!(%error, "usage of the store not published")).ok()
}

/// The record of this process, or that of one that has ended, so that the store never has more records than processes at one time.
async fn find_place(store: &dyn Store, worker: &WorkerId, now: DateTime<Utc>) -> Result<Place, StoreError> {
    let records = store.shared_records(KIND, MAX_PROCESSES).await?;
    let own = records.iter().find(|record| record.by == worker.as_str());
    let free = own.or_else(|| records.iter().rfind(|record| now - record.at > MAX_AGE));
    Ok(free.map_or_else(|| (worker.to_string(), 0), |record| (record.id.clone(), record.revision)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::SqliteStore;

    fn process(reads_per_hour: u64, writes_per_hour: u64) -> ProcessUsage {
        ProcessUsage {
            worker: "w".to_owned(),
            is_this_process: false,
            reads_per_hour,
            writes_per_hour,
            reads: 0,
            writes: 0,
            since: DateTime::UNIX_EPOCH,
            at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn usage_of_all_processes_has_a_price() {
        let fleet = FleetUsage::of(vec![process(60_000, 0), process(40_000, 10_000)]);
        assert_eq!((fleet.reads_per_hour, fleet.writes_per_hour), (100_000, 10_000));
        assert_eq!(fleet.usd_per_hour.unwrap().to_string(), "0.078");
        assert_eq!(fleet.usd_per_month.unwrap().to_string(), "56.94");
        assert_eq!(per_hour(10, TimeDelta::minutes(15)), 40);
        assert_eq!(per_hour(10, TimeDelta::zero()), 600, "a start is no rate");
    }

    #[tokio::test]
    async fn started_process_reuses_an_ended_ones_record() {
        let store = SqliteStore::in_memory().unwrap();
        let body = || Body { reads: 1, writes: 1, reads_per_hour: 1, writes_per_hour: 1, since: DateTime::UNIX_EPOCH };
        let at = |minutes| DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes);
        let [first, second, third] = ["w1", "w2", "w3"].map(WorkerId::new);
        let mut places = Vec::new();
        for (worker, minutes) in [(&first, 0), (&second, 10), (&first, 15), (&third, 51)] {
            places.push(put(&store, worker, body(), None, at(minutes)).await.unwrap());
        }
        assert_eq!(places, [("w1".into(), 1), ("w2".into(), 1), ("w1".into(), 2), ("w2".into(), 2)]);
        let refused = put(&store, &second, body(), Some(places[1].clone()), at(52)).await;
        assert_eq!(refused, None, "a process that was suspended finds its record taken");
        let records = store.shared_records(KIND, MAX_PROCESSES).await.unwrap();
        let workers: Vec<_> = records.iter().map(|record| record.by.as_str()).collect();
        assert_eq!(workers, ["w3", "w1"]);
    }

    #[tokio::test]
    async fn embedded_store_bills_nothing() {
        let store = SqliteStore::in_memory().unwrap();
        assert_eq!(FleetUsage::load(&store, None, DateTime::UNIX_EPOCH).await.unwrap(), None);
    }
}
