//! Metrics and health of a worker over HTTP, compared with the output of the commands.

mod page;

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use darkroom::simulator::{Simulator, SimulatorOptions};
use serde_json::Value;

pub use self::page::Page;
use crate::support::TestEnv;

/// How long anything may take before the test calls it stuck.
const PATIENCE: Duration = Duration::from_mins(1);

/// A worker that serves metrics. Dropping it kills it.
pub struct Worker {
    child: Child,
    address: String,
}

impl Worker {
    pub fn start(env: &TestEnv, arguments: &[&str]) -> Self {
        let arguments = [&["worker", "--metrics", "0"], arguments].concat();
        let mut child = env.command(&arguments).stdout(Stdio::null()).spawn().unwrap();
        let mut printed = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert_ne!(printed.read_line(&mut line).unwrap(), 0, "it ended");
            if let Some(rest) = line.strip_prefix("metrics at http://") {
                break rest.split('/').next().unwrap().to_owned();
            }
        };
        // Whatever else it says must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut printed, &mut std::io::sink()));
        Self { child, address }
    }

    /// Status and text of a page.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let answer = reqwest::get(format!("http://{}{path}", self.address)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub async fn metrics(&self) -> Page {
        let (status, text) = self.get("/metrics").await;
        assert_eq!(status, 200, "{text}");
        Page::parse(&text)
    }

    /// Scrapes until that is so.
    async fn until(&self, what: &str, is_so: impl Fn(&Page) -> bool) -> Page {
        let begun = Instant::now();
        loop {
            let page = self.metrics().await;
            if is_so(&page) {
                return page;
            }
            assert!(begun.elapsed() < PATIENCE, "never came: {what}\n{page:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asks until the health has that status.
    pub async fn until_health(&self, status: u16) -> Value {
        let begun = Instant::now();
        loop {
            let (is, text) = self.get("/health").await;
            if is == status {
                return serde_json::from_str(&text).unwrap();
            }
            assert!(begun.elapsed() < PATIENCE, "health stays {is}: {text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn number(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn metrics_agree_with_the_commands() {
    let mut env = TestEnv::new();
    env.set("DARKROOM_BUDGET_DAILY_USD", "12.5");
    let worker = Worker::start(&env, &["--slots", "3"]);
    assert_eq!(worker.until_health(200).await["status"], "ok");
    let before = worker.until("the first sums", |page| page.has("darkroom_sums_timestamp_seconds")).await;
    for stage in ["queued", "submitting", "generating", "done", "approved", "failed", "cancelled"] {
        assert_eq!(before.value("darkroom_jobs", &[("stage", stage)]), Some(0.0), "{stage}");
    }
    assert_eq!(before.value("darkroom_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), Some(1.0));
    assert_eq!(before.value("darkroom_budget_cap_dollars", &[("period", "day")]), Some(12.5));
    for (name, value) in [
        ("darkroom_simulated", 1.0),
        ("darkroom_slots", 3.0),
        ("darkroom_slots_in_use", 0.0),
        ("darkroom_posts_in_flight", 0.0),
        ("darkroom_submits_total", 0.0),
        ("darkroom_intake_open", 1.0),
        ("darkroom_store_link_up", 1.0),
    ] {
        assert_eq!(before.value(name, &[]), Some(value), "{name}");
    }
    assert!(!before.has("darkroom_jobs_ended_total"), "nothing has ended");

    // One that never ends while the test runs, one that fails, and five that go well.
    let small = ["--width", "64", "--height", "64", "--json"];
    for prompt in ["a fox [sim:stuck]", "a fox [sim:content-moderated]"] {
        env.json(&[&["submit", prompt][..], &small].concat());
    }
    env.json(&[&["submit", "a heron", "--count", "5"][..], &small].concat());
    let during = worker
        .until("six ends and one job at work", |page| {
            page.sum("darkroom_jobs_ended_total") == Some(6.0)
                && page.value("darkroom_jobs", &[("stage", "generating")]) == Some(1.0)
                && page.value("darkroom_jobs", &[("stage", "done")]) == Some(5.0)
                && page.value("darkroom_slots_in_use", &[]) == Some(1.0)
        })
        .await;
    let ended = |outcome, code| during.value("darkroom_jobs_ended_total", &[("outcome", outcome), ("code", code)]);
    assert_eq!(ended("done", ""), Some(5.0));
    assert_eq!(ended("failed", "content_moderated"), Some(1.0));
    assert_eq!(during.value("darkroom_submits_total", &[]), Some(7.0));

    let stuck = env.jobs().iter().find(|job| job["status"] == "generating").unwrap()["id"].clone();
    env.json(&["jobs", "cancel", stuck.as_str().unwrap(), "--json"]);
    let costs = env.json(&["costs", "--json", "--days", "1"]);
    let kinds = [("booked", "total_usd"), ("unknown", "unknown_usd"), ("unconfirmed", "unconfirmed_usd")];
    let after = worker
        .until("the books' own sums", |page| {
            page.value("darkroom_jobs", &[("stage", "cancelled")]) == Some(1.0)
                && page.value("darkroom_slots_in_use", &[]) == Some(0.0)
                && ["today", "30d"].iter().all(|period| {
                    kinds.iter().all(|(kind, name)| {
                        let labels = [("period", *period), ("kind", *kind)];
                        page.value("darkroom_cost_dollars", &labels) == Some(number(&costs[*name]))
                    })
                })
        })
        .await;
    assert!(number(&costs["total_usd"]) > 0.0 && number(&costs["unknown_usd"]) > 0.0, "{costs}");
    assert_eq!(after.value("darkroom_charges", &[("period", "today")]), costs["count"].as_f64());
    let listed = env.jobs();
    for stage in ["queued", "generating", "done", "failed", "cancelled"] {
        let count = listed.iter().filter(|job| job["status"] == stage).count();
        assert_eq!(after.value("darkroom_jobs", &[("stage", stage)]), Some(count as f64), "{stage}");
    }
    assert_eq!(worker.get("/").await.0, 404);
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[cfg(feature = "temporal")]
#[tokio::test]
async fn temporal_worker_reports_queue_and_jobs() {
    // The first caller waits for the server; that must not hold up the runtime's threads.
    let server = tokio::task::spawn_blocking(crate::support::temporal_server::shared).await.unwrap();
    let mut env = TestEnv::new();
    server.configure(&mut env);
    let worker = Worker::start(&env, &["--slots", "4"]);
    let ids = env.queue(3);
    let page = worker
        .until("three ends and a worker that is known", |page| {
            page.sum("darkroom_jobs_ended_total") == Some(3.0)
                && page.value("darkroom_jobs", &[("stage", "done")]) == Some(3.0)
                && page.value("darkroom_fleet_workers", &[]) == Some(1.0)
                && page.value("darkroom_fleet_backlog", &[]) == Some(0.0)
        })
        .await;
    assert_eq!(page.value("darkroom_jobs_ended_total", &[("outcome", "done"), ("code", "")]), Some(3.0));
    assert_eq!(page.value("darkroom_submits_total", &[]), Some(ids.len() as f64));
    assert_eq!(page.value("darkroom_fleet_link_up", &[]), Some(1.0));
    assert_eq!(worker.until_health(200).await["status"], "ok");
}

#[tokio::test]
async fn rejected_key_makes_health_fail() {
    let simulator = Simulator::serve(SimulatorOptions::default()).await.unwrap();
    let mut env = TestEnv::new();
    env.set("DARKROOM_PROVIDER", "bfl");
    // The one key that the simulator refuses.
    env.set("BFL_API_KEY", "bad");
    env.set("BFL_API_URL", simulator.api_url().as_str());
    let worker = Worker::start(&env, &[]);
    assert_eq!(worker.until_health(200).await["simulated"], false);
    env.json(&["submit", "a fox", "--yes", "--json"]);
    let health = worker.until_health(503).await;
    let reason = health["reason"].as_str().unwrap();
    assert_eq!(health["status"], "trouble");
    assert!(reason.starts_with("intake paused: ") && !reason.contains('\n'), "{reason}");
    let page = worker.metrics().await;
    assert_eq!(page.value("darkroom_intake_open", &[]), Some(0.0));
    assert_eq!(page.value("darkroom_store_link_up", &[]), Some(1.0));
    simulator.shutdown().await;
}

#[test]
fn address_in_use_is_an_error_before_work() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut env = TestEnv::new();
    let ids = env.queue(1);
    let printed = env.fails(1, &["worker", "--until-idle", "--metrics", &address]);
    assert!(printed.contains(&format!("cannot serve metrics at {address}")), "{printed}");
    let printed = env.fails(2, &["worker", "--until-idle", "--metrics", "here"]);
    assert!(printed.contains("metrics_address") && printed.contains("127.0.0.1:9464"), "{printed}");
    env.set("DARKROOM_METRICS_ADDRESS", &address);
    assert!(env.fails(1, &["worker", "--until-idle"]).contains("cannot serve metrics"));
    assert_eq!(env.json(&["jobs", "show", &ids[0], "--json"])["status"], "queued");
    drop(taken);
    let mut worker = env.command(&["worker", "--until-idle"]).spawn().unwrap();
    assert!(worker.wait().unwrap().success());
    let mut printed = String::new();
    worker.stderr.take().unwrap().read_to_string(&mut printed).unwrap();
    assert!(printed.contains(&format!("metrics at http://{address}/metrics")), "{printed}");
}
