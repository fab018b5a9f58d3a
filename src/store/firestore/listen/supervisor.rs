//! The life of the listener: started by the first change stream, stopped with the last one, and restarted whenever it fails, stalls
//! or has missed a change.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::listener::Listener;
use crate::store::StoreError;
use crate::store::firestore::{FirestoreStore, Shared};
use crate::time::Backoff;

/// How long a change stream waits for its listener.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the listener may be down until the subscribers fail.
const FAILURE_GRACE: Duration = Duration::from_secs(3);

/// Delays between restarts.
const RESTART_DELAYS: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(1));

/// Whether the listener receives every change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListenerHealth {
    /// Why not, at the last attempt.
    Down(String),
    Live,
}

/// A running listener.
pub(crate) struct ListenerSupervisor {
    health: watch::Receiver<ListenerHealth>,
    _stop: DropGuard,
}

impl ListenerSupervisor {
    pub(crate) fn start(shared: Arc<Shared>) -> Self {
        let (sender, health) = watch::channel(ListenerHealth::Down("the change stream is starting".to_owned()));
        let stop = CancellationToken::new();
        let token = stop.clone();
        tokio::spawn(async move {
            let guard = watch_for_failure(Arc::clone(&shared), sender.subscribe());
            tokio::select! {
                () = token.cancelled() => {}
                () = listen(&shared, &sender) => {}
                () = guard => {}
            }
            shared.cache.set_complete(false);
        });
        Self { health, _stop: stop.drop_guard() }
    }

    /// Waits until the listener is live. Errors: `Unavailable` with the reason of the last attempt.
    pub(crate) async fn wait_until_live(&self) -> Result<(), StoreError> {
        let mut health = self.health.clone();
        if tokio::time::timeout(START_TIMEOUT, health.wait_for(|health| *health == ListenerHealth::Live))
            .await
            .is_ok_and(|live| live.is_ok())
        {
            return Ok(());
        }
        let reason = match &*self.health.borrow() {
            ListenerHealth::Down(reason) => reason.clone(),
            ListenerHealth::Live => "the change stream stopped".to_owned(),
        };
        Err(StoreError::Unavailable(reason))
    }
}

async fn listen(shared: &Arc<Shared>, health: &watch::Sender<ListenerHealth>) {
    let mut listener = Listener::new(Arc::clone(shared));
    let mut delays = RESTART_DELAYS;
    loop {
        let error = listener.follow(|| mark_live(health)).await;
        shared.cache.set_complete(false);
        if *health.borrow() == ListenerHealth::Live {
            delays.reset();
        }
        tracing::debug!(%error, "listener restarts");
        // The reason becomes an `Unavailable` again: its prefix must not be repeated.
        let reason = if let StoreError::Unavailable(reason) = error { reason } else { error.to_string() };
        health.send_replace(ListenerHealth::Down(reason));
        tokio::time::sleep(delays.next_delay()).await;
    }
}

/// Wakes waiters only on a change.
fn mark_live(health: &watch::Sender<ListenerHealth>) {
    health.send_if_modified(|health| std::mem::replace(health, ListenerHealth::Live) != ListenerHealth::Live);
}

/// Fails the subscribers when the listener stays down. Never returns by itself.
async fn watch_for_failure(shared: Arc<Shared>, mut health: watch::Receiver<ListenerHealth>) {
    loop {
        if health.wait_for(|health| *health == ListenerHealth::Live).await.is_err() {
            return std::future::pending().await;
        }
        if health.wait_for(|health| *health != ListenerHealth::Live).await.is_err() {
            return std::future::pending().await;
        }
        let recovered = tokio::time::timeout(FAILURE_GRACE, health.wait_for(|health| *health == ListenerHealth::Live))
            .await
            .map(drop);
        if recovered.is_ok() {
            continue;
        }
        if let ListenerHealth::Down(reason) = &*health.borrow() {
            shared.cache.fail_subscribers(reason);
        }
    }
}

impl FirestoreStore {
    /// The running listener, or a new one.
    pub(crate) fn supervisor(&self) -> Arc<ListenerSupervisor> {
        let mut supervisor = self.supervisor.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(running) = supervisor.upgrade() {
            return running;
        }
        let started = Arc::new(ListenerSupervisor::start(Arc::clone(&self.shared)));
        *supervisor = Arc::downgrade(&started);
        started
    }
}
