//! Requests of Cloud Storage's JSON API that Google's crate offers only over gRPC, which the emulators lack: bucket metadata,
//! permissions, and making one object public.

use std::time::Duration;

use bytes::Bytes;
use google_cloud_auth::credentials::{CacheableResource, Credentials};
use serde_json::{Value, json};
use url::Url;

use super::errors::{self, Answer};
use crate::bucket::BucketError;
use crate::jobs::ObjectName;
use crate::text::sanitize_line;

/// These requests are small: a server that takes longer is treated as unavailable.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Google's own endpoint.
pub(super) const GOOGLE: &str = "https://storage.googleapis.com/";

/// Why there is no answer, or which.
#[derive(Debug)]
pub(super) enum ApiError {
    /// A server answered, but not with success.
    Answered(Answer),
    /// No reply, or no access token.
    Failed(BucketError),
}

impl ApiError {
    /// What it means for `what`, done in `bucket`.
    pub(super) fn into_error(self, what: &str, bucket: &str) -> BucketError {
        match self {
            Self::Answered(answer) => answer.into_error(what, bucket),
            Self::Failed(error) => error,
        }
    }
}

/// A client of the JSON API.
#[derive(Debug, Clone)]
pub(super) struct JsonApi {
    http: reqwest::Client,
    endpoint: Url,
    credentials: Credentials,
}

impl JsonApi {
    /// Does not connect yet.
    pub(super) fn new(endpoint: Url, credentials: Credentials) -> Result<Self, BucketError> {
        let http = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| BucketError::Refused(format!("no HTTP client: {error}")))?;
        Ok(Self { http, endpoint, credentials })
    }

    /// The bucket's own description; needs the right `storage.buckets.get`.
    pub(super) async fn bucket(&self, bucket: &str) -> Result<Value, ApiError> {
        self.ask("the bucket", self.http.get(self.url(&["b", bucket], &[])?)).await
    }

    /// Which of the `wanted` permissions the credentials have; this request itself needs no permission.
    pub(super) async fn granted(&self, bucket: &str, wanted: &[&str]) -> Result<Vec<String>, ApiError> {
        let query: Vec<_> = wanted.iter().map(|right| ("permissions", *right)).collect();
        let url = self.url(&["b", bucket, "iam", "testPermissions"], &query)?;
        let answer = self.ask("the rights", self.http.get(url)).await?;
        let granted = answer.get("permissions").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(granted.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// Whether `project` has this bucket; needs the right `storage.buckets.list`.
    pub(super) async fn has_bucket(&self, project: &str, bucket: &str) -> Result<bool, ApiError> {
        let url = self.url(&["b"], &[("project", project), ("prefix", bucket), ("fields", "items(name)")])?;
        let answer = self.ask("the project's buckets", self.http.get(url)).await?;
        let buckets = answer.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(buckets.iter().any(|item| item.get("name").and_then(Value::as_str) == Some(bucket)))
    }

    /// Lets everybody read an object; doing it twice is doing it once.
    pub(super) async fn make_public(&self, bucket: &str, name: &ObjectName) -> Result<(), ApiError> {
        let url = self.url(&["b", bucket, "o", name.as_str(), "acl"], &[])?;
        let entry = json!({"entity": "allUsers", "role": "READER"});
        self.ask("the object's rights", self.http.post(url).json(&entry)).await.map(|_| ())
    }

    /// Removes an object; one that does not exist is no error.
    pub(super) async fn delete(&self, bucket: &str, name: &ObjectName) -> Result<(), ApiError> {
        let url = self.url(&["b", bucket, "o", name.as_str()], &[])?;
        match self.send("the image", self.http.delete(url)).await {
            Ok(_) => Ok(()),
            Err(ApiError::Answered(answer)) if answer.status == 404 && !answer.is_bucket_missing() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, ApiError> {
        let mut url = self.endpoint.clone();
        url.path_segments_mut()
            .map_err(|()| ApiError::Failed(BucketError::Refused("the endpoint is no web address".to_owned())))?
            .pop_if_empty()
            .extend(["storage", "v1"])
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    async fn ask(&self, what: &str, request: reqwest::RequestBuilder) -> Result<Value, ApiError> {
        let body = self.send(what, request).await?;
        serde_json::from_slice(&body).map_err(|_| {
            let line = format!("{what} cannot be asked for: the answer is not Cloud Storage's");
            ApiError::Failed(BucketError::Unavailable(line))
        })
    }

    /// The body of a successful answer.
    async fn send(&self, what: &str, request: reqwest::RequestBuilder) -> Result<Bytes, ApiError> {
        let what = format!("{what} cannot be asked for");
        #[expect(clippy::default_trait_access, reason = "the type is the http crate's, which is no dependency of ours")]
        let headers = match self.credentials.headers(Default::default()).await {
            Ok(CacheableResource::New { data, .. }) => data,
            Ok(CacheableResource::NotModified) => {
                return Err(ApiError::Failed(BucketError::Unavailable(format!("{what}: no Google token"))));
            }
            Err(error) => return Err(ApiError::Failed(errors::no_token(&error, &what))),
        };
        let lost = |error: reqwest::Error| {
            let why = sanitize_line(&errors::with_causes(&error.without_url()), 240);
            ApiError::Failed(BucketError::Unavailable(format!("{what}: {why}")))
        };
        let response = request.headers(headers).send().await.map_err(lost)?;
        let status = response.status();
        let body = response.bytes().await.map_err(lost)?;
        if !status.is_success() {
            return Err(ApiError::Answered(Answer::new(status.as_u16(), &body)));
        }
        Ok(body)
    }
}
