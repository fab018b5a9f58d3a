//! The servers of the stack: starts the installed ones, waits until all respond, and reports the missing ones.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::task::spawn_blocking;

use super::{Launch, NotInstalled, Server, ServerError, ServerLocator, ServerProcess, http, make_bucket, stop_all};

/// The project of the Firestore emulator. Names that start with `demo-` never reach Google.
pub const PROJECT: &str = "demo-darkroom";
/// The bucket.
pub const BUCKET: &str = "darkroom-dev";

/// How often the server processes are checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Receives the progress of a start.
pub trait StackProgress {
    /// A server is not installed.
    fn not_installed(&mut self, missing: &NotInstalled);
    /// The servers that must become ready.
    fn waiting_for(&mut self, servers: Vec<Server>);
    /// A server became ready after this time.
    fn ready(&mut self, server: &ServerProcess, took: Duration);
}

/// The servers that run, and those that are not installed.
#[derive(Debug, Default)]
pub struct Stack {
    /// Servers that run.
    pub running: Vec<ServerProcess>,
    /// Servers that are not installed.
    pub missing: Vec<NotInstalled>,
    reported: BTreeSet<Server>,
}

impl Stack {
    /// Starts the installed servers concurrently and waits until each is ready. `logs` is the directory of their log files.
    pub async fn start(&mut self, logs: &Path, progress: &mut impl StackProgress) -> Result<(), ServerError> {
        let http = http().map_err(|error| ServerError::Setup(format!("cannot create an HTTP client: {error}")))?;
        self.find_and_start(logs).await?;
        for missing in &self.missing {
            progress.not_installed(missing);
        }
        progress.waiting_for(self.running.iter().map(ServerProcess::server).collect());
        let mut waiting: FuturesUnordered<_> = self.running.iter_mut().map(|server| ready(server, &http)).collect();
        while let Some(result) = waiting.next().await {
            let (server, took) = result?;
            progress.ready(server, took);
        }
        drop(waiting);
        if let Some(storage) = self.address(Server::Storage) {
            make_bucket(&http, storage, PROJECT, BUCKET).await?;
        }
        Ok(())
    }

    async fn find_and_start(&mut self, logs: &Path) -> Result<(), ServerError> {
        let watchdog = std::env::current_exe()
            .map_err(|error| ServerError::Setup(format!("cannot find the darkroom executable: {error}")))?;
        let mut starting = Vec::new();
        for server in Server::ALL.into_iter().filter(|server| is_built_in(*server)) {
            let (watchdog, logs) = (watchdog.clone(), logs.to_owned());
            starting.push(spawn_blocking(move || start(server, &watchdog, &logs)));
        }
        let mut first_error = None;
        // Collects all of them, also after a failure, so that every started server is stopped later.
        for started in starting {
            match started.await {
                Ok(Ok(Ok(running))) => self.running.push(running),
                Ok(Ok(Err(missing))) => self.missing.push(missing),
                Ok(Err(error)) => first_error = first_error.or(Some(error)),
                Err(why) => {
                    first_error = first_error.or(Some(ServerError::Setup(format!("a start task crashed: {why}"))));
                }
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    /// Where that server listens, if it runs.
    pub fn address(&self, server: Server) -> Option<SocketAddr> {
        self.running.iter().find(|running| running.server() == server).map(ServerProcess::address)
    }

    /// Temporal's web page.
    pub fn page(&self) -> Option<String> {
        self.running.iter().find_map(ServerProcess::page)
    }

    /// Waits for the next server that exited unexpectedly and was not reported yet. Cancel-safe.
    pub async fn next_exit(&mut self) -> ServerError {
        loop {
            for server in &mut self.running {
                if !self.reported.contains(&server.server())
                    && let Some(error) = server.exited()
                {
                    self.reported.insert(server.server());
                    return error;
                }
            }
            tokio::time::sleep(CHECK_INTERVAL).await;
        }
    }

    /// Logs the address of Temporal's web page and every server that exits, for as long as it is polled.
    pub async fn watch_and_log(&mut self) -> Infallible {
        // The console sets up the log pane first.
        tokio::time::sleep(CHECK_INTERVAL).await;
        if let Some(page) = self.page() {
            tracing::info!(%page, "Temporal web page");
        }
        loop {
            let error = self.next_exit().await;
            tracing::error!(%error, "server exited unexpectedly");
        }
    }

    /// Stops all servers and waits until they have exited. Returns whether there were any.
    pub async fn stop(self) -> bool {
        let any = !self.running.is_empty();
        stop_all(self.running).await;
        any
    }
}

async fn ready<'a>(
    server: &'a mut ServerProcess,
    http: &reqwest::Client,
) -> Result<(&'a ServerProcess, Duration), ServerError> {
    let took = server.ready(http).await?;
    Ok((server, took))
}

/// Whether this build of darkroom can use that server.
fn is_built_in(server: Server) -> bool {
    match server {
        Server::Firestore => cfg!(feature = "firestore"),
        Server::Storage => cfg!(feature = "gcs"),
        Server::Temporal => cfg!(feature = "temporal"),
    }
}

/// Blocks: it may run `gcloud`, and it waits for the watchdog to start.
fn start(server: Server, watchdog: &Path, logs: &Path) -> Result<Result<ServerProcess, NotInstalled>, ServerError> {
    let program: PathBuf = match ServerLocator::from_env().find(server) {
        Ok(program) => program,
        Err(missing) => return Ok(Err(missing)),
    };
    let launch = Launch::new(server, program).map_err(|why| ServerError::NotStarted { server, why })?;
    ServerProcess::start(launch, watchdog, logs).map(Ok)
}
