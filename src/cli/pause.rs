//! `darkroom pause` and `darkroom resume`: whether the workers of the store start jobs.

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use super::Session;
use super::error::CliError;
use super::operator::{operator, operator_here};
use crate::engine::Pause;
use crate::wiring;

/// Let no worker of the store start a job; jobs under way continue
#[derive(Debug, Args)]
pub struct PauseArgs {
    /// Why, for everyone who asks why nothing starts
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// The answer of both commands.
#[derive(Debug, Serialize)]
struct View {
    paused: bool,
    by: Option<String>,
    since: Option<DateTime<Utc>>,
    reason: Option<String>,
}

impl View {
    fn of(pause: Option<Pause>) -> Self {
        let paused = pause.is_some();
        let (by, since, reason) =
            pause.map_or((None, None, None), |pause| (Some(pause.by), Some(pause.since), pause.reason));
        Self { paused, by, since, reason }
    }
}

/// Pauses the intake of all workers.
pub async fn pause(session: &Session, args: &PauseArgs) -> Result<(), CliError> {
    let store = wiring::open_store_for_changes(&session.config).await?;
    let now = Utc::now();
    let pause = Pause::set(store.as_ref(), &operator(), args.reason.as_deref(), now).await?;
    operator_here().record(store.as_ref(), "pause", &[], args.reason.as_deref(), now).await;
    let line = pause.line(now);
    session.output.answer(&View::of(Some(pause)), || {
        format!(
            "intake {line}\nworkers start no new jobs; jobs under way continue; `darkroom resume` starts jobs again"
        )
    })
}

/// Lets the workers start jobs again.
pub async fn resume(session: &Session) -> Result<(), CliError> {
    let store = wiring::open_store_for_changes(&session.config).await?;
    Pause::clear(store.as_ref(), &operator(), Utc::now()).await?;
    operator_here().record(store.as_ref(), "resume", &[], None, Utc::now()).await;
    session.output.answer(&View::of(None), || "intake open: workers start jobs again".to_owned())
}
