//! The whole program on Firestore and Cloud Storage: what a web page writes becomes an image that it can show, and the costs that
//! its scripts sum are what was billed. Other programs are played by plain REST requests.

use rust_decimal::Decimal;
use serde_json::Value;

use crate::support::external_client::{ExternalClient, decimal};
use crate::support::{TestEnv, firestore_emulator, gcs_server, ledger_check, text};

async fn env_with_google() -> (TestEnv, ExternalClient) {
    let emulator = tokio::task::spawn_blocking(firestore_emulator::shared).await.unwrap();
    let bucket = gcs_server::fresh_bucket().await;
    let project = firestore_emulator::owned_project(emulator).await;
    let mut env = TestEnv::new();
    env.set("DARKROOM_STORE", "firestore");
    env.set("DARKROOM_SIMULATE_EXTERNAL", "1");
    env.set("DARKROOM_BUCKET", "gcs");
    env.set("FIRESTORE_EMULATOR_HOST", &emulator.host());
    env.set("STORAGE_EMULATOR_HOST", &bucket.emulator.unwrap());
    // As the teams have it: some names in the environment, some in `.env`.
    env.file(".env", &format!("GOOGLE_CLOUD_PROJECT={project}\nFIREBASE_STORAGE_BUCKET={}\n", bucket.bucket));
    let page = ExternalClient::new(emulator, &project);
    (env, page)
}

/// Runs the program without holding up the test's own connections.
async fn run(env: TestEnv, arguments: &'static [&'static str]) -> (TestEnv, String) {
    tokio::task::spawn_blocking(move || {
        let output = env.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
        (env, text(&output.stdout))
    })
    .await
    .unwrap()
}

#[cfg_attr(
    not(all(firestore_emulator_installed, storage_server_installed)),
    ignore = "one of its servers is not installed"
)]
#[tokio::test]
async fn web_page_request_becomes_image_and_costs() {
    let (env, page) = env_with_google().await;
    let mut asked = Vec::new();
    for prompt in ["a fox in the snow", "a lighthouse", "a bowl of plums"] {
        asked.push(page.request_image(prompt).await);
    }
    let (env, _) = run(env, &["worker", "--until-idle"]).await;
    for id in &asked {
        let job = page.fields(&format!("jobs/{id}")).await;
        assert_eq!(job["status"]["stringValue"], "pending_review", "{job}");
        assert_eq!(decimal(&job["generationCount"]), Decimal::ONE, "{job}");
        assert_eq!(job["pageState"]["mapValue"]["fields"]["tab"]["integerValue"], "3", "what is not ours stays: {job}");
        // The page's browser knows nothing of darkroom or Google: a plain GET.
        let url = job["generatedImageUrl"]["stringValue"].as_str().unwrap();
        let answer = reqwest::get(url).await.unwrap().error_for_status().unwrap();
        let image = answer.bytes().await.unwrap();
        assert_eq!(decimal(&job["image_size_bytes"]), Decimal::from(image.len()), "{job}");
        image::load_from_memory(&image).expect("the image is whole");
    }
    let bill = ledger_check::bill(&env);
    assert_eq!(bill.values().map(|(times, _)| times).sum::<usize>(), asked.len(), "each is ordered once: {bill:?}");
    assert!(ledger_check::total(&bill) > Decimal::ZERO);
    assert_eq!(page.spent("bfl_api").await, ledger_check::total(&bill));
    let (_, costs) = run(env, &["costs", "--json", "--days", "2", "--by", "service"]).await;
    let costs: Value = serde_json::from_str(&costs).unwrap();
    let both = page.spent("bfl_api").await + page.spent("google_storage").await;
    assert_eq!(ledger_check::dollars(&costs["total_usd"]), both, "darkroom's own report says the same: {costs}");
}

/// A drawn image must not reach a customer: on an emulator too.
#[cfg_attr(
    not(all(firestore_emulator_installed, storage_server_installed)),
    ignore = "one of its servers is not installed"
)]
#[tokio::test]
async fn simulator_holds_requests_of_the_page() {
    let (mut env, page) = env_with_google().await;
    env.set("DARKROOM_SIMULATE_EXTERNAL", "");
    let id = page.request_image("a fox in the snow").await;
    let before = page.list("jobs").await;
    let (env, own) = tokio::task::spawn_blocking(move || {
        let own = env.queue(1);
        (env, own)
    })
    .await
    .unwrap();
    let (env, _) = run(env, &["worker", "--until-idle"]).await;
    let after = page.list("jobs").await;
    assert_eq!(after[&id], before[&id], "the document stays as the page wrote it");
    assert_eq!(after[&own[0]]["fields"]["status"]["stringValue"], "pending_review", "darkroom's own job runs");
    let bill = ledger_check::bill(&env);
    assert_eq!(bill.keys().collect::<Vec<_>>(), ["job 0"], "{bill:?}");
    let (env, list) = run(env, &["jobs", "list", "--status", "queued", "--json"]).await;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&list[0]["id"], &list[0]["hold"]["kind"]), (&id.as_str().into(), &"external".into()), "{list}");
    let message = list[0]["hold"]["message"].as_str().unwrap();
    assert!(message.contains("--provider bfl") && message.contains("--simulate-external"), "{message}");
    run(env, &["worker", "--until-idle", "--simulate-external"]).await;
    assert_eq!(
        page.fields(&format!("jobs/{id}")).await["status"]["stringValue"],
        "pending_review",
        "requested by name"
    );
}

#[cfg_attr(
    not(all(firestore_emulator_installed, storage_server_installed)),
    ignore = "one of its servers is not installed"
)]
#[tokio::test]
async fn doctor_names_a_missing_bucket() {
    let (mut env, _) = env_with_google().await;
    let (returned, diagnosis) = run(env, &["doctor", "--json"]).await;
    env = returned;
    let diagnosis: Value = serde_json::from_str(&diagnosis).unwrap();
    let message = |name: &str| {
        let checks = diagnosis["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap()["message"].as_str().unwrap().to_owned()
    };
    assert!(message("store").contains("Firestore (emulator at") && message("store").contains("0 jobs"), "{diagnosis}");
    assert!(message("bucket").contains("images can be stored"), "{diagnosis}");
    env.set("FIREBASE_STORAGE_BUCKET", "no-such-bucket");
    let output = tokio::task::spawn_blocking(move || env.run(&["doctor"])).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("no-such-bucket"), "{}", text(&output.stdout));
}
