//! A TCP proxy in front of a test server that can disconnect, delay traffic, hold the replies back or drop them, and close connections
//! by age. The server itself keeps running and sees nothing but slow or lost connections.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// Bytes that are forwarded at once.
const BUFFER_SIZE: usize = 256 * 1024;

/// The current behaviour.
#[derive(Debug, Clone, Copy)]
struct State {
    /// Connections are accepted.
    open: bool,
    /// The delay of each chunk, in each direction.
    delay: Duration,
    /// The server's replies are dropped.
    drop_replies: bool,
    /// The server's replies are held back.
    hold_replies: bool,
    /// Each connection is closed at that age.
    max_age: Option<Duration>,
    /// Connections of an earlier generation are closed.
    generation: u64,
}

impl State {
    const TRANSPARENT: Self = Self {
        open: true,
        delay: Duration::ZERO,
        drop_replies: false,
        hold_replies: false,
        max_age: None,
        generation: 0,
    };
}

/// What happened to the connections.
#[derive(Debug, Default)]
struct Counters {
    /// Bytes of replies that were dropped.
    dropped: AtomicU64,
    /// Connections that were closed by age.
    aged: AtomicU64,
}

/// A proxy on a loopback port of its own. It stops when this value is dropped.
pub struct ChaosProxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    counters: Arc<Counters>,
    // Dropped last: stops the tasks that run on it.
    runtime: Option<Runtime>,
}

impl ChaosProxy {
    /// A proxy to `server` (`host:port`) that forwards everything.
    pub fn to(server: &str) -> Self {
        let server: SocketAddr = server.parse().expect("an address");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = StdListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket that does not block");
        let address = listener.local_addr().expect("an address");
        let (state, watched) = watch::channel(State::TRANSPARENT);
        let counters = Arc::new(Counters::default());
        runtime.spawn(serve(listener, server, watched, Arc::clone(&counters)));
        Self { address, state, counters, runtime: Some(runtime) }
    }

    /// `host:port` of the proxy.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Closes every connection and accepts no new one.
    pub fn cut(&self) {
        self.state.send_modify(|state| {
            state.open = false;
            state.generation += 1;
        });
    }

    /// Forwards everything again, without delay.
    pub fn restore(&self) {
        self.state.send_modify(|state| {
            *state = State { generation: state.generation, ..State::TRANSPARENT };
        });
    }

    /// Delays each chunk, in each direction.
    pub fn set_delay(&self, delay: Duration) {
        self.state.send_modify(|state| state.delay = delay);
    }

    /// Forwards requests but drops the replies, until `cut` or `restore`.
    pub fn drop_replies(&self) {
        self.state.send_modify(|state| state.drop_replies = true);
    }

    /// Forwards requests but holds the replies back, until `restore`.
    pub fn hold_replies(&self) {
        self.state.send_modify(|state| state.hold_replies = true);
    }

    /// Closes each new connection at that age.
    pub fn close_at_age(&self, age: Duration) {
        self.state.send_modify(|state| state.max_age = Some(age));
    }

    /// Bytes of replies that were dropped.
    pub fn dropped_bytes(&self) -> u64 {
        self.counters.dropped.load(Ordering::Relaxed)
    }

    /// Connections that were closed by age.
    pub fn aged_connections(&self) -> u64 {
        self.counters.aged.load(Ordering::Relaxed)
    }
}

impl Drop for ChaosProxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // May be dropped within a test's own runtime, where waiting is not allowed.
            runtime.shutdown_background();
        }
    }
}

async fn serve(listener: StdListener, server: SocketAddr, state: watch::Receiver<State>, counters: Arc<Counters>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        if !state.borrow().open {
            continue;
        }
        tokio::spawn(forward(client, server, state.clone(), Arc::clone(&counters)));
    }
}

/// One connection, until either end closes it, it is too old, or `cut` is called.
async fn forward(client: TcpStream, server: SocketAddr, mut state: watch::Receiver<State>, counters: Arc<Counters>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let State { generation, max_age, .. } = *state.borrow();
    let too_old = async {
        match max_age {
            Some(age) => tokio::time::sleep(age).await,
            None => std::future::pending().await,
        }
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = copy(from_client, to_server, state.clone(), None);
    let down = copy(from_server, to_client, state.clone(), Some(Arc::clone(&counters)));
    tokio::select! {
        () = too_old => {
            counters.aged.fetch_add(1, Ordering::Relaxed);
        }
        () = up => {}
        () = down => {}
        _ = state.wait_for(|state| state.generation != generation) => {}
    }
}

/// One direction. `replies` is set for the server's replies and counts their dropped bytes.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    replies: Option<Arc<Counters>>,
) {
    let mut buffer = vec![0; BUFFER_SIZE];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let State { delay, drop_replies, .. } = *state.borrow();
        if let Some(counters) = replies.as_ref().filter(|_| drop_replies) {
            counters.dropped.fetch_add(length as u64, Ordering::Relaxed);
            continue;
        }
        if replies.is_some() && state.wait_for(|state| !state.hold_replies).await.is_err() {
            return;
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
