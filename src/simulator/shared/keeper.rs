//! Owns the task that stands by for a directory's simulator: takes the lock when it is free, serves, and tells the address.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::State;
use super::address::{Address, candidates};
use crate::simulator::errors::SimulatorError;
use crate::simulator::options::SimulatorOptions;
use crate::simulator::server::{Running, bind, lock, start, url_of};

/// How often somebody who stands by tries the lock.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// How often the port that is written down is tried before another is chosen: a dying process may hold it for a moment.
const OLD_PORT_TRIES: usize = 10;

/// The task's state.
pub(super) struct Keeper {
    directory: PathBuf,
    options: SimulatorOptions,
    told: watch::Sender<State>,
    stop: CancellationToken,
}

impl Keeper {
    pub fn new(
        directory: PathBuf,
        options: SimulatorOptions,
        told: watch::Sender<State>,
        stop: CancellationToken,
    ) -> Self {
        Self { options: SimulatorOptions { directory: Some(directory.clone()), ..options }, directory, told, stop }
    }

    /// Stands by and serves until it is told to stop.
    pub async fn keep(self) {
        while !self.stop.is_cancelled() {
            let tried = tokio::select! { () = self.stop.cancelled() => return, tried = self.serve_if_free() => tried };
            match tried {
                Ok(Some(mut running)) => {
                    tokio::select! { () = self.stop.cancelled() => {}, () = running.ended() => {} }
                    running.shutdown().await;
                }
                Ok(None) => self.look_up(),
                Err(error) => self.tell_trouble(&error),
            }
            tokio::select! { () = self.stop.cancelled() => {}, () = tokio::time::sleep(TRY_AGAIN) => {} }
        }
    }

    /// Serves, unless another does.
    async fn serve_if_free(&self) -> Result<Option<Running>, SimulatorError> {
        match lock(&self.directory)? {
            None => Ok(None),
            Some(lock) => self.serve(lock).await.map(Some),
        }
    }

    async fn serve(&self, lock: File) -> Result<Running, SimulatorError> {
        let (address, listeners) = self.bind().await?;
        let running = start(self.options.clone(), Some(lock), listeners).await?;
        tracing::info!(url = %address.url, "this process serves the FLUX simulator");
        self.tell(address.url);
        Ok(running)
    }

    /// The port that is written down, or the first free pair, which is then written down.
    async fn bind(&self) -> Result<(Address, (TcpListener, TcpListener)), SimulatorError> {
        let known = Address::read(&self.directory).and_then(|address| address.port());
        if let Some(port) = known {
            for _ in 0..OLD_PORT_TRIES {
                if let Ok(listeners) = bind(self.at(port)).await {
                    return Ok((self.write_down(port)?, listeners));
                }
                tokio::time::sleep(TRY_AGAIN).await;
            }
            tracing::warn!(port, "another program holds the FLUX simulator's port; choosing another");
        }
        for port in candidates(&self.directory).filter(|port| Some(*port) != known) {
            if let Ok(listeners) = bind(self.at(port)).await {
                return Ok((self.write_down(port)?, listeners));
            }
        }
        Err(SimulatorError::NoPort)
    }

    fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.options.listen.ip(), port)
    }

    fn write_down(&self, port: u16) -> Result<Address, SimulatorError> {
        let address = Address { url: url_of(self.at(port))? };
        if Address::read(&self.directory).as_ref() != Some(&address) {
            address
                .write(&self.directory)
                .map_err(|source| SimulatorError::Directory { directory: self.directory.clone(), source })?;
        }
        Ok(address)
    }

    /// Learns from the file where the others have it.
    fn look_up(&self) {
        if let Some(address) = Address::read(&self.directory) {
            self.tell(address.url);
        }
    }

    fn tell_trouble(&self, error: &SimulatorError) {
        let trouble = Some(error.to_string());
        let news = self.told.send_if_modified(|state| {
            let news = state.trouble != trouble;
            state.trouble = trouble;
            news
        });
        if news {
            tracing::warn!(%error, "this process cannot serve the FLUX simulator");
        }
    }

    fn tell(&self, url: Url) {
        self.told.send_if_modified(|state| {
            let news = state.url.as_ref() != Some(&url) || state.trouble.is_some();
            *state = State { url: Some(url), trouble: None };
            news
        });
    }
}
