//! Recognises charges that the store has under other ids: the same history exported once with ids and once without them would count
//! twice.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use chrono::{DateTime, TimeDelta, Utc};

use crate::store::schema::{Collection, CostEntry, ExportQuery, Record};
use crate::store::{Store, StoreError};

/// Entries that are read at once.
const PAGE_SIZE: usize = 1_000;

/// How often the known span grows by what a batch needs, before it grows to its end: a file that is not in the order of time
/// must not read the store in slices.
const MAX_EXTENSIONS: u32 = 3;

/// How ids begin that are made of an entry's content.
const CONTENT_ID: &str = "imported-";

/// The charges of the store, as far as the file's span of time goes. A charge is known by its job, service, amount and time: two
/// tellings of it may differ in details.
#[derive(Default)]
pub struct KnownCharges {
    ids: HashSet<u64>,
    /// How many entries have that content and an id of their own.
    with_ids: HashMap<u64, u32>,
    /// How many entries have that content and an id made of it.
    without_ids: HashMap<u64, u32>,
    span: Option<Span>,
    extensions: u32,
    hashes: RandomState,
}

/// A span of time; `None` is unbounded.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
}

impl KnownCharges {
    /// Reads the store's charges of the span of these records.
    pub async fn load(&mut self, store: &dyn Store, records: &[(u64, Record)]) -> Result<(), StoreError> {
        let times = records.iter().filter_map(|(_, record)| match record {
            Record::Cost(entry) => Some(entry.at),
            Record::Job(_) => None,
        });
        let Some((first, last)) = times.fold(None, |span: Option<(DateTime<Utc>, DateTime<Utc>)>, at| {
            Some(span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))))
        }) else {
            return Ok(());
        };
        let end = last + TimeDelta::microseconds(1);
        let Some(known) = self.span else {
            self.span = Some(Span { from: Some(first), to: Some(end) });
            return self.read(store, Some(first), Some(end)).await;
        };
        let is_wide = self.extensions >= MAX_EXTENSIONS;
        if let Some(from) = known.from.filter(|from| first < *from) {
            self.extensions += 1;
            let start = (!is_wide).then_some(first);
            self.read(store, start, Some(from)).await?;
            self.span = Some(Span { from: start, ..known });
        }
        let known = self.span.unwrap_or(known);
        if let Some(to) = known.to.filter(|to| end > *to) {
            self.extensions += 1;
            let end = (!is_wide).then_some(end);
            self.read(store, Some(to), end).await?;
            self.span = Some(Span { to: end, ..known });
        }
        Ok(())
    }

    async fn read(
        &mut self,
        store: &dyn Store,
        from: Option<DateTime<Utc>>,
        to: Option<DateTime<Utc>>,
    ) -> Result<(), StoreError> {
        let mut query = ExportQuery { collection: Collection::Costs, from, to, after: None, limit: PAGE_SIZE };
        loop {
            let page = store.export(query.clone()).await?;
            for document in page.documents {
                if let Ok(entry) = CostEntry::read(Some(&document.id), document.fields) {
                    self.ids.insert(self.hashes.hash_one(entry.id.as_str()));
                    let content = self.content(&entry);
                    *self.of_kind(has_content_id(&entry)).entry(content).or_default() += 1;
                }
            }
            let Some(next) = page.next else { return Ok(()) };
            query.after = Some(next);
        }
    }

    /// Whether the store has this charge under another id. Each entry of the store stands for one charge of the file.
    pub fn take_duplicate(&mut self, entry: &CostEntry) -> bool {
        if self.ids.contains(&self.hashes.hash_one(entry.id.as_str())) {
            return false;
        }
        let content = self.content(entry);
        let is_of_content = has_content_id(entry);
        match self.of_kind(!is_of_content).get_mut(&content) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        }
    }

    fn of_kind(&mut self, of_content: bool) -> &mut HashMap<u64, u32> {
        if of_content { &mut self.without_ids } else { &mut self.with_ids }
    }

    fn content(&self, entry: &CostEntry) -> u64 {
        let amount = entry.amount.to_string();
        self.hashes.hash_one((
            entry.job_id.as_str(),
            entry.service.as_str(),
            amount.as_str(),
            entry.at.timestamp_micros(),
            entry.simulated,
        ))
    }
}

fn has_content_id(entry: &CostEntry) -> bool {
    entry.id.starts_with(CONTENT_ID)
}
