//! `darkroom tasks`: how many unfinished tasks of the provider's account all workers of a store share.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::Session;
use super::error::CliError;
use super::operator::operator;
use crate::engine::AccountTasks;
use crate::jobs::StageName;
use crate::wiring;

/// Unfinished tasks of the provider's account that all workers of this store share
#[derive(Debug, Args)]
pub struct TasksArgs {
    /// Without one: show
    #[command(subcommand)]
    pub command: Option<TasksCommand>,
}

/// What to do with the limit.
#[derive(Debug, Subcommand)]
pub enum TasksCommand {
    /// Show the limit, who set it, and the tasks of now
    Show,
    /// Set the limit for every process on this store; they apply it within a minute
    Set(SetArgs),
    /// Remove the limit from the store: every process follows its own configuration
    Clear,
}

/// Set the limit
#[derive(Debug, Args)]
pub struct SetArgs {
    /// Unfinished tasks at once
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(1..=9_999))]
    pub limit: u32,
}

/// The answer of every `tasks` command.
#[derive(Debug, Serialize)]
struct View {
    /// What applies to this process.
    limit: u32,
    /// `store` or `configuration`.
    origin: &'static str,
    /// Jobs that are submitting or generating.
    unfinished: u64,
    set_by: Option<String>,
    set_at: Option<DateTime<Utc>>,
}

impl View {
    fn text(&self) -> String {
        let mut text =
            format!("{} of {} tasks in use; the limit is from the {}", self.unfinished, self.limit, self.origin);
        if let (Some(by), Some(at)) = (&self.set_by, self.set_at) {
            // Writing to a string cannot fail.
            let _ = write!(text, ", set by {by} at {}", at.to_rfc3339_opts(SecondsFormat::Secs, true));
        }
        text
    }
}

/// Shows or changes the limit, then prints it.
pub async fn run(session: &Session, args: &TasksArgs) -> Result<(), CliError> {
    let store = wiring::open_store(&session.config).await?;
    let limit = match &args.command {
        None | Some(TasksCommand::Show) => None,
        Some(TasksCommand::Set(set)) => Some(Some(set.limit)),
        Some(TasksCommand::Clear) => Some(None),
    };
    if let Some(limit) = limit {
        let (_guard, _) = super::start_logging(&session.config, super::ExtraSink::None);
        let by = operator();
        tracing::info!(by = %by, limit, "task limit changed");
        AccountTasks::change(store.as_ref(), limit, &by, Utc::now()).await?;
    }
    let stored = AccountTasks::read(store.as_ref()).await?.filter(|setting| setting.limit.is_some());
    let counts = store.counts().await?;
    let view = View {
        limit: stored.as_ref().and_then(|setting| setting.limit).unwrap_or(session.config.account_tasks),
        origin: if stored.is_some() { "store" } else { "configuration" },
        unfinished: counts.of(StageName::Submitting) + counts.of(StageName::Generating),
        set_by: stored.as_ref().map(|setting| setting.by.clone()),
        set_at: stored.as_ref().map(|setting| setting.at),
    };
    session.output.answer(&view, || view.text())
}
