//! Settings with a fixed set of values.

use strum::{Display, EnumString, IntoStaticStr, VariantNames};

/// Who generates the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum ProviderKind {
    /// The simulator of the FLUX API: no real money.
    Simulator,
    /// The real FLUX API: real money.
    Bfl,
}

/// Where job documents are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum StoreKind {
    /// One file on this machine.
    Sqlite,
    /// Google's Firestore.
    Firestore,
}

/// Where images are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum BucketKind {
    /// A folder on this machine.
    Folder,
    /// Google Cloud Storage.
    Gcs,
}

/// What runs the workflows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum EngineKind {
    /// This process.
    Local,
    /// The workers of a Temporal task queue.
    Temporal,
}
