//! The counts of jobs: the server counts, and only what may have changed. No document is read.

use std::sync::{Mutex, PoisonError};

use futures::future::try_join_all;

use crate::jobs::StageName;
use crate::jobs::filter::Filter;
use crate::store::firestore::connection::query::Query;
use crate::store::firestore::documents::value;
use crate::store::firestore::{FirestoreStore, JOBS};
use crate::store::schema::Status;
use crate::store::{Counts, MatchCounts, StoreError};

impl FirestoreStore {
    /// While a listener is open, active jobs are counted in the cache, and the server counts the rest again only after a job became
    /// active or inactive.
    pub(crate) async fn count_stages(&self) -> Result<Counts, StoreError> {
        let version = self.shared.cache.inactive_version();
        let Some((version, active)) = version.zip(self.shared.cache.active()) else {
            return self.count_at_server(&StageName::ALL).await;
        };
        let known = self.counted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut counts = if let Some((_, counts)) = known.filter(|(counted_at, _)| *counted_at == version) {
            counts
        } else {
            let stages: Vec<_> = StageName::ALL.into_iter().filter(|stage| !stage.is_active()).collect();
            let counts = self.count_at_server(&stages).await?;
            *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, counts.clone()));
            counts
        };
        for job in active.iter().filter(|job| !job.hidden) {
            *counts.by_stage.entry(job.stage_name()).or_default() += 1;
        }
        Ok(counts)
    }

    /// How many jobs a filter matches, where stages decide alone: all other fields would have to be read.
    pub(crate) async fn count_filtered(&self, filter: &Filter) -> Result<Option<MatchCounts>, StoreError> {
        if !filter.is_by_stage_and_time() || filter.since().is_some() || filter.before().is_some() {
            return Ok(None);
        }
        let stages = filter.stages();
        let mut by_stage = self.count_stages().await?.by_stage;
        by_stage.retain(|stage, _| stages.contains(stage));
        Ok(Some(MatchCounts { by_stage }))
    }

    async fn count_at_server(&self, stages: &[StageName]) -> Result<Counts, StoreError> {
        let hidden = self.shared.client.count(hidden().build()).await?;
        let count = async |stage: StageName| -> Result<(StageName, u64), StoreError> {
            let query = query_for(stage);
            let all = self.shared.client.count(query.clone().build()).await?;
            // Mostly nothing is hidden, and then one count is enough.
            let hidden_here = match (all, hidden) {
                (0, _) | (_, 0) => 0,
                _ => self.shared.client.count(query.equal("darkroom.hidden", value::boolean(true)).build()).await?,
            };
            Ok((stage, all.saturating_sub(hidden_here)))
        };
        let answers = try_join_all(stages.iter().map(|stage| count(*stage))).await?;
        let mut counts = Counts { by_stage: answers.into_iter().collect(), hidden };
        for (whole, part) in [(StageName::Submitting, StageName::Generating), (StageName::Failed, StageName::Cancelled)]
        {
            let part = counts.of(part);
            counts.by_stage.entry(whole).and_modify(|count| *count = count.saturating_sub(part));
        }
        counts.by_stage.retain(|_, count| *count > 0);
        Ok(counts)
    }
}

/// Counts of the server with the version of the cache that they belong to.
pub(crate) type Counted = Mutex<Option<(u64, Counts)>>;

fn hidden() -> Query {
    Query::of(JOBS).equal("darkroom.hidden", value::boolean(true))
}

/// The query that counts a stage. The statuses `processing` and `error` hold two stages each: the first of them is the whole minus
/// the second.
fn query_for(stage: StageName) -> Query {
    let of = |status: Status| Query::of(JOBS).equal("status", value::text(status.as_str()));
    let exactly = |query: Query| query.equal("darkroom.stage", value::text(stage.as_str()));
    match stage {
        StageName::Queued => of(Status::Pending),
        StageName::Submitting => of(Status::Processing),
        StageName::Generating => exactly(of(Status::Processing)),
        StageName::Done => of(Status::Review),
        StageName::Approved => of(Status::Approved),
        StageName::Failed => of(Status::Error),
        StageName::Cancelled => exactly(of(Status::Error)),
    }
}
