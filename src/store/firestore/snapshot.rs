//! Owns what one listen target contains, made of the server's messages. Pure.
//!
//! Production sends what changed; the emulator sends, after every write in the collection, a reset and then everything again, and
//! never says that a document left the query. Both end at a point of consistency, and only there a document that was not named
//! again counts as gone.

use std::collections::BTreeSet;

use crate::jobs::JobId;

/// The documents of one target.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    members: BTreeSet<JobId>,
    /// What was named since the last reset; `None` while the server tells changes only.
    since_reset: Option<BTreeSet<JobId>>,
    current: bool,
}

impl Snapshot {
    /// Everything will be sent anew: a reset, or a new stream.
    pub(super) fn reset(&mut self) {
        self.since_reset = Some(BTreeSet::new());
        self.current = false;
    }

    pub(super) fn contains(&mut self, id: &JobId) {
        self.members.insert(id.clone());
        if let Some(named) = &mut self.since_reset {
            named.insert(id.clone());
        }
    }

    /// The server says that it left. Returns whether it was there.
    pub(super) fn left(&mut self, id: &JobId) -> bool {
        if let Some(named) = &mut self.since_reset {
            named.remove(id);
        }
        self.members.remove(id)
    }

    /// The server has sent everything that there was when the target was added or reset.
    pub(super) fn is_current(&mut self) {
        self.current = true;
    }

    /// A point of consistency. Returns what is gone since the last one and was not said to have left; `None` while the server is
    /// still sending.
    pub(super) fn consistent(&mut self) -> Option<Vec<JobId>> {
        if !self.current {
            return None;
        }
        let Some(named) = self.since_reset.take() else { return Some(Vec::new()) };
        let gone = self.members.difference(&named).cloned().collect();
        self.members = named;
        Some(gone)
    }

    pub(super) fn has(&self, id: &JobId) -> bool {
        self.members.contains(id)
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> JobId {
        JobId::new(text).unwrap()
    }

    #[test]
    fn resets_derive_what_is_gone_by_absence() {
        let mut snapshot = Snapshot::default();
        snapshot.reset();
        snapshot.contains(&id("a"));
        snapshot.contains(&id("b"));
        assert_eq!(snapshot.consistent(), None, "not before the server has sent everything");
        snapshot.is_current();
        assert_eq!(snapshot.consistent(), Some(vec![]));
        snapshot.reset();
        snapshot.contains(&id("b"));
        assert_eq!(snapshot.consistent(), None);
        snapshot.is_current();
        assert_eq!(snapshot.consistent(), Some(vec![id("a")]));
        assert_eq!(snapshot.len(), 1);
    }

    #[test]
    fn deltas_say_themselves_what_left() {
        let mut snapshot = Snapshot::default();
        snapshot.reset();
        snapshot.contains(&id("a"));
        snapshot.is_current();
        assert_eq!(snapshot.consistent(), Some(vec![]));
        snapshot.contains(&id("b"));
        assert!(snapshot.left(&id("a")));
        assert!(!snapshot.left(&id("a")));
        assert_eq!(snapshot.consistent(), Some(vec![]));
        assert_eq!(snapshot.len(), 1);
    }
}
