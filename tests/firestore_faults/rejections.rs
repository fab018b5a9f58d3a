//! Requests that cannot be read are rejected, also where other programs write them, or the line fails, at the same moment.

use std::sync::Arc;
use std::time::Duration;

use darkroom::jobs::JobId;
use darkroom::store::firestore::FirestoreStore;
use darkroom::store::{Change, ChangeStream, DueQuery, Store};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::chaos_proxy::ChaosProxy;
use crate::support::external_client::ExternalClient;
use crate::support::firestore_emulator::{fresh_project, options, shared};

const LIMIT: Duration = Duration::from_mins(1);

/// Requests of one batch.
const COUNT: usize = 5;

fn due() -> DueQuery {
    let now = chrono::Utc::now() + chrono::TimeDelta::days(1);
    DueQuery { now, simulated: true, queued: true, dead_workers: Vec::new(), limit: 100 }
}

fn request(prompt: &Value) -> Value {
    json!({"status": "pending_art_generation", "prompt": prompt, "createdAt": "2026-11-22T11:00:00Z"})
}

fn path(number: usize) -> String {
    format!("jobs/bad-{number}")
}

/// A worker's store whose listener has received the bad requests, the proxy in between, and a page without a proxy.
async fn received() -> (ChaosProxy, Arc<FirestoreStore>, Box<dyn ChangeStream>, ExternalClient) {
    let emulator = tokio::task::spawn_blocking(shared).await.unwrap();
    let project = fresh_project();
    let page = ExternalClient::new(emulator, &project);
    for number in 0..COUNT {
        page.patch(&path(number), request(&json!(number)), &[]).await;
    }
    let proxy = ChaosProxy::to(&emulator.host());
    let mut options = options(emulator, &project);
    options.emulator_host = Some(proxy.host());
    let store = Arc::new(FirestoreStore::connect(options));
    let mut watch = store.watch().await.unwrap();
    let mut bad = 0;
    while bad < COUNT {
        let changes = timeout(LIMIT, watch.next()).await.expect("the requests are received").unwrap();
        bad += changes.iter().filter(|change| matches!(change, Change::Unreadable { .. })).count();
    }
    (proxy, store, watch, page)
}

async fn statuses(page: &ExternalClient) -> Vec<String> {
    let mut statuses = Vec::new();
    for number in 0..COUNT {
        let fields = page.fields(&path(number)).await;
        statuses.push(fields["status"]["stringValue"].as_str().unwrap().to_owned());
    }
    statuses
}

async fn reject(store: &Arc<FirestoreStore>) -> Vec<JobId> {
    let due = timeout(LIMIT, store.due(due())).await.expect("the requests are rejected").unwrap();
    due.into_iter().map(|job| job.id).collect()
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_request_does_not_stop_its_batch() {
    let (proxy, store, mut watch, page) = received().await;
    // The page repairs one of them; the worker does not know yet.
    proxy.hold_replies();
    page.patch(&path(2), request(&json!("a fox")), &[]).await;
    let rejecting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { reject(&store).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(
        statuses(&page).await,
        ["pending_art_generation"; COUNT],
        "the batch is rejected as a whole or not at all"
    );
    proxy.restore();
    rejecting.await.unwrap();
    let mut expected = ["error"; COUNT];
    expected[2] = "pending_art_generation";
    assert_eq!(statuses(&page).await, expected);
    let repaired = JobId::new("bad-2").unwrap();
    loop {
        let changes = timeout(LIMIT, watch.next()).await.expect("the repaired request is received").unwrap();
        if changes.iter().any(|change| matches!(change, Change::Job(job) if job.id == repaired)) {
            break;
        }
    }
    assert_eq!(reject(&store).await, [repaired], "a good request is a job");
    assert_eq!(statuses(&page).await, expected);
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_rejection_is_tried_again() {
    let (proxy, store, _watch, page) = received().await;
    proxy.cut();
    // From the cache, or an error once the line is known to be cut: nothing is rejected either way.
    let _ = timeout(LIMIT, store.due(due())).await.expect("a cut line stops no worker");
    assert_eq!(statuses(&page).await, ["pending_art_generation"; COUNT], "the server was not reached");
    proxy.restore();
    timeout(LIMIT, async {
        while statuses(&page).await != ["error"; COUNT] {
            let _ = store.due(due()).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the requests are rejected once the server is reachable");
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_workers_reject_each_request_once() {
    let emulator = tokio::task::spawn_blocking(shared).await.unwrap();
    let project = fresh_project();
    let rewriter = ExternalClient::new(emulator, &project);
    for number in 0..COUNT {
        rewriter.patch(&path(number), request(&json!(number)), &[]).await;
    }
    // Four workers on one store reject the same requests while the page rewrites one of them.
    let workers = (0..4).map(|_| Arc::new(FirestoreStore::connect(options(emulator, &project))));
    let racing: Vec<_> = workers
        .map(|store| {
            tokio::spawn(async move {
                for _ in 0..10 {
                    reject(&store).await;
                }
            })
        })
        .collect();
    for round in 0..10 {
        rewriter.patch(&path(0), json!({ "prompt": round }), &["prompt"]).await;
    }
    for worker in racing {
        worker.await.unwrap();
    }
    let last = FirestoreStore::connect(options(emulator, &project));
    timeout(LIMIT, last.due(due())).await.unwrap().unwrap();
    assert_eq!(statuses(&rewriter).await, ["error"; COUNT]);
}
