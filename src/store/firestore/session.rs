//! Owns the life of the listener: started by the first watch, ended with the last one, opened again whenever it breaks, falls
//! silent or is caught at having missed something. Must not interpret a message.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::super::StoreError;
use super::listener::Listener;
use super::{FirestoreStore, Shared};
use crate::time::Backoff;

/// How long a watch waits for its listener at the beginning.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the line may be down before the watches are told.
const GRACE: Duration = Duration::from_secs(3);

/// Pauses between two tries to open the stream again.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(1));

/// Whether the listener hears everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Health {
    /// Why not, at the last try.
    Down(String),
    Live,
}

/// A running listener.
pub(super) struct Session {
    health: watch::Receiver<Health>,
    _stop: DropGuard,
}

impl Session {
    pub(super) fn start(shared: Arc<Shared>) -> Self {
        let (sender, health) = watch::channel(Health::Down("the listener is being opened".to_owned()));
        let stop = CancellationToken::new();
        let token = stop.clone();
        tokio::spawn(async move {
            let guard = alarm(Arc::clone(&shared), sender.subscribe());
            tokio::select! {
                () = token.cancelled() => {}
                () = listen(&shared, &sender) => {}
                () = guard => {}
            }
            shared.board.set_complete(false);
        });
        Self { health, _stop: stop.drop_guard() }
    }

    /// Waits until everything is heard. Errors: `Unavailable` with the reason of the last try.
    pub(super) async fn live(&self) -> Result<(), StoreError> {
        let mut health = self.health.clone();
        if tokio::time::timeout(PATIENCE, health.wait_for(|health| *health == Health::Live))
            .await
            .is_ok_and(|live| live.is_ok())
        {
            return Ok(());
        }
        let reason = match &*self.health.borrow() {
            Health::Down(reason) => reason.clone(),
            Health::Live => "the listener has ended".to_owned(),
        };
        Err(StoreError::Unavailable(reason))
    }
}

async fn listen(shared: &Arc<Shared>, health: &watch::Sender<Health>) {
    let mut listener = Listener::new(Arc::clone(shared));
    let mut pauses = PAUSES;
    loop {
        let error = listener.follow(|| now_live(health)).await;
        shared.board.set_complete(false);
        if *health.borrow() == Health::Live {
            pauses.reset();
        }
        tracing::debug!("the listener is opened again: {error}");
        // Whoever asks is told so by an `Unavailable` again: its words are not said twice.
        let reason = if let StoreError::Unavailable(reason) = error { reason } else { error.to_string() };
        health.send_replace(Health::Down(reason));
        tokio::time::sleep(pauses.next_delay()).await;
    }
}

/// Wakes those who wait only where it is news.
fn now_live(health: &watch::Sender<Health>) {
    health.send_if_modified(|health| std::mem::replace(health, Health::Live) != Health::Live);
}

/// Tells the watches when the line stays down. Never ends by itself.
async fn alarm(shared: Arc<Shared>, mut health: watch::Receiver<Health>) {
    loop {
        if health.wait_for(|health| *health == Health::Live).await.is_err() {
            return std::future::pending().await;
        }
        if health.wait_for(|health| *health != Health::Live).await.is_err() {
            return std::future::pending().await;
        }
        let healed = tokio::time::timeout(GRACE, health.wait_for(|health| *health == Health::Live)).await.map(drop);
        if healed.is_ok() {
            continue;
        }
        if let Health::Down(reason) = &*health.borrow() {
            shared.board.break_off(reason);
        }
    }
}

impl FirestoreStore {
    /// The running listener, or a new one.
    pub(super) fn session(&self) -> Arc<Session> {
        let mut session = self.session.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(running) = session.upgrade() {
            return running;
        }
        let started = Arc::new(Session::start(Arc::clone(&self.shared)));
        *session = Arc::downgrade(&started);
        started
    }
}
