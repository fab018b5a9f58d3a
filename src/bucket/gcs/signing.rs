//! Owns signed URLs. Must not store anything.

use std::time::Duration;

use google_cloud_auth::signer::Signer;
use google_cloud_storage::builder::storage::SignedUrlBuilder;
use url::Url;

use super::errors;
use crate::bucket::BucketError;
use crate::jobs::ObjectName;

/// Signs, and says for how long.
#[derive(Debug, Clone)]
pub(super) struct Signing {
    pub(super) signer: Signer,
    /// How long a URL opens, from its signature on.
    pub(super) lifetime: Duration,
}

impl Signing {
    /// A V4 signed URL that reads `name` in the bucket `resource`.
    pub(super) async fn url(
        &self,
        resource: &str,
        name: &ObjectName,
        emulator: Option<&Url>,
    ) -> Result<String, BucketError> {
        let mut url = SignedUrlBuilder::for_object(resource, name.as_str()).with_expiration(self.lifetime);
        if let Some(emulator) = emulator {
            url = url.with_endpoint(emulator.as_str().trim_end_matches('/'));
        }
        url.sign_with(&self.signer).await.map_err(|error| errors::unsigned(&error))
    }

    /// Whether anything can be signed: without a key file, Google's own service signs, and asks for a right of its own.
    pub(super) async fn check(&self) -> Result<(), BucketError> {
        self.signer.client_email().await.map_err(|error| errors::unsigned(&error))?;
        let probe = self.signer.sign("darkroom looks whether a URL could be signed").await;
        probe.map(drop).map_err(|error| errors::unsigned(&error))
    }
}
