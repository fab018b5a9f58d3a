//! `darkroom guard-server`: the watchdog process of one server of `darkroom dev`. It reads no configuration.

use std::ffi::OsString;

use clap::Args;

use super::error::CliError;
use crate::devstack;

/// Internal: watchdog of a server
#[derive(Debug, Args)]
pub struct GuardArgs {
    /// Program of the server, and its arguments
    #[arg(last = true, required = true)]
    pub command: Vec<OsString>,
}

/// Runs the server until it exits or standard input closes.
pub fn run(args: &GuardArgs) -> Result<(), CliError> {
    let success =
        devstack::watchdog(&args.command).map_err(|why| CliError::Failed(format!("cannot start the server: {why}")))?;
    if success { Ok(()) } else { Err(CliError::AlreadyReported) }
}
