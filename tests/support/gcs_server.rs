//! The real Cloud Storage server of the tests: `fake-gcs-server`, started once by the suite on a free loopback port. Must not
//! outlive the suite, however that ends.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use darkroom::bucket::gcs::{GcsCredentials, GcsOptions, PublicUrl};
use darkroom::servers::Server;

/// Ends the server as soon as the suite's end of the pipe is closed, which happens however the suite ends: killed as well.
const TETHER: &str = r#""$@" & server=$!; cat >/dev/null; kill -9 $server; wait $server"#;

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

fn start(program: &PathBuf) -> GcsServer {
    // Somebody else may take the port between the look and the start.
    for _ in 0..5 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let mut command = Command::new("sh");
        command.args(["-c", TETHER, "sh"]).arg(program).args(["-scheme", "http", "-backend", "memory"]);
        command.args(["-host", "127.0.0.1", "-port", &port.to_string()]);
        command.args(["-public-host", &host, "-external-url", &format!("http://{host}")]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C in a terminal reaches the suite only; the tether does the rest.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut tether = command.spawn().unwrap();
        if answers(&host) {
            return GcsServer { host, _tether: tether };
        }
        drop(tether.stdin.take());
        tether.wait().unwrap();
    }
    panic!("fake-gcs-server does not answer: {}", program.display());
}

/// Polls until the server answers, for at most ten seconds.
fn answers(host: &str) -> bool {
    let until = Instant::now() + Duration::from_secs(10);
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(stream, "GET /_internal/healthcheck HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    };
    while Instant::now() < until {
        if ask().unwrap_or(false) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
