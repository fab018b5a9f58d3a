//! The part of a store's result that the board holds: a span of the order of creation.

use crate::engine::PageCursor;

/// A span of the order of creation, both ends included. An open end holds everything on that side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    /// The newest row; `None` where new jobs appear.
    pub newest: Option<PageCursor>,
    /// The oldest row; `None` where nothing older is left out.
    pub oldest: Option<PageCursor>,
}

impl Window {
    /// Whether a place is inside.
    pub fn contains(&self, place: &PageCursor) -> bool {
        self.newest.as_ref().is_none_or(|newest| place <= newest)
            && self.oldest.as_ref().is_none_or(|oldest| place >= oldest)
    }

    /// Whether nothing is left out on either side.
    pub fn is_open(&self) -> bool {
        self.newest.is_none() && self.oldest.is_none()
    }
}

/// What was cut off to bound the memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut {
    /// Rows above the window that were dropped.
    pub above: usize,
    /// Where newer rows continue, if some were cut.
    pub newer: Option<PageCursor>,
    /// Where older rows continue, if some were cut.
    pub older: Option<PageCursor>,
}
