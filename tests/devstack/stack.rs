//! The whole stack: a job runs through all servers, and the person's own configuration leads nowhere.

use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use super::{Dev, env, installed, listens, lives};
use crate::pty::terminal::{ENTER, Terminal};
use crate::support::text;

/// A plain GET, as a browser does it.
fn get(url: &str) -> Vec<u8> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let answer = async { reqwest::get(url).await?.error_for_status()?.bytes().await };
    runtime.block_on(answer).unwrap().to_vec()
}

#[test]
fn job_runs_through_all_servers() {
    let env = env();
    // What would be real money, real servers and a server elsewhere is not touched.
    env.file(
        ".env",
        "DARKROOM_PROVIDER=bfl\nBFL_API_KEY=real\nDARKROOM_STORE=firestore\nGOOGLE_CLOUD_PROJECT=real\n\
         GOOGLE_APPLICATION_CREDENTIALS=real.json\nTEMPORAL_API_KEY=real\nTEMPORAL_ADDRESS=real.example:7233\n",
    );
    let dev = Dev::start(&env, &[]);
    assert_eq!(dev.names(), installed());
    assert_eq!(dev.report["simulated"], true, "{}", dev.report);
    for (server, address) in dev.servers().iter().zip(dev.addresses()) {
        assert!(address.ip().is_loopback() && listens(address), "{server}");
    }
    let pids = dev.pids();
    assert!(pids.iter().all(|pid| lives(*pid)));
    // The worker of the stack works on it: this process only waits.
    let made = dev.json(&env, &["submit", "a fox", "--width", "64", "--height", "64", "--wait", "--json"]);
    let job = &made[0];
    assert_eq!((&job["status"], &job["simulated"]), (&"done".into(), &true.into()), "{job}");
    let url = url::Url::parse(job["image_url"].as_str().unwrap()).unwrap();
    let image = if dev.names().contains("storage") {
        get(url.as_str())
    } else {
        std::fs::read(url.to_file_path().unwrap()).unwrap()
    };
    image::load_from_memory(&image).expect("the image is whole");
    let diagnosis = text(&dev.run(&env, &["doctor", "--json"]).stdout);
    for (server, words) in [("firestore", "Firestore (emulator at"), ("storage", "images can be stored")] {
        assert!(!dev.names().contains(server) || diagnosis.contains(words), "{diagnosis}");
    }
    if let Some(page) = dev.servers().iter().find_map(|server| server["web_page"].as_str()) {
        // The person finds the job in Temporal's own web page by its id.
        assert_eq!(dev.report["environment"]["DARKROOM_ENGINE"], "temporal");
        let workflow = format!("{page}/api/v1/namespaces/default/workflows/image-gen-{}", job["id"].as_str().unwrap());
        let answer: Value = serde_json::from_slice(&get(&workflow)).unwrap();
        let status = &answer["workflowExecutionInfo"]["status"];
        assert_eq!(status, "WORKFLOW_EXECUTION_STATUS_COMPLETED", "{answer}");
    }
    // Nothing is where the person's own data is.
    let data: Vec<_> = std::fs::read_dir(env.data()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(data, ["dev"]);
    let file = dev.report["environment_file"].as_str().unwrap().to_owned();
    let exports = std::fs::read_to_string(&file).unwrap();
    assert!(exports.contains("export DARKROOM_PROVIDER='simulator'\n"), "{exports}");
    for server in dev.servers() {
        assert!(Path::new(server["log"].as_str().unwrap()).starts_with(env.path("logs")), "{server}");
    }
    let addresses = dev.addresses();
    dev.signal(Signal::INT);
    let (code, printed) = dev.end();
    assert_eq!(code, Some(0), "{printed}");
    assert!(pids.iter().all(|pid| !lives(*pid)), "nothing lives when it has ended: {printed}");
    assert!(!addresses.into_iter().any(listens), "nothing listens when it has ended: {printed}");
    assert!(!Path::new(&file).exists());
}

#[test]
fn console_shows_a_job_of_the_stack() {
    let env = env();
    let servers = installed();
    let mut terminal = Terminal::start(&env, &["dev"], 120, 40);
    terminal.wait_for("● live");
    if servers.contains("temporal") {
        terminal.wait_for("Temporal's web page: http://127.0.0.1:");
    }
    let store = if servers.contains("firestore") { "firestore" } else { "sqlite" };
    let engine = if servers.contains("temporal") { "temporal" } else { "local" };
    assert!(terminal.text().contains(&format!("dev · {store} · {engine}")), "{}", terminal.text());
    terminal.send("n");
    terminal.wait_for("Describe the image, then press Enter");
    terminal.send("a heron");
    terminal.wait_for("a heron");
    terminal.send(ENTER);
    terminal.wait_for("✓ done");
    terminal.send("q");
    assert!(terminal.wait_for_end().success());
    let printed = text(&terminal.bytes);
    if !servers.is_empty() {
        assert!(printed.contains("ready at 127.0.0.1:") && printed.contains("all servers stopped"), "{printed}");
    }
    terminal.check_restored();
}
