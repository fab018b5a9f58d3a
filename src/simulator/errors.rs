use std::net::SocketAddr;
use std::path::PathBuf;

use super::ledger::LedgerError;

/// Why a simulator cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The address is taken or not ours.
    #[error("the simulator cannot listen on {address}: {source}")]
    Listen {
        /// What was requested.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The port after the API's, where the cluster belongs, does not exist.
    #[error("port {0} leaves no room for the simulator's second port, which is the next one")]
    NoSecondPort(u16),
    /// The directory cannot be used.
    #[error(
        "the simulator cannot use {directory}: {source}; check its permissions and free space, or pass another --data-dir"
    )]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Another process serves this directory.
    #[error("another simulator already serves {0}")]
    Busy(PathBuf),
    /// Tickets and bill cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Every port that could be tried is taken by other programs.
    #[error("no free pair of ports between 20000 and 30000 was found")]
    NoPort,
    /// Another process serves this directory, or should, and does not respond.
    #[error("the simulator of {directory} does not respond{trouble}")]
    NoAnswer {
        /// The directory.
        directory: PathBuf,
        /// The last thing that went wrong, after `: `; empty when nothing did.
        trouble: String,
    },
}
