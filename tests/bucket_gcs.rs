//! What only the Cloud Storage bucket promises, beside the contract: what it sends, what it makes of each answer, and that its
//! URLs open.

use std::time::Duration;

use bytes::Bytes;
use darkroom::bucket::gcs::{GcsBucket, GcsCredentials, GcsOptions, PublicUrl};
use darkroom::bucket::{Bucket, BucketError, Stored};
use darkroom::jobs::{ImageFormat, JobId, ObjectName};

use crate::support::gcs_fake::{Checksum, GcsFake, Object};
use crate::support::gcs_server::fresh_bucket;

mod preflight;
mod signed;

fn name() -> ObjectName {
    ObjectName::for_attempt(&JobId::new("job").unwrap(), 1, ImageFormat::Webp)
}

async fn open(options: GcsOptions) -> GcsBucket {
    GcsBucket::open(options).await.unwrap()
}

async fn put(bucket: &GcsBucket, bytes: &'static str) -> Result<Stored, BucketError> {
    bucket.put(&name(), Bytes::from_static(bytes.as_bytes()), ImageFormat::Webp).await
}

fn refused<Anything: std::fmt::Debug>(result: Result<Anything, BucketError>) -> String {
    let Err(BucketError::Refused(line)) = result else { panic!("not refused: {result:?}") };
    assert!(!line.contains('\n') && line.len() < 500, "{line}");
    line
}

fn unavailable<Anything: std::fmt::Debug>(result: Result<Anything, BucketError>) -> String {
    let Err(BucketError::Unavailable(line)) = result else { panic!("not unavailable: {result:?}") };
    assert!(!line.contains('\n') && line.len() < 500, "{line}");
    line
}

#[tokio::test]
async fn upload_is_one_conditional_checked_request() {
    let fake = GcsFake::start().await;
    let bucket = open(fake.options()).await;
    let stored = put(&bucket, "hello world").await.unwrap();
    assert_eq!(stored.cost.unwrap().to_string(), "0.000005");
    let uploads = fake.look(|bucket| bucket.uploads.clone());
    assert_eq!(uploads.len(), 1);
    assert_eq!(uploads[0].metadata["contentType"], "image/webp");
    assert_eq!(uploads[0].metadata["crc32c"], "yZRlqg==");
    assert_eq!(uploads[0].metadata["md5Hash"], "XrY7u+Ae7tCTyyK7j1rNww==");
    assert_eq!(uploads[0].query["ifGenerationMatch"], "0");
    assert_eq!(uploads[0].query["predefinedAcl"], "publicRead");
    fake.look(|bucket| assert!(bucket.objects["generated-art/job-1.webp"].public));

    // Nothing is too large for one request.
    let large = Bytes::from(vec![7; 1_900_000]);
    let image = ObjectName::for_attempt(&JobId::new("large").unwrap(), 1, ImageFormat::Png);
    bucket.put(&image, large, ImageFormat::Png).await.unwrap();
    let uploads = fake.look(|bucket| bucket.uploads.clone());
    assert_eq!(uploads.len(), 2);
    assert!(uploads[1].length > 1_900_000);
    assert_eq!(uploads[1].metadata["contentType"], "image/png");
}

#[tokio::test]
async fn lost_reply_stores_one_image() {
    let fake = GcsFake::start().await;
    fake.set(|bucket| bucket.lost_answers = 1);
    let bucket = open(fake.options()).await;
    put(&bucket, "image").await.unwrap();
    fake.look(|bucket| {
        assert_eq!(bucket.uploads.len(), 2, "the upload was repeated, and found its own work");
        assert_eq!(bucket.objects["generated-art/job-1.webp"].generation, 1);
    });
}

#[tokio::test]
async fn existing_same_bytes_become_public() {
    let fake = GcsFake::start().await;
    let hidden = Object { bytes: b"image".to_vec(), generation: 7, public: false };
    fake.set(|bucket| drop(bucket.objects.insert("generated-art/job-1.webp".to_owned(), hidden)));
    put(&open(fake.options()).await, "image").await.unwrap();
    fake.look(|bucket| {
        let object = &bucket.objects["generated-art/job-1.webp"];
        assert_eq!((object.generation, object.public), (7, true));
        assert_eq!(bucket.uploads.len(), 1);
    });
}

#[tokio::test]
async fn existing_other_bytes_are_replaced() {
    let fake = GcsFake::start().await;
    let other = Object { bytes: b"IMAGE".to_vec(), generation: 7, public: true };
    fake.set(|bucket| drop(bucket.objects.insert("generated-art/job-1.webp".to_owned(), other)));
    put(&open(fake.options()).await, "image").await.unwrap();
    fake.look(|bucket| {
        let preconditions: Vec<_> = bucket.uploads.iter().map(|upload| &upload.query["ifGenerationMatch"]).collect();
        assert_eq!(preconditions, ["0", "7"]);
        assert_eq!(bucket.objects["generated-art/job-1.webp"].bytes, b"image");
    });
}

#[tokio::test]
async fn corrupt_upload_fails_then_succeeds() {
    for checksum in [Checksum::Other, Checksum::Missing] {
        let fake = GcsFake::start().await;
        fake.set(|bucket| bucket.checksum = checksum);
        let bucket = open(fake.options()).await;
        let line = unavailable(put(&bucket, "image").await);
        assert!(line.contains("checksum"), "{line}");
        // What arrived was other than what was sent.
        fake.set(|bucket| {
            bucket.checksum = Checksum::True;
            bucket.objects.get_mut("generated-art/job-1.webp").unwrap().bytes[0] = 0;
        });
        put(&bucket, "image").await.unwrap();
        assert_eq!(bucket.get(&name()).await.unwrap(), "image");
    }
}

#[tokio::test]
async fn uniform_access_disables_object_acl() {
    let fake = GcsFake::start().await;
    fake.set(|bucket| bucket.uniform = true);
    let bucket = open(fake.options()).await;
    put(&bucket, "one").await.unwrap();
    put(&bucket, "two").await.unwrap();
    put(&bucket, "two").await.unwrap();
    fake.look(|bucket| {
        let asked = bucket.uploads.iter().filter(|upload| upload.query.contains_key("predefinedAcl")).count();
        assert_eq!(asked, 1);
        assert_eq!(bucket.objects["generated-art/job-1.webp"].bytes, b"two");
        assert!(!bucket.requests.iter().any(|request| request.ends_with("/acl")));
    });
}

#[tokio::test]
async fn only_public_urls_set_object_acl() {
    let fake = GcsFake::start().await;
    let base = PublicUrl::Base("https://cdn.test/art".parse().unwrap());
    let stored = put(&open(GcsOptions { url: base, ..fake.options() }).await, "image").await.unwrap();
    assert_eq!(stored.url, "https://cdn.test/art/generated-art/job-1.webp");
    fake.look(|bucket| assert!(!bucket.uploads[0].query.contains_key("predefinedAcl")));
}

#[tokio::test]
async fn public_access_prevention_is_recognised() {
    let fake = GcsFake::start().await;
    fake.set(|bucket| bucket.public_forbidden = true);
    let bucket = open(fake.options()).await;
    let line = refused(put(&bucket, "image").await);
    assert!(line.contains("public access prevention") && line.contains("signed"), "{line}");
    fake.look(|bucket| assert_eq!(bucket.uploads.len(), 1));
}

#[tokio::test]
async fn permanent_upload_errors_are_not_retried() {
    for (status, reason, message, expected) in [
        (401, "authError", "Invalid Credentials", "credentials"),
        (
            403,
            "forbidden",
            "the caller\u{1b}[2J does not have storage.objects.create access",
            "roles/storage.objectAdmin",
        ),
        (404, "notFound", "The specified bucket does not exist.", "there is no bucket art"),
        (400, "invalid", "Bad thing", "Bad thing"),
    ] {
        let fake = GcsFake::start().await;
        fake.answer(status, reason, message, 1);
        let line = refused(put(&open(fake.options()).await, "image").await);
        assert!(line.contains(expected) && !line.contains('\u{1b}'), "{status}: {line}");
        fake.look(|bucket| assert_eq!(bucket.requests.len(), 1, "{status}: {:?}", bucket.requests));
    }
}

#[tokio::test]
async fn transient_upload_errors_are_retried() {
    for (status, reason) in [(429, "rateLimitExceeded"), (503, "backendError")] {
        let fake = GcsFake::start().await;
        fake.answer(status, reason, "later", 1);
        let bucket = open(fake.options()).await;
        put(&bucket, "image").await.unwrap();
        fake.answer(status, reason, "later", 100);
        let line = unavailable(bucket.get(&name()).await);
        assert!(line.contains("later"), "{line}");
        let asked = fake.look(|bucket| bucket.requests.len());
        assert!((2..=8).contains(&asked), "{asked}");
    }
    // A limit that Google answers with 403 is no missing right.
    let fake = GcsFake::start().await;
    fake.answer(403, "userRateLimitExceeded", "Rate Limit Exceeded", 1);
    unavailable(put(&open(fake.options()).await, "image").await);
}

#[tokio::test]
async fn unreachable_server_is_unavailable() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = GcsOptions { emulator: Some(format!("127.0.0.1:{port}")), ..GcsFake::start().await.options() };
    let bucket = open(options).await;
    unavailable(put(&bucket, "image").await);
    unavailable(bucket.get(&name()).await);
    unavailable(bucket.check().await);
}

#[tokio::test]
async fn missing_object_differs_from_missing_bucket() {
    let fake = GcsFake::start().await;
    let bucket = open(fake.options()).await;
    assert_eq!(bucket.get(&name()).await, Err(BucketError::NotFound(name())));
    let elsewhere = open(GcsOptions { bucket: "elsewhere".to_owned(), ..fake.options() }).await;
    for line in [refused(elsewhere.get(&name()).await), refused(put(&elsewhere, "image").await)] {
        assert!(line.contains("there is no bucket elsewhere"), "{line}");
    }
}

/// Bytes and content type as a browser receives them.
async fn fetch(url: &str) -> Bytes {
    let response = reqwest::get(url).await.unwrap();
    assert!(response.status().is_success(), "{url}: {}", response.status());
    response.bytes().await.unwrap()
}

#[cfg_attr(not(storage_server_installed), ignore = "fake-gcs-server is not installed")]
#[tokio::test]
async fn emulator_url_returns_the_image() {
    let options = fresh_bucket().await;
    let bucket = open(options).await;
    bucket.check().await.unwrap();
    // 20 MB: the largest image that there is, and not a round number of any buffer.
    for length in [1_usize, 1_500_007, 20_000_003] {
        let bytes: Bytes = (0..length).map(|index| (index * 31 % 251) as u8).collect();
        let image = ObjectName::for_attempt(&JobId::new(format!("job-{length}")).unwrap(), 1, ImageFormat::Png);
        let stored = bucket.put(&image, bytes.clone(), ImageFormat::Png).await.unwrap();
        assert!(fetch(&stored.url).await == bytes, "{length}");
        let again = bucket.put(&image, bytes.clone(), ImageFormat::Png).await.unwrap();
        assert_eq!(again, stored);
    }
}

#[cfg_attr(not(storage_server_installed), ignore = "fake-gcs-server is not installed")]
#[tokio::test]
async fn emulator_missing_bucket_is_refused() {
    let options = fresh_bucket().await;
    let bucket = open(GcsOptions { bucket: "nowhere".to_owned(), ..options }).await;
    for line in [refused(bucket.check().await), refused(put(&bucket, "image").await)] {
        assert!(line.contains("there is no bucket nowhere"), "{line}");
    }
}
