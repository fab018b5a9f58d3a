//! The port to the image files, and its adapters.
//!
//! Only `jobs::ObjectName` makes names. Adapters must not know providers, stores or engines.

pub mod folder;
#[cfg(feature = "gcs")]
pub mod gcs;

use async_trait::async_trait;
use bytes::Bytes;

use crate::costs::Usd;
use crate::jobs::{ImageFormat, ObjectName};

/// Where images are kept.
#[async_trait]
pub trait Bucket: Send + Sync + 'static {
    /// Stores the object whole or not at all, durably; the same name with the same bytes again is no error.
    async fn put(&self, name: &ObjectName, bytes: Bytes, format: ImageFormat) -> Result<Stored, BucketError>;

    /// The object's bytes.
    async fn get(&self, name: &ObjectName) -> Result<Bytes, BucketError>;

    /// Removes the object, durably; one that does not exist is no error.
    async fn delete(&self, name: &ObjectName) -> Result<(), BucketError>;

    /// What storing an object of that size costs; `None` where it costs nothing. A cap reserves the largest image's before the
    /// submit.
    fn cost(&self, _bytes: u64) -> Option<Usd> {
        None
    }

    /// Whether images can be stored now; checked before the first job spends money.
    async fn check(&self) -> Result<(), BucketError>;
}

/// A stored object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// A URL that a browser opens.
    pub url: String,
    /// What storing it cost, where the bucket costs money.
    pub cost: Option<Usd>,
}

/// Why a bucket did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// Try again later.
    #[error("{0}")]
    Unavailable(String),
    /// Not until a person acts: no rights, no bucket, no space.
    #[error("{0}")]
    Refused(String),
    /// There is no such object.
    #[error("there is no image {0}")]
    NotFound(ObjectName),
}
