//! Another backend on the same server: on the same task queue, and with open workflows under the ids of jobs.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{TestEnv, ledger_check, temporal_server};

use super::old_backend::{OLD_IDENTITY, OLD_TYPE, OldWorker, start_old_workflow};
use super::worker::{Worker, job, until, until_status};

/// The check `temporal` of `doctor --json`, and whether all checks are good.
fn doctor(env: &TestEnv) -> (bool, Value) {
    let output = env.run(&["doctor", "--json"]);
    let diagnosis: Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = diagnosis["checks"].as_array().unwrap();
    (output.status.success(), checks.iter().find(|check| check["name"] == "temporal").unwrap().clone())
}

/// A worker whose lines on standard error can be awaited. Killed when it is dropped.
struct Reported(Child, mpsc::Receiver<String>);

impl Reported {
    fn start(env: &TestEnv) -> Self {
        let mut child = env.command(&["worker"]).stderr(Stdio::piped()).spawn().expect("a worker starts");
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self(child, lines)
    }

    /// The next line that contains `text`.
    fn line(&self, text: &str) -> String {
        loop {
            let line = self.1.recv_timeout(super::worker::PATIENCE).unwrap_or_else(|_| panic!("no line with '{text}'"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Requests a shutdown, which must succeed.
    fn leave(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        until("the worker exits", || self.0.try_wait().unwrap().is_some());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Reported {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn queue_of_another_program_is_not_polled() {
    let server = temporal_server::shared();
    let mut env = TestEnv::new();
    let namespace = server.configure(&mut env);
    let old = OldWorker::start(server, &namespace);
    until("the old worker polls", || doctor(&env).1["message"].as_str().unwrap().contains(OLD_IDENTITY));
    let ids = env.queue(2);
    let worker = Reported::start(&env);
    let line = worker.line("jobs are waiting: ");
    for word in [OLD_IDENTITY, "image-generation-queue", "DARKROOM_TEMPORAL_QUEUE", "darkroom takeover"] {
        assert!(line.contains(word), "{word}: {line}");
    }
    let (ok, check) = doctor(&env);
    let message = check["message"].as_str().unwrap();
    assert!(!ok && message.contains("0 workers on image-generation-queue"), "{message}");
    assert!(message.contains("1 poller of another program"), "{message}");
    // A queue of its own, beside the old backend.
    env.set("DARKROOM_TEMPORAL_QUEUE", "darkroom-queue");
    Worker::start(&env, &["--until-idle"]).done();
    assert_eq!(ledger_check::check(&env, 2), 2);
    let types =
        format!("WorkflowType = 'image-gen' AND TaskQueue = 'darkroom-queue' AND WorkflowId = 'image-gen-{}'", ids[0]);
    assert_eq!(server.workflows(&namespace, &types).len(), 1);
    assert_eq!(server.workflows(&namespace, "TaskQueue = 'image-generation-queue'"), [], "nothing was started there");
    drop((worker, old));
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn open_old_workflow_holds_its_job() {
    let server = temporal_server::shared();
    let mut env = TestEnv::new();
    let namespace = server.configure(&mut env);
    let ids = env.queue(2);
    start_old_workflow(server, &namespace, &ids[0]);
    let worker = Worker::start(&env, &["--until-idle"]);
    until("the hold", || job(&env, &ids[0])["hold"]["kind"] == "other_workflow");
    until_status(&env, &ids[1], "done");
    let held = job(&env, &ids[0]);
    let message = held["hold"]["message"].as_str().unwrap();
    assert!(message.contains(&format!("an old workflow ({OLD_TYPE}) is still open: terminate it with '")), "{message}");
    assert!(held["not_before"].is_string(), "{held}");
    let (ok, check) = doctor(&env);
    assert!(!ok && check["message"].as_str().unwrap().contains(OLD_TYPE), "{check}");
    // The command in the message is complete, but for the name of the program.
    let command = message.split('\'').nth(1).unwrap().to_owned();
    assert!(check["advice"].as_str().unwrap().contains(&command), "{check}");
    assert!(command.ends_with(&format!(" --address {}", server.address())), "{command}");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let workflow = format!("image-gen-{}", ids[0]);
    assert_eq!(words[..4], ["workflow", "terminate", "--workflow-id", &workflow], "{command}");
    server.run(&words);
    worker.done();
    assert_eq!(ledger_check::check(&env, 2), 2);
}

/// A paid image must not wait for an operator.
#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn paid_job_with_taken_id_is_finished_here() {
    let server = temporal_server::shared();
    let mut env = TestEnv::new();
    env.set("DARKROOM_SIMULATOR_SPEED", "0.5");
    let ids = env.queue(1);
    let local = Worker::start(&env, &[]);
    until_status(&env, &ids[0], "generating");
    assert!(local.leave().status.success());
    let namespace = server.configure(&mut env);
    start_old_workflow(server, &namespace, &ids[0]);
    Worker::start(&env, &["--until-idle"]).done();
    assert_eq!(ledger_check::check(&env, 1), 1);
    assert_eq!(job(&env, &ids[0])["attempt"], 1, "the same ticket");
}

/// What is paid for is finished, nothing new begins, and the worker still shuts down.
#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn running_jobs_finish_beside_a_new_poller() {
    let server = temporal_server::shared();
    let mut env = TestEnv::new();
    env.set("DARKROOM_SIMULATOR_SPEED", "0.2");
    let namespace = server.configure(&mut env);
    let ids = env.queue(2);
    let worker = Reported::start(&env);
    for id in &ids {
        until_status(&env, id, "generating");
    }
    let old = OldWorker::start(server, &namespace);
    worker.line("jobs are waiting: ");
    let late = env.json(&["submit", "too late", "--width", "64", "--height", "64", "--json"]);
    for id in &ids {
        until_status(&env, id, "done");
    }
    assert_eq!(job(&env, late[0]["id"].as_str().unwrap())["status"], "queued");
    worker.leave();
    drop(old);
}
