//! What several test modules need: a house of one's own (data, logs, environment) with the real program in it.

pub mod books;
#[cfg(all(unix, feature = "firestore"))]
pub mod firestore_emulator;
#[cfg(all(unix, feature = "firestore"))]
pub mod external_client;
#[cfg(feature = "gcs")]
pub mod gcs_fake;
#[cfg(feature = "gcs")]
pub mod gcs_server;
#[cfg(all(unix, feature = "firestore"))]
pub mod line;
#[cfg(feature = "temporal")]
pub mod temporal_server;
#[cfg(any(feature = "gcs", feature = "temporal"))]
pub mod tether;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use darkroom::devstack::{Places, Server};
use serde_json::Value;

/// A folder with everything that one darkroom needs, removed at the end, and the environment that leads into it.
pub struct House {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

impl House {
    /// A new, empty house whose simulator works instantly.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut house = Self { folder, environment: Vec::new() };
        house.set("DARKROOM_DATA_DIR", &house.data().display().to_string());
        house.set("DARKROOM_LOG_DIR", &house.path("logs").display().to_string());
        house.set("DARKROOM_SIMULATOR_SPEED", "instant");
        house.set("HOME", &house.path("home").display().to_string());
        std::fs::create_dir_all(house.path("home")).expect("a home");
        house
    }

    /// Sets an environment variable for every program that is started from here on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// A path inside.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// The environment of the programs.
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// The real program, not yet started: nothing of the outer environment reaches it but the path.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    /// Runs the program, which must succeed, and reads the one JSON document on its standard output.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?} failed: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?} printed no JSON ({error}): {}", text(&output.stdout)))
    }

    /// Runs the program, which must end with `code`; returns its standard error.
    pub fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stderr)
    }

    /// Writes a file inside and returns its path.
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

    /// Every job, as `jobs list --json` tells.
    pub fn jobs(&self) -> Vec<Value> {
        self.json(&["jobs", "list", "--json", "--limit", "100000"]).as_array().expect("a list").clone()
    }
}

/// The program of a server, where it is installed. Where it is not, a line says so, or the test fails if servers are required.
pub fn installed(server: Server) -> Option<PathBuf> {
    let missing = match Places::of_this_process().find(server) {
        Ok(program) => return Some(program),
        Err(missing) => missing,
    };
    let required = std::env::var_os("DARKROOM_REQUIRE_SERVERS").is_some_and(|value| value == "1");
    assert!(!required, "{missing}");
    // Past the test harness, which would keep it to itself.
    let _ = writeln!(std::io::stderr(), "skipped: {missing}");
    None
}

/// The ids of a list of jobs.
pub fn ids(jobs: &Value) -> Vec<String> {
    jobs.as_array().expect("a list").iter().map(|job| job["id"].as_str().expect("an id").to_owned()).collect()
}

/// A path that is text.
pub fn path_text(path: &Path) -> &str {
    path.to_str().expect("a path of plain text")
}

/// Bytes as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
