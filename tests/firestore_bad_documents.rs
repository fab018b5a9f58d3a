//! Documents that mean harm, beside good ones: those finish, the others are told and left as they are.

mod age;
mod doctor;
mod hostile;
mod pages;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darkroom::jobs::{Job, JobId, Spec};
use darkroom::store::firestore::FirestoreStore;
use darkroom::store::{Change, PageQuery, Store};
use serde_json::{Value, json};

use crate::support::external_client::ExternalClient;
use crate::support::firestore_emulator::{fresh_project, shared, store};
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
async fn good_jobs_finish_beside_five_hundred_hostile_documents() {
    let count = good_jobs();
    let emulator = tokio::task::spawn_blocking(shared).await.unwrap();
    let project = fresh_project();
    let client = ExternalClient::new(emulator, &project);
    let documents = hostile::documents(job);
    assert!(documents.len() >= 500, "{}", documents.len());
    client.write(&documents).await;
    let before = client.list("jobs").await;
    assert_eq!(before.len(), documents.len());

    let mut env = TestEnv::new();
    env.set("DARKROOM_STORE", "firestore");
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
    for (id, old) in &before {
        let new = &after[id];
        if let Some(reason) = red.get(id) {
            assert_eq!(old, new, "an unreadable document is left as it is, its times included");
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
    assert!(red.len() >= 500, "only {} documents are unreadable", red.len());
    let bill = ledger_check::bill(&env);
    let made: Vec<_> = bill.iter().filter(|(prompt, _)| prompt.starts_with("job ")).collect();
    assert_eq!(made.len(), count);
    assert!(made.iter().all(|(_, (times, _))| *times == 1), "each good job is billed once");

    // Whoever watches is told, and so is whoever asks for a list.
    let active: BTreeSet<&str> = red
        .keys()
        .filter(|id| {
            let status = before[*id]["fields"]["status"]["stringValue"].as_str().unwrap_or_default();
            ["pending_art_generation", "processing"].contains(&status)
        })
        .map(String::as_str)
        .collect();
    let mut watch = store.watch().await.unwrap();
    let mut told = BTreeSet::new();
    while !active.iter().all(|id| told.contains(*id)) {
        let changes = tokio::time::timeout(LIMIT, watch.next()).await.expect("the rest is never told");
        told.extend(changes.unwrap().into_iter().filter_map(|change| match change {
            Change::Unreadable { id, .. } => Some(id.as_str().to_owned()),
            _ => None,
        }));
    }
    let output = tokio::task::spawn_blocking(move || env.run(&["jobs", "list", "--json", "--limit", "100000"]));
    let output = output.await.unwrap();
    let said = text(&output.stderr);
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), jobs);
    assert!(said.contains(&format!("and {} more jobs that cannot be read", red.len() - 20)), "{said}");
    assert!(!said.contains('\u{1b}') && !said.contains('\u{202e}'), "nothing steers a terminal: {said:?}");
}

/// A document may be so large that nothing can be added to it: it must neither be ordered nor keep a worker busy for ever.
#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_without_room_is_told_and_costs_nothing() {
    let emulator = tokio::task::spawn_blocking(shared).await.unwrap();
    let project = fresh_project();
    let client = ExternalClient::new(emulator, &project);
    let wish = |length: usize| {
        let mut fields = hostile::wish();
        let prompt = format!("[sim:moderated] {}", "x".repeat(length));
        fields.insert("prompt".to_owned(), json!({"stringValue": prompt}));
        Value::Object(fields)
    };
    for (id, length) in [("long", 70_000), ("large", 990_000), ("full", 1_047_900)] {
        client.write(&[(format!("jobs/{id}"), wish(length))]).await;
    }
    let before = client.list("jobs").await;
    let mut env = TestEnv::new();
    env.set("DARKROOM_STORE", "firestore");
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
    assert_eq!(after["full"], before["full"]);
    assert!(
        ledger_check::bill(&env).keys().all(|prompt| prompt.len() < 1_040_000),
        "what cannot be noted is not ordered"
    );
    let store = store(emulator, &project);
    let page = store.list(PageQuery::default()).await.unwrap();
    let told: Vec<_> = page.unreadable.iter().map(|(id, reason)| (id.as_str(), reason.as_str())).collect();
    assert!(matches!(told[..], [("full", reason)] if reason.contains("bytes")), "{told:?}");
}
