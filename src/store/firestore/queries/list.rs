//! Single jobs, id prefixes and pages. A page reads what it shows; where a search, hidden jobs, a finer stage than the shared
//! schema's, unreadable documents or documents without a date make it read on, it stops at a limit and returns a cursor.

use firestore::gcloud_sdk::google::firestore::v1::Document;

use super::page_order::Position;
use crate::jobs::filter::haystack;
use crate::jobs::{Job, JobId, StageName};
use crate::store::firestore::connection::query::{NAME, Query};
use crate::store::firestore::documents::value;
use crate::store::firestore::{FirestoreStore, JOBS};
use crate::store::schema::Status;
use crate::store::{Page, PageCursor, PageQuery, SortOrder, StoreError};
use crate::text::fold_for_search;

/// Documents of one read.
const BATCH_SIZE: usize = 300;

/// Documents that one page may cost where it does not fill up; a larger page may cost its own size.
const MAX_READS: usize = 2_000;

impl FirestoreStore {
    pub(crate) async fn get_job(&self, id: &JobId) -> Result<Option<Job>, StoreError> {
        let found = self.shared.client.get(vec![self.shared.client.name(JOBS, id.as_str())]).await?;
        let Some(parsed) = found.first().and_then(|document| self.read(document)) else { return Ok(None) };
        match parsed.content {
            Ok(loaded) => Ok(Some(loaded.job)),
            Err(reason) => Err(StoreError::Unreadable { id: id.clone(), reason }),
        }
    }

    pub(crate) async fn find_ids(&self, prefix: &str, limit: usize) -> Result<Vec<JobId>, StoreError> {
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

    pub(crate) async fn list_jobs(&self, query: &PageQuery) -> Result<Page, StoreError> {
        let mut base = Query::of(JOBS);
        let stages = stages(query);
        if stages.is_empty() {
            return Ok(Page::default());
        }
        if stages.len() < StageName::ALL.len() {
            base = base.one_of("status", statuses(&stages).into_iter().map(value::text));
        }
        let search = query.search.as_deref().map(fold_for_search).filter(|search| !search.is_empty());
        let mut budget = MAX_READS.max(query.limit);
        let mut page = Page::default();
        let mut cursor = query.after.clone();
        let mut position = self.start(query).await?;
        let mut missing = None;
        while let Some(here) = position {
            let room = query.limit.saturating_sub(page.jobs.len());
            if room == 0 || budget == 0 {
                page.next = cursor;
                break;
            }
            if here.starts_missing() {
                let (count, reads) = self.count_without_date(&base).await?;
                budget = budget.saturating_sub(reads);
                missing = Some(count);
            }
            if missing == Some(0) {
                break;
            }
            let whole = search.is_some() || !query.filter.is_empty() || here.is_by_name();
            let batch = if whole { BATCH_SIZE } else { room.min(BATCH_SIZE) }.min(budget.max(1));
            let next = here.query(base.clone(), query.order == SortOrder::NewestFirst).limit(batch);
            let documents = self.shared.client.query(next.build()).await?;
            budget = budget.saturating_sub(documents.len().max(1));
            let (mut seen, mut last) = (0, None);
            for document in &documents {
                if here.includes(document) {
                    self.push_if_matches(document, query, search.as_deref(), &mut page);
                    missing = missing.map(|missing: u64| missing.saturating_sub(1));
                }
                cursor = here.cursor_of(document).or(cursor);
                (seen, last) = (seen + 1, Some(document));
                if page.jobs.len() >= query.limit {
                    break;
                }
            }
            position = match last {
                Some(last) if seen == batch || seen < documents.len() => Some(here.after(last)),
                _ => here.next_segment(),
            };
        }
        Ok(page)
    }

    /// How many documents of the query have no `createdAt`, and what it cost to count them: about two reads for every thousand.
    async fn count_without_date(&self, base: &Query) -> Result<(u64, usize), StoreError> {
        let all = self.shared.client.count(base.clone().build()).await?;
        let dated = self.shared.client.count(Position::dated_or_undated(base.clone()).build()).await?;
        let reads = usize::try_from(all.div_ceil(1_000).max(1)).unwrap_or(usize::MAX).saturating_mul(2);
        Ok((all.saturating_sub(dated), reads))
    }

    /// Where the page starts; `None` where the document of its cursor is gone.
    async fn start(&self, query: &PageQuery) -> Result<Option<Position>, StoreError> {
        let since = query.since.max(query.filter.since());
        let Some((time, id)) = start_cursor(query) else { return Ok(Some(Position::start(since))) };
        let name = self.shared.client.name(JOBS, id.as_str());
        if let Some(position) = Position::after_cursor(since, time, name.clone()) {
            return Ok(Some(position));
        }
        // Only the document itself knows what is in the place of its date.
        let found = self.shared.client.get(vec![name]).await?;
        Ok(found.first().and_then(Position::after_undated))
    }

    fn push_if_matches(&self, document: &Document, query: &PageQuery, search: Option<&str>, page: &mut Page) {
        let Some(parsed) = self.read(document) else { return };
        match parsed.content {
            Ok(loaded) if matches(&loaded.job, query, search) => page.jobs.push(loaded.job),
            Err(reason) => {
                let id = fold_for_search(parsed.id.as_str());
                let is_found = search.is_none_or(|search| id.contains(search));
                if is_found && query.filter.matches_unreadable(&format!("{id}\n{}", fold_for_search(&reason))) {
                    page.unreadable.push((parsed.id, reason));
                }
            }
            _ => {}
        }
    }
}

/// The stages that both the query and its filter allow.
fn stages(query: &PageQuery) -> Vec<StageName> {
    let stages = query.filter.stages().into_iter();
    stages.filter(|stage| query.stages.is_empty() || query.stages.contains(stage)).collect()
}

fn statuses(stages: &[StageName]) -> Vec<&'static str> {
    let mut statuses: Vec<&str> = stages.iter().map(|stage| Status::of_stage(*stage).as_str()).collect();
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

/// The place after which the page starts: newest first, a filter by time may exclude what comes before.
fn start_cursor(query: &PageQuery) -> Option<PageCursor> {
    let before = query.filter.before().filter(|_| query.order == SortOrder::NewestFirst);
    // The smallest id: jobs of that very instant are excluded.
    let before = before.zip(JobId::new("!").ok());
    match (&query.after, before) {
        (Some(after), Some(before)) if before.0 < after.0 => Some(before),
        (Some(after), _) => Some(after.clone()),
        (None, before) => before,
    }
}

fn matches(job: &Job, query: &PageQuery, search: Option<&str>) -> bool {
    (if query.filter.wants_hidden() { job.hidden } else { query.hidden || !job.hidden })
        && query.filter.matches(job, &haystack(job))
        && (query.stages.is_empty() || query.stages.contains(&job.stage_name()))
        && query.since.is_none_or(|since| job.created_at >= since)
        && search.is_none_or(|search| {
            let fields = [job.id.as_str(), &job.spec.model, &job.spec.prompt];
            let mut fields = fields.into_iter().chain(job.tags.iter().map(String::as_str));
            fields.any(|field| fold_for_search(field).contains(search))
        })
}
