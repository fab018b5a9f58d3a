//! The time from a write by another program until the engine publishes the changed job, and until the bare
//! listener of the crate receives the same write.

use std::sync::Arc;
use std::time::{Duration, Instant};

use darkroom::bucket::folder::FolderBucket;
use darkroom::engine::local::{self, WorkerLock};
use darkroom::engine::{Event, Mode, Ports, Settings};
use darkroom::provider::bfl::{FluxClient, FluxOptions};
use darkroom::store::firestore::FirestoreStore;
use darkroom::time::SystemClock;
use firestore::gcloud_sdk::GoogleAuthHeaders;
use firestore::gcloud_sdk::google_cloud_auth::credentials::anonymous;
use firestore::{
    FirestoreDb, FirestoreDbOptions, FirestoreListenEvent, FirestoreListenerTarget, FirestoreMemListenStateStorage,
    FirestoreTimestamp,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::support::firestore_emulator::{Emulator, fresh_project, store};

const WRITES: usize = 500;

/// Who waits for a write. The bare listener does not notice when the emulator spoils its stream; then the bench is begun again.
const BARE: &str = "the bare listener";
const ROW: &str = "the row";

/// Documents that are written in turn: what is on a screen of an evening.
const DOCUMENTS: usize = 20;

/// A job as a web page writes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Request {
    status: String,
    prompt: String,
    #[serde(rename = "createdAt")]
    created_at: FirestoreTimestamp,
}

pub async fn measure(emulator: &Emulator) {
    let project = fresh_project();
    let page = foreign(emulator, &project).await;
    for number in 0..DOCUMENTS {
        write(&page, number, "an empty frame").await;
    }
    let (received, mut bare) = mpsc::unbounded_channel();
    let listening = listen(&foreign(emulator, &project).await, received).await;
    let folder = tempfile::tempdir().unwrap();
    let mut engine = observe(Arc::new(store(emulator, &project)), folder.path());
    let (rows, mut reported) = mpsc::unbounded_channel();
    let reader = tokio::spawn(async move {
        while let Some(event) = engine.events.recv().await {
            let Event::Jobs(jobs) = event else { continue };
            let at = Instant::now();
            for job in jobs {
                let _ = rows.send((job.spec.prompt.clone(), at));
            }
        }
    });
    // Both know everything before the first write counts.
    write(&page, 0, "begin").await;
    until(&mut bare, "begin", BARE).await;
    until(&mut reported, "begin", ROW).await;

    let (mut bare_times, mut row_times) = (Vec::new(), Vec::new());
    for number in 0..WRITES {
        let prompt = format!("write {number}");
        let begun = Instant::now();
        write(&page, number % DOCUMENTS, &prompt).await;
        bare_times.push(until(&mut bare, &prompt, BARE).await - begun);
        row_times.push(until(&mut reported, &prompt, ROW).await - begun);
    }
    let (bare, row) = (percentiles(bare_times), percentiles(row_times));
    println!("{WRITES} foreign writes      p50        p99");
    println!("the bare listener    {:>6.1} ms  {:>6.1} ms", bare.0, bare.1);
    println!("the row              {:>6.1} ms  {:>6.1} ms", row.0, row.1);
    println!("ratio                {:>6.2}     {:>6.2}", row.0 / bare.0, row.1 / bare.1);
    reader.abort();
    listening.abort();
}

async fn foreign(emulator: &Emulator, project: &str) -> FirestoreDb {
    let options =
        FirestoreDbOptions::new(project.to_owned()).with_firebase_api_url(format!("http://{}", emulator.host()));
    let token = anonymous::Builder::new().build();
    FirestoreDb::with_options_auth(options, GoogleAuthHeaders::from(token)).await.unwrap()
}

async fn write(page: &FirestoreDb, number: usize, prompt: &str) {
    let created_at = FirestoreTimestamp::from(firestore::FirestoreInstant::now());
    let request = Request { status: "pending_art_generation".to_owned(), prompt: prompt.to_owned(), created_at };
    let id = format!("request-{number:02}");
    page.fluent().update().in_col("jobs").document_id(&id).object(&request).execute::<()>().await.unwrap();
}

/// The crate's own listener, on what we listen to: the active jobs.
async fn listen(db: &FirestoreDb, received: mpsc::UnboundedSender<(String, Instant)>) -> tokio::task::JoinHandle<()> {
    let mut listener = db.create_listener(FirestoreMemListenStateStorage::new()).await.unwrap();
    db.fluent()
        .select()
        .from("jobs")
        .filter(|query| query.field("status").is_in(["pending_art_generation", "processing"]))
        .listen()
        .add_target(FirestoreListenerTarget::new(7), &mut listener)
        .unwrap();
    listener
        .start(move |event| {
            let received = received.clone();
            async move {
                if let FirestoreListenEvent::DocumentChange(change) = event
                    && let Some(document) = change.document
                    && let Ok(request) = FirestoreDb::deserialize_doc_to::<Request>(&document)
                {
                    let _ = received.send((request.prompt, Instant::now()));
                }
                Ok(())
            }
        })
        .await
        .unwrap();
    tokio::spawn(async move {
        std::future::pending::<()>().await;
        drop(listener);
    })
}

/// A console's engine that changes nothing.
pub fn observe(store: Arc<FirestoreStore>, folder: &std::path::Path) -> local::EngineHandle {
    start(store, folder, Mode::Observe)
}

/// An engine whose provider does not answer.
pub fn start(store: Arc<FirestoreStore>, folder: &std::path::Path, mode: Mode) -> local::EngineHandle {
    let address = "http://127.0.0.1:9".parse().unwrap();
    let ports = Ports {
        provider: Arc::new(FluxClient::new(FluxOptions::new(address, Some("any".to_owned().into()))).unwrap()),
        store,
        bucket: Arc::new(FolderBucket::open(&folder.join("images")).unwrap()),
        clock: Arc::new(SystemClock),
    };
    let settings = Settings { mode, ..Settings::default() };
    local::start(ports, settings, WorkerLock::acquire(folder).unwrap())
}

/// When that prompt was received first.
async fn until(received: &mut mpsc::UnboundedReceiver<(String, Instant)>, prompt: &str, who: &str) -> Instant {
    let found = async {
        while let Some((received, at)) = received.recv().await {
            if received == prompt {
                return at;
            }
        }
        unreachable!("the sender is alive")
    };
    tokio::time::timeout(Duration::from_mins(1), found)
        .await
        .unwrap_or_else(|_| panic!("{who} fell silent at '{prompt}'"))
}

fn percentiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    (at(50), at(99))
}
