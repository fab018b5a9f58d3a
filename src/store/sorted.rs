//! Lists in another order than that of creation.

use chrono::{DateTime, Utc};

use super::{PageQuery, Store, StoreError};
use crate::jobs::filter::Filter;
use crate::jobs::sort::{Place, Sort, SortedPageBuilder};
use crate::jobs::{Job, JobId};

/// A page of jobs in an order.
#[derive(Debug, Clone)]
pub struct SortedQuery {
    /// Only those that match this filter. Where it requests hidden jobs, only those are listed.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// From the end of the list to its beginning: the jobs of a page are in this order too.
    pub backwards: bool,
    /// Continue behind this place.
    pub after: Option<Place>,
    /// At most this many.
    pub limit: usize,
}

/// What a sorted list contains.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SortedPage {
    /// In the requested order.
    pub jobs: Vec<Job>,
    /// Documents that cannot be read, each with one clean line.
    pub unreadable: Vec<(JobId, String)>,
    /// Where the next page begins; `None` where nothing follows.
    pub next: Option<Place>,
    /// Only jobs created at this time or later were sorted: to read all of them would cost too much.
    pub read_back_to: Option<DateTime<Utc>>,
}

/// Documents of one read.
const BATCH_SIZE: usize = 1_000;

/// Documents that are read to sort a list where each of them is billed.
pub const MAX_BILLED_READS: usize = 20_000;

/// Reads what matches, newest first and at most [`MAX_BILLED_READS`] jobs, and keeps a page of it: one page of memory for any number of jobs.
pub(super) async fn scan<S: Store + ?Sized>(store: &S, query: SortedQuery) -> Result<SortedPage, StoreError> {
    let SortedQuery { filter, sort, backwards, after, limit } = query;
    let is_first = after.is_none();
    let mut kept = SortedPageBuilder::new(sort, backwards, after, limit);
    let mut page = SortedPage::default();
    let (mut cursor, mut reads) = (None, 0);
    loop {
        let query = PageQuery { filter: filter.clone(), after: cursor, limit: BATCH_SIZE, ..PageQuery::default() };
        let batch = store.list(query).await?;
        reads += batch.jobs.len().max(1);
        if is_first {
            page.unreadable.extend(batch.unreadable.into_iter().take(BATCH_SIZE));
        }
        for job in batch.jobs {
            kept.push(job);
        }
        cursor = batch.next;
        match &cursor {
            None => break,
            Some((at, _)) if reads >= MAX_BILLED_READS => {
                page.read_back_to = Some(*at);
                break;
            }
            Some(_) => {}
        }
    }
    (page.jobs, page.next) = kept.finish();
    Ok(page)
}
