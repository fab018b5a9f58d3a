//! Places of jobs in the order of the list.
//!
//! A ring, because jobs arrive at both ends: new ones at one, requested history at the other.

use std::collections::VecDeque;

use crate::jobs::JobId;
use crate::jobs::sort::{Place, Sort};

/// Places in the order of the list.
#[derive(Debug, Default)]
pub struct SortedIds {
    sort: Sort,
    places: VecDeque<Place>,
}

impl SortedIds {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The id of a row, 0 being the first.
    pub fn get(&self, index: usize) -> Option<&JobId> {
        self.place(index).map(|place| &place.id)
    }

    /// The place of a row, 0 being the first.
    pub fn place(&self, index: usize) -> Option<&Place> {
        self.places.get(index)
    }

    /// The row of a place. O(log n).
    pub fn position(&self, place: &Place) -> Option<usize> {
        self.find(place).ok()
    }

    /// Inserts a place in order; an existing one stays.
    pub fn insert(&mut self, place: &Place) {
        if let Err(index) = self.find(place) {
            self.places.insert(index, place.clone());
        }
    }

    /// Takes a place out. Returns whether it was there.
    pub fn remove(&mut self, place: &Place) -> bool {
        self.find(place).is_ok_and(|index| self.places.remove(index).is_some())
    }

    /// These, in order.
    pub fn collect(sort: Sort, places: impl Iterator<Item = Place>) -> Self {
        let mut places: Vec<Place> = places.collect();
        places.sort_unstable_by(|left, right| sort.compare(left, right));
        Self { sort, places: places.into() }
    }

    fn find(&self, place: &Place) -> Result<usize, usize> {
        self.places.binary_search_by(|other| self.sort.compare(other, place))
    }
}
