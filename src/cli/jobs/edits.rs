//! `darkroom jobs tag` and `darkroom jobs clone`.

use clap::Args;

use super::actions::{JobCommandContext, TargetArgs, logs};
use crate::cli::Session;
use crate::cli::error::CliError;
use crate::engine::{BulkAction, SpecEdit, TagEdit};

/// Jobs to tag
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("edit").required(true).multiple(true))]
pub struct TagArgs {
    #[command(flatten)]
    pub target: TargetArgs,
    /// Tag to add; may be repeated
    #[arg(long, value_name = "WORD", group = "edit")]
    pub add: Vec<String>,
    /// Tag to remove; may be repeated
    #[arg(long, value_name = "WORD", group = "edit")]
    pub remove: Vec<String>,
}

/// Jobs to clone
#[derive(Debug, Args)]
pub struct CloneArgs {
    #[command(flatten)]
    pub target: TargetArgs,
    /// What the clones change: model=flux-2-max, seed= (a random one), prompt='{prompt}, at night', tags='night -draft'
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub edits: Vec<String>,
}

/// Adds and removes tags.
pub async fn tag(session: &Session, args: &TagArgs) -> Result<(), CliError> {
    let _logging = logs(session);
    let edit = TagEdit::of_tags(&args.add, &args.remove).map_err(CliError::Usage)?;
    let mut context = JobCommandContext::open(session, &args.target, BulkAction::Tag(edit)).await?;
    let outcome = context.apply().await?;
    context.report(session, outcome, "tagged").await
}

/// Creates clones.
pub async fn clone(session: &Session, args: &CloneArgs) -> Result<(), CliError> {
    let _logging = logs(session);
    let edit = SpecEdit::of_pairs(&args.edits).map_err(CliError::Usage)?;
    let action = BulkAction::Clone { edit, simulated: session.config.is_simulated() };
    let mut context = JobCommandContext::open(session, &args.target, action).await?;
    let outcome = context.apply().await?;
    if outcome.succeeded.is_empty() && outcome.rejected.is_empty() {
        return Err(CliError::Failed("no job was cloned".to_owned()));
    }
    context.report(session, outcome, "cloned").await
}
