//! A worker process that ends with the test, and waiting for what it does.

use std::process::{Child, Output};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::temporal_server::TemporalServer;
use crate::support::{TestEnv, text};

/// How long anything may take before a test calls it stuck.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// A worker process.
pub struct Worker(Option<Child>);

impl Worker {
    pub fn start(env: &TestEnv, arguments: &[&str]) -> Self {
        Self(Some(env.command(&[&["worker"], arguments].concat()).spawn().expect("a worker starts")))
    }

    /// One that does one thing at a time, and dies at that boundary.
    pub fn killed_at(env: &TestEnv, boundary: &str) -> Self {
        let mut command = env.command(&["worker", "--until-idle", "--slots", "1"]);
        Self(Some(command.env("DARKROOM_CRASH_AT", boundary).spawn().expect("a worker starts")))
    }

    fn signal(&self, signal: Signal) {
        let child = self.0.as_ref().expect("it was not waited for");
        kill_process(Pid::from_child(child), signal).expect("it can be signalled");
    }

    /// As `kill -9` does.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        self.0.take().expect("a child").wait().expect("it ends");
    }

    /// Asks it to leave, and waits for that.
    pub fn leave(self) -> Output {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Waits for its end.
    pub fn ended(mut self) -> Output {
        let begun = Instant::now();
        let child = self.0.as_mut().expect("a child");
        while child.try_wait().expect("it can be asked").is_none() {
            assert!(begun.elapsed() < PATIENCE, "the worker is stuck");
            std::thread::sleep(Duration::from_millis(10));
        }
        self.0.take().expect("a child").wait_with_output().expect("it has ended")
    }

    /// Waits for its end, which must be a good one.
    pub fn done(self) {
        let output = self.ended();
        assert!(output.status.success(), "{}: {}", output.status, text(&output.stderr));
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Polls until it is so.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The job as the program reports it.
pub fn job(env: &TestEnv, id: &str) -> Value {
    env.jobs().into_iter().find(|job| job["id"] == id).expect("the job exists")
}

/// Waits until the job is in that stage.
pub fn until_status(env: &TestEnv, id: &str, status: &str) {
    until(&format!("{id} {status}"), || job(env, id)["status"] == status);
}

/// Waits until Temporal's own list says so of every run of the job, in no order.
pub fn until_runs(server: &TemporalServer, namespace: &str, id: &str, wanted: &[&str]) {
    let runs = || {
        let workflows = server.workflows(namespace, &format!("WorkflowId = 'image-gen-{id}'"));
        let mut words: Vec<String> = workflows
            .into_iter()
            .map(|(_, status)| status.trim_start_matches("WORKFLOW_EXECUTION_STATUS_").to_owned())
            .collect();
        words.sort();
        words
    };
    until(&format!("{wanted:?} of {id}, not {:?}", runs()), || runs() == wanted);
}

/// The types of the events of the job's last run, without the server's beginnings.
pub fn events(server: &TemporalServer, namespace: &str, id: &str) -> Vec<String> {
    let history = server.history(namespace, &format!("image-gen-{id}"));
    let events = history["events"].as_array().expect("events");
    let name =
        |event: &Value| event["eventType"].as_str().unwrap_or_default().trim_start_matches("EVENT_TYPE_").to_owned();
    events.iter().map(name).collect()
}

/// The names of the activities that were scheduled in the job's last run.
pub fn activities(server: &TemporalServer, namespace: &str, id: &str) -> Vec<String> {
    let history = server.history(namespace, &format!("image-gen-{id}"));
    let events = history["events"].as_array().expect("events");
    let name = |event: &Value| {
        event["activityTaskScheduledEventAttributes"]["activityType"]["name"].as_str().map(str::to_owned)
    };
    events.iter().filter_map(name).collect()
}
