//! Hostile documents beside good ones: good jobs finish; bad requests are rejected; everything else is reported and unchanged.

mod age;
mod doctor;
mod hostile;
mod pages;
mod records;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darkroom::jobs::{Job, JobId, Spec};
use darkroom::store::firestore::FirestoreStore;
use darkroom::store::{Change, PageQuery, Store};
use serde_json::{Value, json};

use crate::support::external_client::ExternalClient;
use crate::support::firestore_emulator::{owned_project, shared, store};
use crate::support::{TestEnv, ledger_check, text};

/// Only says that something that must come did not.
const LIMIT: Duration = Duration::from_secs(30);

/// Good jobs beside the harm. The emulator sends every active document again after every write, so that 500 take it minutes:
/// `DARKROOM_GOOD_JOBS=500` does it.
fn good_jobs() -> usize {
    std::env::var("DARKROOM_GOOD_JOBS").map_or(40, |count| count.parse().unwrap())
}

/// A good job as darkroom writes it, with a receipt and a charge, so that every part of the document can be damaged.
fn job(id: &str) -> Value {
    let spec = Spec::new("flux-2-klein-4b", "harm [sim:moderated]").with("width", 64).with("height", 64);
    let mut job = Job::new(JobId::new(id).unwrap(), spec, true, "2026-11-22T11:00:00Z".parse().unwrap());
    job.tags.push("tag".to_owned());
    serde_json::to_value(&job).unwrap()
}

/// The fields without the two that a rejection writes.
fn other_fields(document: &Value) -> Value {
    let mut fields = document["fields"].clone();
    for name in ["status", "errorMessage"] {
        fields.as_object_mut().unwrap().remove(name);
    }
    fields
}

/// Every unreadable document that the pages name, with its reason; and how many jobs there are.
async fn red_rows(store: &FirestoreStore) -> (BTreeMap<String, String>, usize) {
    let (mut red, mut jobs, mut query) = (BTreeMap::new(), 0, PageQuery { limit: 300, ..PageQuery::default() });
    loop {
        let page = store.list(query.clone()).await.unwrap();
        jobs += page.jobs.len();
        for (id, reason) in page.unreadable {
            assert_eq!(red.insert(id.as_str().to_owned(), reason), None, "no document is named twice");
        }
        query.after = page.next;
        if query.after.is_none() {
            return (red, jobs);
        }
    }
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_jobs_finish_despite_bad_documents() {
    let count = good_jobs();
    let emulator = tokio::task::spawn_blocking(shared).await.unwrap();
    let project = owned_project(emulator).await;
    let client = ExternalClient::new(emulator, &project);
    let documents = hostile::documents(job);
    assert!(documents.len() >= 500, "{}", documents.len());
    client.write(&documents).await;
    let before = client.list("jobs").await;
    assert_eq!(before.len(), documents.len());

    let mut env = TestEnv::new();
    env.set("DARKROOM_STORE", "firestore");
    env.set("DARKROOM_SIMULATE_EXTERNAL", "1");
    env.set("FIRESTORE_EMULATOR_HOST", &emulator.host());
    env.set("GOOGLE_CLOUD_PROJECT", &project);
    // Every order moves the same sums: more at once only get into each other's way.
    env.set("DARKROOM_SLOTS", "3");
    let (env, good) = tokio::task::spawn_blocking(move || {
        let good: BTreeSet<String> = env.queue(count).into_iter().collect();
        let output = env.run(&["worker", "--until-idle"]);
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
        (env, good)
    })
    .await
    .unwrap();

    let after = client.list("jobs").await;
    for id in &good {
        assert_eq!(after[id]["fields"]["status"]["stringValue"], "pending_review", "{}", after[id]);
    }
    let store = store(emulator, &project);
    let (red, jobs) = red_rows(&store).await;
    assert_eq!(red.len() + jobs, after.len(), "every document is a row");
    let mut rejected = 0;
    for (id, old) in &before {
        let new = &after[id];
        if let Some(reason) = red.get(id) {
            if new["fields"]["status"] == old["fields"]["status"] {
                assert_eq!(old, new, "an unreadable document is unchanged, its times included");
            } else {
                assert_eq!(old["fields"]["status"]["stringValue"], "pending_art_generation", "{id}");
                assert_eq!(new["fields"]["status"]["stringValue"], "error", "{id}");
                let message = new["fields"]["errorMessage"]["stringValue"].as_str().unwrap();
                assert!(message.starts_with("the request cannot be read: "), "{id}: {message:?}");
                assert!(!message.contains(char::is_control), "{id}: {message:?}");
                assert_eq!(other_fields(old), other_fields(new), "{id}: only two fields are written");
                rejected += 1;
            }
            assert!(!reason.is_empty() && !reason.contains(char::is_control), "{id}: {reason:?}");
            continue;
        }
        let status = new["fields"]["status"]["stringValue"].as_str().unwrap();
        assert!(["pending_review", "approved", "error"].contains(&status), "{id} is left behind: {new}");
        if status == "error" && old != new {
            let message = new["fields"]["errorMessage"]["stringValue"].as_str().unwrap();
            assert!(!message.is_empty() && !message.contains(char::is_control), "{id}: {message:?}");
        }
    }
    assert!(red.len() >= 400, "only {} documents are unreadable", red.len());
    assert!(rejected >= 100, "only {rejected} requests are rejected");
    let bill = ledger_check::bill(&env);
    let made: Vec<_> = bill.iter().filter(|(prompt, _)| prompt.starts_with("job ")).collect();
    assert_eq!(made.len(), count);
    assert!(made.iter().all(|(_, (times, _))| *times == 1), "each good job is billed once");

    // Subscribers and lists get what is still active and unreadable.
    let active: BTreeSet<&str> = red
        .keys()
        .filter(|id| {
            let status = after[*id]["fields"]["status"]["stringValue"].as_str().unwrap_or_default();
            ["pending_art_generation", "processing"].contains(&status)
        })
        .map(String::as_str)
        .collect();
    let mut watch = store.watch().await.unwrap();
    let mut received = BTreeSet::new();
    while !active.iter().all(|id| received.contains(*id)) {
        let changes = tokio::time::timeout(LIMIT, watch.next()).await.expect("changes are missing");
        received.extend(changes.unwrap().into_iter().filter_map(|change| match change {
            Change::Unreadable { id, .. } => Some(id.as_str().to_owned()),
            _ => None,
        }));
    }
    let listing = tokio::task::spawn_blocking(move || (env.run(&["jobs", "list", "--json", "--limit", "100000"]), env));
    let (output, env) = listing.await.unwrap();
    let shown = text(&output.stdout);
    let listed: Value = serde_json::from_str(&shown).unwrap();
    let rows = listed.as_array().unwrap();
    let unreadable = rows.iter().filter(|row| row["status"] == "unreadable");
    let unreadable: BTreeMap<String, String> = unreadable
        .map(|row| (row["id"].as_str().unwrap().to_owned(), row["error"]["message"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!((rows.len(), &unreadable), (jobs + red.len(), &red), "every document is a row");
    let (bad, reason) = red.iter().find(|(id, _)| id.starts_with("pending_art_generation-prompt")).unwrap();
    let (bad, reason) = (bad.clone(), reason.clone());
    let output = tokio::task::spawn_blocking(move || (env.run(&["jobs", "show", &bad, "--json"]), bad)).await.unwrap();
    let row: Value = serde_json::from_slice(&output.0.stdout).unwrap();
    assert_eq!(
        row,
        json!({"id": output.1, "status": "unreadable", "error": {"code": "unreadable", "message": reason}})
    );
}

/// A document that is too large for a result must be rejected before a submit.
#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversized_document_is_rejected_unbilled() {
    let emulator = tokio::task::spawn_blocking(shared).await.unwrap();
    let project = owned_project(emulator).await;
    let client = ExternalClient::new(emulator, &project);
    let request = |length: usize| {
        let mut fields = hostile::request();
        let prompt = format!("[sim:moderated] {}", "x".repeat(length));
        fields.insert("prompt".to_owned(), json!({"stringValue": prompt}));
        Value::Object(fields)
    };
    for (id, length) in [("long", 70_000), ("large", 990_000), ("full", 1_047_900)] {
        client.write(&[(format!("jobs/{id}"), request(length))]).await;
    }
    let before = client.list("jobs").await;
    let mut env = TestEnv::new();
    env.set("DARKROOM_STORE", "firestore");
    env.set("DARKROOM_SIMULATE_EXTERNAL", "1");
    env.set("FIRESTORE_EMULATOR_HOST", &emulator.host());
    env.set("GOOGLE_CLOUD_PROJECT", &project);
    let env = tokio::task::spawn_blocking(move || {
        env.queue(1);
        let output = env.run(&["worker", "--until-idle"]);
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
        env
    })
    .await
    .unwrap();
    let after = client.list("jobs").await;
    let done =
        after.values().filter(|document| document["fields"]["status"]["stringValue"] == "pending_review").count();
    assert_eq!(done, 1, "the good one is done");
    for id in ["long", "large"] {
        assert_eq!(after[id]["fields"]["status"]["stringValue"], "error", "{id}");
        assert_eq!(after[id]["fields"]["prompt"], before[id]["fields"]["prompt"], "{id}");
    }
    assert_eq!(after["full"]["fields"]["status"]["stringValue"], "error");
    assert_eq!(other_fields(&after["full"]), other_fields(&before["full"]));
    assert!(
        ledger_check::bill(&env).keys().all(|prompt| prompt.len() < 1_040_000),
        "what cannot be noted is not ordered"
    );
    let store = store(emulator, &project);
    let page = store.list(PageQuery::default()).await.unwrap();
    assert_eq!(page.unreadable, []);
    let message = after["full"]["fields"]["errorMessage"]["stringValue"].as_str().unwrap();
    assert!(message.contains("bytes"), "{message}");
}
