//! Owns how a command ends badly: the one line for a person, and the exit code. Must not print it.

use std::io;

use crate::config::ConfigError;
use crate::devstack::ServerError;
use crate::engine::local::WorkerLockError;
use crate::store::StoreError;
use crate::telemetry::metrics::MetricsError;
use crate::wiring::WiringError;

/// The exit code of something that failed.
pub const FAILED: u8 = 1;
/// The exit code of wrong usage, a wrong configuration included.
pub const USAGE: u8 = 2;

/// How a command ends badly.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// It was asked for wrongly.
    #[error("{0}")]
    Usage(String),
    /// It was asked for rightly and did not succeed.
    #[error("{0}")]
    Failed(String),
    /// It did not succeed, and everything was said already.
    #[error("failed")]
    Said,
    /// Standard output does not take the answer.
    #[error("cannot write the answer: {0}")]
    Output(io::Error),
}

impl CliError {
    /// The line for standard error, if there is anything left to say.
    pub fn line(&self) -> Option<String> {
        match self {
            Self::Said => None,
            Self::Output(error) if is_gone(error) => None,
            other => Some(other.to_string()),
        }
    }

    /// The process's exit code. A reader that has seen enough (`| head`) is no failure.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Output(error) if is_gone(error) => 0,
            Self::Failed(_) | Self::Said | Self::Output(_) => FAILED,
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
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
