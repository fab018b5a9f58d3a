//! `darkroom guard-server`: what `darkroom dev` starts each server with. Must not read a configuration.

use std::ffi::OsString;

use clap::Args;

use super::error::CliError;
use crate::devstack;

/// The guard of a server
#[derive(Debug, Args)]
pub struct GuardArgs {
    /// The server's program and its arguments
    #[arg(last = true, required = true)]
    pub command: Vec<OsString>,
}

/// Runs the server until it ends or standard input closes.
pub fn run(args: &GuardArgs) -> Result<(), CliError> {
    let ended = devstack::guard(&args.command).map_err(|why| CliError::Failed(format!("cannot be started: {why}")))?;
    if ended { Ok(()) } else { Err(CliError::Said) }
}
