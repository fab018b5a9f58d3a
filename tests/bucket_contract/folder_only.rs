//! What only the folder promises: nothing is left behind, no link is followed, and its URLs open its files.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use darkroom::bucket::folder::FolderBucket;
use darkroom::bucket::{Bucket, BucketError};
use darkroom::jobs::ImageFormat;

use super::name;

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

async fn put(bucket: &FolderBucket, bytes: &'static str) -> Result<String, BucketError> {
    let stored = bucket.put(&name("a", 1), Bytes::from_static(bytes.as_bytes()), ImageFormat::Png).await;
    stored.map(|stored| stored.url)
}

#[tokio::test]
async fn folder_contains_only_images() {
    let root = tempfile::tempdir().unwrap();
    let bucket = FolderBucket::open(root.path()).unwrap();
    bucket.check().await.unwrap();
    for bytes in ["one", "one", "two"] {
        put(&bucket, bytes).await.unwrap();
    }
    bucket.check().await.unwrap();
    assert_eq!(files(root.path()), ["generated-art"]);
    assert_eq!(files(&root.path().join("generated-art")), ["a-1.png"]);
}

#[tokio::test]
async fn file_url_is_absolute() {
    let root = tempfile::tempdir().unwrap();
    let odd = root.path().join("my images/100% #1?\u{fc}");
    let bucket = FolderBucket::open(&odd).unwrap();
    let url = put(&bucket, "image").await.unwrap();
    assert!(url.starts_with("file:///") && url.is_ascii() && !url.contains([' ', '#', '?']), "{url}");
    let path = url::Url::parse(&url).unwrap().to_file_path().unwrap();
    assert_eq!(fs::read(path).unwrap(), b"image");
}

#[cfg(unix)]
#[tokio::test]
async fn symlinks_are_not_followed() {
    use std::os::unix::fs::symlink;
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let secret = outside.path().join("secret");
    fs::write(&secret, b"secret").unwrap();
    let bucket = FolderBucket::open(root.path()).unwrap();
    // A link in the folder's place.
    symlink(outside.path(), root.path().join("generated-art")).unwrap();
    fs::write(outside.path().join("a-1.png"), b"secret").unwrap();
    assert!(matches!(put(&bucket, "image").await, Err(BucketError::Refused(_))));
    assert!(matches!(bucket.get(&name("a", 1)).await, Err(BucketError::Refused(_))));
    assert!(matches!(bucket.delete(&name("a", 1)).await, Err(BucketError::Refused(_))));
    assert!(matches!(bucket.check().await, Err(BucketError::Refused(_))));
    assert_eq!(files(outside.path()), ["a-1.png", "secret"]);
    fs::remove_file(root.path().join("generated-art")).unwrap();
    // A link in the image's place.
    bucket.check().await.unwrap();
    symlink(&secret, root.path().join("generated-art/a-1.png")).unwrap();
    assert!(matches!(bucket.get(&name("a", 1)).await, Err(BucketError::Refused(_))));
    assert!(matches!(bucket.delete(&name("a", 1)).await, Err(BucketError::Refused(_))));
    put(&bucket, "image").await.unwrap();
    assert_eq!(fs::read(&secret).unwrap(), b"secret");
    assert_eq!(bucket.get(&name("a", 1)).await.unwrap(), "image");
}

#[tokio::test]
async fn obstacles_are_named_and_kept() {
    let root = tempfile::tempdir().unwrap();
    let bucket = FolderBucket::open(root.path()).unwrap();
    fs::write(root.path().join("generated-art"), b"a file").unwrap();
    for refused in [bucket.check().await, put(&bucket, "image").await.map(drop)] {
        let Err(BucketError::Refused(line)) = refused else { panic!("{refused:?}") };
        assert!(line.contains("generated-art") && !line.contains('\n'), "{line}");
    }
    assert_eq!(fs::read(root.path().join("generated-art")).unwrap(), b"a file");
    let in_the_way = root.path().join("generated-art/deeper");
    assert!(matches!(FolderBucket::open(&in_the_way), Err(BucketError::Refused(_))));
}

#[tokio::test]
async fn missing_root_is_not_recreated() {
    let root = tempfile::tempdir().unwrap();
    let images = root.path().join("images");
    let bucket = FolderBucket::open(&images).unwrap();
    put(&bucket, "image").await.unwrap();
    fs::remove_dir_all(&images).unwrap();
    assert!(matches!(bucket.check().await, Err(BucketError::Refused(_))));
    assert!(matches!(put(&bucket, "image").await, Err(BucketError::Refused(_))));
    assert!(!images.exists(), "its disk may have been unmounted");
}

#[cfg(unix)]
#[tokio::test]
async fn readonly_folder_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let bucket = FolderBucket::open(root.path()).unwrap();
    bucket.check().await.unwrap();
    let folder = root.path().join("generated-art");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).unwrap();
    // The superuser may write all the same.
    let may_write = fs::File::create(folder.join("may")).is_ok();
    match bucket.check().await {
        Ok(()) => assert!(may_write, "a folder without write permission is called ready"),
        Err(BucketError::Refused(line)) => assert!(line.contains("permissions"), "{line}"),
        Err(other) => panic!("{other:?}"),
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
}
