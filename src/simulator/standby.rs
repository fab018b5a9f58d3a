//! One simulator for all processes on a data directory.
//!
//! Every process stands by: the holder of the directory's lock serves, the others use it. When the serving process dies, another
//! one serves within a quarter of a second, at the same address and with the same tickets and bill, which are in the ledger.
//! The port is chosen once and kept in `simulator.json`. Where another program occupies it, a new port is chosen and written
//! there; the links of earlier tickets then lead to that program.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use super::api::{RunningSimulator, bind, canonical, lock, start, url_of};
use super::errors::SimulatorError;
use super::ledger::identity;
use super::options::SimulatorOptions;
use crate::fs::write_atomically;

/// The file that holds the address, within the directory.
const ADDRESS_FILE: &str = "simulator.json";
/// Even ports that may be chosen; the cluster is at the next port. Systems give higher ports to outgoing connections.
const FIRST_PORT: u16 = 20_000;
const PORT_PAIRS: u16 = 5_000;
/// A start reads the whole bill, on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(20);
const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);
const HEALTH_INTERVAL: Duration = Duration::from_millis(20);
const LOCK_INTERVAL: Duration = Duration::from_millis(100);
/// A dying process may occupy the known port for a moment.
const KNOWN_PORT_TRIES: usize = 10;

/// Where the simulator of the directory is, and why this process cannot serve.
type State = (Option<Url>, Option<String>);

/// This process's share in the simulator of a directory. Dropping it stops it here; another process then serves.
#[derive(Debug)]
pub struct SharedSimulator {
    first_url: Url,
    state: watch::Receiver<State>,
    stop: DropGuard,
    standby: tokio::task::JoinHandle<()>,
}

/// Joins the simulator of a directory, or becomes it. Returns when it answers.
///
/// `options.directory` and the port of `options.listen` are not used; the options of the serving process apply.
///
/// # Errors
/// When the directory cannot be used, or no simulator answers in time.
pub async fn shared(directory: &Path, options: SimulatorOptions) -> Result<SharedSimulator, SimulatorError> {
    std::fs::create_dir_all(directory).map_err(|source| unusable(directory, source))?;
    let directory = canonical(directory)?;
    let (stop, (sender, state)) = (CancellationToken::new(), watch::channel(State::default()));
    let options = SimulatorOptions { directory: Some(directory.clone()), ..options };
    let standby = tokio::spawn(Standby { directory: directory.clone(), options, state: sender }.run(stop.clone()));
    let stop = stop.drop_guard();
    let first_url = healthy_url(state.clone(), &directory).await?;
    Ok(SharedSimulator { first_url, state, stop, standby })
}

impl SharedSimulator {
    /// The API's base URL. It changes only when another program occupied the port while no process served.
    pub fn base_url(&self) -> Url {
        self.state.borrow().0.clone().unwrap_or_else(|| self.first_url.clone())
    }

    /// Stops this process's share; when it returns, ports and directory are free for another.
    pub async fn shutdown(self) {
        drop(self.stop);
        _ = self.standby.await;
    }
}

/// Waits until the directory's simulator answers, and returns its URL.
async fn healthy_url(mut state: watch::Receiver<State>, directory: &Path) -> Result<Url, SimulatorError> {
    let no_answer = |why: String| SimulatorError::NoAnswer { directory: directory.to_owned(), trouble: why };
    // Without certificates: the address is plain http, and a machine may lack root certificates.
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(HEALTH_TIMEOUT).build();
    let client = client.map_err(|error| no_answer(format!(": {error}")))?;
    let (identity, deadline) = (identity(directory), Instant::now() + START_TIMEOUT);
    loop {
        let (url, trouble) = state.borrow_and_update().clone();
        match url {
            Some(url) if is_healthy(&client, &url, &identity).await => return Ok(url),
            _ if trouble.is_some() || Instant::now() > deadline => {
                return Err(no_answer(trouble.map(|trouble| format!(": {trouble}")).unwrap_or_default()));
            }
            _ => _ = tokio::time::timeout(HEALTH_INTERVAL, state.changed()).await,
        }
    }
}

/// The task that serves the directory whenever its lock is free.
struct Standby {
    directory: PathBuf,
    options: SimulatorOptions,
    state: watch::Sender<State>,
}

impl Standby {
    async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let served = tokio::select! { () = stop.cancelled() => return, served = self.serve_if_free() => served };
            match served {
                Ok(Some(mut running)) => {
                    tokio::select! { () = stop.cancelled() => {}, () = running.ended() => {} }
                    running.shutdown().await;
                }
                Ok(None) => _ = read_address(&self.directory).map(|url| self.publish((Some(url), None))),
                Err(error) => {
                    // Not within the call: publishing waits for the end of the borrow.
                    let url = self.state.borrow().0.clone();
                    self.publish((url, Some(error.to_string())));
                }
            }
            tokio::select! { () = stop.cancelled() => {}, () = sleep(LOCK_INTERVAL) => {} }
        }
    }

    async fn serve_if_free(&self) -> Result<Option<RunningSimulator>, SimulatorError> {
        let Some(lock) = lock(&self.directory)? else { return Ok(None) };
        let known = read_address(&self.directory).and_then(|url| url.port());
        let retries = known.into_iter().flat_map(|port| std::iter::repeat_n(port, KNOWN_PORT_TRIES));
        for port in retries.chain(candidate_ports(&self.directory).filter(|port| Some(*port) != known)) {
            let address = SocketAddr::new(self.options.listen.ip(), port);
            let Ok(listeners) = bind(address).await else {
                if Some(port) == known {
                    sleep(LOCK_INTERVAL).await;
                }
                continue;
            };
            let url = url_of(address)?;
            write_address(&self.directory, &url).map_err(|source| unusable(&self.directory, source))?;
            let running = start(self.options.clone(), Some(lock), listeners).await?;
            self.publish((Some(url), None));
            return Ok(Some(running));
        }
        Err(SimulatorError::NoPort)
    }

    fn publish(&self, new: State) {
        let (changed, trouble) = (*self.state.borrow() != new, new.1.clone());
        if changed && let Some(reason) = trouble {
            tracing::warn!(reason, "the FLUX simulator cannot be served");
        }
        self.state.send_if_modified(|state| std::mem::replace(state, new) != *state);
    }
}

fn unusable(directory: &Path, source: std::io::Error) -> SimulatorError {
    SimulatorError::Directory { directory: directory.to_owned(), source }
}

fn read_address(directory: &Path) -> Option<Url> {
    let written: serde_json::Value = serde_json::from_slice(&std::fs::read(directory.join(ADDRESS_FILE)).ok()?).ok()?;
    Url::parse(written["url"].as_str()?).ok()
}

fn write_address(directory: &Path, url: &Url) -> std::io::Result<()> {
    let text = format!("{}\n", serde_json::json!({ "url": url.as_str() }));
    write_atomically(&directory.join(ADDRESS_FILE), text.as_bytes())
}

/// Every port once, in an order that differs from directory to directory.
fn candidate_ports(directory: &Path) -> impl Iterator<Item = u16> + use<> {
    let start = u64::from_str_radix(&identity(directory), 16).unwrap_or(0) as u16 % PORT_PAIRS;
    (0..PORT_PAIRS).map(move |step| FIRST_PORT + 2 * ((start + step) % PORT_PAIRS))
}

/// Whether the simulator of that directory answers there; another program may.
async fn is_healthy(client: &reqwest::Client, base: &Url, identity: &str) -> bool {
    let Ok(url) = base.join("simulator/health") else { return false };
    let Ok(response) = client.get(url).send().await else { return false };
    let body = response.json::<serde_json::Value>().await.unwrap_or_default();
    body["simulator"] == "darkroom" && body["directory"] == identity
}
