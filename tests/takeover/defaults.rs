//! What a request becomes that names no model: decided when its first attempt begins, not when it is first seen.

use chrono::{TimeDelta, Utc};
use darkroom::jobs::{Claim, Hold, Job, JobId, WorkerId};
use darkroom::store::firestore::FirestoreStore;
use darkroom::store::{Save, Store};
use serde_json::json;

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
