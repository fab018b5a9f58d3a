//! The options of a Cloud Storage bucket, including `STORAGE_EMULATOR_HOST`. Parsing reaches no network.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::bucket::BucketError;
use crate::text::sanitize_line;

/// A signed URL lives at most seven days: a limit of the V4 signing process.
pub const LONGEST_SIGNED_URL: Duration = Duration::from_hours(7 * 24);

/// What a bucket is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GcsOptions {
    /// The bucket's name, as in `FIREBASE_STORAGE_BUCKET`; no `gs://` before it.
    pub bucket: String,
    /// The project that the bucket must be in; `None` does not look.
    pub project: Option<String>,
    /// What URL a stored image gets.
    pub url: PublicUrl,
    /// `STORAGE_EMULATOR_HOST` as it is set, with or without scheme; `None` or empty means Google's own service.
    pub emulator: Option<String>,
    /// Who darkroom is for Google.
    pub credentials: GcsCredentials,
}

/// What URL a stored image gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicUrl {
    /// `https://storage.googleapis.com/<bucket>/<object>`; the object is made readable for everybody where the bucket's rules
    /// allow it. On an emulator its own form.
    Public,
    /// A V4 signed URL that opens for this long, at most seven days.
    Signed {
        /// From the moment of storing.
        lifetime: Duration,
    },
    /// The object's name behind a base URL of one's own, such as a content delivery network. The object's rights stay as the
    /// bucket makes them.
    Base(Url),
}

/// Who darkroom is for Google. An emulator is always asked without credentials; there they only sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GcsCredentials {
    /// Application Default Credentials: `GOOGLE_APPLICATION_CREDENTIALS`, `gcloud auth application-default login`, or the
    /// metadata server.
    ApplicationDefault,
    /// This service account's key file.
    ServiceAccountFile(PathBuf),
    /// Anonymous: only for an emulator.
    Anonymous,
}

impl GcsOptions {
    /// The validated options, or an error that names the fix.
    pub(super) fn validate(&self) -> Result<ValidatedOptions, BucketError> {
        let bucket = self.bucket.trim();
        if bucket.is_empty() {
            return Err(refused("no bucket is named: set FIREBASE_STORAGE_BUCKET"));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if bucket.len() > 222 || !bucket.bytes().all(plain) {
            let shown = sanitize_line(bucket, 80);
            return Err(refused(&format!("'{shown}' is no bucket name: leave out gs:// and what follows a slash")));
        }
        if let PublicUrl::Signed { lifetime } = &self.url
            && (*lifetime < Duration::from_secs(1) || *lifetime > LONGEST_SIGNED_URL)
        {
            return Err(refused("a signed URL lives from one second to seven days"));
        }
        if let PublicUrl::Base(base) = &self.url
            && (!matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() || base.query().is_some())
        {
            return Err(refused("the base of the image URLs is an http or https URL without a query"));
        }
        let emulator = match self.emulator.as_deref().map(str::trim) {
            None | Some("") => None,
            Some(text) => Some(emulator_url(text)?),
        };
        if emulator.is_none() && self.credentials == GcsCredentials::Anonymous {
            return Err(refused("Google Cloud Storage takes no images without credentials"));
        }
        let project = self.project.as_deref().map(str::trim).filter(|project| !project.is_empty()).map(str::to_owned);
        Ok(ValidatedOptions { bucket: bucket.to_owned(), project, emulator })
    }
}

/// What `GcsOptions::validate` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ValidatedOptions {
    /// The bucket's plain name.
    pub(super) bucket: String,
    /// The project, when one is named.
    pub(super) project: Option<String>,
    /// Scheme, host and port of the emulator.
    pub(super) emulator: Option<Url>,
}

/// `STORAGE_EMULATOR_HOST` as Google's clients read it: the Go client takes a bare `host:port` for http, the Python client wants
/// the scheme; a path behind it is dropped.
fn emulator_url(text: &str) -> Result<Url, BucketError> {
    let wrong = || refused(&format!("STORAGE_EMULATOR_HOST is '{}': write host:port", sanitize_line(text, 80)));
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url = Url::parse(&whole).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !url.username().is_empty() {
        return Err(wrong());
    }
    url.set_path("/");
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

fn refused(line: &str) -> BucketError {
    BucketError::Refused(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> GcsOptions {
        GcsOptions {
            bucket: "demo.appspot.com".to_owned(),
            project: Some(" ".to_owned()),
            url: PublicUrl::Public,
            emulator: Some("127.0.0.1:4443".to_owned()),
            credentials: GcsCredentials::Anonymous,
        }
    }

    fn emulator(text: &str) -> Result<Option<String>, BucketError> {
        let checked = GcsOptions { emulator: Some(text.to_owned()), ..options() }.validate()?;
        Ok(checked.emulator.map(String::from))
    }

    #[test]
    fn emulator_host_forms_are_accepted() {
        for (text, url) in [
            ("127.0.0.1:4443", "http://127.0.0.1:4443/"),
            ("localhost:9023", "http://localhost:9023/"),
            ("http://localhost:9023", "http://localhost:9023/"),
            ("https://gcs.test:4443/", "https://gcs.test:4443/"),
            (" http://127.0.0.1:9/storage/v1/ ", "http://127.0.0.1:9/"),
            ("[::1]:4443", "http://[::1]:4443/"),
        ] {
            assert_eq!(emulator(text).unwrap().as_deref(), Some(url), "{text}");
        }
        for text in ["ftp://localhost:21", "http://", "user@host:1", "ho st:1"] {
            assert!(matches!(emulator(text), Err(BucketError::Refused(line)) if line.contains("host:port")), "{text}");
        }
    }

    #[test]
    fn empty_emulator_host_requires_credentials() {
        assert!(matches!(emulator(""), Err(BucketError::Refused(line)) if line.contains("credentials")));
        let real = GcsOptions { emulator: None, credentials: GcsCredentials::ApplicationDefault, ..options() };
        assert_eq!(
            real.validate().unwrap(),
            ValidatedOptions { bucket: options().bucket, project: None, emulator: None }
        );
    }

    #[test]
    fn invalid_bucket_name_is_refused() {
        for bucket in ["", "  ", "gs://demo", "demo/folder", "de mo", "demo\u{1b}[2J"] {
            let checked = GcsOptions { bucket: bucket.to_owned(), ..options() }.validate();
            assert!(matches!(checked, Err(BucketError::Refused(line)) if !line.contains('\u{1b}')), "{bucket}");
        }
    }

    #[test]
    fn signed_url_lifetime_is_limited() {
        for (seconds, good) in [(0, false), (1, true), (604_800, true), (604_801, false)] {
            let url = PublicUrl::Signed { lifetime: Duration::from_secs(seconds) };
            assert_eq!(GcsOptions { url, ..options() }.validate().is_ok(), good, "{seconds}");
        }
    }

    #[test]
    fn url_base_must_be_http() {
        for (base, good) in
            [("https://cdn.test/art", true), ("mailto:a@b.test", false), ("https://cdn.test/?a=b", false)]
        {
            let url = PublicUrl::Base(Url::parse(base).unwrap());
            assert_eq!(GcsOptions { url, ..options() }.validate().is_ok(), good, "{base}");
        }
    }
}
