//! The bucket adapter for Google Cloud Storage. It knows no provider, store or engine.
//!
//! An image goes up in one buffered request with its own content type, its checksums, and the precondition that nothing is
//! stored under its name: so the request can be repeated, and an image is never overwritten unseen. Where an object exists,
//! it is compared: the same bytes are a success (the first answer was lost), others are replaced under the precondition of
//! the generation that was looked at.

mod client;
mod credentials;
mod errors;
mod options;
mod preflight;
mod upload;
mod urls;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use google_cloud_gax::exponential_backoff::ExponentialBackoffBuilder;
use google_cloud_gax::retry_policy::RetryPolicyExt;
use google_cloud_storage::client::Storage;
use google_cloud_storage::retry_policy::RetryableErrors;
use url::Url;

pub use options::{GcsCredentials, GcsOptions, LONGEST_SIGNED_URL, PublicUrl};

use super::{Bucket, BucketError, Stored};
use crate::costs::{PriceTable, Usd};
use crate::jobs::{ImageFormat, ObjectName};
use crate::text::sanitize_line;
use client::{ApiError, JsonApi};
use options::ValidatedOptions;
use preflight::ObjectAcl;
use upload::{Objects, Sent, Upload};
use urls::Signing;

/// How long one request is repeated by Google's client, and how often. The engine comes back later with longer pauses; a
/// worker does not wait here for an outage to end.
const RETRY_TIME: Duration = Duration::from_secs(30);
const RETRY_COUNT: u32 = 4;
const RETRY_PAUSE: Duration = Duration::from_millis(100);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(2);

/// A put or get that takes longer than this hangs: 20 MB on a line of 2 Mbit/s take 80 s.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(3);

/// How often the object under a name may change between reading and writing. Of several concurrent writers of one name, each
/// round lets one through.
const MAX_REPLACE_RETRIES: usize = 32;

/// Images in a bucket of Google Cloud Storage.
#[derive(Debug)]
pub struct GcsBucket {
    objects: Objects,
    api: JsonApi,
    at: ValidatedOptions,
    url: PublicUrl,
    /// Only where URLs are signed.
    signing: Option<Signing>,
    /// Whether objects are made public one by one; turned off for good when the bucket's rules do not allow it.
    object_acl: AtomicBool,
}

impl GcsBucket {
    /// What storing an object of that size costs, where a price is known.
    pub fn price(bytes: u64) -> Option<Usd> {
        PriceTable::builtin().storage().map(|price| price.cost(bytes))
    }

    /// Makes the clients without connecting, so this works without a network.
    ///
    /// # Errors
    /// `Refused`, with the fix: invalid options or unusable credentials.
    pub async fn open(options: GcsOptions) -> Result<Self, BucketError> {
        let at = options.validate()?;
        let endpoint = match &at.emulator {
            Some(emulator) => emulator.clone(),
            None => Url::parse(client::GOOGLE).map_err(|error| BucketError::Refused(error.to_string()))?,
        };
        let credentials = credentials::credentials(&options.credentials, at.emulator.is_some())?;
        let signing = match options.url {
            PublicUrl::Signed { lifetime } => {
                Some(Signing { signer: credentials::signer(&options.credentials)?, lifetime })
            }
            PublicUrl::Public | PublicUrl::Base(_) => None,
        };
        let backoff = ExponentialBackoffBuilder::new()
            .with_initial_delay(RETRY_PAUSE)
            .with_maximum_delay(RETRY_PAUSE_MAX)
            .build()
            .map_err(|error| BucketError::Refused(error.to_string()))?;
        let client = Storage::builder()
            .with_endpoint(endpoint.as_str().trim_end_matches('/'))
            .with_credentials(credentials.clone())
            // Never the one that repeats every error: a missing bucket is missing at once.
            .with_retry_policy(RetryableErrors.with_time_limit(RETRY_TIME).with_attempt_limit(RETRY_COUNT))
            .with_backoff_policy(backoff)
            // Always one request: an image is small, and emulators do not serve this client's resumable sessions.
            .with_resumable_upload_threshold(usize::MAX)
            .build()
            .await
            .map_err(|error| BucketError::Refused(sanitize_line(&errors::with_causes(&error), 240)))?;
        let api = JsonApi::new(endpoint, credentials)?;
        let resource = format!("projects/_/buckets/{}", at.bucket);
        let object_acl = AtomicBool::new(matches!(options.url, PublicUrl::Public));
        let objects = Objects { client, bucket: at.bucket.clone(), resource };
        Ok(Self { objects, api, at, url: options.url, signing, object_acl })
    }

    async fn store(&self, name: &ObjectName, bytes: &Bytes, format: ImageFormat) -> Result<(), BucketError> {
        let mut generation = 0;
        for _ in 0..MAX_REPLACE_RETRIES {
            let public = self.object_acl.load(Ordering::Relaxed);
            match self.objects.send(&Upload { name, bytes, format, public }, generation).await? {
                Sent::Stored => return Ok(()),
                Sent::NoObjectAcl => self.without_object_acl(),
                Sent::Taken => match self.objects.find_existing(name).await? {
                    Some(existing) if existing.is(bytes) => return self.ensure_public(name).await,
                    Some(existing) => {
                        tracing::warn!(object = %name, "object with other bytes replaced");
                        generation = existing.generation;
                    }
                    None => generation = 0,
                },
            }
        }
        Err(BucketError::Unavailable(format!("another program keeps changing {name} in the bucket {}", self.at.bucket)))
    }

    /// Makes public what was there already; it may have been stored when the URLs were to be others.
    async fn ensure_public(&self, name: &ObjectName) -> Result<(), BucketError> {
        if !self.object_acl.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.api.make_public(&self.at.bucket, name).await {
            Err(ApiError::Answered(answer)) if answer.is_uniform_access() => {
                self.without_object_acl();
                Ok(())
            }
            other => other.map_err(|error| error.into_error("the image cannot be made public", &self.at.bucket)),
        }
    }

    /// Says once that the bucket's own rules decide who reads.
    fn without_object_acl(&self) {
        if self.object_acl.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                "objects of the bucket {bucket} cannot be made public one by one: image URLs open only where the bucket as a \
                 whole is public (allUsers with the role Storage Object Viewer); signed URLs open in any case",
                bucket = self.at.bucket
            );
        }
    }

    async fn url(&self, name: &ObjectName) -> Result<String, BucketError> {
        let emulator = self.at.emulator.as_ref();
        if let Some(signing) = &self.signing {
            return signing.url(&self.objects.resource, name, emulator).await;
        }
        let url = match (&self.url, emulator) {
            (PublicUrl::Base(base), _) => urls::behind(base, name),
            (_, Some(emulator)) => urls::on_emulator(emulator, &self.at.bucket, name),
            (_, None) => urls::public(&self.at.bucket, name),
        };
        url.ok_or_else(|| BucketError::Refused("no image URL can be made from the configured base".to_owned()))
    }
}

#[async_trait]
impl Bucket for GcsBucket {
    async fn put(&self, name: &ObjectName, bytes: Bytes, format: ImageFormat) -> Result<Stored, BucketError> {
        check_name(name)?;
        let whole = async {
            self.store(name, &bytes, format).await?;
            Ok(Stored { url: self.url(name).await?, cost: self.cost(bytes.len() as u64) })
        };
        tokio::time::timeout(REQUEST_TIMEOUT, whole).await.unwrap_or_else(|_| Err(hangs()))
    }

    fn cost(&self, bytes: u64) -> Option<Usd> {
        Self::price(bytes)
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, BucketError> {
        check_name(name)?;
        let bytes =
            tokio::time::timeout(REQUEST_TIMEOUT, self.objects.read(name)).await.unwrap_or_else(|_| Err(hangs()))?;
        bytes.ok_or_else(|| BucketError::NotFound(name.clone()))
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), BucketError> {
        check_name(name)?;
        self.api
            .delete(&self.at.bucket, name)
            .await
            .map_err(|error| error.into_error("the image cannot be removed", &self.at.bucket))
    }

    async fn check(&self) -> Result<(), BucketError> {
        if preflight::check(&self.api, &self.at, &self.url).await? == ObjectAcl::Impossible {
            self.without_object_acl();
        }
        match &self.signing {
            Some(signing) => signing.check().await,
            None => Ok(()),
        }
    }
}

fn check_name(name: &ObjectName) -> Result<(), BucketError> {
    if name.is_ours() {
        return Ok(());
    }
    Err(BucketError::Refused(format!("'{name}' is not a name that darkroom gives to an image")))
}

fn hangs() -> BucketError {
    BucketError::Unavailable(format!("Cloud Storage has not answered for {} s", REQUEST_TIMEOUT.as_secs()))
}
