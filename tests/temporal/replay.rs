//! Recorded histories against the current workflow. They look like running jobs of an upgraded installation: where one of
//! them no longer replays, read "Changing the workflow" in `src/engine/temporal/mod.rs` before anything else.
//!
//! `cargo test --test integration temporal::replay::record -- --ignored` records those of the current version. Those of earlier versions
//! are never recorded again: they are what runs in installations that are upgraded.

use std::path::{Path, PathBuf};

use darkroom::engine::temporal::workflow::ImageGeneration;
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, UntypedWorkflow, WorkflowFetchHistoryOptions, WorkflowHistory,
};
use temporalio_sdk::workflow_replayer::{WorkflowReplayer, WorkflowReplayerOptions};

use crate::support::{TestEnv, path_text, temporal_server};

use super::nondeterminism;
use super::worker::{Worker, events, until, until_runs, until_status};

/// The recorded jobs.
const HISTORIES: [&str; 5] = ["success", "deferred", "signalled", "cancelled", "failed"];

/// The endings of the recorded files. Without one: `wait` reported a link, which `store` stored. `-wait-stores`: `wait` stores the image.
/// `-submit-stores`: `submit` stores an image that is ready at once.
const RECORDINGS: [&str; 3] = ["", "-wait-stores", "-submit-stores"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories")
}

fn history(name: &str) -> WorkflowHistory {
    let bytes = std::fs::read(folder().join(format!("{name}.json"))).unwrap();
    WorkflowHistory::from_json(&bytes).unwrap()
}

#[tokio::test]
async fn recorded_histories_replay() {
    let options = WorkflowReplayerOptions::new().register_workflow::<ImageGeneration>().unwrap().build();
    let replayer = WorkflowReplayer::new(options).unwrap();
    for name in HISTORIES.iter().flat_map(|name| RECORDINGS.map(|recording| format!("{name}{recording}"))) {
        replayer.replay_workflow(history(&name)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[tokio::test]
async fn changed_workflow_does_not_replay() {
    let shorter = WorkflowReplayerOptions::new().register_workflow::<nondeterminism::WithoutMemo>().unwrap().build();
    let other = WorkflowReplayerOptions::new().register_workflow::<nondeterminism::OtherOrder>().unwrap().build();
    for options in [shorter, other] {
        let replayer = WorkflowReplayer::new(options).unwrap();
        let error = replayer.replay_workflow(history("success")).await.unwrap_err().to_string();
        assert!(error.contains("ondeterminis"), "{error}");
    }
}

/// Makes a job of that prompt and returns its id.
fn order(env: &TestEnv, prompt: &str) -> String {
    let line = format!(r#"{{"prompt": "{prompt}", "model": "flux-2-klein-4b", "width": 64, "height": 64}}"#);
    let file = env.file("one.jsonl", &line);
    crate::support::ids(&env.json(&["submit", "--json", "--file", path_text(&file)])).remove(0)
}

async fn client(address: &str, namespace: &str) -> Client {
    let options = ConnectionOptions::new(format!("http://{address}").parse::<url::Url>().unwrap()).build();
    let connection = Connection::connect(options).await.unwrap();
    Client::new(connection, ClientOptions::new(namespace).build()).unwrap()
}

#[test]
#[ignore = "records the histories again"]
fn record() {
    let server = temporal_server::shared();
    let mut env = TestEnv::new();
    let namespace = server.configure(&mut env);
    env.set("DARKROOM_TEMPORAL_HEARTBEAT_SECONDS", "2");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = runtime.block_on(client(&server.address(), &namespace));
    let keep = |name: &str, id: &str| {
        let handle = client.get_workflow_handle::<UntypedWorkflow>(format!("image-gen-{id}"));
        let history = handle.fetch_history(WorkflowFetchHistoryOptions::default());
        // In the SDK's own form: it cannot read what the command line prints.
        let bytes = runtime.block_on(history.to_json()).unwrap();
        let history: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let file = format!("{name}{}.json", RECORDINGS.last().unwrap());
        std::fs::write(folder().join(file), history.to_string() + "\n").unwrap();
    };
    let (success, deferred, failed) =
        (order(&env, "a lighthouse"), order(&env, "a fox [sim:429*2]"), order(&env, "a crowd [sim:moderated]"));
    Worker::start(&env, &["--until-idle"]).done();
    keep("success", &success);
    keep("deferred", &deferred);
    keep("failed", &failed);
    env.set("DARKROOM_BUDGET_DAILY_USD", "0.001");
    let signalled = order(&env, "a bowl of plums");
    let worker = Worker::start(&env, &[]);
    until("the rest", || super::worker::job(&env, &signalled)["hold"]["kind"] == "budget");
    until("its timer", || events(server, &namespace, &signalled).iter().any(|event| event == "TIMER_STARTED"));
    worker.leave();
    env.set("DARKROOM_BUDGET_DAILY_USD", "5");
    Worker::start(&env, &["--until-idle"]).done();
    keep("signalled", &signalled);
    env.set("DARKROOM_SIMULATOR_SPEED", "0.001");
    let cancelled = order(&env, "a slow river");
    let worker = Worker::start(&env, &[]);
    until_status(&env, &cancelled, "generating");
    server.cli(&namespace, &["workflow", "cancel", "--workflow-id", &format!("image-gen-{cancelled}")]);
    until_runs(server, &namespace, &cancelled, &["CANCELED"]);
    worker.leave();
    keep("cancelled", &cancelled);
}
