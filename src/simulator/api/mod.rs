//! The HTTP API of the simulator: two listeners (API and cluster), bound, served and shut down here.

mod account;
mod app;
mod connection;
mod delivery;
mod key;
mod poll;
mod replies;
mod routes;
mod submit;

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use super::account::AccountState;
use super::errors::SimulatorError;
use super::ledger::{Ledger, LedgerError, Opened, identity};
use super::options::SimulatorOptions;
use crate::fs::try_lock;
use app::{App, SharedApp};
use connection::{AbortableListener, ConnectionAborter};

/// The file whose lock decides who serves a directory.
const LOCK: &str = "simulator.lock";

/// How long requests that are being answered may take to end.
const GRACE: Duration = Duration::from_secs(2);

/// The FLUX simulator.
#[derive(Debug, Clone, Copy)]
pub struct Simulator;

/// A simulator that serves. Dropping it ends it in the background.
#[derive(Debug)]
pub struct RunningSimulator {
    api: Url,
    cluster: Url,
    ledger: Ledger,
    stop: DropGuard,
    served: JoinHandle<()>,
}

impl Simulator {
    /// Binds what `options` name, and nothing else, and serves until it is shut down or dropped.
    ///
    /// # Errors
    /// When an address is taken, the directory cannot be used, or another simulator serves it.
    pub async fn serve(options: SimulatorOptions) -> Result<RunningSimulator, SimulatorError> {
        let lock = match &options.directory {
            Some(directory) => {
                std::fs::create_dir_all(directory)
                    .map_err(|source| SimulatorError::Directory { directory: directory.clone(), source })?;
                let Some(lock) = lock(directory)? else { return Err(SimulatorError::Busy(directory.clone())) };
                Some(lock)
            }
            None => None,
        };
        let listeners = bind(options.listen).await?;
        start(options, lock, listeners).await
    }
}

impl RunningSimulator {
    /// Where orders go: `http://127.0.0.1:20000/`.
    pub fn api_url(&self) -> Url {
        self.api.clone()
    }

    /// Where tickets and images are.
    pub fn cluster_url(&self) -> Url {
        self.cluster.clone()
    }

    /// The books.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Ends it: answers what was requested, closes the ledger, frees ports and directory.
    pub async fn shutdown(self) {
        drop(self.stop);
        // It ends with nothing but a panic of the server to report, and that is in the log.
        _ = self.served.await;
    }

    /// Waits until it ends by itself, which it does only when the runtime stops.
    pub(super) async fn ended(&mut self) {
        _ = (&mut self.served).await;
    }
}

/// The lock of a directory, or `None` while another process has it.
pub(super) fn lock(directory: &Path) -> Result<Option<File>, SimulatorError> {
    try_lock(&directory.join(LOCK))
        .map_err(|source| SimulatorError::Directory { directory: directory.to_owned(), source })
}

/// The listener of the API and the one of the cluster: the next port, or any where any was requested.
pub(super) async fn bind(address: SocketAddr) -> Result<(TcpListener, TcpListener), SimulatorError> {
    let listen = async |address: SocketAddr| {
        TcpListener::bind(address).await.map_err(|source| SimulatorError::Listen { address, source })
    };
    let next = match address.port() {
        0 => 0,
        port => port.checked_add(1).ok_or(SimulatorError::NoSecondPort(port))?,
    };
    Ok((listen(address).await?, listen(SocketAddr::new(address.ip(), next)).await?))
}

/// Serves on these listeners. `lock` is that of the directory, where there is one.
pub(super) async fn start(
    options: SimulatorOptions,
    lock: Option<File>,
    (api, cluster): (TcpListener, TcpListener),
) -> Result<RunningSimulator, SimulatorError> {
    let (ledger, opened, identity) = open(&options, lock).await?;
    let trouble = |source| SimulatorError::Listen { address: options.listen, source };
    let addresses = (api.local_addr().map_err(trouble)?, cluster.local_addr().map_err(trouble)?);
    let urls = (url_of(addresses.0)?, url_of(addresses.1)?);
    let secret = opened.secret.clone();
    let state = AccountState::new(opened, options.credits, options.speed, options.clock.now());
    let app: SharedApp = Arc::new(App::new(options, (state, ledger.clone()), secret, identity, addresses.1));
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve_both(app, api, cluster, stop.clone()));
    tracing::debug!(api = %urls.0, cluster = %urls.1, "the FLUX simulator serves");
    Ok(RunningSimulator { api: urls.0, cluster: urls.1, ledger, stop: stop.drop_guard(), served })
}

/// Opens the books off the runtime's threads: a long bill takes a while to read.
async fn open(
    options: &SimulatorOptions,
    lock: Option<File>,
) -> Result<(Ledger, Opened, Option<String>), SimulatorError> {
    let (directory, clock) = (options.directory.clone(), options.clock.clone());
    let opening = tokio::task::spawn_blocking(move || {
        let canonical = directory.as_deref().map(canonical).transpose()?;
        let (ledger, opened) = Ledger::open(canonical.as_deref(), lock, clock)?;
        Ok((ledger, opened, canonical.as_deref().map(identity)))
    });
    opening.await.map_err(|_| LedgerError::Closed)?
}

/// The directory's one name.
pub(super) fn canonical(directory: &Path) -> Result<PathBuf, SimulatorError> {
    directory.canonicalize().map_err(|source| SimulatorError::Directory { directory: directory.to_owned(), source })
}

async fn serve_both(app: SharedApp, api: TcpListener, cluster: TcpListener, stop: CancellationToken) {
    let serve = async |listener, router: axum::Router| {
        axum::serve(AbortableListener(listener), router.into_make_service_with_connect_info::<ConnectionAborter>())
            .with_graceful_shutdown(stop.clone().cancelled_owned())
            .await
    };
    let both = async {
        // Neither stops before it is requested to, and neither reports an error (documented of `axum::serve`).
        _ = tokio::join!(
            serve(api, routes::api(SharedApp::clone(&app))),
            serve(cluster, routes::cluster(SharedApp::clone(&app)))
        );
    };
    let patience = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! { () = both => {}, () = patience => {} }
    app.ledger.close().await;
}

/// `http://address/`; an address that means "every interface" is reached as this machine.
pub(super) fn url_of(address: SocketAddr) -> Result<Url, SimulatorError> {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    Url::parse(&format!("http://{}/", SocketAddr::new(host, address.port())))
        .map_err(|error| SimulatorError::Listen { address, source: std::io::Error::other(error) })
}
