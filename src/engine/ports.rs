//! The ports that an engine works through.

use std::sync::Arc;

use crate::bucket::Bucket;
use crate::provider::Provider;
use crate::store::Store;
use crate::time::Clock;

/// Everything outside that an engine needs.
#[derive(Clone)]
pub struct Ports {
    /// Generates the images.
    pub provider: Arc<dyn Provider>,
    /// Job documents and the cost ledger.
    pub store: Arc<dyn Store>,
    /// Keeps the images.
    pub bucket: Arc<dyn Bucket>,
    /// The current time.
    pub clock: Arc<dyn Clock>,
}
