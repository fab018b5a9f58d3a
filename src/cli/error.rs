//! Errors of commands: the line for standard error and the exit code.

use std::io;

use crate::config::ConfigError;
use crate::devstack::ServerError;
use crate::engine::local::WorkerLockError;
use crate::store::StoreError;
use crate::telemetry::metrics::MetricsError;
use crate::wiring::WiringError;

/// Exit code of a failure.
pub const FAILED: u8 = 1;
/// Exit code of invalid usage, an invalid configuration included.
pub const USAGE: u8 = 2;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Invalid usage.
    #[error("{0}")]
    Usage(String),
    /// The command failed.
    #[error("{0}")]
    Failed(String),
    /// The command failed and has reported why.
    #[error("failed")]
    AlreadyReported,
    /// The result cannot be written.
    #[error("cannot write output: {0}")]
    Output(io::Error),
}

impl CliError {
    /// The line for standard error; `None` where nothing is left to report.
    pub fn line(&self) -> Option<String> {
        match self {
            Self::AlreadyReported => None,
            Self::Output(error) if is_closed_pipe(error) => None,
            other => Some(other.to_string()),
        }
    }

    /// The exit code of the process. A closed pipe (`| head`) is not a failure.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Output(error) if is_closed_pipe(error) => 0,
            Self::Failed(_) | Self::AlreadyReported | Self::Output(_) => FAILED,
        }
    }
}

fn is_closed_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<WorkerLockError> for CliError {
    fn from(error: WorkerLockError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<ServerError> for CliError {
    fn from(error: ServerError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<MetricsError> for CliError {
    fn from(error: MetricsError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<WiringError> for CliError {
    fn from(error: WiringError) -> Self {
        match error {
            WiringError::Config(error) => error.into(),
            WiringError::Fault(_) => Self::Usage(error.to_string()),
            #[cfg(feature = "temporal")]
            WiringError::Temporal(_) => Self::Usage(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}
