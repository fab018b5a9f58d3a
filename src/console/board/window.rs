//! The part of a store's result that the board holds: a span of the list's order.

use std::cmp::Ordering;

use crate::jobs::sort::{Place, Sort};

/// A span of the list, both ends included. An open end holds everything on that side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    /// The first row; `None` where the list begins.
    pub first: Option<Place>,
    /// The last row; `None` where the list ends.
    pub last: Option<Place>,
}

impl Window {
    /// Whether a place is inside.
    pub fn contains(&self, sort: Sort, place: &Place) -> bool {
        self.first.as_ref().is_none_or(|first| sort.compare(place, first) != Ordering::Less)
            && self.last.as_ref().is_none_or(|last| sort.compare(place, last) != Ordering::Greater)
    }

    /// Whether nothing is left out on either side.
    pub fn is_open(&self) -> bool {
        self.first.is_none() && self.last.is_none()
    }
}

/// What was cut off to bound the memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut {
    /// Rows above the window that were dropped.
    pub rows_above: usize,
    /// Where the rows above continue, if some were cut.
    pub above: Option<Place>,
    /// Where the rows below continue, if some were cut.
    pub below: Option<Place>,
}
