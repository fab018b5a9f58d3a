//! Owns the questions of people: one job, a prefix, a page. Reads are money: a page reads what it shows, except where a search, a
//! hidden job, a finer stage than the contract's or documents that cannot be read make it read on, and then only so far.

use firestore::gcloud_sdk::google::firestore::v1::Document;

use super::super::{Page, PageQuery, SortOrder, StoreError};
use super::document::Status;
use super::query::{NAME, Query};
use super::stretch::{self, Position};
use super::{FirestoreStore, JOBS, value};
use crate::jobs::{Job, JobId, StageName};

/// Documents that are read at once.
const PORTION: usize = 300;

/// Documents that one page may cost where it does not fill up; a page that is asked to be larger may cost its own size.
const MOST: usize = 2_000;

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

    pub(super) async fn look_at(&self, query: &PageQuery) -> Result<Page, StoreError> {
        let mut question = Query::of(JOBS);
        if !query.stages.is_empty() {
            question = question.one_of("status", statuses(&query.stages).into_iter().map(value::text));
        }
        let needle = query.search.as_deref().map(fold).filter(|needle| !needle.is_empty());
        let mut allowed = MOST.max(query.limit);
        let mut page = Page::default();
        let mut place = query.after.clone();
        let mut position = self.position(query).await?;
        while let Some(here) = position {
            let missing = query.limit.saturating_sub(page.jobs.len());
            if missing == 0 || allowed == 0 {
                page.next = place;
                break;
            }
            let portion = if needle.is_some() { PORTION } else { missing.min(PORTION) }.min(allowed);
            let asked = here.question(question.clone(), query.order == SortOrder::NewestFirst).limit(portion);
            let documents = self.shared.client.query(asked.build()).await?;
            allowed = allowed.saturating_sub(documents.len().max(1));
            let (mut seen, mut last) = (0, None);
            for document in &documents {
                self.take(document, query, needle.as_deref(), &mut page);
                place = stretch::place_of(document).or(place);
                (seen, last) = (seen + 1, Some(document));
                if page.jobs.len() >= query.limit {
                    break;
                }
            }
            position = match last {
                Some(last) if seen == portion || seen < documents.len() => Some(here.behind(last)),
                _ => here.next_stretch(query.since.is_some()),
            };
        }
        Ok(page)
    }

    /// Where the look begins; `None` where that place is gone.
    async fn position(&self, query: &PageQuery) -> Result<Option<Position>, StoreError> {
        match &query.after {
            None => Ok(Some(Position::begin(query.since))),
            Some(place) if stretch::is_dated(place) => {
                let name = self.shared.client.name(JOBS, place.1.as_str());
                Ok(Some(Position::begin(query.since).behind_time(place.0, name)))
            }
            // Only the document itself knows what stands in the place of its date.
            Some((_, id)) => {
                let found = self.shared.client.get(vec![self.shared.client.name(JOBS, id.as_str())]).await?;
                Ok(found.first().and_then(Position::behind_odd))
            }
        }
    }

    fn take(&self, document: &Document, query: &PageQuery, needle: Option<&str>, page: &mut Page) {
        let Some(reading) = self.read(document) else { return };
        match reading.content {
            Ok(known) if wanted(&known.job, query, needle) => page.jobs.push(known.job),
            Err(reason) if needle.is_none_or(|needle| fold(reading.id.as_str()).contains(needle)) => {
                page.unreadable.push((reading.id, reason));
            }
            _ => {}
        }
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
