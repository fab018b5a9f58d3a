//! The servers of the stack: starts the installed ones, waits until all respond, and reports the missing ones.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::spawn_blocking;

use crate::cli::error::CliError;
use crate::cli::output;
use crate::devstack::{self, Launch, NotInstalled, Server, ServerError, ServerLocator, ServerProcess};

/// The project of the Firestore emulator. Names that start with `demo-` never reach Google.
pub const PROJECT: &str = "demo-darkroom";
/// The bucket.
pub const BUCKET: &str = "darkroom-dev";

/// How often the server processes are checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

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
    /// Starts the installed servers concurrently and waits until each is ready.
    pub async fn start(&mut self, logs: &Path) -> Result<(), CliError> {
        let http = devstack::http().map_err(|why| CliError::Failed(format!("cannot create an HTTP client: {why}")))?;
        self.find_and_start(logs).await?;
        for missing in &self.missing {
            output::eprint_line(&format!("{missing}"));
        }
        let mut progress = Progress::new(self.running.iter().map(ServerProcess::server));
        let mut waiting: FuturesUnordered<_> = self.running.iter_mut().map(|server| ready(server, &http)).collect();
        while let Some(answered) = waiting.next().await {
            let (server, took) = answered?;
            progress.on_ready(server, took);
        }
        drop((waiting, progress));
        if let Some(storage) = self.address(Server::Storage) {
            devstack::make_bucket(&http, storage, PROJECT, BUCKET).await?;
        }
        Ok(())
    }

    async fn find_and_start(&mut self, logs: &Path) -> Result<(), CliError> {
        let watchdog = std::env::current_exe()
            .map_err(|why| CliError::Failed(format!("cannot find the darkroom executable: {why}")))?;
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
                Ok(Err(error)) => first_error = first_error.or(Some(error.into())),
                Err(why) => {
                    first_error = first_error.or(Some(CliError::Failed(format!("a start task crashed: {why}"))));
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

    /// Stops all servers and waits until they have exited.
    pub async fn stop(self) {
        if self.running.is_empty() {
            return;
        }
        devstack::stop_all(self.running).await;
        output::eprint_line("all servers stopped");
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

/// Progress while servers start: a line for each that is ready, and the names of the others.
struct Progress {
    bar: ProgressBar,
    pending: Vec<Server>,
}

impl Progress {
    fn new(servers: impl Iterator<Item = Server>) -> Self {
        // Drawn on standard error, and only where that is a terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            bar.set_style(style);
        }
        let progress = Self { bar, pending: servers.collect() };
        if !progress.pending.is_empty() {
            progress.bar.enable_steady_tick(Duration::from_millis(100));
            progress.show();
        }
        progress
    }

    fn show(&self) {
        let names: Vec<String> = self.pending.iter().map(Server::to_string).collect();
        self.bar.set_message(format!("waiting for {}", names.join(", ")));
    }

    fn on_ready(&mut self, server: &ServerProcess, took: Duration) {
        self.pending.retain(|pending| *pending != server.server());
        let page = server.page().map_or(String::new(), |page| format!(", web page at {page}"));
        let line = format!("{} ready at {} after {:.1} s{page}", server.server(), server.address(), took.as_secs_f32());
        self.bar.suspend(|| output::eprint_line(&line));
        self.show();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
