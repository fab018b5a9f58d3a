//! Classifies Google's errors: retryable, or an operator must act.

use std::error::Error as _;

use google_cloud_auth::errors::CredentialsError;
use google_cloud_storage::Error;
use google_cloud_storage::error::WriteError;

use super::credentials::HOW_TO_SIGN_IN;
use crate::bucket::BucketError;
use crate::text::sanitize_line;

/// Part of the error of Google's client when no credentials are configured outside Google Cloud.
const NOT_AT_GOOGLE: &str = "not running in a Google Cloud Environment";

/// The message that replaces it.
const NO_CREDENTIALS: &str =
    "no credentials: run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS";

/// An answer that is not a success, from whichever client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// Google's short word for it, such as `conditionNotMet`; empty where the body has none.
    reason: String,
    /// Google's sentence, cleaned; empty where the body has none.
    message: String,
}

impl Answer {
    /// From a status and Google's JSON error body, or whatever a proxy sent in its place.
    pub(super) fn new(status: u16, body: &[u8]) -> Self {
        let parsed: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |pointer: &str| parsed.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default();
        // What is no JSON is a proxy's page or a bare line; the line is worth showing, the page is not.
        let bare = || String::from_utf8(body.to_vec()).ok().filter(|line| !line.contains('<')).unwrap_or_default();
        let message = if parsed.is_object() { text("/error/message").to_owned() } else { bare() };
        Self { status, reason: text("/error/errors/0/reason").to_owned(), message: sanitize_line(&message, 200) }
    }

    /// The bucket has uniform access: objects have no rights of their own.
    pub(super) fn is_uniform_access(&self) -> bool {
        self.status == 400 && self.message.contains("uniform bucket-level access")
    }

    /// The bucket forbids public objects. Reported as 412, like an object that exists already.
    pub(super) fn is_public_forbidden(&self) -> bool {
        self.status == 412 && self.message.contains("public access prevention")
    }

    /// The bucket itself is missing, as far as the reply distinguishes it from a missing object.
    pub(super) fn is_bucket_missing(&self) -> bool {
        self.status == 404 && self.message.to_ascii_lowercase().contains("bucket does not exist")
    }

    /// Google's client keeps the sentence of an answer and drops the word for it, so both are looked at.
    fn is_rate_limit(&self) -> bool {
        let text = format!("{} {}", self.reason, self.message).to_ascii_lowercase();
        text.contains("ratelimit") || text.contains("rate limit")
    }

    /// One line: what was tried, and why it failed.
    fn line(&self, what: &str) -> String {
        let Self { status, message, .. } = self;
        if message.is_empty() { format!("{what}: status {status}") } else { format!("{what}: {message} ({status})") }
    }

    /// What it means for `what`, done in `bucket`.
    pub(super) fn into_error(self, what: &str, bucket: &str) -> BucketError {
        match self.status {
            401 => BucketError::Refused(format!(
                "{}; Google does not accept the credentials: {HOW_TO_SIGN_IN}",
                self.line(what)
            )),
            403 if self.is_rate_limit() => BucketError::Unavailable(self.line(what)),
            403 => BucketError::Refused(format!(
                "{}; the credentials lack rights on the bucket {bucket}: give them the role Storage Object Admin \
                 (roles/storage.objectAdmin) there",
                self.line(what)
            )),
            404 => BucketError::Refused(no_bucket(bucket)),
            408 | 425 | 429 | 500.. => BucketError::Unavailable(self.line(what)),
            _ if self.is_public_forbidden() => BucketError::Refused(public_forbidden(bucket)),
            _ => BucketError::Refused(self.line(what)),
        }
    }
}

/// The answer behind an error of Google's client, where a server answered at all.
pub(super) fn answer(error: &Error) -> Option<Answer> {
    let status = error.http_status_code()?;
    let from_body = Answer::new(status, error.http_payload().map(AsRef::as_ref).unwrap_or_default());
    if !from_body.message.is_empty() {
        return Some(from_body);
    }
    let message = error.status().map(|status| sanitize_line(&status.message, 200)).unwrap_or_default();
    Some(Answer { message, ..from_body })
}

/// What an error of Google's client means for `what`, done in `bucket`.
pub(super) fn explain(error: &Error, what: &str, bucket: &str) -> BucketError {
    if let Some(answer) = answer(error) {
        return answer.into_error(what, bucket);
    }
    if let Some(WriteError::ChecksumMismatch { .. }) = error.source().and_then(|source| source.downcast_ref()) {
        return BucketError::Unavailable(format!("{what}: the image arrived damaged, its checksum differs"));
    }
    let line = format!("{what}: {}", short(error));
    if error.is_authentication() {
        let credentials = error.source().and_then(|source| source.downcast_ref::<CredentialsError>());
        return credentials.map_or_else(|| BucketError::Refused(line), |error| no_token(error, what));
    }
    // No reply, a partial reply, or an unreadable one: a retry may succeed.
    BucketError::Unavailable(line)
}

/// No token could be had.
pub(super) fn no_token(error: &CredentialsError, what: &str) -> BucketError {
    let why = short(error);
    let named = why != NO_CREDENTIALS;
    let line = if named { format!("{what}: no Google token ({why})") } else { format!("{what}: {why}") };
    if error.is_transient() {
        BucketError::Unavailable(line)
    } else if named {
        BucketError::Refused(format!("{line}: {HOW_TO_SIGN_IN}"))
    } else {
        BucketError::Refused(line)
    }
}

/// Why a URL could not be signed. Without a key file Google's own service signs; its answer stands deep in the error.
pub(super) fn unsigned(error: &(dyn std::error::Error + 'static)) -> BucketError {
    let line = format!("the image's URL cannot be signed: {}", sanitize_line(&with_causes(error), 240));
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    let remote = causes.find_map(|cause| cause.downcast_ref::<Error>());
    match remote.map(Error::http_status_code) {
        Some(Some(403)) => BucketError::Refused(format!(
            "{line}; give the service account the role Service Account Token Creator \
             (roles/iam.serviceAccountTokenCreator) on itself, or use its key file"
        )),
        Some(None | Some(408 | 429 | 500..)) => BucketError::Unavailable(line),
        // A key that does not sign, or an answer that will not change.
        Some(Some(_)) | None => BucketError::Refused(line),
    }
}

/// The line for a bucket that is not there.
pub(super) fn no_bucket(bucket: &str) -> String {
    format!("there is no bucket {bucket}: create it, or correct FIREBASE_STORAGE_BUCKET")
}

/// The line for a bucket whose rules forbid public objects.
pub(super) fn public_forbidden(bucket: &str) -> String {
    format!(
        "the bucket {bucket} forbids objects that everybody can read (public access prevention): use signed URLs or a base \
         URL of your own"
    )
}

/// The same, cleaned and cut; where there are no credentials at all, what to do about it.
fn short(error: &dyn std::error::Error) -> String {
    let line = with_causes(error);
    if line.contains(NOT_AT_GOOGLE) { NO_CREDENTIALS.to_owned() } else { sanitize_line(&line, 240) }
}

/// An error and what is behind it, in one line; many errors say only the outermost half.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("signing failed")]
    struct Outer(#[source] Error);

    fn remote(status: u16) -> BucketError {
        unsigned(&Outer(Error::http(status, google_cloud_storage::http::HeaderMap::new(), bytes::Bytes::new())))
    }

    #[test]
    fn signing_errors_are_refused_or_unavailable() {
        assert!(matches!(remote(403), BucketError::Refused(line) if line.contains("serviceAccountTokenCreator")));
        assert!(matches!(remote(404), BucketError::Refused(_)));
        assert!(matches!(remote(503), BucketError::Unavailable(_)));
        assert!(matches!(unsigned(&std::io::Error::other("no such key")), BucketError::Refused(_)));
    }

    #[test]
    fn missing_credentials_error_says_what_to_do() {
        let long = format!("Could not fetch an auth token. You are {NOT_AT_GOOGLE} and more");
        for transient in [true, false] {
            let error = CredentialsError::from_msg(transient, long.clone());
            let (BucketError::Unavailable(line) | BucketError::Refused(line)) = no_token(&error, "looking") else {
                panic!("it is no missing image");
            };
            assert_eq!(line, format!("looking: {NO_CREDENTIALS}"));
        }
    }

    #[test]
    fn proxy_error_page_is_reduced_to_one_line() {
        let line = |status, body: &[u8]| match Answer::new(status, body).into_error("storing", "art") {
            BucketError::Unavailable(line) | BucketError::Refused(line) => line,
            BucketError::NotFound(name) => panic!("{name}"),
        };
        assert_eq!(line(502, b"<html><h1>Bad gateway</h1>"), "storing: status 502");
        assert_eq!(line(502, b"upstream\n\x1b[2J gone"), "storing: upstream [2J gone (502)");
        assert_eq!(line(502, &[0xff, 0xfe]), "storing: status 502");
        assert_eq!(line(400, br#"{"error": {"message": "Bad thing"}}"#), "storing: Bad thing (400)");
        assert_eq!(line(400, br#"{"error": "other form"}"#), "storing: status 400");
    }
}
