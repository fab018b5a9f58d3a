//! Four workers on four machines share one queue. One is killed in the middle of its work, one is suspended until everything is done.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use darkroom::jobs::{JobId, StageName};
use darkroom::simulator::{self, SimulatorOptions, Speed};
use darkroom::store::firestore::FirestoreStore;
use darkroom::store::{PageQuery, Store};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::firestore_emulator::{fresh_project, shared, store, worker_env};
use crate::support::{TestEnv, ledger_check};

/// Jobs in the queue; `DARKROOM_FLEET_JOBS=400` is the whole exercise. The emulator sends each listener the whole queue again after
/// every write, so the time grows with the square of it.
fn count() -> usize {
    std::env::var("DARKROOM_FLEET_JOBS").ok().and_then(|count| count.parse().ok()).unwrap_or(60)
}

/// Tickets of each worker: together as many as the provider takes.
const SLOTS: &str = "6";

/// How long anything may take before the test calls it stuck.
const TEST_TIMEOUT: Duration = Duration::from_mins(8);

/// A worker on a machine of its own: another data directory, so that no other worker can check its process.
struct Machine {
    name: &'static str,
    logs: PathBuf,
    worker: Child,
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Also a suspended one must not outlive a test that failed.
        let _ = self.worker.kill();
        let _ = self.worker.wait();
    }
}

impl Machine {
    fn start(env: &TestEnv, name: &'static str) -> Self {
        let logs = env.path(&format!("{name}-logs"));
        let mut command = env.command(&["worker", "--until-idle", "--slots", SLOTS]);
        command.env("DARKROOM_DATA_DIR", env.path(name)).env("DARKROOM_LOG_DIR", &logs);
        Self {
            name,
            logs,
            worker: command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the worker starts"),
        }
    }

    /// Suspends it at a moment at which it has work in hand; returns what.
    async fn suspend(&self, look: &FirestoreStore) -> Vec<JobId> {
        let begun = Instant::now();
        loop {
            self.signal(Signal::STOP);
            // What it sent before may still arrive.
            tokio::time::sleep(Duration::from_millis(300)).await;
            let claimed = self.claimed(look).await;
            if !claimed.is_empty() {
                return claimed;
            }
            self.signal(Signal::CONT);
            assert!(begun.elapsed() < TEST_TIMEOUT, "{} has no work", self.name);
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.worker), signal).unwrap();
    }

    /// What it works on, as the documents say.
    async fn claimed(&self, look: &FirestoreStore) -> Vec<JobId> {
        let ours = format!("worker-{}-", self.worker.id());
        let stages = vec![StageName::Submitting, StageName::Generating];
        let jobs = look.list_jobs(PageQuery { stages, limit: 1_000, ..PageQuery::default() }).await.unwrap();
        let claimed = jobs
            .into_iter()
            .filter(|job| job.claim.as_ref().is_some_and(|claim| claim.worker.as_str().starts_with(&ours)));
        claimed.map(|job| job.id).collect()
    }

    async fn ends_well(&mut self) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.worker.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < TEST_TIMEOUT, "{} does not end", self.name);
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert!(status.success(), "{}: {status}: {}", self.name, self.logs());
    }

    fn logs(&self) -> String {
        let files = std::fs::read_dir(&self.logs).unwrap();
        files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
    }
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < TEST_TIMEOUT, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_run_once_despite_dead_and_stopped_worker() {
    let emulator = tokio::task::spawn_blocking(shared).await.unwrap();
    let (project, count) = (fresh_project(), count());
    let provider = tempfile::tempdir().unwrap();
    let options = SimulatorOptions { speed: Speed::Times(2.0), ..SimulatorOptions::default() };
    let simulator = simulator::shared(provider.path(), options).await.unwrap();
    let mut env = worker_env(emulator, &project, simulator.base_url().as_str());
    env.set("DARKROOM_LEASE_SECONDS", "15");
    env.set("DARKROOM_LOG", "info,darkroom=debug");
    let look = store(emulator, &project);
    let env = tokio::task::spawn_blocking(move || {
        env.queue(count);
        env
    });
    let env = env.await.unwrap();
    let mut fleet = ["first", "second", "third", "fourth"].map(|name| Machine::start(&env, name));

    let done = async |wanted: usize| look.counts().await.unwrap().of(StageName::Done) >= wanted as u64;
    until("the first images", async || done(10).await).await;
    let orphans = fleet[0].suspend(&look).await;
    fleet[0].signal(Signal::KILL);
    let dreamt = fleet[1].suspend(&look).await;

    until("the end of every job", async || {
        let counts = look.counts().await.unwrap();
        counts.of(StageName::Done) + counts.of(StageName::Failed) == count as u64
    })
    .await;
    for id in orphans.iter().chain(&dreamt) {
        let job = look.get(id).await.unwrap().unwrap();
        assert!(!job.stage_name().is_active() && job.attempts.len() == 1, "{job:?}");
    }
    fleet[1].signal(Signal::CONT);
    for machine in &mut fleet[1..] {
        machine.ends_well().await;
    }
    let late = fleet[1].logs();
    let lost = ["job saved by another process", "late submit reply added to the job"];
    assert!(lost.iter().any(|line| late.contains(line)), "the stopped worker saved nothing stale: {late}");
    let done =
        tokio::task::spawn_blocking(move || ledger_check::check_with(&env, provider.path(), count)).await.unwrap();
    // Only submits without a saved reply need a person.
    assert!(done >= count - orphans.len() - dreamt.len(), "{done} of {count}");
    simulator.shutdown().await;
}
