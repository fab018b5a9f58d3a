//! Images that were downloaded and could not be stored: they stay on this machine until the bucket is back. Their links expire within
//! minutes, and the provider may not know their tasks any more.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use crate::costs::Credits;
use crate::fs::AtomicFile;
use crate::jobs::{ImageFormat, Job, JobId, StageName, sha256_hex};
use crate::provider::DownloadedImage;
use crate::store::Store;

/// The folder in the data directory.
const FOLDER: &str = "unstored";

/// The end of each name.
const SUFFIX: &str = ".image";

/// From this age on, the store is read to find whether a job still waits for an image.
const CHECK_AFTER: Duration = Duration::from_hours(24 * 14);

/// Longest first line that is read, in bytes.
const MAX_HEADER: u64 = 64 * 1024;

/// The images of one store.
#[derive(Debug)]
pub(super) struct ImageSpool {
    folder: PathBuf,
    /// Distinguishes the store from others that workers of the data directory use.
    store: String,
}

/// An image that was kept, and the price that its task named.
#[derive(Debug, Clone)]
pub(in crate::engine) struct UnstoredImage {
    pub(in crate::engine) image: DownloadedImage,
    pub(in crate::engine) cost: Option<Credits>,
    /// Whether it is on the disk.
    pub(in crate::engine) is_kept: bool,
}

/// The first line of a file; the image follows.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    job: JobId,
    attempt: u32,
    /// The provider's task: a retry makes another one.
    ticket: String,
    format: ImageFormat,
    width: u32,
    height: u32,
    bytes: usize,
    cost: Option<Credits>,
}

impl ImageSpool {
    /// The images of that store in a data directory.
    pub(super) fn open(data_dir: &Path, store: &str) -> Self {
        Self { folder: data_dir.join(FOLDER), store: store.to_owned() }
    }

    /// Removes old images that no job waits for any more, as the store reports it: an image that was paid for is never removed for its
    /// age alone. Images of other stores stay.
    pub(super) async fn remove_settled(self: Arc<Self>, store: Arc<dyn Store>) {
        let this = self.clone();
        let Ok(old) = spawn_blocking(move || this.old_images()).await else { return };
        for (path, header) in old {
            let is_awaited = match store.get(&header.job).await {
                Ok(job) => job.is_some_and(|job| header.is_awaited_by(&job)),
                Err(error) => {
                    tracing::debug!(job = %header.job, %error, "image that was not stored stays: its job was not read");
                    true
                }
            };
            if !is_awaited {
                tracing::info!(job = %header.job, attempt = header.attempt, "image of an ended attempt removed");
                // Best effort: a file that stays is only disk space.
                let _ = spawn_blocking(move || std::fs::remove_file(path)).await;
            }
        }
    }

    /// The old images of this store. A file that cannot be read is not one of them.
    fn old_images(&self) -> Vec<(PathBuf, Header)> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let old = entries.filter(|entry| {
            let modified = entry.metadata().and_then(|data| data.modified());
            modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > CHECK_AFTER))
        });
        let images = old.filter_map(|entry| {
            let header = read_header(&entry.path())?;
            let is_own = entry.path() == self.path_of(&header.job, header.attempt);
            is_own.then(|| (entry.path(), header))
        });
        images.collect()
    }

    /// Keeps the image of the job's current attempt. Durable when it returns.
    pub(super) async fn keep(&self, job: &Job, unstored: &UnstoredImage) -> io::Result<()> {
        let Some((path, ticket)) = self.path(job) else { return Ok(()) };
        let image = &unstored.image;
        let header = Header {
            job: job.id.clone(),
            attempt: job.attempt_number(),
            ticket,
            format: image.format,
            width: image.width,
            height: image.height,
            bytes: image.bytes.len(),
            cost: unstored.cost,
        };
        let (folder, image) = (self.folder.clone(), image.bytes.clone());
        let write = move || {
            std::fs::create_dir_all(&folder)?;
            let mut file = AtomicFile::create(&path)?;
            serde_json::to_writer(&mut file, &header)?;
            file.write_all(b"\n")?;
            file.write_all(&image)?;
            file.replace()
        };
        spawn_blocking(write).await.map_err(io::Error::other)?
    }

    /// The image of the job's current attempt, if it was kept.
    pub(super) async fn find(&self, job: &Job) -> Option<UnstoredImage> {
        let (path, ticket) = self.path(job)?;
        // Nearly always there is none: this call costs less than the way to another thread.
        if !path.exists() {
            return None;
        }
        let file = spawn_blocking(move || std::fs::read(path)).await.ok()?.ok()?;
        let end = file.iter().position(|byte| *byte == b'\n')?;
        let header: Header = serde_json::from_slice(&file[..end]).ok()?;
        let bytes = bytes::Bytes::from(file).slice(end + 1..);
        let is_right = header.job == job.id && header.attempt == job.attempt_number() && header.ticket == ticket;
        if !is_right || header.bytes != bytes.len() {
            return None;
        }
        let Header { format, width, height, cost, .. } = header;
        Some(UnstoredImage { image: DownloadedImage { bytes, format, width, height }, cost, is_kept: true })
    }

    /// Removes the image of the job's current attempt: it is stored.
    pub(super) async fn remove(&self, job: &Job) {
        let Some((path, _)) = self.path(job) else { return };
        // Best effort: a file that stays is only disk space, and is removed later.
        let _ = spawn_blocking(move || std::fs::remove_file(path)).await;
    }

    fn path(&self, job: &Job) -> Option<(PathBuf, String)> {
        let ticket = job.attempt()?.receipt.as_ref()?.ticket.id.clone();
        Some((self.path_of(&job.id, job.attempt_number()), ticket))
    }

    fn path_of(&self, job: &JobId, attempt: u32) -> PathBuf {
        let name = sha256_hex(format!("{}\n{job}\n{attempt}", self.store).as_bytes());
        self.folder.join(format!("{name}{SUFFIX}"))
    }
}

impl Header {
    /// Whether the job may still need the image: its attempt has no other one yet, and a worker or a retry may store it.
    fn is_awaited_by(&self, job: &Job) -> bool {
        let is_same = job.attempt_number() == self.attempt
            && job
                .attempt()
                .and_then(|attempt| attempt.receipt.as_ref())
                .is_some_and(|known| known.ticket.id == self.ticket);
        is_same && !matches!(job.stage_name(), StageName::Done | StageName::Approved)
    }
}

fn read_header(path: &Path) -> Option<Header> {
    let mut line = Vec::new();
    BufReader::new(File::open(path).ok()?.take(MAX_HEADER)).read_until(b'\n', &mut line).ok()?;
    serde_json::from_slice(&line).ok()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::jobs::{Claim, Receipt, Spec, Ticket, WorkerId};
    use crate::store::Save;
    use crate::store::sqlite::SqliteStore;

    fn generating(ticket: &str) -> Job {
        let now = DateTime::UNIX_EPOCH;
        let mut job = Job::new(JobId::new("a").unwrap(), Spec::new("flux-dev", "a fox"), true, now);
        job.begin_submit(Claim { worker: WorkerId::new("w"), until: now }, None, now).unwrap();
        let ticket = Ticket { id: ticket.to_owned(), polling_url: "https://x.example/1".to_owned() };
        let receipt = Receipt { ticket, cost: None, input_megapixels: None, output_megapixels: None, accepted_at: now };
        job.accept(receipt, None, now).unwrap();
        job
    }

    #[tokio::test]
    async fn image_is_found_for_its_own_task_only() {
        let data = tempfile::tempdir().unwrap();
        let spool = ImageSpool::open(data.path(), "store");
        let job = generating("task-1");
        assert!(spool.find(&job).await.is_none());
        let bytes = bytes::Bytes::from_static(b"line\nand more \x00 bytes");
        let image = DownloadedImage { bytes: bytes.clone(), format: ImageFormat::Png, width: 3, height: 2 };
        let cost = Some(Credits::new("2.5".parse().unwrap()));
        spool.keep(&job, &UnstoredImage { image, cost, is_kept: false }).await.unwrap();
        let found = ImageSpool::open(data.path(), "store").find(&job).await.unwrap();
        assert_eq!((found.image.bytes, found.image.width, found.cost), (bytes, 3, cost));
        assert!(spool.find(&generating("task-2")).await.is_none(), "another task");
        assert!(ImageSpool::open(data.path(), "other").find(&job).await.is_none(), "another store");
        let file = std::fs::read_dir(data.path().join(FOLDER)).unwrap().next().unwrap().unwrap().path();
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
        assert!(spool.find(&job).await.is_none(), "a damaged file");
        spool.remove(&job).await;
        assert!(!file.exists());
    }

    #[tokio::test]
    async fn old_image_stays_until_it_is_stored() {
        let data = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&data.path().join("darkroom.db")).unwrap());
        let job = generating("task-1");
        store.create(vec![job.clone()]).await.unwrap();
        let image = DownloadedImage { bytes: "image".into(), format: ImageFormat::Png, width: 3, height: 2 };
        let unstored = UnstoredImage { image, cost: None, is_kept: false };
        let kept = async |name: &str| {
            let spool = Arc::new(ImageSpool::open(data.path(), name));
            spool.keep(&job, &unstored).await.unwrap();
            let (path, _) = spool.path(&job).unwrap();
            File::options().append(true).open(&path).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
            (spool, path)
        };
        let (_, other) = kept("other").await;
        let (spool, path) = kept("store").await;
        spool.clone().remove_settled(store.clone()).await;
        assert!(path.exists(), "the job is generating");
        let mut stored = store.get(&job.id).await.unwrap().unwrap();
        stored.cancel(DateTime::UNIX_EPOCH).unwrap();
        stored.revision = store.save(Save::new(&stored)).await.unwrap();
        spool.clone().remove_settled(store.clone()).await;
        assert!(path.exists(), "a retry checks the same task again, and finds the image");
        stored.resubmit_with(stored.spec.clone(), DateTime::UNIX_EPOCH).unwrap();
        store.save(Save::new(&stored)).await.unwrap();
        spool.remove_settled(store).await;
        assert!(!path.exists(), "another attempt");
        assert!(other.exists(), "the image of another store");
    }
}
