//! Owns how long a write is held on to whose answer was lost. Must not know what is written.
//!
//! A commit that got no answer may have been carried out, may be on its way, or may never have arrived. Every write of ours is made
//! under a precondition that only one of two equal ones can meet, so it is looked for and made again until one of them is known to
//! be there: whoever asked for it must not be told "perhaps" because a connection broke.

use std::time::Duration;

use tokio::time::Instant;

use super::super::StoreError;
use crate::time::Backoff;

/// How long it is tried to find out.
const LONGEST: Duration = Duration::from_secs(15);

/// Pauses between two tries.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(1_280));

/// Whether an earlier try may have been carried out.
pub(super) struct Doubt {
    since: Option<Instant>,
    pauses: Backoff,
}

impl Default for Doubt {
    fn default() -> Self {
        Self { since: None, pauses: PAUSES }
    }
}

impl Doubt {
    pub(super) fn exists(&self) -> bool {
        self.since.is_some()
    }

    /// How many tries were made before this one.
    pub(super) fn tries(&self) -> u32 {
        self.pauses.tries()
    }

    /// A try got no answer. Errors: the same, where nobody has known for too long.
    pub(super) fn begin(&mut self, error: StoreError) -> Result<(), StoreError> {
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() < LONGEST { Ok(()) } else { Err(error) }
    }

    /// Takes an answer; `None` where the store could not be reached and it is still worth trying to find out.
    pub(super) fn settle<T>(&mut self, answer: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error @ StoreError::Unavailable(_)) if self.exists() => self.begin(error).map(|()| None),
            Err(error) => Err(error),
        }
    }

    /// A pause that grows, and differs between those who wait.
    pub(super) async fn pause(&mut self) {
        tokio::time::sleep(self.pauses.next_delay()).await;
    }
}
