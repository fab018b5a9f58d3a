//! Job ids sorted by creation time and id, newest first.
//!
//! A ring, because jobs arrive at both ends: new ones at one, requested history at the other.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};

use crate::jobs::JobId;

/// Job ids by creation, newest first (kept the other way round inside).
#[derive(Debug, Default)]
pub struct SortedIds {
    keys: VecDeque<(DateTime<Utc>, JobId)>,
}

impl SortedIds {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The id at that place, 0 being the newest.
    pub fn get(&self, index: usize) -> Option<&JobId> {
        let from_the_end = self.keys.len().checked_sub(index + 1)?;
        self.keys.get(from_the_end).map(|(_, id)| id)
    }

    /// The place of an id, 0 being the newest. O(log n).
    pub fn position(&self, at: DateTime<Utc>, id: &JobId) -> Option<usize> {
        self.find(at, id).ok().map(|index| self.keys.len() - 1 - index)
    }

    /// Inserts an id in order; an existing one stays.
    pub fn insert(&mut self, at: DateTime<Utc>, id: &JobId) {
        if let Err(index) = self.find(at, id) {
            self.keys.insert(index, (at, id.clone()));
        }
    }

    /// Takes an id out. Returns whether it was there.
    pub fn remove(&mut self, at: DateTime<Utc>, id: &JobId) -> bool {
        self.find(at, id).is_ok_and(|index| self.keys.remove(index).is_some())
    }

    /// These, in order.
    pub fn collect(keys: impl Iterator<Item = (DateTime<Utc>, JobId)>) -> Self {
        let mut keys: Vec<_> = keys.collect();
        keys.sort_unstable();
        Self { keys: keys.into() }
    }

    /// The time and the id at that place, 0 being the newest.
    pub fn place(&self, index: usize) -> Option<&(DateTime<Utc>, JobId)> {
        let from_the_end = self.keys.len().checked_sub(index + 1)?;
        self.keys.get(from_the_end)
    }

    fn find(&self, at: DateTime<Utc>, id: &JobId) -> Result<usize, usize> {
        self.keys.binary_search_by(|(key_at, key_id)| key_at.cmp(&at).then_with(|| key_id.cmp(id)))
    }
}
