//! Shared by the test modules: an isolated environment for the real program, test servers, and clients.

pub mod chaos_proxy;
#[cfg(all(unix, feature = "firestore"))]
pub mod external_client;
#[cfg(all(unix, feature = "firestore"))]
pub mod firestore_emulator;
#[cfg(feature = "gcs")]
pub mod gcs_fake;
#[cfg(feature = "gcs")]
pub mod gcs_server;
pub mod ledger_check;
pub mod python_clients;
#[cfg(any(feature = "firestore", feature = "gcs", feature = "temporal"))]
pub mod server_process;
#[cfg(feature = "temporal")]
pub mod temporal_server;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use darkroom::devstack::{Server, ServerLocator};
use serde_json::Value;

/// A temporary folder with data, logs and home directory, and the environment variables that point darkroom to it.
pub struct TestEnv {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl TestEnv {
    /// An empty environment with the instant simulator.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut env = Self { folder, variables: Vec::new() };
        env.set("DARKROOM_DATA_DIR", &env.data().display().to_string());
        env.set("DARKROOM_LOG_DIR", &env.path("logs").display().to_string());
        env.set("DARKROOM_SIMULATOR_SPEED", "instant");
        env.set("HOME", &env.path("home").display().to_string());
        std::fs::create_dir_all(env.path("home")).expect("a home");
        env
    }

    /// Sets an environment variable for every process that is started later.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// A path inside the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// The environment variables of the processes.
    pub fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// The real program, not yet started. It inherits only `PATH` from the environment of the tests.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program and waits for it.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    /// Runs the program, which must succeed, and parses its standard output as one JSON document.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?} failed: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?} printed no JSON ({error}): {}", text(&output.stdout)))
    }

    /// Runs the program, which must exit with `code`, and returns its standard error.
    pub fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stderr)
    }

    /// Writes a file inside the folder and returns its path.
    pub fn file(&self, name: &str, contents: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, contents).expect("the file is written");
        path
    }

    /// Queues `count` small jobs with prompts `job 0`, `job 1`, … and returns their ids.
    pub fn queue(&self, count: usize) -> Vec<String> {
        let lines: Vec<String> = (0..count)
            .map(|index| {
                serde_json::json!({
                    "prompt": format!("job {index}"), "model": "flux-2-klein-4b", "width": 64, "height": 64,
                    "output_format": "png",
                })
                .to_string()
            })
            .collect();
        let file = self.file("jobs.jsonl", &lines.join("\n"));
        let created = self.json(&["submit", "--json", "--yes", "--file", path_text(&file)]);
        ids(&created)
    }

    /// Every job, from `jobs list --json`.
    pub fn jobs(&self) -> Vec<Value> {
        self.json(&["jobs", "list", "--json", "--limit", "100000"]).as_array().expect("a list").clone()
    }
}

/// The program of a server. A test that needs it is marked with `#[cfg_attr(not(…_installed), ignore)]`, see `build.rs`.
pub fn installed(server: Server) -> PathBuf {
    ServerLocator::from_env().find(server).unwrap_or_else(|missing| panic!("{missing}"))
}

/// The ids of a list of jobs.
pub fn ids(jobs: &Value) -> Vec<String> {
    jobs.as_array().expect("a list").iter().map(|job| job["id"].as_str().expect("an id").to_owned()).collect()
}

/// A path as UTF-8.
pub fn path_text(path: &Path) -> &str {
    path.to_str().expect("a path of plain text")
}

/// Bytes as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
