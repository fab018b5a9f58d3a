//! The official Firestore emulator: one for all tests, on a free loopback port. Each test uses a `demo-` project of its own.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use darkroom::devstack::Server;
use darkroom::store::Store;
use darkroom::store::firestore::{FirestoreOptions, FirestoreStore};

use super::TestEnv;
use super::server_process::{self, ServerProcess};

/// A JVM starts slowly on a busy machine.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// A running emulator.
pub struct Emulator {
    host: String,
    _process: ServerProcess,
}

impl Emulator {
    /// A new emulator on that port or on a free one.
    pub fn start(port: Option<u16>) -> Self {
        let launcher = super::installed(Server::Firestore);
        let port = port.unwrap_or_else(server_process::free_port);
        let arguments = ["start".to_owned(), "--host=127.0.0.1".to_owned(), format!("--port={port}")];
        let process = ServerProcess::start(&launcher, arguments);
        let host = format!("127.0.0.1:{port}");
        let ready = server_process::wait_until_ready(&host, "/", START_TIMEOUT);
        assert!(ready, "the Firestore emulator does not respond at {host}");
        Self { host, _process: process }
    }

    /// `host:port`, the form of `FIRESTORE_EMULATOR_HOST`.
    pub fn host(&self) -> String {
        self.host.clone()
    }
}

/// The emulator that all tests share.
pub fn shared() -> &'static Emulator {
    static EMULATOR: OnceLock<Emulator> = OnceLock::new();
    EMULATOR.get_or_init(|| Emulator::start(None))
}

/// A project that no other test uses.
pub fn fresh_project() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("demo-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Options for a project of that emulator.
pub fn options(emulator: &Emulator, project: &str) -> FirestoreOptions {
    let mut options = FirestoreOptions::new(project, "flux-dev");
    options.emulator_host = Some(emulator.host());
    options.simulated = true;
    options
}

/// A store on a project of that emulator.
pub fn store(emulator: &Emulator, project: &str) -> FirestoreStore {
    FirestoreStore::connect(options(emulator, project))
}

/// A project that darkroom owns already, so that a test may write documents of other programs before the program starts.
pub async fn owned_project(emulator: &Emulator) -> String {
    let project = fresh_project();
    own(emulator, &project, "(default)").await;
    project
}

/// Claims an empty database for darkroom.
pub async fn own(emulator: &Emulator, project: &str, database: &str) {
    let mut options = options(emulator, project);
    options.gated = true;
    database.clone_into(&mut options.database);
    FirestoreStore::connect(options).require_ownership().await.expect("the database is empty");
}

/// The environment of workers that share a queue on that project and a provider with its bill.
pub fn worker_env(emulator: &Emulator, project: &str, provider: &str) -> TestEnv {
    let mut env = TestEnv::new();
    env.set("DARKROOM_STORE", "firestore");
    env.set("FIRESTORE_EMULATOR_HOST", &emulator.host());
    env.set("GOOGLE_CLOUD_PROJECT", project);
    env.set("DARKROOM_PROVIDER", "bfl");
    env.set("BFL_API_URL", provider);
    env.set("BFL_API_KEY", "simulated");
    env
}
