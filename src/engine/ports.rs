//! Owns the set of ports that an engine works through. Must not name an adapter.

use std::sync::Arc;

use crate::bucket::Bucket;
use crate::provider::Provider;
use crate::store::Store;
use crate::time::Clock;

/// Everything outside that an engine needs.
#[derive(Clone)]
pub struct Ports {
    /// Whoever makes the images.
    pub provider: Arc<dyn Provider>,
    /// Job documents and the cost ledger.
    pub store: Arc<dyn Store>,
    /// Where images are kept.
    pub bucket: Arc<dyn Bucket>,
    /// The present.
    pub clock: Arc<dyn Clock>,
}
