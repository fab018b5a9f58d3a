//! The stream of changes that the store port hands out.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::supervisor::ListenerSupervisor;
use crate::store::firestore::Shared;
use crate::store::firestore::documents::subscriber::Subscriber;
use crate::store::{Change, ChangeStream, StoreError};

/// A stream of changes. The listener runs as long as one of them exists.
pub(crate) struct FirestoreStream {
    pub subscriber: Arc<Subscriber>,
    pub shared: Arc<Shared>,
    pub _supervisor: Arc<ListenerSupervisor>,
}

#[async_trait]
impl ChangeStream for FirestoreStream {
    async fn next(&mut self) -> Result<Vec<Change>, StoreError> {
        self.subscriber.next().await
    }

    fn since_last_contact(&self) -> Duration {
        self.shared.cache.since_last_contact()
    }
}
