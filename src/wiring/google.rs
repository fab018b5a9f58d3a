//! Builds Firestore and Cloud Storage from the configuration, and the errors of a build without them.

use std::sync::Arc;

use super::WiringError;
use crate::bucket::Bucket;
#[cfg(feature = "gcs")]
use crate::bucket::gcs::{GcsBucket, GcsCredentials, GcsOptions, LONGEST_SIGNED_URL, PublicUrl};
#[cfg(feature = "firestore")]
use crate::catalog::Catalog;
#[cfg(feature = "gcs")]
use crate::config::BucketUrl;
use crate::config::Config;
#[cfg(not(all(feature = "firestore", feature = "gcs")))]
use crate::config::Key;
use crate::costs::Usd;
use crate::store::Store;
#[cfg(feature = "firestore")]
use crate::store::firestore::{FirestoreOptions, FirestoreStore};

/// Checks of a shared store beyond reading. An error is one line.
#[derive(Debug, Clone)]
pub struct StoreHealth {
    /// Whether darkroom owns the store; one line either way.
    pub owner: Result<String, String>,
    /// Whether documents may be written.
    pub writes: Result<(), String>,
    /// Whether the indexes of lists and queues exist.
    pub indexes: Result<(), String>,
    /// How far this machine's clock is ahead of the server's.
    pub skew: Result<chrono::TimeDelta, String>,
}

/// Firestore; it connects in the background. Needs a tokio runtime.
#[cfg(feature = "firestore")]
pub(super) fn store(config: &Config) -> Result<Arc<dyn Store>, WiringError> {
    Ok(Arc::new(firestore(config)?))
}

/// Checks rights, indexes and clock of Firestore; leaves nothing behind. `None` for a store on this machine.
#[cfg(feature = "firestore")]
pub async fn store_health(config: &Config) -> Option<StoreHealth> {
    use crate::config::StoreKind;
    if config.store != StoreKind::Firestore {
        return None;
    }
    let store = firestore(config).ok()?;
    let line = |error: crate::store::StoreError| error.to_string();
    Some(StoreHealth {
        owner: store.ownership_line().await.map_err(line),
        writes: store.may_write().await.map_err(line),
        indexes: store.has_indexes().await.map_err(line),
        skew: store.clock_skew().await.map_err(line),
    })
}

#[cfg(feature = "firestore")]
fn firestore(config: &Config) -> Result<FirestoreStore, WiringError> {
    let first = Catalog::builtin().models.first().map(|model| model.name.clone());
    let mut options = FirestoreOptions::new(config.google_project()?, first.unwrap_or_default());
    options.configured_model.clone_from(&config.model);
    options.gated = true;
    options.operator = super::operator();
    if config.google.firestore_emulator.is_none() {
        super::identity(config)?;
    }
    options.database.clone_from(&config.google.database);
    options.emulator_host.clone_from(&config.google.firestore_emulator);
    options.key_file = config.google.key_file().cloned();
    // A simulated image must not reach another program's users unless that is requested by name.
    options.simulated = config.is_simulated() && config.simulate_external;
    options.hold_external = config.is_simulated() && !config.simulate_external;
    Ok(FirestoreStore::connect(options))
}

/// Fails: this build does not contain it.
#[cfg(not(feature = "firestore"))]
pub(super) fn store(config: &Config) -> Result<Arc<dyn Store>, WiringError> {
    Err(config.feature_disabled(Key::Store).into())
}

/// `None`: this build does not contain it.
#[cfg(not(feature = "firestore"))]
pub async fn store_health(_: &Config) -> Option<StoreHealth> {
    None
}

/// Cloud Storage; no request is made yet.
#[cfg(feature = "gcs")]
pub(super) async fn bucket(config: &Config) -> Result<Arc<dyn Bucket>, WiringError> {
    let google = &config.google;
    if google.storage_emulator.is_none() {
        super::identity(config)?;
    }
    let url = match &google.bucket_url {
        BucketUrl::Public => PublicUrl::Public,
        BucketUrl::Signed => PublicUrl::Signed { lifetime: LONGEST_SIGNED_URL },
        BucketUrl::Base(base) => PublicUrl::Base(base.clone()),
    };
    let credentials = match google.key_file() {
        Some(path) => GcsCredentials::ServiceAccountFile(path.clone()),
        None => GcsCredentials::ApplicationDefault,
    };
    let options = GcsOptions {
        bucket: config.storage_bucket()?.to_owned(),
        project: google.project.clone(),
        url,
        emulator: google.storage_emulator.clone(),
        credentials,
    };
    Ok(Arc::new(GcsBucket::open(options).await?))
}

/// What storing an object of that size costs.
#[cfg(feature = "gcs")]
pub(super) fn storage_price(bytes: u64) -> Option<Usd> {
    GcsBucket::price(bytes)
}

/// `None`: this build does not contain it.
#[cfg(not(feature = "gcs"))]
pub(super) fn storage_price(_: u64) -> Option<Usd> {
    None
}

/// Fails: this build does not contain it.
#[cfg(not(feature = "gcs"))]
#[expect(clippy::unused_async, reason = "the same shape as with Cloud Storage")]
pub(super) async fn bucket(config: &Config) -> Result<Arc<dyn Bucket>, WiringError> {
    Err(config.feature_disabled(Key::Bucket).into())
}
