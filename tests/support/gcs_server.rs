//! The real Cloud Storage server of the tests: `fake-gcs-server`, started once by the suite on a free loopback port. Must not
//! outlive the suite, however that ends.

use std::net::TcpListener;
use std::path::Path;
use std::process::Child;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use darkroom::bucket::gcs::{GcsCredentials, GcsOptions, PublicUrl};
use darkroom::devstack::Server;

use super::tether;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The running server.
pub struct GcsServer {
    /// `127.0.0.1:port`, as in `STORAGE_EMULATOR_HOST`.
    pub host: String,
    /// Its standard input is the tether.
    _tether: Child,
}

/// The suite's one server; `None`, after a line that says so, where it is not installed.
pub fn gcs_server() -> Option<&'static GcsServer> {
    static SERVER: OnceLock<Option<GcsServer>> = OnceLock::new();
    let server = SERVER.get_or_init(|| super::installed(Server::Storage).map(|program| start(&program)));
    server.as_ref()
}

/// A new, empty bucket of the server, and how it is opened.
pub async fn fresh_bucket() -> Option<GcsOptions> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    // The first caller waits for the server; that must not hold up the runtime's threads.
    let server = tokio::task::spawn_blocking(gcs_server).await.unwrap()?;
    let bucket = format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let created = reqwest::Client::new()
        .post(format!("http://{}/storage/v1/b?project=test-project", server.host))
        .json(&serde_json::json!({"name": bucket}))
        .send()
        .await
        .unwrap();
    assert!(created.status().is_success(), "{created:?}");
    Some(GcsOptions {
        bucket,
        project: Some("test-project".to_owned()),
        url: PublicUrl::Public,
        emulator: Some(server.host.clone()),
        credentials: GcsCredentials::Anonymous,
    })
}

fn start(program: &Path) -> GcsServer {
    // Somebody else may take the port between the look and the start.
    for _ in 0..5 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let mut command = tether::command(program);
        command.args(["-scheme", "http", "-backend", "memory"]);
        command.args(["-host", "127.0.0.1", "-port", &port.to_string()]);
        command.args(["-public-host", &host, "-external-url", &format!("http://{host}")]);
        let mut tether = command.spawn().unwrap();
        if tether::answers(&host, "/_internal/healthcheck", PATIENCE) {
            return GcsServer { host, _tether: tether };
        }
        drop(tether.stdin.take());
        tether.wait().unwrap();
    }
    panic!("fake-gcs-server does not answer: {}", program.display());
}
