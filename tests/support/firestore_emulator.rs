//! The official Firestore emulator, one for the whole suite on a free loopback port, gone with the suite whatever happens.
//!
//! Whatever ends this process, a small shell that reads from a pipe of ours sees the pipe's end and ends the emulator's process
//! group. Isolation is by project: every test takes a `demo-` project of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use darkroom::devstack::Server;
use darkroom::store::firestore::{FirestoreOptions, FirestoreStore};

/// How long a JVM may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The pipe's end that keeps an emulator alive: dropped by whoever drops it, or by the end of the process.
pub struct Emulator {
    address: SocketAddr,
    _alive: ChildStdin,
}

impl Emulator {
    /// One emulator of one's own, on that port or on any that is free. `None` where none is installed.
    pub fn start(port: Option<u16>) -> Option<Self> {
        let launcher = super::installed(Server::Firestore)?;
        let address = port.map_or_else(free_address, |port| SocketAddr::from(([127, 0, 0, 1], port)));
        // `set -m` gives the emulator a process group of its own: the launcher is a script that leaves a JVM behind.
        let script = "set -m; \"$0\" start --host=127.0.0.1 --port=\"$1\" >/dev/null 2>&1 </dev/null & group=$!; \
                      cat >/dev/null; kill -KILL -- -\"$group\" 2>/dev/null; wait";
        let mut keeper = Command::new("bash")
            .args(["-c", script])
            .arg(&launcher)
            .arg(address.port().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C for the suite must not end the keeper before it has done its work.
            .process_group(0)
            .spawn()
            .expect("bash starts");
        let alive = keeper.stdin.take().expect("a pipe");
        // The keeper ends by itself once the pipe is closed; its end is waited for in the background.
        std::thread::spawn(move || keeper.wait());
        let begun = Instant::now();
        while !answers(address) {
            assert!(begun.elapsed() < PATIENCE, "the Firestore emulator does not answer at {address}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(Self { address, _alive: alive })
    }

    /// `host:port`, as `FIRESTORE_EMULATOR_HOST` wants it.
    pub fn host(&self) -> String {
        self.address.to_string()
    }
}

/// The emulator that all tests share. `None`, with a printed line, where none is installed.
pub fn shared() -> Option<&'static Emulator> {
    static EMULATOR: OnceLock<Option<Emulator>> = OnceLock::new();
    EMULATOR.get_or_init(|| Emulator::start(None)).as_ref()
}

/// A project that no other test uses.
pub fn fresh_project() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("demo-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Options that lead to a project of that emulator.
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

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

/// The emulator says `Ok` over plain HTTP on the same port.
fn answers(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    // It may leave the connection open: the first line is enough.
    let mut answer = [0; 64];
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read(&mut answer).is_ok_and(|read| answer[..read].starts_with(b"HTTP/1.1 200"))
}
