//! A line that can be cut: everything that goes to a server of the tests over it can be refused, slowed down, or lose its answers.
//! The server notices nothing but lost connections, so it keeps what it has.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// As much as is passed on at once.
const PORTION: usize = 256 * 1024;

/// What the line does.
#[derive(Debug, Clone, Copy)]
struct State {
    /// Connections are taken.
    open: bool,
    /// How much later everything arrives, each way.
    delay: Duration,
    /// What the server answers is thrown away.
    deaf: bool,
    /// Connections of an earlier generation are cut.
    generation: u64,
}

/// A line to a server, on a loopback port of its own. It ends with this value.
pub struct Line {
    address: SocketAddr,
    state: watch::Sender<State>,
    lost: Arc<AtomicU64>,
    // Dropped last: ends everything that runs on it.
    runtime: Option<Runtime>,
}

impl Line {
    /// A line to `server` (`host:port`) that works.
    pub fn to(server: &str) -> Self {
        let server: SocketAddr = server.parse().expect("an address");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = StdListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket that does not block");
        let address = listener.local_addr().expect("an address");
        let (state, watched) = watch::channel(State { open: true, delay: Duration::ZERO, deaf: false, generation: 0 });
        let lost = Arc::new(AtomicU64::new(0));
        runtime.spawn(serve(listener, server, watched, Arc::clone(&lost)));
        Self { address, state, lost, runtime: Some(runtime) }
    }

    /// `host:port` of this end.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Cuts every connection and takes no other.
    pub fn cut(&self) {
        self.state.send_modify(|state| {
            state.open = false;
            state.generation += 1;
        });
    }

    /// Takes connections again, in full hearing and at full speed.
    pub fn mend(&self) {
        self.state.send_modify(|state| {
            *state = State { open: true, delay: Duration::ZERO, deaf: false, generation: state.generation };
        });
    }

    /// Everything arrives so much later, each way.
    pub fn slow_down(&self, delay: Duration) {
        self.state.send_modify(|state| state.delay = delay);
    }

    /// Requests arrive, their answers do not, until the line is cut or mended.
    pub fn lose_answers(&self) {
        self.state.send_modify(|state| state.deaf = true);
    }

    /// How many bytes of answers were lost.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // May be dropped within a test's own runtime, where waiting is not allowed.
            runtime.shutdown_background();
        }
    }
}

async fn serve(listener: StdListener, server: SocketAddr, state: watch::Receiver<State>, lost: Arc<AtomicU64>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        if !state.borrow().open {
            continue;
        }
        tokio::spawn(carry(client, server, state.clone(), Arc::clone(&lost)));
    }
}

/// One connection, until an end closes it or it is cut.
async fn carry(client: TcpStream, server: SocketAddr, mut state: watch::Receiver<State>, lost: Arc<AtomicU64>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let generation = state.borrow().generation;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = pass(from_client, to_server, state.clone(), None);
    let down = pass(from_server, to_client, state.clone(), Some(lost));
    tokio::select! {
        () = up => {}
        () = down => {}
        _ = state.wait_for(|state| state.generation != generation) => {}
    }
}

/// One direction. `lost` counts what is thrown away of answers.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: watch::Receiver<State>,
    lost: Option<Arc<AtomicU64>>,
) {
    let mut buffer = vec![0; PORTION];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let State { delay, deaf, .. } = *state.borrow();
        if let Some(lost) = lost.as_ref().filter(|_| deaf) {
            lost.fetch_add(length as u64, Ordering::Relaxed);
            continue;
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
