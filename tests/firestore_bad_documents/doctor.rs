//! Checks of Google's services before the first job: rights, indexes, clock, and credentials that cannot be used.

use serde_json::Value;

use crate::support::external_client::ExternalClient;
use crate::support::firestore_emulator::{fresh_project, shared};
use crate::support::{TestEnv, text};

async fn run(env: TestEnv, arguments: &'static [&'static str]) -> (TestEnv, Option<i32>, String, String) {
    tokio::task::spawn_blocking(move || {
        let output = env.run(arguments);
        (env, output.status.code(), text(&output.stdout), text(&output.stderr))
    })
    .await
    .unwrap()
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test]
async fn doctor_checks_firestore_and_writes_nothing() {
    let emulator = tokio::task::spawn_blocking(shared).await.unwrap();
    let project = fresh_project();
    let mut env = TestEnv::new();
    env.set("DARKROOM_STORE", "firestore");
    env.set("FIRESTORE_EMULATOR_HOST", &emulator.host());
    env.set("GOOGLE_CLOUD_PROJECT", &project);
    env.set("DARKROOM_FIRESTORE_DATABASE", "archive");
    let (mut env, code, printed, _) = run(env, &["doctor", "--json"]).await;
    assert_eq!(code, Some(0), "{printed}");
    let printed: Value = serde_json::from_str(&printed).unwrap();
    let check = |name: &str| {
        let checks = printed["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == name);
        check.unwrap_or_else(|| panic!("no check {name}: {printed}"))["message"].as_str().unwrap().to_owned()
    };
    assert!(check("store").contains(&format!("project {project}, database archive: 0 jobs")), "{printed}");
    assert!(check("store writes").contains("created, changed and deleted"), "{printed}");
    assert!(check("store indexes").contains("indexes of lists and queues exist"), "{printed}");
    assert!(check("store clock").contains(" s ") && check("store clock").contains("Firestore"), "{printed}");
    let client = ExternalClient::in_database(emulator, &project, "archive");
    for collection in ["darkroom_health", "jobs", "costs"] {
        assert_eq!(client.list(collection).await.len(), 0, "{collection}");
    }
    env.set("DARKROOM_FIRESTORE_DATABASE", "Archive/../x");
    let (_, code, _, printed) = run(env, &["doctor"]).await;
    assert_eq!(code, Some(2));
    assert!(printed.contains("firestore_database: 'Archive/../x' is not a valid database name"), "{printed}");
}

#[tokio::test]
async fn unusable_credentials_are_named() {
    let mut env = TestEnv::new();
    env.set("DARKROOM_STORE", "firestore");
    env.set("GOOGLE_CLOUD_PROJECT", "team");
    let key = env.path("key.json").display().to_string();
    env.set("GOOGLE_APPLICATION_CREDENTIALS", &key);
    let secret = "{\"type\": \"service_account\", \"private_key\": \"secret";
    for (content, why) in [
        (None, "file not found"),
        (Some(""), "not valid JSON"),
        (Some(secret), "not valid JSON"),
        (Some("[1]"), "not a JSON object"),
        (Some("{}"), "it has no type"),
        (Some("{\"type\": \"service_account\", \"private_key\": \"secret\"}"), "has no client_email"),
    ] {
        if let Some(content) = content {
            env.file("key.json", content);
        }
        let (returned, code, _, printed) = run(env, &["jobs", "list"]).await;
        assert_eq!(code, Some(1), "{printed}");
        assert!(printed.contains(&key) && printed.contains(why), "{why}: {printed}");
        assert!(!printed.contains("store unavailable") && !printed.contains("secret"), "{printed}");
        let (returned, code, printed, _) = run(returned, &["doctor"]).await;
        assert_eq!(code, Some(1));
        assert!(printed.contains("credentials") && printed.contains(why), "{why}: {printed}");
        env = returned;
    }
    // A key of another project may have rights in this one: doctor says so, and goes on.
    let other =
        r#"{"type": "service_account", "project_id": "other", "client_email": "a@b.example", "private_key": "x"}"#;
    env.file("key.json", other);
    let (_, _, printed, _) = run(env, &["doctor"]).await;
    assert!(printed.contains("a@b.example belongs to project other, not team"), "{printed}");
}
