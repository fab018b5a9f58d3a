//! The URLs under which a browser or a reader opens a stored image: public, behind a custom base, on the emulator, or signed.

use std::time::Duration;

use google_cloud_auth::signer::Signer;
use google_cloud_storage::builder::storage::SignedUrlBuilder;
use url::Url;

use super::errors;
use crate::bucket::BucketError;
use crate::jobs::ObjectName;

/// Where Google's objects are read by browsers.
const PUBLIC: &str = "https://storage.googleapis.com/";

/// `https://storage.googleapis.com/<bucket>/<object>`, or the same behind another base.
pub(super) fn public(bucket: &str, name: &ObjectName) -> Option<String> {
    below(&Url::parse(PUBLIC).ok()?, std::iter::once(bucket).chain(name.as_str().split('/')))
}

/// The object's name behind a base of one's own.
pub(super) fn behind(base: &Url, name: &ObjectName) -> Option<String> {
    below(base, name.as_str().split('/'))
}

/// The emulator's URL format. It serves the path form of `public` only under its configured host name
/// public; this one always.
pub(super) fn on_emulator(emulator: &Url, bucket: &str, name: &ObjectName) -> Option<String> {
    let mut url = emulator.clone();
    url.path_segments_mut().ok()?.pop_if_empty().extend(["download", "storage", "v1", "b", bucket, "o", name.as_str()]);
    url.set_query(Some("alt=media"));
    Some(url.into())
}

fn below<'a>(base: &Url, segments: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut url = base.clone();
    url.path_segments_mut().ok()?.pop_if_empty().extend(segments);
    Some(url.into())
}

/// Signs URLs that stay valid for a while.
#[derive(Debug, Clone)]
pub(super) struct Signing {
    pub(super) signer: Signer,
    /// Time from the signature to the expiry of a URL.
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

    /// Checks that a URL can be signed. Without a key file Google's IAM service signs, which needs a permission of its own.
    pub(super) async fn check(&self) -> Result<(), BucketError> {
        self.signer.client_email().await.map_err(|error| errors::unsigned(&error))?;
        let probe = self.signer.sign("darkroom checks that a URL can be signed").await;
        probe.map(drop).map_err(|error| errors::unsigned(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{ImageFormat, JobId};

    fn name() -> ObjectName {
        ObjectName::for_attempt(&JobId::new("02FShWubqQUKG3QCO5dW").unwrap(), 2, ImageFormat::Png)
    }

    #[test]
    fn urls_have_their_documented_forms() {
        assert_eq!(
            public("demo.appspot.com", &name()).unwrap(),
            "https://storage.googleapis.com/demo.appspot.com/generated-art/02FShWubqQUKG3QCO5dW-2.png"
        );
        for base in ["https://cdn.test/art", "https://cdn.test/art/"] {
            assert_eq!(
                behind(&Url::parse(base).unwrap(), &name()).unwrap(),
                "https://cdn.test/art/generated-art/02FShWubqQUKG3QCO5dW-2.png"
            );
        }
        assert_eq!(
            on_emulator(&Url::parse("http://127.0.0.1:4443").unwrap(), "demo", &name()).unwrap(),
            "http://127.0.0.1:4443/download/storage/v1/b/demo/o/generated-art%2F02FShWubqQUKG3QCO5dW-2.png?alt=media"
        );
    }
}
