//! The server of the tests itself: what the other tests count on.

use crate::support::temporal_server::{self, TemporalServer};

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn each_test_gets_its_own_namespace() {
    let server = temporal_server::shared();
    let (one, other) = (server.fresh_namespace(), server.fresh_namespace());
    assert_ne!(one, other);
    for namespace in [one, other] {
        assert_eq!(server.workflows(&namespace, ""), [], "{namespace} exists and is empty");
    }
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn restarted_server_keeps_its_histories() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = TemporalServer::start(Some(&folder.path().join("temporal.db")));
    let namespace = server.fresh_namespace();
    let start = ["workflow", "start", "--type", "missing", "--task-queue", "missing", "--workflow-id", "kept"];
    server.cli(&namespace, &start);
    server.restart();
    let history = server.history(&namespace, "kept");
    assert_eq!(history["events"][0]["eventType"], "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED", "{history}");
}
