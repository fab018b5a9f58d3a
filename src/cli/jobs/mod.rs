//! `darkroom jobs`: list, show, retry, cancel, approve, reject, hide, unhide, tag, clone. It needs no provider and runs no job.

mod actions;
mod edits;
mod list;
mod show;

pub(super) use actions::confirm_plan;
use clap::{Args, Subcommand};

use super::Session;
use super::error::CliError;

/// List, show, retry, cancel, approve, reject, hide, unhide, tag and clone jobs
#[derive(Debug, Args)]
pub struct JobsArgs {
    #[command(subcommand)]
    pub command: Option<JobsCommand>,
}

/// Actions on jobs.
#[derive(Debug, Subcommand)]
pub enum JobsCommand {
    /// List jobs, newest first
    List(list::ListArgs),
    /// Show one job with its steps, attempts and costs
    Show(show::ShowArgs),
    /// Retry jobs; an old task that may still produce its image is checked before anything is paid again
    Retry(actions::RetryArgs),
    /// Cancel queued or running jobs
    Cancel(actions::TargetArgs),
    /// Approve finished jobs
    Approve(actions::TargetArgs),
    /// Reject the images of finished jobs; nothing is deleted, other programs still see a job that waits for its review
    Reject(actions::TargetArgs),
    /// Hide finished jobs; nothing is deleted, and `list --hidden` still shows them
    Hide(actions::TargetArgs),
    /// Show hidden jobs again
    Unhide(actions::TargetArgs),
    /// Add and remove tags
    Tag(edits::TagArgs),
    /// Create jobs like others, with edits
    Clone(edits::CloneArgs),
}

impl Default for JobsCommand {
    fn default() -> Self {
        Self::List(list::ListArgs::default())
    }
}

/// Runs the action.
pub async fn run(session: &Session, command: JobsCommand) -> Result<(), CliError> {
    match command {
        JobsCommand::List(args) => list::run(session, &args).await,
        JobsCommand::Show(args) => show::run(session, &args).await,
        JobsCommand::Retry(args) => actions::retry(session, &args).await,
        JobsCommand::Cancel(args) => actions::cancel(session, &args).await,
        JobsCommand::Approve(args) => actions::approve(session, &args).await,
        JobsCommand::Reject(args) => actions::reject(session, &args).await,
        JobsCommand::Hide(args) => actions::hide(session, &args).await,
        JobsCommand::Unhide(args) => actions::unhide(session, &args).await,
        JobsCommand::Tag(args) => edits::tag(session, &args).await,
        JobsCommand::Clone(args) => edits::clone(session, &args).await,
    }
}
