//! What a request becomes that names no model: decided when its first attempt begins, not when it is first seen.

use chrono::{TimeDelta, Utc};
use darkroom::jobs::{Claim, Hold, Job, JobId, WorkerId};
use darkroom::store::firestore::FirestoreStore;
use darkroom::store::{Change, DueQuery, Save, Store, StoreSettings};
use serde_json::json;

use super::claims::gated;
use super::{emulator, job};
use crate::support::external_client::ExternalClient;
use crate::support::firestore_emulator::{fresh_project, options};

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn default_model_is_fixed_by_the_first_attempt() {
    let (emulator, project) = (emulator().await, fresh_project());
    let client = ExternalClient::new(emulator, &project);
    client.write(&[job("page", "pending_art_generation", 1, &json!({"seed": 7}))]).await;
    let with_model = |model: &str| {
        let mut options = options(emulator, &project);
        options.configured_model = Some(model.to_owned());
        FirestoreStore::connect(options)
    };
    let id = JobId::new("page").unwrap();
    let read = async |store: &FirestoreStore| -> Job { store.get(&id).await.unwrap().unwrap() };

    let first = with_model("flux-dev");
    let mut held = read(&first).await;
    assert_eq!(held.spec.model, "flux-dev");
    let reason = Hold::RetryAt { reason: "the provider is full".to_owned() };
    held.set_hold(Some(reason), None, Utc::now()).unwrap();
    first.save(Save::new(&held)).await.unwrap();
    assert!(client.fields("jobs/page").await["model"].is_null(), "the request names none still");

    let second = with_model("flux-2-pro");
    let mut begun = read(&second).await;
    assert_eq!((begun.spec.model.as_str(), &begun.spec.parameters["seed"]), ("flux-2-pro", &json!(7)));
    assert!(begun.hold().is_some(), "the hold stays");
    let claim = Claim { worker: WorkerId::new("worker"), until: Utc::now() + TimeDelta::seconds(60) };
    begun.begin_submit(claim, None, Utc::now()).unwrap();
    begun.revision = second.save(Save::new(&begun)).await.unwrap();
    let reason = Hold::RetryAt { reason: "not accepted".to_owned() };
    begun.requeue(reason, Utc::now(), Utc::now()).unwrap();
    second.save(Save::new(&begun)).await.unwrap();

    let third = with_model("flux-2-klein-4b");
    let queued = read(&third).await;
    assert_eq!((queued.spec.model.as_str(), queued.stage_name().as_str()), ("flux-2-pro", "queued"));
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_defaults_reach_running_workers() {
    let (emulator, project) = (emulator().await, fresh_project());
    let worker = gated(emulator, &project, "worker");
    worker.require_ownership().await.unwrap();
    let client = ExternalClient::new(emulator, &project);
    client.write(&[job("page", "pending_art_generation", 1, &json!({}))]).await;
    let mut changes = worker.watch().await.unwrap();
    let id = JobId::new("page").unwrap();
    let before = worker.get(&id).await.unwrap().unwrap();
    assert_eq!(before.spec.model, "flux-dev");

    let other = gated(emulator, &project, "other");
    let record = other.shared_record(StoreSettings::KIND, StoreSettings::ID).await.unwrap().unwrap();
    let mut settings = StoreSettings::parse(&record).unwrap();
    settings.default_model = Some("flux-2-pro".to_owned());
    settings.default_output_format = Some("png".to_owned());
    let reads = worker.usage().reads;
    other.put_shared_record(settings.to_record(record.revision, Utc::now(), "other")).await.unwrap();
    let wait_for_change = async {
        loop {
            for change in changes.next().await.unwrap() {
                if let Change::Job(job) = change
                    && job.spec.model == "flux-2-pro"
                {
                    return job;
                }
            }
        }
    };
    let job = tokio::time::timeout(std::time::Duration::from_secs(20), wait_for_change).await.expect("the job changes");
    assert_eq!((&job.spec.parameters["output_format"], job.revision), (&json!("png"), before.revision));
    assert!(worker.usage().reads - reads <= 4, "the record, and each waiting request once");
    assert!(client.fields("jobs/page").await["darkroom"].is_null(), "the document stays as it is");
    // What a worker picks now has the new model, and is saved without a conflict.
    let query = DueQuery { now: Utc::now(), simulated: true, queued: true, dead_workers: Vec::new(), limit: 5 };
    let mut due = worker.due(query).await.unwrap().pop().unwrap();
    assert_eq!(due.spec.model, "flux-2-pro");
    let claim = Claim { worker: WorkerId::new("worker"), until: Utc::now() + TimeDelta::seconds(60) };
    due.begin_submit(claim, None, Utc::now()).unwrap();
    worker.save(Save::new(&due)).await.unwrap();
    let fresh = gated(emulator, &project, "fresh");
    assert_eq!(fresh.get(&id).await.unwrap().unwrap().spec.model, "flux-2-pro");
}
