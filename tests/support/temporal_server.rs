//! The official Temporal development server on free loopback ports: one that the suite shares, or one of a test's own that it can
//! kill and start again on the same database file. Must not outlive the suite, however that ends.
//!
//! Isolation on the shared server is by namespace: every test takes a fresh one, because workers of two tests would otherwise
//! take each other's tasks from the one task queue.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use darkroom::devstack::Server;
use serde_json::Value;

use super::{House, tether};

/// How long a server may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Namespaces that a server has from the beginning; making one later takes the server seconds to believe.
const NAMESPACES: usize = 64;

/// A development server.
pub struct TemporalServer {
    program: PathBuf,
    port: u16,
    http: u16,
    database: Option<PathBuf>,
    /// Its standard input keeps the server alive; `None` while it is down.
    tether: Option<Child>,
    taken: AtomicUsize,
}

impl TemporalServer {
    /// One server of one's own: with a database file it can be killed and started again, without one it forgets everything.
    /// `None`, after a line that says so, where none is installed.
    pub fn start(database: Option<&Path>) -> Option<Self> {
        let program = super::installed(Server::Temporal)?;
        // Somebody else may take a port between the look and the start.
        for _ in 0..5 {
            let mut server = Self {
                program: program.clone(),
                port: free_port(),
                http: free_port(),
                database: database.map(Path::to_owned),
                tether: None,
                taken: AtomicUsize::new(0),
            };
            if server.go_up() {
                return Some(server);
            }
            server.kill();
        }
        panic!("the Temporal server does not answer: {}", program.display());
    }

    /// `127.0.0.1:port`, as in `TEMPORAL_ADDRESS`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A namespace that no other test of this server uses.
    pub fn fresh_namespace(&self) -> String {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        assert!(number < NAMESPACES, "more tests than namespaces: raise NAMESPACES");
        namespace(number)
    }

    /// Leads the house's programs to a fresh namespace of this server, and returns its name.
    pub fn furnish(&self, house: &mut House) -> String {
        let namespace = self.fresh_namespace();
        house.set("DARKROOM_ENGINE", "temporal");
        house.set("TEMPORAL_ADDRESS", &self.address());
        house.set("TEMPORAL_NAMESPACE", &namespace);
        namespace
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut tether) = self.tether.take() {
            drop(tether.stdin.take());
            tether.wait().expect("the server's keeper ends");
        }
    }

    /// Starts it again on the same port and, where it has one, on the same database file.
    pub fn start_again(&mut self) {
        self.kill();
        assert!(self.go_up(), "the Temporal server does not come back at {}", self.address());
    }

    /// Runs the official command line against a namespace of this server, for what a person would see. Its standard output.
    pub fn tell(&self, namespace: &str, arguments: &[&str]) -> String {
        let output = Command::new(&self.program)
            .args(arguments)
            .args(["--address", &self.address(), "--namespace", namespace, "--command-timeout", "30s"])
            .args(["--disable-config-env", "--disable-config-file"])
            .stdin(Stdio::null())
            .output()
            .expect("the Temporal command line starts");
        let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {said}{error}");
        said.into_owned()
    }

    /// The history of a workflow as JSON, the form that replayers read.
    pub fn history(&self, namespace: &str, workflow: &str) -> Value {
        let text = self.tell(namespace, &["workflow", "show", "--workflow-id", workflow, "--output", "json"]);
        serde_json::from_str(&text).expect("a history is JSON")
    }

    /// Workflow ids with their states (`WORKFLOW_EXECUTION_STATUS_COMPLETED`, …), the server's own list; empty `query` is all.
    pub fn workflows(&self, namespace: &str, query: &str) -> Vec<(String, String)> {
        let text =
            self.tell(namespace, &["workflow", "list", "--query", query, "--limit", "10000", "--output", "json"]);
        let list: Value = serde_json::from_str(&text).expect("a list is JSON");
        let one = |workflow: &Value| {
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (word(&workflow["execution"]["workflowId"]), word(&workflow["status"]))
        };
        list.as_array().map(|list| list.iter().map(one).collect()).unwrap_or_default()
    }

    fn go_up(&mut self) -> bool {
        let mut command = tether::command(&self.program);
        command.args(["server", "start-dev", "--ip", "127.0.0.1", "--headless", "--log-level", "never"]);
        command.args(["--port", &self.port.to_string(), "--http-port", &self.http.to_string()]);
        for number in 0..NAMESPACES {
            command.args(["--namespace", &namespace(number)]);
        }
        if let Some(database) = &self.database {
            command.arg("--db-filename").arg(database);
        }
        self.tether = Some(command.spawn().expect("sh starts"));
        self.answers()
    }

    /// Polls until the server knows its last namespace: over its HTTP port, because that needs no client.
    fn answers(&self) -> bool {
        let path = format!("/api/v1/namespaces/{}", namespace(NAMESPACES - 1));
        tether::answers(&format!("127.0.0.1:{}", self.http), &path, PATIENCE)
    }
}

impl Drop for TemporalServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The suite's one server, in memory; `None`, after a line that says so, where it is not installed.
pub fn shared() -> Option<&'static TemporalServer> {
    static SERVER: OnceLock<Option<TemporalServer>> = OnceLock::new();
    SERVER.get_or_init(|| TemporalServer::start(None)).as_ref()
}

fn namespace(number: usize) -> String {
    format!("test-{number}")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").port()
}
