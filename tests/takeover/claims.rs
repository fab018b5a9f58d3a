//! Which process owns a store without `darkroom takeover`.

use darkroom::jobs::{Job, JobId, Spec};
use darkroom::store::firestore::FirestoreStore;
use darkroom::store::{Save, Store, StoreError, StoreSettings};
use serde_json::json;

use super::{emulator, fill, job};
use crate::support::external_client::ExternalClient;
use crate::support::firestore_emulator::{Emulator, fresh_project, options, store};

/// A store that writes only what it owns.
pub fn gated(emulator: &Emulator, project: &str, operator: &str) -> FirestoreStore {
    let mut options = options(emulator, project);
    options.gated = true;
    operator.clone_into(&mut options.operator);
    FirestoreStore::connect(options)
}

fn own_job(id: &str) -> Job {
    Job::new(JobId::new(id).unwrap(), Spec::new("flux-dev", "an owl"), true, chrono::Utc::now())
}

async fn settings(store: &FirestoreStore) -> StoreSettings {
    let record = store.shared_record(StoreSettings::KIND, StoreSettings::ID).await.unwrap();
    StoreSettings::parse(&record.expect("a record")).unwrap()
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_first_starts_have_one_owner() {
    let (emulator, project) = (emulator().await, fresh_project());
    let stores = ["one", "two", "three", "four"].map(|name| gated(emulator, &project, name));
    let claims = stores.iter().map(Store::require_ownership);
    assert!(futures::future::join_all(claims).await.iter().all(Result::is_ok), "all of them are darkroom");
    let ownership = settings(&stores[0]).await.ownership.unwrap();
    assert_eq!(ownership.how, "first_start");
    assert!(["one", "two", "three", "four"].contains(&ownership.by.as_str()), "{ownership:?}");
    assert_eq!(ExternalClient::new(emulator, &project).list("darkroom_records").await.len(), 1);
    // A page may write from now on, and the store stays darkroom's.
    fill(&ExternalClient::new(emulator, &project)).await;
    let late = gated(emulator, &project, "late");
    late.require_ownership().await.unwrap();
    assert_eq!(settings(&late).await.ownership, Some(ownership));
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_of_an_earlier_version_stays_owned() {
    let (emulator, project) = (emulator().await, fresh_project());
    let client = ExternalClient::new(emulator, &project);
    client.write(&[job("page", "pending_art_generation", 1, &json!({}))]).await;
    // An earlier version knew no record.
    store(emulator, &project).create(vec![own_job("own")]).await.unwrap();
    let current = gated(emulator, &project, "me");
    current.require_ownership().await.unwrap();
    assert_eq!(settings(&current).await.ownership.unwrap().how, "existing");
    assert!(current.get(&JobId::new("page").unwrap()).await.unwrap().is_some());
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn earlier_version_beside_a_backend_is_refused() {
    let (emulator, project) = (emulator().await, fresh_project());
    store(emulator, &project).create(vec![own_job("own")]).await.unwrap();
    let client = ExternalClient::new(emulator, &project);
    client.write(&[job("taken-up", "processing", 1, &json!({}))]).await;
    let current = gated(emulator, &project, "me");
    assert_eq!(current.require_ownership().await, Err(StoreError::NotOwned));
    assert_eq!(current.create(vec![own_job("second")]).await, Err(StoreError::NotOwned));
    let mut read = current.get(&JobId::new("own").unwrap()).await.unwrap().unwrap();
    read.hidden = true;
    assert_eq!(current.save(Save::new(&read)).await, Err(StoreError::NotOwned));
    assert_eq!(client.list("darkroom_records").await.len(), 0);
}
