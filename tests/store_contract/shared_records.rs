//! Records that all processes of a store share.

use std::sync::Arc;

use darkroom::store::{SharedRecord, StoreError};
use futures::future::join_all;
use serde_json::json;

use super::fixture::{Fixture, at};

fn record(kind: &str, id: &str, seconds: i64) -> SharedRecord {
    SharedRecord::new(kind, id, at(seconds), "operator@host", json!({"second": seconds, "text": "naïve \u{1f980}"}))
}

fn conflict(kind: &str, id: &str) -> StoreError {
    StoreError::RecordConflict { kind: kind.into(), id: id.into() }
}

pub async fn record_is_read_as_it_was_written(fixture: Fixture) {
    assert_eq!(fixture.store.shared_record("pause", "intake").await.unwrap(), None);
    let written = record("pause", "intake", 0);
    let revision = fixture.store.put_shared_record(written.clone()).await.unwrap();
    assert!(revision > 0);
    let read = fixture.other.shared_record("pause", "intake").await.unwrap();
    assert_eq!(read, Some(SharedRecord { revision, ..written }));
}

pub async fn record_needs_its_latest_revision(fixture: Fixture) {
    let first = fixture.store.put_shared_record(record("pause", "intake", 0)).await.unwrap();
    let second = SharedRecord { revision: first, ..record("pause", "intake", 1) };
    let revision = fixture.other.put_shared_record(second.clone()).await.unwrap();
    assert!(revision > first);
    let late = SharedRecord { revision: first, ..record("pause", "intake", 2) };
    assert_eq!(fixture.store.put_shared_record(late).await, Err(conflict("pause", "intake")));
    let missing = SharedRecord { revision: first, ..record("pause", "missing", 2) };
    assert_eq!(fixture.store.put_shared_record(missing).await, Err(conflict("pause", "missing")));
    let read = fixture.store.shared_record("pause", "intake").await.unwrap();
    assert_eq!(read, Some(SharedRecord { revision, ..second }));
}

pub async fn created_record_has_one_winner(fixture: Fixture) {
    let writers = (0..8).map(|number| {
        let store = Arc::clone(if number % 2 == 0 { &fixture.store } else { &fixture.other });
        tokio::spawn(async move { store.put_shared_record(record("settings", "store", number)).await })
    });
    let results: Vec<_> = join_all(writers).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    let lost = results.iter().filter(|result| **result == Err(conflict("settings", "store"))).count();
    assert_eq!(lost, 7, "{results:?}");
}

pub async fn repeated_write_is_recognised(fixture: Fixture) {
    let first = fixture.store.put_shared_record(record("pause", "intake", 0)).await;
    assert_eq!(fixture.other.put_shared_record(record("pause", "intake", 0)).await, first);
    let changed = SharedRecord { revision: first.unwrap(), ..record("pause", "intake", 1) };
    let second = fixture.store.put_shared_record(changed.clone()).await;
    assert_eq!(fixture.store.put_shared_record(changed).await, second);
}

pub async fn newest_records_come_first(fixture: Fixture) {
    for second in [3, 1, 2, 5, 4] {
        fixture.store.put_shared_record(record("bulk", &format!("number-{second}"), second)).await.unwrap();
    }
    let newest = fixture.other.shared_records("bulk", 3).await.unwrap();
    let ids: Vec<&str> = newest.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(ids, ["number-5", "number-4", "number-3"]);
    let changed = SharedRecord { revision: newest[2].revision, ..record("bulk", "number-3", 9) };
    fixture.other.put_shared_record(changed).await.unwrap();
    assert_eq!(fixture.store.shared_records("bulk", 1).await.unwrap()[0].id, "number-3");
}

pub async fn kinds_and_ids_do_not_mix(fixture: Fixture) {
    for (kind, id) in [("bulk", "a"), ("bulk2", "a"), ("bul", "a"), ("bulk", "a/b"), ("bulk", "a%2Fb"), ("bulk", "é")]
    {
        assert_eq!(fixture.store.shared_record(kind, id).await.unwrap(), None, "{kind} {id}");
        fixture.store.put_shared_record(record(kind, id, 0)).await.unwrap();
        assert_eq!(fixture.store.shared_record(kind, id).await.unwrap().unwrap().id, id, "{kind}");
    }
    assert_eq!(fixture.store.shared_records("bulk", 10).await.unwrap().len(), 4);
    assert_eq!(fixture.store.shared_records("bul", 10).await.unwrap().len(), 1);
    assert_eq!(fixture.store.shared_records("none", 10).await.unwrap(), []);
}
