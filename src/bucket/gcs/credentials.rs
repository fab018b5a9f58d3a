//! The Google credentials for requests and for signatures.

use std::path::Path;

use google_cloud_auth::build_errors::Error as BuildError;
use google_cloud_auth::credentials::{Builder, Credentials, anonymous, service_account};
use google_cloud_auth::signer::Signer;

use super::options::GcsCredentials;
use crate::bucket::BucketError;
use crate::text::sanitize_line;

/// What a person does who has no credentials.
pub(super) const HOW_TO_SIGN_IN: &str = "run 'gcloud auth application-default login', or set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file";

/// What goes along with requests; an emulator gets nothing, so that no token leaks to it.
pub(super) fn credentials(who: &GcsCredentials, emulator: bool) -> Result<Credentials, BucketError> {
    if emulator {
        return Ok(anonymous::Builder::new().build());
    }
    match who {
        GcsCredentials::ApplicationDefault => Builder::default().build().map_err(|error| no_credentials(&error)),
        GcsCredentials::ServiceAccountFile(path) => {
            service_account::Builder::new(key_file(path)?).build().map_err(|error| bad_key_file(path, &error))
        }
        GcsCredentials::Anonymous => Ok(anonymous::Builder::new().build()),
    }
}

/// What signs URLs.
pub(super) fn signer(who: &GcsCredentials) -> Result<Signer, BucketError> {
    match who {
        GcsCredentials::ApplicationDefault => Builder::default().build_signer().map_err(|error| {
            if error.is_not_supported() {
                BucketError::Refused(format!(
                    "these Google credentials cannot sign URLs ({}): use a service account's",
                    sanitize_line(&error.to_string(), 160)
                ))
            } else {
                no_credentials(&error)
            }
        }),
        GcsCredentials::ServiceAccountFile(path) => {
            service_account::Builder::new(key_file(path)?).build_signer().map_err(|error| bad_key_file(path, &error))
        }
        GcsCredentials::Anonymous => {
            Err(BucketError::Refused("signed URLs need a service account; an emulator without one has none".to_owned()))
        }
    }
}

fn key_file(path: &Path) -> Result<serde_json::Value, BucketError> {
    let unusable = |why: String| {
        BucketError::Refused(format!(
            "the service account's key file {} cannot be used: {}",
            sanitize_line(&path.display().to_string(), 160),
            sanitize_line(&why, 160)
        ))
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    // The parser's message names a place, never the key itself.
    let key: serde_json::Value = serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
    if key.get("type").and_then(serde_json::Value::as_str) != Some("service_account") {
        return Err(unusable("it is not of the type service_account".to_owned()));
    }
    Ok(key)
}

fn bad_key_file(path: &Path, error: &BuildError) -> BucketError {
    BucketError::Refused(format!(
        "the service account's key file {} cannot be used: {}",
        sanitize_line(&path.display().to_string(), 160),
        sanitize_line(&error.to_string(), 160)
    ))
}

fn no_credentials(error: &BuildError) -> BucketError {
    BucketError::Refused(format!(
        "there are no usable Google credentials ({}): {HOW_TO_SIGN_IN}",
        sanitize_line(&error.to_string(), 160)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_key_file_error_names_file_not_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        let who = GcsCredentials::ServiceAccountFile(path.clone());
        let line = |who: &GcsCredentials| match (credentials(who, false), signer(who)) {
            (Err(BucketError::Refused(one)), Err(BucketError::Refused(other))) => {
                assert_eq!(one, other);
                one
            }
            other => panic!("{other:?}"),
        };
        assert!(line(&who).contains("key.json"));
        std::fs::write(&path, "{\"private_key\": \"secret").unwrap();
        assert!(!line(&who).contains("secret"));
        std::fs::write(&path, r#"{"type": "authorized_user", "refresh_token": "secret"}"#).unwrap();
        assert!(line(&who).contains("service_account"));
        assert!(!line(&who).contains("secret"));
        std::fs::write(&path, r#"{"type": "service_account", "private_key": "secret"}"#).unwrap();
        assert!(!line(&who).contains("secret"), "{}", line(&who));
    }

    #[test]
    fn emulator_gets_no_credentials() {
        let who = GcsCredentials::ServiceAccountFile("/does/not/exist.json".into());
        assert!(credentials(&who, true).is_ok());
    }
}
