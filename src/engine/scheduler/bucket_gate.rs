//! No job is submitted while images cannot be stored: their links would expire before the bucket is back. The bucket is checked until
//! it works again.

use std::time::Duration;

use tokio::time::Instant;

use crate::engine::{Dependency, Outage};
use crate::time::Backoff;

/// Pauses between two checks of a bucket that is away.
const CHECK_PAUSES: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(30));

/// Whether images can be stored.
#[derive(Default)]
pub(super) struct BucketGate {
    closed: Option<Closed>,
}

struct Closed {
    reason: String,
    pauses: Backoff,
    next_check: Instant,
}

impl BucketGate {
    /// Closes or opens the gate. Returns whether that changed.
    pub(super) fn update(&mut self, outages: &[Outage], now: Instant) -> bool {
        let outage = outages.iter().find(|outage| outage.dependency == Dependency::Bucket);
        match (outage, &mut self.closed) {
            (None, None) => false,
            (Some(outage), Some(closed)) => {
                closed.reason.clone_from(&outage.reason);
                false
            }
            (Some(outage), None) => {
                let mut pauses = CHECK_PAUSES;
                let next_check = now + pauses.next_delay();
                self.closed = Some(Closed { reason: outage.reason.clone(), pauses, next_check });
                true
            }
            (None, Some(_)) => {
                self.closed = None;
                true
            }
        }
    }

    /// Why no queued job may start.
    pub(super) fn reason(&self) -> Option<&str> {
        self.closed.as_ref().map(|closed| closed.reason.as_str())
    }

    /// When the bucket is checked next.
    pub(super) fn next_check(&self) -> Option<Instant> {
        self.closed.as_ref().map(|closed| closed.next_check)
    }

    /// Whether the bucket is to be checked now.
    pub(super) fn take_check(&mut self, now: Instant) -> bool {
        let Some(closed) = self.closed.as_mut().filter(|closed| closed.next_check <= now) else { return false };
        closed.next_check = now + closed.pauses.next_delay();
        true
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn bucket_is_checked_until_it_is_back() {
        let outage = |dependency| Outage { dependency, since: DateTime::UNIX_EPOCH, reason: "no route".to_owned() };
        let mut gate = BucketGate::default();
        let start = Instant::now();
        assert!(!gate.update(&[outage(Dependency::Provider)], start) && gate.reason().is_none());
        let both = [outage(Dependency::Bucket), outage(Dependency::Provider)];
        assert!(gate.update(&both, start) && !gate.update(&both, start), "reported once");
        assert_eq!(gate.reason(), Some("no route"));
        assert!(!gate.take_check(start), "not at once");
        let mut checks = 0;
        for second in 1..=600 {
            checks += u32::from(gate.take_check(start + Duration::from_secs(second)));
        }
        assert!((20..50).contains(&checks), "{checks} checks in ten minutes");
        assert!(gate.update(&[], start) && gate.next_check().is_none() && !gate.take_check(start));
    }
}
