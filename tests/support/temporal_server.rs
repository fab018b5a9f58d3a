//! The official Temporal development server on free loopback ports: one for all tests, or a separate one that a test can kill and
//! restart on the same database file.
//!
//! On the shared server each test uses a namespace of its own: otherwise workers of two tests would poll the same task queue.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use darkroom::devstack::Server;
use serde_json::Value;

use super::TestEnv;
use super::server_process::{self, ServerProcess};

const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Namespaces are created at the start: a namespace created later is usable only after seconds.
const NAMESPACES: usize = 64;

/// A development server.
pub struct TemporalServer {
    program: PathBuf,
    port: u16,
    http: u16,
    database: Option<PathBuf>,
    /// `None` while the server is down.
    process: Option<ServerProcess>,
    next_namespace: AtomicUsize,
}

impl TemporalServer {
    /// A separate server. Without a database file it keeps its data in memory.
    pub fn start(database: Option<&Path>) -> Self {
        let program = super::installed(Server::Temporal);
        // Another process may take a port before the server binds it.
        for _ in 0..5 {
            let mut server = Self {
                program: program.clone(),
                port: server_process::free_port(),
                http: server_process::free_port(),
                database: database.map(Path::to_owned),
                process: None,
                next_namespace: AtomicUsize::new(0),
            };
            if server.launch() {
                return server;
            }
            server.kill();
        }
        panic!("the Temporal server does not respond: {}", program.display());
    }

    /// `127.0.0.1:port`, the form of `TEMPORAL_ADDRESS`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A namespace that no other test of this server uses.
    pub fn fresh_namespace(&self) -> String {
        let number = self.next_namespace.fetch_add(1, Ordering::Relaxed);
        assert!(number < NAMESPACES, "more tests than namespaces: raise NAMESPACES");
        namespace(number)
    }

    /// Sets up the environment for a fresh namespace of this server and returns the namespace.
    pub fn configure(&self, env: &mut TestEnv) -> String {
        let namespace = self.fresh_namespace();
        env.set("DARKROOM_ENGINE", "temporal");
        env.set("TEMPORAL_ADDRESS", &self.address());
        env.set("TEMPORAL_NAMESPACE", &namespace);
        namespace
    }

    /// Kills the server with `kill -9`.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Kills the server if it runs, and starts it on the same port and database file.
    pub fn restart(&mut self) {
        self.kill();
        assert!(self.launch(), "the Temporal server does not respond after a restart at {}", self.address());
    }

    /// Runs the official command line against a namespace of this server and returns its standard output.
    pub fn cli(&self, namespace: &str, arguments: &[&str]) -> String {
        self.run(&[arguments, &["--address", &self.address(), "--namespace", namespace]].concat())
    }

    /// Runs the official command line with these arguments alone and returns its standard output.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new(&self.program)
            .args(arguments)
            .args(["--command-timeout", "30s", "--disable-config-env", "--disable-config-file"])
            .stdin(Stdio::null())
            .output()
            .expect("the Temporal command line starts");
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {stdout}{stderr}");
        stdout.into_owned()
    }

    /// The history of a workflow as JSON, the format of replayers.
    pub fn history(&self, namespace: &str, workflow: &str) -> Value {
        let text = self.cli(namespace, &["workflow", "show", "--workflow-id", workflow, "--output", "json"]);
        serde_json::from_str(&text).expect("a history is JSON")
    }

    /// Ids and states (`WORKFLOW_EXECUTION_STATUS_COMPLETED`, …) of the workflows that match `query`; an empty query matches all.
    pub fn workflows(&self, namespace: &str, query: &str) -> Vec<(String, String)> {
        let text = self.cli(namespace, &["workflow", "list", "--query", query, "--limit", "10000", "--output", "json"]);
        let list: Value = serde_json::from_str(&text).expect("a list is JSON");
        let one = |workflow: &Value| {
            let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (string(&workflow["execution"]["workflowId"]), string(&workflow["status"]))
        };
        list.as_array().map(|list| list.iter().map(one).collect()).unwrap_or_default()
    }

    fn launch(&mut self) -> bool {
        let fixed = ["server", "start-dev", "--ip", "127.0.0.1", "--headless", "--log-level", "never"];
        let mut arguments: Vec<String> = fixed.map(str::to_owned).into();
        arguments.push(format!("--port={}", self.port));
        arguments.push(format!("--http-port={}", self.http));
        arguments.extend((0..NAMESPACES).map(|number| format!("--namespace={}", namespace(number))));
        arguments.extend(self.database.as_ref().map(|file| format!("--db-filename={}", file.display())));
        self.process = Some(ServerProcess::start(&self.program, arguments));
        // Over the HTTP port, because that needs no client. The last namespace is created last.
        let path = format!("/api/v1/namespaces/{}", namespace(NAMESPACES - 1));
        server_process::wait_until_ready(&format!("127.0.0.1:{}", self.http), &path, START_TIMEOUT)
    }
}

/// The server that all tests share, with its data in memory.
pub fn shared() -> &'static TemporalServer {
    static SERVER: OnceLock<TemporalServer> = OnceLock::new();
    SERVER.get_or_init(|| TemporalServer::start(None))
}

fn namespace(number: usize) -> String {
    format!("test-{number}")
}
