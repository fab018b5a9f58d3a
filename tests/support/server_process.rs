//! Starts a test server that never outlives the test process, and waits for its first reply.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Kills the server's process group as soon as the pipe from the test process closes, which also happens when that process is
/// killed. `set -m` gives the server a group of its own: a launcher script may leave a JVM behind.
const WATCHDOG: &str = "set -m; \"$@\" >/dev/null 2>&1 </dev/null & group=$!; \
                        cat >/dev/null; kill -KILL -- -\"$group\" 2>/dev/null; wait";

/// A running server. Killed when dropped, and with the test process.
pub struct ServerProcess {
    /// Its standard input is the pipe that keeps the server alive.
    watchdog: Child,
}

impl ServerProcess {
    /// Starts `program` without waiting for it.
    pub fn start<Argument: AsRef<OsStr>>(program: &Path, arguments: impl IntoIterator<Item = Argument>) -> Self {
        let mut command = Command::new("bash");
        command.args(["-c", WATCHDOG, "bash"]).arg(program).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C in a terminal must reach the test process only; the watchdog then kills the server.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Self { watchdog: command.spawn().expect("bash starts") }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

/// Polls over plain HTTP until a GET of `path` returns 200, for at most `timeout`.
pub fn wait_until_ready(host: &str, path: &str, timeout: Duration) -> bool {
    let deadline = Instant::now() + timeout;
    while Instant::now() < deadline {
        if is_ready(host, path).unwrap_or(false) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

fn is_ready(host: &str, path: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    // The status line is enough: the Firestore emulator may keep the connection open.
    let mut reply = [0; 12];
    stream.read_exact(&mut reply)?;
    Ok(&reply == b"HTTP/1.1 200")
}

/// A loopback port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").port()
}
