//! Owns the servers of this stack: which there are, that all of them answer before anything else begins, and what is said of
//! those that are missing. Must not know what is done with them.

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
use crate::devstack::{self, Launch, Missing, Places, Running, Server, ServerError};

/// The project of Firestore's emulator: it never asks Google for anything with such a name.
pub const PROJECT: &str = "demo-darkroom";
/// The bucket.
pub const BUCKET: &str = "darkroom-dev";

/// How often it is looked whether all servers live.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The servers that run, and those that cannot.
#[derive(Debug, Default)]
pub struct Stack {
    /// Those that run.
    pub running: Vec<Running>,
    /// Those that are not installed.
    pub missing: Vec<Missing>,
    told: BTreeSet<Server>,
}

impl Stack {
    /// Starts what is installed, all at once, and waits until each answers. Errors: one does not.
    pub async fn start(&mut self, logs: &Path) -> Result<(), CliError> {
        let http = devstack::http().map_err(|why| CliError::Failed(format!("no server can be asked: {why}")))?;
        self.find_and_start(logs).await?;
        for missing in &self.missing {
            output::note(&format!("{missing}"));
        }
        let mut progress = Progress::new(self.running.iter().map(Running::server));
        let mut waiting: FuturesUnordered<_> = self.running.iter_mut().map(|server| ready(server, &http)).collect();
        while let Some(answered) = waiting.next().await {
            let (server, took) = answered?;
            progress.answered(server, took);
        }
        drop((waiting, progress));
        if let Some(storage) = self.address(Server::Storage) {
            devstack::make_bucket(&http, storage, PROJECT, BUCKET).await?;
        }
        Ok(())
    }

    async fn find_and_start(&mut self, logs: &Path) -> Result<(), CliError> {
        let guard = std::env::current_exe()
            .map_err(|why| CliError::Failed(format!("darkroom does not find its own program: {why}")))?;
        let mut starting = Vec::new();
        for server in Server::ALL.into_iter().filter(|server| is_built_in(*server)) {
            let (guard, logs) = (guard.clone(), logs.to_owned());
            starting.push(spawn_blocking(move || start(server, &guard, &logs)));
        }
        let mut first_error = None;
        // All of them, also when one fails: what was started must be known to be ended.
        for started in starting {
            match started.await {
                Ok(Ok(Ok(running))) => self.running.push(running),
                Ok(Ok(Err(missing))) => self.missing.push(missing),
                Ok(Err(error)) => first_error = first_error.or(Some(error.into())),
                Err(why) => first_error = first_error.or(Some(CliError::Failed(format!("starting broke: {why}")))),
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    /// Where that server listens, if it runs.
    pub fn address(&self, server: Server) -> Option<SocketAddr> {
        self.running.iter().find(|running| running.server() == server).map(Running::address)
    }

    /// Temporal's web page.
    pub fn page(&self) -> Option<String> {
        self.running.iter().find_map(Running::page)
    }

    /// The next server that ended by itself and was not told yet. Cancel-safe.
    pub async fn lost(&mut self) -> ServerError {
        loop {
            for server in &mut self.running {
                if !self.told.contains(&server.server())
                    && let Some(error) = server.has_ended()
                {
                    self.told.insert(server.server());
                    return error;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Writes into the log where Temporal's web page is and what becomes of servers, for as long as it is polled.
    pub async fn watch_and_log(&mut self) -> Infallible {
        // The console takes the log over first.
        tokio::time::sleep(LOOK_EVERY).await;
        if let Some(page) = self.page() {
            tracing::info!("Temporal's web page: {page}");
        }
        loop {
            let error = self.lost().await;
            tracing::error!("{error}");
        }
    }

    /// Ends all servers; returns when they are gone.
    pub async fn stop(self) {
        if self.running.is_empty() {
            return;
        }
        devstack::stop_all(self.running).await;
        output::note("all servers are stopped");
    }
}

async fn ready<'a>(server: &'a mut Running, http: &reqwest::Client) -> Result<(&'a Running, Duration), ServerError> {
    let took = server.ready(http).await?;
    Ok((server, took))
}

/// Whether this build of darkroom has a use for that server.
fn is_built_in(server: Server) -> bool {
    match server {
        Server::Firestore => cfg!(feature = "firestore"),
        Server::Storage => cfg!(feature = "gcs"),
        Server::Temporal => cfg!(feature = "temporal"),
    }
}

/// Blocks: `gcloud` may be asked, and the guard starts.
fn start(server: Server, guard: &Path, logs: &Path) -> Result<Result<Running, Missing>, ServerError> {
    let program: PathBuf = match Places::of_this_process().find(server) {
        Ok(program) => program,
        Err(missing) => return Ok(Err(missing)),
    };
    let launch = Launch::new(server, program).map_err(|why| ServerError::NotStarted { server, why })?;
    Running::start(launch, guard, logs).map(Ok)
}

/// What a person sees while servers start: a line for each that answers, and who is waited for.
struct Progress {
    bar: ProgressBar,
    waited_for: Vec<Server>,
}

impl Progress {
    fn new(servers: impl Iterator<Item = Server>) -> Self {
        // Drawn on standard error, and only where that is a terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            bar.set_style(style);
        }
        let progress = Self { bar, waited_for: servers.collect() };
        if !progress.waited_for.is_empty() {
            progress.bar.enable_steady_tick(Duration::from_millis(100));
            progress.show();
        }
        progress
    }

    fn show(&self) {
        let names: Vec<String> = self.waited_for.iter().map(Server::to_string).collect();
        self.bar.set_message(format!("waiting for {}", names.join(", ")));
    }

    fn answered(&mut self, server: &Running, took: Duration) {
        self.waited_for.retain(|waited| *waited != server.server());
        let page = server.page().map_or(String::new(), |page| format!(", its web page at {page}"));
        let line =
            format!("the {} answers at {} after {:.1} s{page}", server.server(), server.address(), took.as_secs_f32());
        self.bar.suspend(|| output::note(&line));
        self.show();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
