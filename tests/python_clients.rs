//! Google's own Python clients beside the real program: a web page, a reviewer and a script without any knowledge of darkroom.
//!
//! What they do is in `python_clients/client.py`; what must come of it is judged here.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use darkroom::jobs::sha256_hex;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::support::{TestEnv, firestore_emulator, gcs_server, ledger_check, python_clients};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python_clients/client.py");
const REQUIREMENTS: &str = include_str!("python_clients/requirements.txt");

/// A child that does not outlive the test, however that ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg_attr(
    not(all(firestore_emulator_installed, storage_server_installed, python_clients_installed)),
    ignore = "one of its servers is not installed"
)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn google_clients_work_beside_darkroom() {
    let python = python_clients::python(REQUIREMENTS).expect("the Python clients are installed");
    let emulator = tokio::task::spawn_blocking(firestore_emulator::shared).await.unwrap();
    let bucket = gcs_server::fresh_bucket().await;
    let project = firestore_emulator::owned_project(emulator).await;
    let storage = bucket.emulator.unwrap();
    let mut env = TestEnv::new();
    env.set("DARKROOM_STORE", "firestore");
    env.set("DARKROOM_SIMULATE_EXTERNAL", "1");
    env.set("DARKROOM_BUCKET", "gcs");
    env.set("FIRESTORE_EMULATOR_HOST", &emulator.host());
    env.set("STORAGE_EMULATOR_HOST", &storage);
    env.set("GOOGLE_CLOUD_PROJECT", &project);
    env.set("FIREBASE_STORAGE_BUCKET", &bucket.bucket);
    let team = Command::new(python)
        .arg(SCRIPT)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("FIRESTORE_EMULATOR_HOST", emulator.host())
        // This client wants the scheme that the others do without.
        .env("STORAGE_EMULATOR_HOST", format!("http://{storage}"))
        .env("GOOGLE_CLOUD_PROJECT", &project)
        .env("FIREBASE_STORAGE_BUCKET", &bucket.bucket)
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut team = Ended(team);
    let (seen, env) = tokio::task::spawn_blocking(move || {
        let mut printed = BufReader::new(team.0.stdout.take().unwrap());
        let mut line = String::new();
        printed.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "listening");
        let _worker = Ended(env.command(&["worker"]).stderr(Stdio::null()).spawn().expect("the worker starts"));
        let mut answer = String::new();
        printed.read_to_string(&mut answer).unwrap();
        assert!(team.0.wait().unwrap().success(), "the script gave up, see above");
        (serde_json::from_str::<Value>(&answer).expect("what the team saw"), env)
    })
    .await
    .unwrap();

    let images = seen["images"].as_object().unwrap();
    assert_eq!(images.len(), 3);
    for image in images.values().chain([&seen["again"]]) {
        // What Google's client reads is what a browser gets, and both are a whole image.
        let answer = reqwest::get(image["url"].as_str().unwrap()).await.unwrap().error_for_status().unwrap();
        let bytes = answer.bytes().await.unwrap();
        assert_eq!((image["bytes"].as_u64(), &image["sha256"]), (Some(bytes.len() as u64), &json!(sha256_hex(&bytes))));
        assert_eq!(image["image_size_bytes"], image["bytes"]);
        image::load_from_memory(&bytes).expect("the image is whole");
    }
    let again = seen["again"]["job"].as_str().unwrap();
    assert_ne!(seen["again"]["sha256"], images[again]["sha256"], "another seed is another image");
    assert_ne!(seen["again"]["url"], images[again]["url"], "under a name of its own");
    assert_eq!(seen["page"], json!({"tab": [1, "two", null], "zoom": 1.5}), "what is the page's stays");
    let statuses = seen["statuses"].as_object().unwrap();
    assert_eq!(statuses.len(), 3);
    for (job, status) in statuses {
        let expected = if seen["approved"] == **job { "approved" } else { "pending_review" };
        assert_eq!(status, expected, "{job}");
    }

    let bill = ledger_check::bill(&env);
    assert_eq!(bill.values().map(|(times, _)| times).sum::<usize>(), 4, "three requests, one of them twice: {bill:?}");
    let spent = |service: &str| seen["spent"][service].to_string().parse::<Decimal>().unwrap();
    assert_eq!(spent("bfl_api"), ledger_check::total(&bill), "the script's sum is the simulator's bill");
    let (costs, _env) =
        tokio::task::spawn_blocking(move || (env.json(&["costs", "--json", "--days", "2", "--by", "service"]), env))
            .await
            .unwrap();
    assert_eq!(ledger_check::dollars(&costs["total_usd"]), spent("bfl_api") + spent("google_storage"), "{costs}");
}
