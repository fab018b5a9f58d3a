//! A store to be examined, and jobs to put into it. Times are whole microseconds: not every store keeps more.

use std::any::Any;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use darkroom::costs::{Charge, Credits, Usd};
use darkroom::jobs::{
    BillingStatus, Claim, Failure, FailureCode, ImageFormat, Job, JobId, ObjectName, Receipt, Spec, StoredImage,
    Ticket, WorkerId,
};
use darkroom::store::schema::Record;
use darkroom::store::sqlite::SqliteStore;
use darkroom::store::{DueQuery, ImportedDocument, Save, Store, StoreError};

/// An empty store.
pub struct Fixture {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The same data through a second handle, as another process would have it.
    pub other: Arc<dyn Store>,
    /// What must live as long as the stores.
    _keep: Box<dyn Any + Send>,
}

/// The embedded store on a file of its own.
pub async fn sqlite() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("darkroom.db");
    let open = || Arc::new(SqliteStore::open(&path).unwrap());
    Fixture { store: open(), other: open(), _keep: Box::new(folder) }
}

/// The embedded store in memory, which has one handle only.
pub async fn sqlite_in_memory() -> Fixture {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::in_memory().unwrap());
    Fixture { store: store.clone(), other: store, _keep: Box::new(()) }
}

/// Firestore, on a project of its own in the emulator.
#[cfg(all(unix, feature = "firestore"))]
pub async fn firestore() -> Fixture {
    use crate::support::firestore_emulator::{fresh_project, shared, store};
    let emulator = tokio::task::spawn_blocking(shared).await.unwrap();
    let project = fresh_project();
    let open = || Arc::new(store(emulator, &project));
    Fixture { store: open(), other: open(), _keep: Box::new(()) }
}

/// An instant, counted in seconds from a noon.
pub fn at(seconds: i64) -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(seconds)
}

pub fn id(text: &str) -> JobId {
    JobId::new(text).unwrap()
}

pub fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// A queued job of the simulator, asked for at that second.
pub fn queued(name: &str, seconds: i64) -> Job {
    Job::new(id(name), Spec::new("flux-dev", format!("an image of {name}")), true, at(seconds))
}

pub fn claim(worker: &str, until: i64) -> Claim {
    Claim { worker: WorkerId::new(worker), until: at(until) }
}

/// A job whose submit may have been sent, claimed by `worker` until then.
pub fn submitting(name: &str, seconds: i64, worker: &str, until: i64) -> Job {
    let mut job = queued(name, seconds);
    job.begin_submit(claim(worker, until), Some(usd("0.04")), at(seconds)).unwrap();
    job
}

/// A job that was accepted at that second, for that many credits if any.
pub fn generating(name: &str, seconds: i64, credits: Option<&str>) -> Job {
    let mut job = submitting(name, seconds, "worker", seconds + 60);
    job.accept(receipt(seconds, credits), None, at(seconds)).unwrap();
    job
}

pub fn receipt(seconds: i64, credits: Option<&str>) -> Receipt {
    Receipt {
        ticket: Ticket { id: "ticket".into(), polling_url: "https://api.example/v1/get_result?id=ticket".into() },
        cost: credits.map(|credits| Credits::new(credits.parse().unwrap())),
        input_megapixels: None,
        output_megapixels: None,
        accepted_at: at(seconds),
    }
}

pub fn image(job: &Job) -> StoredImage {
    let object = ObjectName::for_attempt(&job.id, job.attempt_number(), ImageFormat::Png);
    let url = format!("file:///images/{object}");
    StoredImage { object, url, format: ImageFormat::Png, width: 16, height: 16, bytes: 99, sha256: "00".repeat(32) }
}

/// Ends a generating job with an image.
pub fn finish(job: &mut Job, settled: Option<&str>, storage: Option<Charge>, seconds: i64) {
    let settled = settled.map(|credits| Credits::new(credits.parse().unwrap()));
    job.complete(image(job), settled, storage, at(seconds)).unwrap();
}

pub fn failure(code: FailureCode, billed: BillingStatus, seconds: i64) -> Failure {
    Failure::new(code, "it did not work", billed, at(seconds))
}

/// What is due for any worker at that second.
pub fn due(seconds: i64) -> DueQuery {
    DueQuery { now: at(seconds), simulated: true, queued: true, dead_workers: Vec::new(), limit: 100 }
}

pub fn names<'a>(jobs: impl IntoIterator<Item = &'a Job>) -> Vec<String> {
    jobs.into_iter().map(|job| job.id.as_str().to_owned()).collect()
}

/// Creates the job as it is.
pub async fn create(store: &Arc<dyn Store>, jobs: impl IntoIterator<Item = Job>) {
    store.create(jobs.into_iter().collect()).await.unwrap();
}

/// The job as it is stored.
pub async fn read(store: &Arc<dyn Store>, name: &str) -> Job {
    store.get(&id(name)).await.unwrap().unwrap()
}

/// Saves the job without caps and takes over its new revision.
pub async fn save(store: &Arc<dyn Store>, job: &mut Job) -> Result<(), StoreError> {
    job.revision = store.save(Save::new(job)).await?;
    Ok(())
}

/// What the undo of an import removes.
pub fn imported(records: &[Record]) -> Vec<ImportedDocument> {
    let document = |record: &Record| ImportedDocument {
        collection: record.collection(),
        id: record.id().to_owned(),
        digest: ImportedDocument::digest_of(&record.canonical_fields()),
    };
    records.iter().map(document).collect()
}
