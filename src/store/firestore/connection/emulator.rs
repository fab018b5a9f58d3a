//! The credentials of Firestore's emulator: the token `owner`, which bypasses all security rules. Used only where an emulator is
//! configured, so that no real credentials are searched for one.

use firestore::gcloud_sdk::google_cloud_auth::credentials::{
    CacheableResource, Credentials, CredentialsProvider, EntityTag,
};
use firestore::gcloud_sdk::google_cloud_auth::errors::CredentialsError;
use firestore::gcloud_sdk::tonic::codegen::http::header::AUTHORIZATION;
use firestore::gcloud_sdk::tonic::codegen::http::{Extensions, HeaderValue};
use firestore::gcloud_sdk::{GoogleAuthHeaders, HeaderMap};

/// The header's value.
const OWNER: &str = "Bearer owner";

#[derive(Debug)]
pub(crate) struct EmulatorCredentials {
    tag: EntityTag,
}

impl EmulatorCredentials {
    pub(crate) fn auth() -> GoogleAuthHeaders {
        GoogleAuthHeaders::from(Credentials::from(Self { tag: EntityTag::new() }))
    }
}

impl CredentialsProvider for EmulatorCredentials {
    async fn headers(&self, extensions: Extensions) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        if extensions.get::<EntityTag>() == Some(&self.tag) {
            return Ok(CacheableResource::NotModified);
        }
        let data = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(OWNER))]);
        Ok(CacheableResource::New { entity_tag: self.tag.clone(), data })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}
