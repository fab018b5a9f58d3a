//! One simulator for all processes on a data directory.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use darkroom::simulator::{SharedSimulator, shared};

use super::*;

/// Retries until a process serves: a takeover takes a moment.
async fn eventually(api: &Api, url: &str) -> Response {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        match api.client.get(api.base.join(url).unwrap()).header("x-key", "test").send().await {
            Ok(response) => return response,
            Err(error) if tokio::time::Instant::now() > deadline => panic!("no process took over: {error}"),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
}

async fn join(directory: &Path) -> SharedSimulator {
    shared(directory, instant()).await.unwrap()
}

#[tokio::test]
async fn second_process_serves_after_shutdown() {
    let directory = tempfile::tempdir().unwrap();
    let first = join(directory.path()).await;
    let second = join(directory.path()).await;
    assert_eq!(first.base_url(), second.base_url());
    let port = first.base_url().port().unwrap();
    assert!((20_000..30_000).contains(&port) && port % 2 == 0, "{port}");
    let api = Api::new(first.base_url());
    let accepted = api.accepted("a fox").await;
    let link = api.sample(&accepted).await;
    first.shutdown().await;

    let api = Api::new(second.base_url());
    let ready = eventually(&api, accepted["polling_url"].as_str().unwrap()).await;
    assert_eq!(body_of(ready, StatusCode::OK).await["result"]["sample"], link);
    let image = eventually(&api, &link).await.bytes().await.unwrap();
    assert!(image::load_from_memory(&image).is_ok());
    api.accepted("another").await;
    assert_eq!(api.bill().await["count"], 2);
}

#[tokio::test]
async fn concurrent_starts_share_one_simulator() {
    let directory = tempfile::tempdir().unwrap();
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let directory = directory.path().to_owned();
        starting.spawn(async move { join(&directory).await });
    }
    let simulators = starting.join_all().await;
    for simulator in &simulators {
        Api::new(simulator.base_url()).accepted("a fox").await;
    }
    let bill = Api::new(simulators[0].base_url()).bill().await;
    assert_eq!(bill["count"], 6);
}

#[tokio::test]
async fn directories_have_separate_simulators() {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (one, other) = (join(directories[0].path()).await, join(directories[1].path()).await);
    assert_ne!(one.base_url(), other.base_url());
    Api::new(one.base_url()).accepted("a fox").await;
    assert_eq!(Api::new(other.base_url()).bill().await["count"], 0);
}

#[tokio::test]
async fn occupied_port_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let first = join(directory.path()).await;
    let old = first.base_url();
    Api::new(old.clone()).accepted("a fox").await;
    first.shutdown().await;
    let foreign = tokio::net::TcpListener::bind((old.host_str().unwrap(), old.port().unwrap())).await.unwrap();
    let second = join(directory.path()).await;
    assert_ne!(second.base_url(), old);
    assert_eq!(Api::new(second.base_url()).bill().await["count"], 1, "the books moved along");
    drop(foreign);
    second.shutdown().await;
    let third = join(directory.path()).await;
    assert_ne!(third.base_url(), old, "the new address is kept");
}

#[tokio::test]
async fn unusable_directory_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(shared(&file.join("below"), instant()).await.unwrap_err().to_string().contains("cannot use"));
    std::fs::write(directory.path().join("simulator.db"), "this is not a database, and it is long enough to be one")
        .unwrap();
    let error = shared(directory.path(), instant()).await.unwrap_err().to_string();
    assert!(error.contains("ledger"), "{error}");
}

const CHILD: &str = "DARKROOM_TEST_SIMULATOR_DIRECTORY";

/// Another process that serves a directory until it is killed.
struct Serving {
    process: Child,
    /// Held open: it must not end by a broken pipe.
    _output: BufReader<ChildStdout>,
}

impl Serving {
    fn start(directory: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "simulator::standby::another_process", "--ignored", "--nocapture"])
            .env(CHILD, directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let serves = output.by_ref().lines().map_while(Result::ok).any(|line| line.contains("serving"));
        assert!(serves, "the other process ended");
        Self { process, _output: output }
    }

    /// Without any warning.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[tokio::test]
#[ignore = "it is the other process of `killed_process_loses_no_ticket`"]
async fn another_process() {
    let directory = std::env::var_os(CHILD).expect("started by the test that needs it");
    let simulator = join(Path::new(&directory)).await;
    println!("serving at {}", simulator.base_url());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn killed_process_loses_no_ticket() {
    let directory = tempfile::tempdir().unwrap();
    let serving = Serving::start(directory.path());
    let standing_by = join(directory.path()).await;
    let api = Api::new(standing_by.base_url());
    let mut accepted = Vec::new();
    for number in 0..20 {
        accepted.push(api.accepted(&format!("fox {number}")).await);
    }
    serving.kill();
    for ticket in &accepted {
        let body = body_of(eventually(&api, ticket["polling_url"].as_str().unwrap()).await, StatusCode::OK).await;
        assert_eq!(body["status"], "Ready");
    }
    let billed = api.bill().await;
    let billed: BTreeSet<&str> =
        billed["entries"].as_array().unwrap().iter().map(|e| e["ticket"].as_str().unwrap()).collect();
    assert_eq!(billed, accepted.iter().map(|ticket| ticket["id"].as_str().unwrap()).collect());
}
