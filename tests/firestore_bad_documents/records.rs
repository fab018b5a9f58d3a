//! Shared records beside a damaged one.

use chrono::DateTime;
use darkroom::store::{SharedRecord, Store};
use serde_json::json;

use crate::support::external_client::{ExternalClient, typed_fields};
use crate::support::firestore_emulator::{owned_project, shared, store};

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_record_hides_no_other_one() {
    let emulator = tokio::task::spawn_blocking(shared).await.unwrap();
    let project = owned_project(emulator).await;
    let store = store(emulator, &project);
    let record = SharedRecord::new("audit", "a", DateTime::UNIX_EPOCH, "ada@studio", json!({}));
    store.put_shared_record(record).await.unwrap();
    let damaged = typed_fields(&json!({"sort_key": "audit 2026-11-22T12:00:00.000000Z", "body": "{"}));
    ExternalClient::new(emulator, &project).write(&[("darkroom_records/audit:b".to_owned(), damaged.into())]).await;
    let records = store.shared_records("audit", 10).await.unwrap();
    assert_eq!(records.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), ["a"]);
}
