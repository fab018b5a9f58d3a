//! Owns the questions of people: one job, a prefix, a page, the counts. Reads are money: a page reads what it shows, except where
//! a search, a hidden job or a finer stage than the contract's makes it read on.

use std::sync::{Mutex, PoisonError};

use futures::future::try_join_all;

use super::super::{Counts, Order, PageQuery, StoreError};
use super::document::Status;
use super::query::{NAME, Query};
use super::{FirestoreStore, JOBS, value};
use crate::jobs::{Job, JobId, StageName};

/// Documents that a search reads at once.
const PORTION: usize = 300;

impl FirestoreStore {
    pub(super) async fn get_job(&self, id: &JobId) -> Result<Option<Job>, StoreError> {
        let found = self.shared.client.get(vec![self.shared.client.name(JOBS, id.as_str())]).await?;
        let Some(reading) = found.first().and_then(|document| self.read(document)) else { return Ok(None) };
        match reading.content {
            Ok(known) => Ok(Some(known.job)),
            Err(reason) => Err(StoreError::Unreadable { id: id.clone(), reason }),
        }
    }

    pub(super) async fn find_ids(&self, prefix: &str, limit: usize) -> Result<Vec<JobId>, StoreError> {
        let mut query = Query::of(JOBS).names_only().order(NAME, false).limit(limit);
        if prefix.contains('/') || prefix.len() > 1_000 {
            return Ok(Vec::new());
        }
        if !prefix.is_empty() {
            let bound = |id: &str| value::reference(self.shared.client.name(JOBS, id));
            query = query.at_least(NAME, bound(prefix)).at_most(NAME, bound(&format!("{prefix}\u{10ffff}")));
        }
        let found = self.shared.client.query(query.build()).await?;
        let ids = found.iter().filter_map(|document| JobId::new(document.name.rsplit('/').next()?).ok());
        Ok(ids.filter(|id| id.as_str().starts_with(prefix)).collect())
    }

    pub(super) async fn page_of(&self, query: &PageQuery) -> Result<Vec<Job>, StoreError> {
        let descending = query.order == Order::NewestFirst;
        let mut question = Query::of(JOBS);
        if !query.stages.is_empty() {
            question = question.one_of("status", statuses(&query.stages).into_iter().map(value::text));
        }
        if let Some(since) = query.since {
            question = question.at_least("createdAt", value::time(since));
        }
        question = question.order("createdAt", descending).order(NAME, descending);
        let needle = query.search.as_deref().map(fold).filter(|needle| !needle.is_empty());
        let portion = if needle.is_some() { PORTION } else { query.limit.clamp(1, PORTION) };
        question = question.limit(portion);
        let mut behind = query
            .after
            .as_ref()
            .map(|(at, id)| vec![value::time(*at), value::reference(self.shared.client.name(JOBS, id.as_str()))]);
        let mut jobs = Vec::new();
        while jobs.len() < query.limit {
            let next = behind.take().map_or(question.clone(), |values| question.clone().behind(values));
            let documents = self.shared.client.query(next.build()).await?;
            let found = documents.iter().filter_map(|document| self.read(document)?.content.ok());
            jobs.extend(found.map(|known| known.job).filter(|job| wanted(job, query, needle.as_deref())));
            let Some(last) = documents.last().filter(|_| documents.len() >= portion) else { break };
            let created_at = last.fields.get("createdAt").cloned().unwrap_or_default();
            behind = Some(vec![created_at, value::reference(&last.name)]);
        }
        let key = |job: &Job| (job.created_at, job.id.clone());
        jobs.sort_by_key(key);
        if descending {
            jobs.reverse();
        }
        jobs.truncate(query.limit);
        Ok(jobs)
    }

    /// Counted by the server. While a listener is open, what is active is known, and the rest is counted again only after a job
    /// began or ended.
    pub(super) async fn count_stages(&self) -> Result<Counts, StoreError> {
        let version = self.shared.board.finished();
        let Some((version, active)) = version.zip(self.shared.board.active()) else {
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

    async fn count_at_server(&self, stages: &[StageName]) -> Result<Counts, StoreError> {
        let hidden = self.shared.client.count(hidden().build()).await?;
        let count = async |stage: StageName| -> Result<(StageName, u64), StoreError> {
            let query = question_for(stage);
            let all = self.shared.client.count(query.clone().build()).await?;
            // Mostly nothing is hidden, and then one question was enough.
            let out_of_sight = match (all, hidden) {
                (0, _) | (_, 0) => 0,
                _ => self.shared.client.count(query.equal("darkroom.hidden", value::boolean(true)).build()).await?,
            };
            Ok((stage, all.saturating_sub(out_of_sight)))
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

/// Counts of the server with the state of the board that they belong to.
pub(super) type Counted = Mutex<Option<(u64, Counts)>>;

fn hidden() -> Query {
    Query::of(JOBS).equal("darkroom.hidden", value::boolean(true))
}

/// What is counted for a stage. The contract's `processing` and `error` hold two stages each: the first of them is what is left
/// of the whole.
fn question_for(stage: StageName) -> Query {
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

fn statuses(stages: &[StageName]) -> Vec<&'static str> {
    let mut statuses: Vec<&str> = stages
        .iter()
        .map(|stage| match stage {
            StageName::Queued => Status::Pending,
            StageName::Submitting | StageName::Generating => Status::Processing,
            StageName::Done => Status::Review,
            StageName::Approved => Status::Approved,
            StageName::Failed | StageName::Cancelled => Status::Error,
        })
        .map(Status::as_str)
        .collect();
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

fn wanted(job: &Job, query: &PageQuery, needle: Option<&str>) -> bool {
    (query.hidden || !job.hidden)
        && (query.stages.is_empty() || query.stages.contains(&job.stage_name()))
        && query.since.is_none_or(|since| job.created_at >= since)
        && needle.is_none_or(|needle| {
            let fields = [job.id.as_str(), &job.spec.model, &job.spec.prompt];
            fields.into_iter().chain(job.tags.iter().map(String::as_str)).any(|field| fold(field).contains(needle))
        })
}

/// Takes letter case away, character by character, so that a part of a text is folded like the whole.
fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}
