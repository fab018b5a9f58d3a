//! Jobs through real workers on a real server: what is made, what it costs, and what a person reads in Temporal afterwards.

use std::collections::BTreeMap;

use base64::Engine as _;

use crate::support::{TestEnv, ledger_check, temporal_server};

use super::worker::{Worker, activities};

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn two_workers_run_20_jobs_and_close_workflows() {
    let server = temporal_server::shared();
    let mut env = TestEnv::new();
    let namespace = server.configure(&mut env);
    let ids = env.queue(20);
    let workers = [(); 2].map(|()| Worker::start(&env, &["--until-idle", "--slots", "6"]));
    workers.into_iter().for_each(Worker::done);
    assert_eq!(ledger_check::check(&env, 20), 20);
    // A worker that learns late of a done job may begin it once more, and finds nothing to do.
    let workflows: BTreeMap<String, String> = server.workflows(&namespace, "").into_iter().collect();
    assert_eq!(workflows.len(), 20, "one each: {workflows:?}");
    for (id, status) in &workflows {
        assert_eq!(status, "WORKFLOW_EXECUTION_STATUS_COMPLETED", "{id}");
    }
    // The simulator is done at once, so one activity suffices.
    assert_eq!(activities(server, &namespace, &ids[0]), ["submit"]);
    // What a person reads: the story in words, and what it cost.
    let shown = server.cli(&namespace, &["workflow", "show", "--workflow-id", &format!("image-gen-{}", ids[0])]);
    let shown =
        shown + &server.cli(&namespace, &["workflow", "describe", "--workflow-id", &format!("image-gen-{}", ids[0])]);
    for word in ["flux-2-klein-4b", "cost_usd", "status", "generate done in", "settle done in", "job 0"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    // The server's page shows the summary of each activity; the history holds it as base64.
    let summary = base64::engine::general_purpose::STANDARD
        .encode("\"submit the request, store an image that is ready at once\"");
    let history = server.history(&namespace, &format!("image-gen-{}", ids[0])).to_string();
    assert!(history.contains(&summary), "{summary}: {history}");
    let list = server.cli(&namespace, &["workflow", "list", "--output", "json"]);
    for word in ["\"model\"", "\"prompt\"", "\"status\"", "\"cost_usd\""] {
        assert!(list.contains(word), "{word}: {list}");
    }
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn temporal_engine_matches_fault_table() {
    let server = temporal_server::shared();
    let mut env = TestEnv::new();
    let namespace = server.configure(&mut env);
    crate::workflow::fault_table::queue(&env);
    Worker::start(&env, &["--until-idle"]).done();
    crate::workflow::fault_table::check(&env);
    assert_eq!(server.workflows(&namespace, "ExecutionStatus = 'Running'"), []);
}
