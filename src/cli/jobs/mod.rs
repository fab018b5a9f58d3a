//! `darkroom jobs`: list, show, retry, cancel, approve, hide, unhide. Must not run a job, and needs no provider.

mod act;
mod list;
mod show;

use clap::{Args, Subcommand};

use super::Session;
use super::error::CliError;

/// List jobs, look at one, retry, cancel, approve, hide
#[derive(Debug, Args)]
pub struct JobsArgs {
    #[command(subcommand)]
    pub command: Option<JobsCommand>,
}

/// What to do with jobs.
#[derive(Debug, Subcommand)]
pub enum JobsCommand {
    /// Jobs, newest first
    List(list::ListArgs),
    /// One job with its steps, attempts and costs
    Show(show::ShowArgs),
    /// Try jobs once more; a ticket that may still live is asked before anything is paid again
    Retry(act::RetryArgs),
    /// Stop jobs that are queued or running
    Cancel(act::IdArgs),
    /// Mark finished jobs as good
    Approve(act::IdArgs),
    /// Put ended jobs out of sight; nothing is deleted, and `list --hidden` still shows them
    Hide(act::IdArgs),
    /// Bring back what was put out of sight
    Unhide(act::IdArgs),
}

impl Default for JobsCommand {
    fn default() -> Self {
        Self::List(list::ListArgs::default())
    }
}

/// Runs one of them.
pub async fn run(session: &Session, command: JobsCommand) -> Result<(), CliError> {
    match command {
        JobsCommand::List(args) => list::run(session, &args).await,
        JobsCommand::Show(args) => show::run(session, &args).await,
        JobsCommand::Retry(args) => act::retry(session, &args).await,
        JobsCommand::Cancel(args) => act::cancel(session, &args).await,
        JobsCommand::Approve(args) => act::approve(session, &args).await,
        JobsCommand::Hide(args) => act::hide(session, &args).await,
        JobsCommand::Unhide(args) => act::unhide(session, &args).await,
    }
}
