//! What this process knows of the pause of all workers: from the change stream, or without one from the store before a queued job
//! is started.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::engine::Pause;
use crate::store::Store;

/// How old the knowledge may be when a queued job is started while no change stream reports it.
const MAX_AGE: Duration = Duration::from_secs(3);

/// What the change stream reports; `None` while it cannot report anything.
pub(super) type StreamedPause = Option<PauseState>;

/// Whether the intake of all workers is paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PauseState {
    /// It is open.
    Open,
    /// It is paused.
    Paused(Pause),
}

impl From<Option<Pause>> for PauseState {
    fn from(pause: Option<Pause>) -> Self {
        pause.map_or(Self::Open, Self::Paused)
    }
}

pub(super) struct PauseWatch {
    /// `None` until it was read: nothing queued is started before.
    known: Option<PauseState>,
    streamed: watch::Receiver<StreamedPause>,
    /// When it was last read without a change stream.
    read_at: Option<Instant>,
}

impl PauseWatch {
    pub(super) fn new(streamed: watch::Receiver<StreamedPause>) -> Self {
        Self { known: None, streamed, read_at: None }
    }

    /// Whether queued jobs may be started.
    pub(super) fn is_open(&self) -> bool {
        self.known == Some(PauseState::Open)
    }

    /// The pause, if the intake is known to be paused.
    pub(super) fn paused(&self) -> Option<&Pause> {
        match &self.known {
            Some(PauseState::Paused(pause)) => Some(pause),
            _ => None,
        }
    }

    /// Waits for a report of the change stream. Cancel-safe.
    pub(super) async fn reported(&mut self) {
        if self.streamed.changed().await.is_err() {
            // The stream has ended with the engine.
            std::future::pending::<()>().await;
        }
    }

    /// Takes the report in. Returns whether anything changed.
    pub(super) fn take_report(&mut self) -> bool {
        let report = self.streamed.borrow_and_update().clone();
        if let Some(pause) = report {
            return self.set(pause);
        }
        self.read_at = None;
        false
    }

    /// Reads the pause if no change stream reports it. Returns whether anything changed.
    pub(super) async fn refresh(&mut self, store: &dyn Store) -> bool {
        let is_fresh = self.read_at.is_some_and(|at| at.elapsed() < MAX_AGE);
        if is_fresh || self.streamed.borrow().is_some() {
            return false;
        }
        match Pause::read(store).await {
            Ok(pause) => {
                self.read_at = Some(Instant::now());
                self.set(pause.into())
            }
            Err(error) => {
                tracing::warn!(%error, "pause of the intake cannot be read");
                false
            }
        }
    }

    /// Returns whether anything changed.
    pub(super) fn set(&mut self, state: PauseState) -> bool {
        let is_new = self.known.as_ref() != Some(&state);
        self.known = Some(state);
        is_new
    }
}
