//! A takeover beside Temporal: a backend that still polls is a reason to refuse, its open workflows are listed.

use serde_json::{Value, json};

use super::{fill, run, run_json, setup, until};
use crate::support::temporal_server;
use crate::temporal::old_backend::{OLD_IDENTITY, OLD_TYPE, OldWorker, start_old_workflow};

#[cfg_attr(
    not(all(firestore_emulator_installed, temporal_server_installed)),
    ignore = "one of its servers is not installed"
)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polling_backend_refuses_the_takeover() {
    let (env, client) = setup().await;
    fill(&client).await;
    let mut env = std::sync::Arc::into_inner(env).unwrap();
    let (env, old) = tokio::task::spawn_blocking(move || {
        let server = temporal_server::shared();
        let namespace = server.configure(&mut env);
        // The documents are darkroom's with either engine.
        env.set("DARKROOM_ENGINE", "local");
        start_old_workflow(server, &namespace, "taken-up");
        (std::sync::Arc::new(env), OldWorker::start(server, &namespace))
    })
    .await
    .unwrap();
    let mut plan = Value::Null;
    until("the poller is listed", async || {
        plan = run_json(&env, &["takeover", "--dry-run", "--json"]).await;
        plan["temporal"]["pollers"] == json!([OLD_IDENTITY])
    })
    .await;
    let (code, printed, errors) = run(&env, &["takeover", "--yes", "--json"]).await;
    let refused: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((code, &refused["state"]), (1, &json!("refused")), "{printed}");
    assert!(errors.contains(OLD_IDENTITY) && errors.contains("--force"), "{errors}");
    let open = &refused["temporal"]["open_workflows"];
    assert_eq!((&open[0]["id"], &open[0]["workflow_type"]), (&json!("image-gen-taken-up"), &json!(OLD_TYPE)), "{open}");
    let terminate = open[0]["terminate"].as_str().unwrap();
    assert!(refused["steps"].as_array().unwrap().iter().any(|step| step == terminate), "{refused}");
    assert_eq!(client.list("darkroom_records").await.len(), 0, "nothing was written");
    tokio::task::spawn_blocking(move || drop(old)).await.unwrap();
    let taken = run_json(&env, &["takeover", "--yes", "--force", "--json"]).await;
    assert_eq!(taken["state"], "taken_over", "{taken}");
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreachable_temporal_refuses_the_takeover() {
    let (env, client) = setup().await;
    fill(&client).await;
    let mut env = std::sync::Arc::into_inner(env).unwrap();
    env.set("TEMPORAL_ADDRESS", &format!("127.0.0.1:{}", crate::support::server_process::free_port()));
    let env = std::sync::Arc::new(env);
    let (code, _, errors) = run(&env, &["takeover", "--yes"]).await;
    assert!(code == 1 && errors.contains("Temporal was not inspected"), "{errors}");
    assert_eq!(client.list("darkroom_records").await.len(), 0, "nothing was written");
}
