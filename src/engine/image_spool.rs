//! Images that were downloaded and could not be stored: they stay on this machine until the bucket is back. Their links expire within
//! minutes, and the provider may not know their tasks any more.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use crate::costs::Credits;
use crate::fs::AtomicFile;
use crate::jobs::{ImageFormat, Job, JobId, sha256_hex};
use crate::provider::DownloadedImage;

/// The folder in the data directory.
const FOLDER: &str = "unstored";

/// The end of each name.
const SUFFIX: &str = ".image";

/// After this time no job waits for an image.
const DELETE_AFTER: Duration = Duration::from_hours(24 * 14);

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
    /// The images of that store in a data directory. Removes those that no job can wait for any more.
    pub(super) fn open(data_dir: &Path, store: &str) -> Self {
        let folder = data_dir.join(FOLDER);
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let modified = entry.metadata().and_then(|data| data.modified());
            if modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > DELETE_AFTER)) {
                // Best effort: a file that stays is only disk space.
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Self { folder, store: store.to_owned() }
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
        let name = sha256_hex(format!("{}\n{}\n{}", self.store, job.id, job.attempt_number()).as_bytes());
        Some((self.folder.join(format!("{name}{SUFFIX}")), ticket))
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::jobs::{Claim, Receipt, Spec, Ticket, WorkerId};

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
}
