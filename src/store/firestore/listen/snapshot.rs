//! The contents of one listen target, derived from the server's messages. Pure.
//!
//! Production sends changes; the emulator sends, after every write in the collection, a reset and then everything again, and never
//! reports that a document left the query. Both end at a point of consistency, and only there a document that was not named again
//! counts as gone.

use std::collections::BTreeSet;

use crate::jobs::JobId;

/// The documents of one target.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    members: BTreeSet<JobId>,
    /// Documents named since the last reset; `None` while the server sends changes only.
    named_since_reset: Option<BTreeSet<JobId>>,
    current: bool,
}

impl Snapshot {
    /// Everything will be sent again: a reset, or a new stream.
    pub(crate) fn reset(&mut self) {
        self.named_since_reset = Some(BTreeSet::new());
        self.current = false;
    }

    pub(crate) fn insert(&mut self, id: &JobId) {
        self.members.insert(id.clone());
        if let Some(named) = &mut self.named_since_reset {
            named.insert(id.clone());
        }
    }

    /// The document left the target. Returns whether it was a member.
    pub(crate) fn remove(&mut self, id: &JobId) -> bool {
        if let Some(named) = &mut self.named_since_reset {
            named.remove(id);
        }
        self.members.remove(id)
    }

    /// The server has sent everything that existed when the target was added or reset.
    pub(crate) fn mark_current(&mut self) {
        self.current = true;
    }

    /// A point of consistency. Returns the members that are gone since the last one without a message; `None` while the server is
    /// still sending.
    pub(crate) fn consistent(&mut self) -> Option<Vec<JobId>> {
        if !self.current {
            return None;
        }
        let Some(named) = self.named_since_reset.take() else { return Some(Vec::new()) };
        let gone = self.members.difference(&named).cloned().collect();
        self.members = named;
        Some(gone)
    }

    pub(crate) fn has(&self, id: &JobId) -> bool {
        self.members.contains(id)
    }

    pub(crate) fn len(&self) -> usize {
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
    fn reset_reveals_departures_by_absence() {
        let mut snapshot = Snapshot::default();
        snapshot.reset();
        snapshot.insert(&id("a"));
        snapshot.insert(&id("b"));
        assert_eq!(snapshot.consistent(), None, "not before the server has sent everything");
        snapshot.mark_current();
        assert_eq!(snapshot.consistent(), Some(vec![]));
        snapshot.reset();
        snapshot.insert(&id("b"));
        assert_eq!(snapshot.consistent(), None);
        snapshot.mark_current();
        assert_eq!(snapshot.consistent(), Some(vec![id("a")]));
        assert_eq!(snapshot.len(), 1);
    }

    #[test]
    fn changes_report_departures() {
        let mut snapshot = Snapshot::default();
        snapshot.reset();
        snapshot.insert(&id("a"));
        snapshot.mark_current();
        assert_eq!(snapshot.consistent(), Some(vec![]));
        snapshot.insert(&id("b"));
        assert!(snapshot.remove(&id("a")));
        assert!(!snapshot.remove(&id("a")));
        assert_eq!(snapshot.consistent(), Some(vec![]));
        assert_eq!(snapshot.len(), 1);
    }
}
