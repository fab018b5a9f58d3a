//! Signed URLs: they open at the real server, they say who signed and for how long, and the signature is right.

use std::collections::BTreeMap;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{self, KeyPair as _, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use darkroom::jobs::sha256_hex;

use super::*;

const ACCOUNT: &str = "darkroom@test-project.iam.gserviceaccount.com";

/// A service account that exists nowhere, made for one test.
struct Account {
    folder: tempfile::TempDir,
    key: KeyPair,
}

impl Account {
    fn new() -> Self {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).unwrap();
        let body = BASE64_STANDARD.encode(der.as_ref());
        let lines: Vec<&str> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let label = "PRIVATE KEY";
        let pem = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"));
        let file = serde_json::json!({
            "type": "service_account", "project_id": "test-project", "private_key_id": "1", "private_key": pem,
            "client_email": ACCOUNT, "client_id": "1", "universe_domain": "googleapis.com",
        });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key.json"), file.to_string()).unwrap();
        Self { folder, key }
    }

    fn options(&self, options: GcsOptions, seconds: u64) -> GcsOptions {
        GcsOptions {
            url: PublicUrl::Signed { lifetime: Duration::from_secs(seconds) },
            credentials: GcsCredentials::ServiceAccountFile(self.folder.path().join("key.json")),
            ..options
        }
    }

    /// Reckons the V4 signature's text again, from Google's description of it, and checks the signature with the public key.
    fn signed(&self, url: &url::Url) -> bool {
        let (query, signature) = url.query().unwrap().rsplit_once("&X-Goog-Signature=").unwrap();
        let signature: Vec<u8> =
            (0..signature.len()).step_by(2).map(|at| u8::from_str_radix(&signature[at..at + 2], 16).unwrap()).collect();
        let pairs: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        let host = url.host_str().unwrap();
        let request = format!("GET\n{}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD", url.path());
        let scope = pairs["X-Goog-Credential"].split_once('/').unwrap().1;
        let text = format!("GOOG4-RSA-SHA256\n{}\n{scope}\n{}", pairs["X-Goog-Date"], sha256_hex(request.as_bytes()));
        let public = UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, self.key.public_key().as_ref());
        public.verify(text.as_bytes(), &signature).is_ok()
    }
}

#[cfg_attr(not(storage_server_installed), ignore = "fake-gcs-server is not installed")]
#[tokio::test]
async fn signed_url_is_valid() {
    let options = fresh_bucket().await;
    let account = Account::new();
    let bucket = open(account.options(options, 3600)).await;
    bucket.check().await.unwrap();
    let stored = put(&bucket, "image").await.unwrap();
    assert_eq!(fetch(&stored.url).await, "image");
    let url = url::Url::parse(&stored.url).unwrap();
    let pairs: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(pairs["X-Goog-Expires"], "3600");
    assert!(pairs["X-Goog-Credential"].starts_with(ACCOUNT), "{pairs:?}");
    assert!(account.signed(&url));
    let mut forged = url.clone();
    forged.set_path(&url.path().replace("job-1", "job-2"));
    assert!(!account.signed(&forged));
}

#[tokio::test]
async fn signed_object_stays_private() {
    let fake = GcsFake::start().await;
    let account = Account::new();
    put(&open(account.options(fake.options(), 60)).await, "image").await.unwrap();
    fake.look(|bucket| assert!(!bucket.uploads[0].query.contains_key("predefinedAcl")));
}

#[tokio::test]
async fn signing_requires_an_account() {
    let fake = GcsFake::start().await;
    let url = PublicUrl::Signed { lifetime: Duration::from_mins(1) };
    let line = refused(GcsBucket::open(GcsOptions { url, ..fake.options() }).await);
    assert!(line.contains("service account"), "{line}");
}

#[tokio::test]
async fn opening_google_makes_no_request() {
    let account = Account::new();
    let fake = GcsFake::start().await;
    let options = account.options(GcsOptions { emulator: None, ..fake.options() }, 60);
    // Here the clients for TLS are made: two providers of cryptography in one program would end it.
    for url in [options.url.clone(), PublicUrl::Public] {
        open(GcsOptions { url, ..options.clone() }).await;
    }
}
