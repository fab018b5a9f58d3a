//! `darkroom audit`: what operators did on this store.

use chrono::SecondsFormat;
use clap::Args;

use super::error::CliError;
use super::{Session, resolve_id, table};
use crate::engine::AuditEntry;
use crate::text::format;
use crate::wiring;

/// Show what operators did: who, when, from where
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Only commands that changed the job with this id, or with an unambiguous beginning of it
    #[arg(long, value_name = "ID")]
    pub job: Option<String>,
    /// At most the N newest commands are read
    #[arg(long, short = 'n', value_name = "N", default_value_t = 200)]
    pub limit: usize,
}

/// Prints the records, newest first.
pub async fn run(session: &Session, args: &AuditArgs) -> Result<(), CliError> {
    let store = wiring::open_store(&session.config).await?;
    let job = match &args.job {
        Some(text) => Some(resolve_id::job(store.as_ref(), text).await?),
        None => None,
    };
    let entries = AuditEntry::newest(store.as_ref(), args.limit, job.as_ref()).await?;
    session.output.answer(&entries, || text(&entries))
}

fn text(entries: &[AuditEntry]) -> String {
    if entries.is_empty() {
        return "No recorded commands.".to_owned();
    }
    let rows = entries.iter().map(|entry| {
        let jobs = match (entry.count, entry.jobs.as_slice()) {
            (0, _) => String::new(),
            (1, [job]) => job.clone(),
            (count, _) => format::count(usize::try_from(count).unwrap_or(usize::MAX), "job"),
        };
        let note = entry.note.clone().unwrap_or_default();
        let at = entry.at.to_rfc3339_opts(SecondsFormat::Secs, true);
        vec![at, entry.by.clone(), entry.from.clone(), entry.action.clone(), jobs, note]
    });
    table::plain(&["TIME", "WHO", "FROM", "COMMAND", "JOBS", "NOTE"], &[], rows)
}
