//! Commits whose acknowledgement was lost.
//!
//! Such a commit may be done, may be on its way, or may never have arrived. Every write has a precondition that only one of two equal
//! writes can meet, so the caller searches for it and repeats it until one of them is known to be committed: a broken connection must
//! not become an unknown result.

use std::time::Duration;

use tokio::time::Instant;

use crate::store::StoreError;
use crate::time::Backoff;

/// How long the outcome is searched for.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(15);

/// Delays between two attempts.
const DELAYS: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(1_280));

/// Whether an earlier attempt may have been committed.
pub(crate) struct AmbiguousCommit {
    since: Option<Instant>,
    delays: Backoff,
}

impl Default for AmbiguousCommit {
    fn default() -> Self {
        Self { since: None, delays: DELAYS }
    }
}

impl AmbiguousCommit {
    pub(crate) fn is_pending(&self) -> bool {
        self.since.is_some()
    }

    /// Attempts before this one.
    pub(crate) fn attempts(&self) -> u32 {
        self.delays.tries()
    }

    /// Records an attempt without acknowledgement. Errors: the same error, after the timeout.
    pub(crate) fn note(&mut self, error: StoreError) -> Result<(), StoreError> {
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() < RESOLVE_TIMEOUT { Ok(()) } else { Err(error) }
    }

    /// The answer, or `None` where the store is unreachable while an earlier attempt is still pending.
    pub(crate) fn resolve<T>(&mut self, answer: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error @ StoreError::Unavailable(_)) if self.is_pending() => self.note(error).map(|()| None),
            Err(error) => Err(error),
        }
    }

    /// A growing delay with jitter.
    pub(crate) async fn pause(&mut self) {
        tokio::time::sleep(self.delays.next_delay()).await;
    }
}
