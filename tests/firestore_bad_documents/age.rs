//! What the header says of a line that is lost: how old the data is.

use std::net::TcpListener;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use darkroom::engine::local;
use darkroom::engine::{ConnectionState, Event, EventDetail, Mode, Ports, Settings, WorkerLock};
use darkroom::simulator::Speed;
use darkroom::store::firestore::FirestoreStore;

use crate::support::firestore_emulator::{Emulator, fresh_project, options};
use crate::workflow::harness::{Engine, WorkflowHarness};

async fn lost(engine: &mut Engine) -> DateTime<Utc> {
    match engine
        .until("a lost line", |event| matches!(event, Event::Connection(ConnectionState::Disconnected { .. })))
        .await
    {
        Event::Connection(ConnectionState::Disconnected { since, .. }) => since,
        other => panic!("{other:?}"),
    }
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disconnected_since_is_the_last_contact() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = tokio::task::spawn_blocking(move || Emulator::start(Some(port))).await.unwrap();
    let shop = WorkflowHarness::new(Speed::Instant).await;
    let store = Arc::new(FirestoreStore::connect(options(&server, &fresh_project())));
    let ports = Ports { store, ..shop.ports() };
    let begun = Utc::now();
    let settings = Settings { mode: Mode::Observe, event_detail: EventDetail::Full, ..Settings::default() };
    let worker_lock = WorkerLock::acquire(&shop.env.data()).unwrap();
    let mut engine = Engine::of(local::start(ports, settings, worker_lock));
    engine.until("the line", |event| *event == Event::Connection(ConnectionState::Connected)).await;
    let end = Utc::now();
    drop(server);
    let since = lost(&mut engine).await;
    // A little is for two clocks that are not read at once.
    let between = begun - chrono::Duration::seconds(1)..=end + chrono::Duration::seconds(1);
    assert!(between.contains(&since), "{since} is not between {between:?}");
    assert_eq!(lost(&mut engine).await, since, "a try that fails makes the data no newer");
    engine.stop().await;
}
