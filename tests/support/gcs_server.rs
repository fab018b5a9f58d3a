//! The Cloud Storage server of the tests: `fake-gcs-server`, started once for all tests on a free loopback port.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use darkroom::bucket::gcs::{GcsCredentials, GcsOptions, PublicUrl};
use darkroom::devstack::Server;

use super::server_process::{self, ServerProcess};

const START_TIMEOUT: Duration = Duration::from_secs(10);

/// The running server.
pub struct GcsServer {
    /// `127.0.0.1:port`, the form of `STORAGE_EMULATOR_HOST`.
    pub host: String,
    _process: ServerProcess,
}

/// The server that all tests share.
pub fn gcs_server() -> &'static GcsServer {
    static SERVER: OnceLock<GcsServer> = OnceLock::new();
    SERVER.get_or_init(|| start(&super::installed(Server::Storage)))
}

/// The options of a new, empty bucket on the server.
pub async fn fresh_bucket() -> GcsOptions {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    // The first caller waits for the server, which must not block the runtime's threads.
    let server = tokio::task::spawn_blocking(gcs_server).await.unwrap();
    let bucket = format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let created = reqwest::Client::new()
        .post(format!("http://{}/storage/v1/b?project=test-project", server.host))
        .json(&serde_json::json!({"name": bucket}))
        .send()
        .await
        .unwrap();
    assert!(created.status().is_success(), "{created:?}");
    GcsOptions {
        bucket,
        project: Some("test-project".to_owned()),
        url: PublicUrl::Public,
        emulator: Some(server.host.clone()),
        credentials: GcsCredentials::Anonymous,
    }
}

fn start(program: &Path) -> GcsServer {
    // Another process may take the port before the server binds it.
    for _ in 0..5 {
        let port = server_process::free_port().to_string();
        let host = format!("127.0.0.1:{port}");
        let url = format!("http://{host}");
        let arguments = ["-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", &port];
        let public = ["-public-host", &host, "-external-url", &url];
        let process = ServerProcess::start(program, arguments.into_iter().chain(public));
        if server_process::wait_until_ready(&host, "/_internal/healthcheck", START_TIMEOUT) {
            return GcsServer { host, _process: process };
        }
    }
    panic!("fake-gcs-server does not respond: {}", program.display());
}
