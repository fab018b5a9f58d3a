//! Owns the one simulator that all processes on a data directory share, at one address.
//!
//! Every process stands by: whoever holds the directory's lock serves, the others use it, and when the server's process
//! dies another takes over within a quarter of a second, with the same tickets (they are in the ledger), bill and address. The
//! port is chosen once and kept in `simulator.json`. If a foreign program holds it (nobody of ours can: whoever holds the lock
//! is the one who binds), another port is chosen and written down; links and polling URLs of tickets from before then lead to
//! the foreign program and those tickets are lost to whoever waits for them. Options are those of whoever serves.

mod address;
mod keeper;

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use super::errors::SimulatorError;
use super::ledger::identity;
use super::options::SimulatorOptions;
use super::server::canonical;
use keeper::Keeper;

/// How long a start may take: reading a long bill, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often somebody who waits for an answer asks again.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// This process's share in the simulator of a directory. Dropping it ends it here; another process takes over.
#[derive(Debug)]
pub struct SharedSimulator {
    /// Where it answered first.
    first: Url,
    state: watch::Receiver<State>,
    /// Ends the keeper when it is dropped.
    stop: DropGuard,
    keeper: tokio::task::JoinHandle<()>,
}

/// What the keeper knows.
#[derive(Debug, Clone, Default)]
struct State {
    /// Where the simulator of this directory is, as far as anybody said.
    url: Option<Url>,
    /// Why this process cannot serve.
    trouble: Option<String>,
}

/// Joins the simulator of a directory, or becomes it. Returns when it answers.
///
/// `options.directory` and the port of `options.listen` are not used.
///
/// # Errors
/// When the directory cannot be used, or nobody answers in time.
pub async fn shared(directory: &Path, options: SimulatorOptions) -> Result<SharedSimulator, SimulatorError> {
    std::fs::create_dir_all(directory)
        .map_err(|source| SimulatorError::Directory { directory: directory.to_owned(), source })?;
    let directory = canonical(directory)?;
    let stop = CancellationToken::new();
    let (told, mut state) = watch::channel(State::default());
    let keeper = Keeper::new(directory.clone(), options, told, stop.clone());
    let keeper = tokio::spawn(keeper.keep());
    let stop = stop.drop_guard();
    let first = answers(&mut state, &directory).await?;
    Ok(SharedSimulator { first, state, stop, keeper })
}

impl SharedSimulator {
    /// Where orders go. It changes only when a foreign program took the port while nobody served.
    pub fn base_url(&self) -> Url {
        self.state.borrow().url.clone().unwrap_or_else(|| self.first.clone())
    }

    /// Ends this process's share; when it returns, ports and directory are free for another.
    pub async fn shutdown(self) {
        drop(self.stop);
        // A keeper ends with nothing to report.
        _ = self.keeper.await;
    }
}

/// Waits until the directory's simulator answers, and tells where.
async fn answers(state: &mut watch::Receiver<State>, directory: &Path) -> Result<Url, SimulatorError> {
    let identity = identity(directory);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let State { url, trouble } = state.borrow_and_update().clone();
        if let Some(url) = url
            && address::is_ours(&url, &identity).await
        {
            return Ok(url);
        }
        if trouble.is_some() || Instant::now() > deadline {
            let trouble = trouble.map(|trouble| format!(": {trouble}")).unwrap_or_default();
            return Err(SimulatorError::NoAnswer { directory: directory.to_owned(), trouble });
        }
        // Whichever comes first: news from the keeper, or time to ask again.
        _ = tokio::time::timeout(ASK_AGAIN, state.changed()).await;
    }
}
