//! The bucket that is a folder on this machine. Must not follow a link out of its folder, nor write any name but those that
//! `jobs::ObjectName` makes.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use tempfile::{Builder, NamedTempFile};
use tokio::task;
use url::Url;

use super::{Bucket, BucketError, Stored};
use crate::jobs::{ImageFormat, ObjectName, text};

/// What an unfinished file's name begins and ends with; no object's name does.
const DRAFT: (&str, &str) = (".darkroom-", ".part");

/// An unfinished file of this age belongs to a process that died: no write takes so long.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// Pictures in a folder. Files appear under their names whole and durable, or not at all.
#[derive(Debug, Clone)]
pub struct FolderBucket {
    /// Absolute and free of links.
    root: PathBuf,
}

impl FolderBucket {
    /// Opens the folder, or creates it, and clears away what a crashed process left unfinished more than an hour ago.
    ///
    /// Errors: `Refused` with one clear line where it cannot be created or read.
    pub fn open(root: &Path) -> Result<Self, BucketError> {
        fs::create_dir_all(root).map_err(|error| explain("the picture folder", root, &error))?;
        let root = root.canonicalize().map_err(|error| explain("the picture folder", root, &error))?;
        clear_abandoned(&root, SystemTime::now());
        Ok(Self { root })
    }

    fn path(&self, name: &ObjectName) -> Result<PathBuf, BucketError> {
        if !name.is_ours() {
            return Err(BucketError::Refused(format!("'{name}' is not a name that darkroom gives to a picture")));
        }
        Ok(self.root.join(name.as_str()))
    }
}

#[async_trait]
impl Bucket for FolderBucket {
    async fn put(&self, name: &ObjectName, bytes: Bytes, _format: ImageFormat) -> Result<Stored, BucketError> {
        let path = self.path(name)?;
        let url = Url::from_file_path(&path)
            .map_err(|()| BucketError::Refused(format!("the picture folder has no URL: {}", show(&self.root))))?;
        let root = self.root.clone();
        blocking(move || put(&root, &path, &bytes)).await?;
        Ok(Stored { url: url.into(), cost: None })
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, BucketError> {
        let (path, name, root) = (self.path(name)?, name.clone(), self.root.clone());
        blocking(move || get(&root, &path, name)).await
    }

    async fn ready(&self) -> Result<(), BucketError> {
        let root = self.root.clone();
        blocking(move || {
            let folder = object_folder(&root, Path::new(ObjectName::folder()))?;
            let probe = write_draft(&folder, b"darkroom looks whether a picture could be stored here\n")?;
            probe.close().map_err(|error| explain("a file cannot be removed from", &folder, &error))
        })
        .await
    }
}

/// Runs what waits for the disk where waiting is allowed.
async fn blocking<Answer: Send + 'static>(
    work: impl FnOnce() -> Result<Answer, BucketError> + Send + 'static,
) -> Result<Answer, BucketError> {
    let answer = task::spawn_blocking(work).await;
    answer.map_err(|error| BucketError::Unavailable(format!("the file access was stopped: {error}")))?
}
