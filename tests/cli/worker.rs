//! A headless worker under a supervisor: outages, signals, notifications, private files.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use darkroom::simulator::{self, SimulatorOptions, Speed};

use crate::support::chaos_proxy::ChaosProxy;
use crate::support::{TestEnv, ledger_check, text};

/// How long anything may take before the test fails.
const TIMEOUT: Duration = Duration::from_mins(1);

fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_true() {
        assert!(started.elapsed() < TIMEOUT, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A running worker, killed when it is dropped, and the lines of its standard error.
struct Worker {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Worker {
    fn start(env: &TestEnv, arguments: &[&str]) -> Self {
        let arguments = [&["worker"], arguments].concat();
        let mut child = env.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// The next line that contains `text`.
    fn line(&self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(TIMEOUT).unwrap_or_else(|_| panic!("no line with '{text}'"));
            if line.contains(text) {
                return line;
            }
        }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    fn exit_code(mut self) -> Option<i32> {
        wait_until("the worker exits", || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn health(address: &str) -> (u16, serde_json::Value) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let response = reqwest::get(format!("http://{address}/health")).await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    })
}

#[test]
fn panic_of_the_dispatcher_ends_the_worker() {
    let mut env = TestEnv::new();
    env.queue(1);
    env.set("DARKROOM_PANIC_AT", "query_of_due_jobs");
    for arguments in [&[][..], &["--until-idle"]] {
        let worker = Worker::start(&env, arguments);
        worker.line("the engine crashed: ");
        assert_eq!(worker.exit_code(), Some(1), "{arguments:?}");
    }
}

#[test]
fn each_cap_that_holds_jobs_is_reported() {
    let env = TestEnv::new();
    for model in ["flux-2-klein-4b", "flux-2-max"] {
        env.json(&["submit", "--model", model, "a fox", "--json"]);
        env.json(&["budget", "set", "--daily", "0", "--model", model, "--json"]);
    }
    let worker = Worker::start(&env, &["--until-idle"]);
    let mut reported = [(); 2].map(|()| worker.line("daily budget of "));
    reported.sort();
    for (line, model) in reported.iter().zip(["flux-2-klein-4b", "flux-2-max"]) {
        assert!(line.contains(&format!("daily budget of {model} used up")), "{reported:?}");
    }
    assert_eq!(worker.exit_code(), Some(1));
}

#[test]
fn until_idle_ends_where_a_cap_holds_the_rest() {
    let env = TestEnv::new();
    env.queue(10);
    // A job costs $0.014: three fit.
    for (cap, summary) in [("0", "10 held"), ("0.05", "7 held, 3 done"), ("0.05", "7 held, 3 done")] {
        env.json(&["budget", "set", "--daily", cap, "--json"]);
        let worker = Worker::start(&env, &["--until-idle"]);
        worker.line("daily budget used up: jobs are held until ");
        worker.line("--until-idle exits when only held jobs are left: raise the cap (`darkroom budget set`)");
        assert_eq!(worker.line(" held"), summary);
        worker.line("jobs remain in the queue: a cap holds them; raise it (`darkroom budget set`)");
        assert_eq!(worker.exit_code(), Some(1));
    }
    assert_eq!(env.jobs().iter().filter(|job| job["status"] == "done").count(), 3);
}

#[test]
fn missing_bucket_at_start_is_waited_for() {
    let env = TestEnv::new();
    env.queue(1);
    std::fs::write(env.data().join("pictures"), "not a directory").unwrap();
    assert_eq!(env.run(&["worker", "--until-idle"]).status.code(), Some(1), "a batch run does not wait");
    let worker = Worker::start(&env, &["--metrics", "0"]);
    let line = worker.line("metrics at http://");
    let address = line.strip_prefix("metrics at http://").unwrap().split('/').next().unwrap().to_owned();
    assert!(worker.line("cannot start yet: ").contains("pictures"));
    let (status, body) = health(&address);
    assert_eq!(status, 503, "{body}");
    assert!(body["reason"].as_str().unwrap().starts_with("waiting: ") && body["since"].is_string(), "{body}");
    std::fs::remove_file(env.data().join("pictures")).unwrap();
    wait_until("the job is done", || env.jobs()[0]["status"] == "done");
    wait_until("health is ok", || health(&address).0 == 200);
}

#[test]
fn worker_resumes_when_the_bucket_returns() {
    let env = TestEnv::new();
    env.json(&["submit", "a fox", "--width", "64", "--height", "64", "--json"]);
    let pictures = env.data().join("pictures");
    // The folder can be opened, but no image can be stored in it.
    std::fs::create_dir_all(&pictures).unwrap();
    std::fs::write(pictures.join("generated-art"), "not a directory").unwrap();
    let worker = Worker::start(&env, &[]);
    worker.line("intake paused: ");
    std::fs::remove_file(pictures.join("generated-art")).unwrap();
    worker.line("intake resumed");
    wait_until("the job is done", || env.jobs()[0]["status"] == "done");
}

#[test]
fn hangup_shuts_the_worker_down_cleanly() {
    let env = TestEnv::new();
    let worker = Worker::start(&env, &[]);
    worker.line("press Ctrl-C to stop");
    worker.signal(rustix::process::Signal::HUP);
    worker.line("shutting down");
    assert_eq!(worker.exit_code(), Some(0));
}

/// The request was accepted and its reply is on the way: the process must not exit before the receipt is saved.
#[tokio::test(flavor = "multi_thread")]
async fn hangup_during_submit_keeps_the_receipt() {
    let mut env = TestEnv::new();
    let options = SimulatorOptions { speed: Speed::Instant, ..SimulatorOptions::default() };
    let simulator = simulator::shared(&env.data(), options).await.unwrap();
    let url = simulator.base_url();
    let proxy = ChaosProxy::to(&format!("{}:{}", url.host_str().unwrap(), url.port().unwrap()));
    env.set("DARKROOM_PROVIDER", "bfl");
    env.set("BFL_API_KEY", "any-key-does");
    env.set("BFL_API_URL", &format!("http://{}", proxy.host()));
    env.queue(1);
    proxy.hold_replies();
    let mut worker = Worker::start(&env, &[]);
    wait_until("the request is accepted", || ledger_check::bill(&env).len() == 1);
    worker.signal(rustix::process::Signal::HUP);
    worker.line("shutting down");
    assert_eq!(env.jobs()[0]["status"], "submitting");
    assert!(worker.child.try_wait().unwrap().is_none(), "the worker waits for the reply");
    proxy.restore();
    assert_eq!(worker.exit_code(), Some(0));
    let job = &env.jobs()[0];
    assert_eq!(job["status"], "generating", "the receipt is saved: {job}");
    let output = env.run(&["worker", "--until-idle"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(ledger_check::check(&env, 1), 1);
    simulator.shutdown().await;
}

#[test]
fn systemd_is_notified() {
    let mut env = TestEnv::new();
    let path = env.path("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    env.set("NOTIFY_SOCKET", path.to_str().unwrap());
    env.set("WATCHDOG_USEC", "200000");
    let worker = Worker::start(&env, &[]);
    let mut received = String::new();
    while !(received.contains("READY=1") && received.matches("WATCHDOG=1").count() > 2) {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).expect("a notification");
        received.push_str(&text(&buffer[..length]));
    }
    worker.signal(rustix::process::Signal::TERM);
    while !received.contains("STOPPING=1") {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).expect("a notification");
        received.push_str(&text(&buffer[..length]));
    }
}

#[test]
fn log_lines_are_json_on_request() {
    let env = TestEnv::new();
    let ids = env.queue(1);
    let output = env.run(&["worker", "--until-idle", "--log-json"]);
    let lines = text(&output.stderr);
    let logged = lines.lines().filter(|line| line.starts_with('{'));
    let logged: Vec<serde_json::Value> = logged.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(logged.iter().any(|line| line["job"] == ids[0].as_str()), "{lines}");
}

#[test]
fn files_are_not_readable_by_other_users() {
    use std::os::unix::fs::PermissionsExt;
    let env = TestEnv::new();
    env.json(&["submit", "a fox", "--width", "64", "--height", "64", "--wait", "--json"]);
    let mut folders = vec![env.data(), env.path("logs")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o007, 0, "{}: {mode:o}", entry.path().display());
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                files += 1;
            }
        }
    }
    assert!(files > 3, "{files} files: database, image, log");
}

#[test]
fn example_unit_starts_a_notifying_worker() {
    let unit = include_str!("../../assets/darkroom-worker.service");
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/darkroom ")).unwrap();
    let arguments: Vec<&str> =
        command.split(' ').chain(["--until-idle"]).map(|word| if word.contains(':') { "0" } else { word }).collect();
    let output = TestEnv::new().run(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(unit.contains("Type=notify") && unit.contains("WatchdogSec="));
}

#[test]
fn pause_stops_workers_until_resume() {
    let env = TestEnv::new();
    env.queue(2);
    let paused = env.json(&["pause", "--reason", "invoice to be checked", "--json"]);
    assert_eq!((&paused["paused"], &paused["reason"]), (&true.into(), &"invoice to be checked".into()));
    assert!(paused["by"].as_str().unwrap().contains('@') && paused["since"].is_string(), "{paused}");
    let worker = Worker::start(&env, &["--metrics", "0"]);
    let line = worker.line("metrics at http://");
    let address = line.strip_prefix("metrics at http://").unwrap().split('/').next().unwrap().to_owned();
    worker.line("invoice to be checked; `darkroom resume` starts jobs again");
    wait_until("the pause in /health", || {
        let (status, body) = health(&address);
        status == 200 && body["paused"]["reason"] == "invoice to be checked"
    });
    assert!(text(&env.run(&["doctor"]).stdout).contains("intake paused by"));
    let refused = env.fails(1, &["worker", "--until-idle"]);
    assert!(refused.contains("jobs remain in the queue: the intake is paused by"), "{refused}");
    assert_eq!(env.json(&["jobs", "list", "--json", "--status", "queued"]).as_array().unwrap().len(), 2);
    assert_eq!(env.json(&["resume", "--json"])["paused"], false);
    worker.line("intake resumed");
    wait_until("the images", || {
        env.json(&["jobs", "list", "--json", "--status", "done"]).as_array().unwrap().len() == 2
    });
    worker.signal(rustix::process::Signal::TERM);
    assert_eq!(worker.exit_code(), Some(0));
}

#[test]
fn wait_ends_where_a_cap_holds_the_jobs() {
    let env = TestEnv::new();
    env.json(&["budget", "set", "--daily", "0.05", "--json"]);
    // A job costs $0.014: three fit, one after another where their reservations are in the way.
    let small = ["submit", "a fox", "--model", "flux-2-klein-4b", "--width", "64", "--height", "64"];
    let output = env.run(&[&small[..], &["--count", "5", "--wait", "--timeout", "100s", "--json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let line = text(&output.stderr);
    assert!(line.contains("daily budget has $0.05 left, these images need at most $0.07"), "{line}");
    assert!(
        line.contains("darkroom: a cap holds the jobs; `darkroom budget set` raises it; 3 of 5 finished"),
        "{line}"
    );
    assert_eq!(env.jobs().iter().filter(|job| job["status"] == "done").count(), 3);
}

#[test]
fn wait_ends_while_the_intake_is_paused() {
    let env = TestEnv::new();
    env.json(&["pause", "--reason", "invoice", "--json"]);
    let line = env.fails(1, &["submit", "a fox", "--wait", "--timeout", "100s"]);
    assert!(line.contains("invoice; `darkroom resume` starts jobs again; 0 of 1 finished"), "{line}");
    assert_eq!(env.jobs()[0]["status"], "queued");
}
