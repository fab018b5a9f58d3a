//! What every bucket must do, whatever it is made of. One function for each rule; an adapter passes them all or is none.
//!
//! A new adapter adds one line: `bucket_contract!(name, make_fixture, attribute_of_each_test);`.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;
use darkroom::bucket::folder::FolderBucket;
use darkroom::bucket::{Bucket, BucketError};
use darkroom::jobs::{ImageFormat, JobId, ObjectName};
use futures::future::join_all;

mod folder_only;

/// An empty bucket.
pub struct Fixture {
    bucket: Arc<dyn Bucket>,
    /// What must live as long as the bucket.
    _keep: Box<dyn Any + Send>,
}

macro_rules! bucket_contract {
    ($adapter:ident, $make:path, $attribute:meta; $($rule:ident),+ $(,)?) => {
        mod $adapter {
            $(
                #[$attribute]
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $rule() {
                    super::$rule($make().await).await;
                }
            )+
        }
    };
    ($adapter:ident, $make:path, $attribute:meta) => {
        bucket_contract! {
            $adapter, $make, $attribute;
            what_is_put_is_there,
            the_same_again_is_no_error,
            another_download_replaces_the_first,
            what_is_not_there_is_not_found,
            only_our_own_names_are_taken,
            many_are_stored_at_once,
            one_name_is_always_whole,
            deleted_object_is_gone_others_stay,
            it_says_that_it_is_ready,
        }
    };
}

bucket_contract!(folder, super::folder, cfg(true));
#[cfg(feature = "gcs")]
bucket_contract!(
    gcs_emulator,
    super::gcs_emulator,
    cfg_attr(not(storage_server_installed), ignore = "fake-gcs-server is not installed")
);

async fn folder() -> Fixture {
    let root = tempfile::tempdir().unwrap();
    Fixture { bucket: Arc::new(FolderBucket::open(root.path()).unwrap()), _keep: Box::new(root) }
}

#[cfg(feature = "gcs")]
async fn gcs_emulator() -> Fixture {
    let options = crate::support::gcs_server::fresh_bucket().await;
    let bucket = darkroom::bucket::gcs::GcsBucket::open(options).await.unwrap();
    Fixture { bucket: Arc::new(bucket), _keep: Box::new(()) }
}

fn name(job: &str, attempt: u32) -> ObjectName {
    ObjectName::for_attempt(&JobId::new(job).unwrap(), attempt, ImageFormat::Png)
}

/// A name that another program wrote into a document.
fn forged(name: &str) -> ObjectName {
    serde_json::from_value(name.into()).unwrap()
}

async fn put(bucket: &Arc<dyn Bucket>, name: &ObjectName, bytes: impl Into<Bytes>) -> String {
    bucket.put(name, bytes.into(), ImageFormat::Png).await.unwrap().url
}

async fn what_is_put_is_there(fixture: Fixture) {
    for (job, bytes) in ["plain", "..\\..\\etc\0", "a b", "ünï"].into_iter().zip([
        b"one".to_vec(),
        Vec::new(),
        vec![0, 255],
        vec![7; 3_000_000],
    ]) {
        let name = name(job, 1);
        let url = put(&fixture.bucket, &name, bytes.clone()).await;
        let url = url::Url::parse(&url).unwrap();
        assert!(url.path().ends_with(name.file_name()), "{url}");
        assert_eq!(fixture.bucket.get(&name).await.unwrap(), bytes);
    }
}

async fn the_same_again_is_no_error(fixture: Fixture) {
    let first = put(&fixture.bucket, &name("a", 1), "image").await;
    let second = put(&fixture.bucket, &name("a", 1), "image").await;
    assert_eq!(first, second);
    assert_eq!(fixture.bucket.get(&name("a", 1)).await.unwrap(), "image");
}

async fn another_download_replaces_the_first(fixture: Fixture) {
    put(&fixture.bucket, &name("a", 1), "first").await;
    put(&fixture.bucket, &name("a", 2), "other attempt").await;
    for bytes in ["other", "longer than before"] {
        put(&fixture.bucket, &name("a", 1), bytes).await;
        assert_eq!(fixture.bucket.get(&name("a", 1)).await.unwrap(), bytes);
    }
    assert_eq!(fixture.bucket.get(&name("a", 2)).await.unwrap(), "other attempt");
}

async fn what_is_not_there_is_not_found(fixture: Fixture) {
    assert_eq!(fixture.bucket.get(&name("a", 1)).await, Err(BucketError::NotFound(name("a", 1))));
    put(&fixture.bucket, &name("a", 1), "image").await;
    assert_eq!(fixture.bucket.get(&name("a", 2)).await, Err(BucketError::NotFound(name("a", 2))));
}

async fn only_our_own_names_are_taken(fixture: Fixture) {
    for bad in [
        "generated-art/../x",
        "/etc/passwd",
        "../x",
        "x",
        "",
        "generated-art/",
        "generated-art/a/b",
        "generated-art/.x",
    ] {
        let put = fixture.bucket.put(&forged(bad), Bytes::from_static(b"x"), ImageFormat::Png).await;
        assert!(matches!(put, Err(BucketError::Refused(_))), "{bad}: {put:?}");
        let got = fixture.bucket.get(&forged(bad)).await;
        assert!(matches!(got, Err(BucketError::Refused(_))), "{bad}: {got:?}");
        let deleted = fixture.bucket.delete(&forged(bad)).await;
        assert!(matches!(deleted, Err(BucketError::Refused(_))), "{bad}: {deleted:?}");
    }
}

async fn many_are_stored_at_once(fixture: Fixture) {
    let puts = (0..100_u32).map(|number| {
        let bucket = Arc::clone(&fixture.bucket);
        tokio::spawn(async move { put(&bucket, &name("job", number), number.to_string()).await })
    });
    let urls: std::collections::BTreeSet<String> = join_all(puts).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(urls.len(), 100, "each has a URL of its own");
    for number in 0..100_u32 {
        assert_eq!(fixture.bucket.get(&name("job", number)).await.unwrap(), number.to_string());
    }
}

async fn one_name_is_always_whole(fixture: Fixture) {
    put(&fixture.bucket, &name("a", 1), vec![0; 100_000]).await;
    let writers = (0..16_u8).map(|byte| {
        let bucket = Arc::clone(&fixture.bucket);
        tokio::spawn(async move {
            put(&bucket, &name("a", 1), vec![byte; 100_000 + usize::from(byte)]).await;
            bucket.get(&name("a", 1)).await.unwrap()
        })
    });
    for read in join_all(writers).await {
        let read = read.unwrap();
        assert_eq!(read.len(), 100_000 + usize::from(read[0]), "the length of one and the bytes of another");
        assert!(read.iter().all(|byte| *byte == read[0]), "two images in one");
    }
}

async fn deleted_object_is_gone_others_stay(fixture: Fixture) {
    assert_eq!(fixture.bucket.delete(&name("a", 1)).await, Ok(()), "nothing was stored yet");
    for attempt in 1..=3 {
        put(&fixture.bucket, &name("a", attempt), "image").await;
    }
    for _ in 0..2 {
        assert_eq!(fixture.bucket.delete(&name("a", 2)).await, Ok(()), "removing it again is no error");
        assert_eq!(fixture.bucket.get(&name("a", 2)).await, Err(BucketError::NotFound(name("a", 2))));
    }
    for attempt in [1, 3] {
        assert_eq!(fixture.bucket.get(&name("a", attempt)).await.unwrap(), "image");
    }
    put(&fixture.bucket, &name("a", 2), "another").await;
    assert_eq!(fixture.bucket.get(&name("a", 2)).await.unwrap(), "another");
}

async fn it_says_that_it_is_ready(fixture: Fixture) {
    assert_eq!(fixture.bucket.check().await, Ok(()));
    put(&fixture.bucket, &name("a", 1), "image").await;
    assert_eq!(fixture.bucket.check().await, Ok(()));
}
