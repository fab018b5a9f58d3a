//! The bucket that is a folder on this machine. Must not follow a link out of its folder, nor write any name but those that
//! `jobs::ObjectName` makes.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task;
use url::Url;

use super::{Bucket, BucketError, Stored};
use crate::fs::{AtomicFile, DirSyncer, TEMP_PREFIX, TEMP_SUFFIX, sync_dir};
use crate::jobs::{ImageFormat, ObjectName};
use crate::text;

/// An unfinished file of this age belongs to a process that died: no write takes so long.
const ABANDONED_AFTER: Duration = Duration::from_hours(1);

/// Images in a folder. Files appear under their names whole and durable, or not at all.
#[derive(Debug, Clone)]
pub struct FolderBucket {
    /// Absolute and free of links.
    root: PathBuf,
    /// The folder of the objects.
    objects: Arc<DirSyncer>,
}

impl FolderBucket {
    /// Opens the folder, or creates it, and clears away what a crashed process left unfinished more than an hour ago.
    ///
    /// Errors: `Refused` with one clear line where it cannot be created or read.
    pub fn open(root: &Path) -> Result<Self, BucketError> {
        fs::create_dir_all(root).map_err(|error| explain("the image folder cannot be used:", root, &error))?;
        let root = root.canonicalize().map_err(|error| explain("the image folder cannot be used:", root, &error))?;
        remove_abandoned(&root, SystemTime::now());
        let objects = Arc::new(DirSyncer::new(root.join(ObjectName::FOLDER)));
        Ok(Self { root, objects })
    }

    fn path(&self, name: &ObjectName) -> Result<PathBuf, BucketError> {
        if !name.is_ours() {
            return Err(BucketError::Refused(format!("'{name}' is not a name that darkroom gives to an image")));
        }
        Ok(self.root.join(name.as_str()))
    }
}

#[async_trait]
impl Bucket for FolderBucket {
    async fn put(&self, name: &ObjectName, bytes: Bytes, _format: ImageFormat) -> Result<Stored, BucketError> {
        let path = self.path(name)?;
        let url = Url::from_file_path(&path)
            .map_err(|()| BucketError::Refused(format!("the image folder has no URL: {}", show(&self.root))))?;
        let (root, objects) = (self.root.clone(), self.objects.clone());
        blocking(move || put(&root, &objects, &path, &bytes)).await?;
        Ok(Stored { url: url.into(), cost: None })
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, BucketError> {
        let (path, name, root) = (self.path(name)?, name.clone(), self.root.clone());
        blocking(move || get(&root, &path, name)).await
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), BucketError> {
        let (path, root) = (self.path(name)?, self.root.clone());
        blocking(move || delete(&root, &path)).await
    }

    async fn check(&self) -> Result<(), BucketError> {
        let root = self.root.clone();
        blocking(move || {
            let folder = object_folder(&root)?;
            let probe = folder.join("probe");
            let written = AtomicFile::create(&probe).and_then(|mut file| file.write_all(b"darkroom write check\n"));
            written.map_err(|error| explain("an image cannot be written to", &folder, &error))
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

fn put(root: &Path, objects: &DirSyncer, path: &Path, bytes: &[u8]) -> Result<(), BucketError> {
    let folder = object_folder(root)?;
    // A link in the image's place is replaced, never followed.
    let plain = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    if plain && holds(path, bytes) {
        // The process that wrote the file may have died before the file and its name were durable.
        File::open(path)
            .and_then(|file| file.sync_all())
            .map_err(|error| explain("the image cannot be used:", path, &error))?;
        objects.sync().map_err(|error| explain("the image folder cannot be used:", &folder, &error))
    } else {
        let write = || {
            let mut file = AtomicFile::create(path)?;
            file.write_all(bytes)?;
            file.replace_in(objects)
        };
        write().map_err(|error| explain("an image cannot be written to", &folder, &error))
    }
}

fn get(root: &Path, path: &Path, name: ObjectName) -> Result<Bytes, BucketError> {
    let folder = root.join(ObjectName::FOLDER);
    for (part, is_folder) in [(folder.as_path(), true), (path, false)] {
        match fs::symlink_metadata(part) {
            Ok(metadata) if is_folder && metadata.is_dir() || !is_folder && metadata.is_file() => {}
            Ok(_) => return Err(not_a_regular_file(part)),
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(BucketError::NotFound(name)),
            Err(error) => return Err(explain("the image cannot be used:", part, &error)),
        }
    }
    match fs::read(path) {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(BucketError::NotFound(name)),
        Err(error) => Err(explain("the image cannot be used:", path, &error)),
    }
}

fn delete(root: &Path, path: &Path) -> Result<(), BucketError> {
    let folder = root.join(ObjectName::FOLDER);
    for (part, is_folder) in [(folder.as_path(), true), (path, false)] {
        match fs::symlink_metadata(part) {
            Ok(metadata) if is_folder && metadata.is_dir() || !is_folder && metadata.is_file() => {}
            Ok(_) => return Err(not_a_regular_file(part)),
            // Where the root itself has vanished, a disk may have been unmounted.
            Err(error) if error.kind() == ErrorKind::NotFound && root.is_dir() => return Ok(()),
            Err(error) => return Err(explain("the image cannot be removed:", part, &error)),
        }
    }
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(explain("the image cannot be removed:", path, &error)),
    }
    sync_dir(&folder).map_err(|error| explain("the image folder cannot be used:", &folder, &error))
}

/// The folder of the objects: a real one, below the root. The root itself is not made again here: where it has vanished, a disk
/// may have been unmounted.
fn object_folder(root: &Path) -> Result<PathBuf, BucketError> {
    let folder = root.join(ObjectName::FOLDER);
    // It exists for all images but the first.
    if fs::symlink_metadata(&folder).is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(folder);
    }
    match fs::create_dir(&folder) {
        Ok(()) => sync_dir(root).map_err(|error| explain("the image folder cannot be used:", root, &error))?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(explain("the image folder cannot be used:", &folder, &error)),
    }
    match fs::symlink_metadata(&folder) {
        Ok(metadata) if metadata.is_dir() => Ok(folder),
        Ok(_) => Err(not_a_regular_file(&folder)),
        Err(error) => Err(explain("the image folder cannot be used:", &folder, &error)),
    }
}

fn holds(path: &Path, bytes: &[u8]) -> bool {
    let same_size = fs::metadata(path).is_ok_and(|metadata| metadata.len() == bytes.len() as u64);
    same_size && fs::read(path).is_ok_and(|stored| stored == bytes)
}

/// Best effort: what cannot be removed is only untidy.
fn remove_abandoned(root: &Path, now: SystemTime) {
    let folder = root.join(ObjectName::FOLDER);
    if !fs::symlink_metadata(&folder).is_ok_and(|metadata| metadata.is_dir()) {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_temp_file =
            name.to_str().is_some_and(|name| name.starts_with(TEMP_PREFIX) && name.ends_with(TEMP_SUFFIX));
        let age = || now.duration_since(entry.metadata().ok()?.modified().ok()?).ok();
        if is_temp_file
            && age().is_some_and(|age| age > ABANDONED_AFTER)
            && let Err(error) = fs::remove_file(entry.path())
        {
            tracing::warn!(%error, "an unfinished image could not be removed");
        }
    }
}

fn not_a_regular_file(path: &Path) -> BucketError {
    BucketError::Refused(format!("{} is a link or something else in an image's place: remove it", show(path)))
}

/// One clean line, and whether waiting may help.
fn explain(what: &str, path: &Path, error: &io::Error) -> BucketError {
    let line = |remedy: &str| {
        let why = text::sanitize_line(&error.to_string(), 100);
        format!("{what} {} ({why}){remedy}", show(path))
    };
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => BucketError::Refused(line(": make room on that disk")),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            BucketError::Refused(line(": check its permissions"))
        }
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::AlreadyExists | ErrorKind::IsADirectory => {
            BucketError::Refused(line(": check that the folder exists and that nothing else has this name"))
        }
        _ => BucketError::Unavailable(line("")),
    }
}

fn show(path: &Path) -> String {
    text::sanitize_line(&path.display().to_string(), 300)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_disk_is_refused_passing_error_is_retried() {
        let refused = |kind: ErrorKind| matches!(explain("x", Path::new("/p"), &kind.into()), BucketError::Refused(_));
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::PermissionDenied] {
            assert!(refused(kind), "{kind}");
        }
        for kind in [ErrorKind::Interrupted, ErrorKind::TimedOut, ErrorKind::Other] {
            assert!(!refused(kind), "{kind}");
        }
    }

    #[test]
    fn abandoned_temp_files_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let folder = object_folder(root.path()).unwrap();
        for name in [".darkroom-abc.part", ".darkroom-abc", "a-1.png", "x.part"] {
            fs::write(folder.join(name), b"x").unwrap();
        }
        let names = || {
            let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = names.collect();
            names.sort();
            names
        };
        remove_abandoned(root.path(), SystemTime::now());
        assert_eq!(names().len(), 4, "it may still be written");
        remove_abandoned(root.path(), SystemTime::now() + ABANDONED_AFTER + Duration::from_mins(1));
        assert_eq!(names(), [".darkroom-abc", "a-1.png", "x.part"]);
    }
}
