//! `darkroom audit`: what operators did on this store.

use chrono::SecondsFormat;
use clap::Args;

use super::error::CliError;
use super::{Session, resolve_id, table};
use crate::engine::{AccountTasks, AuditEntry};
use crate::store::{Ownership, Store, StoreError, StoreSettings};
use crate::text::{format, sanitize_line};
use crate::transfer::import::{ImportBatch, list_batches};
use crate::wiring;

/// Show what operators did: who, when, from where
#[derive(Debug, Args)]
#[command(
    after_help = "It covers commands on jobs, pause, resume and prune, changes of the caps, imports and their undo, and, as far as the \
                  store keeps them, the last change of the task limit and the takeover. Submits of other programs are not included."
)]
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
    let mut entries = AuditEntry::newest(store.as_ref(), args.limit, job.as_ref()).await?;
    if job.is_none() {
        entries.extend(other_records(store.as_ref(), args.limit).await?);
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        entries.truncate(args.limit);
    }
    session.output.answer(&entries, || text(&entries))
}

/// What the store keeps with author and time beside the commands: caps, imports, the task limit and the takeover.
async fn other_records(store: &dyn Store, limit: usize) -> Result<Vec<AuditEntry>, CliError> {
    let mut entries = Vec::new();
    for record in readable(store.budget_history(limit).await)?.unwrap_or_default() {
        // A console changes caps as well; the record does not name the program.
        entries.push(entry(record.at, &record.by, "", "budget", Some(&record.change)));
    }
    for batch in readable(list_batches(store).await)?.unwrap_or_default() {
        entries.push(entry(batch.at, &batch.by, "cli", "import", Some(&imported(&batch))));
        if let (Some(at), Some(by)) = (batch.undone_at, &batch.undone_by) {
            entries.push(entry(at, by, "cli", "import undo", Some(&batch.id)));
        }
    }
    if let Some(tasks) = readable(AccountTasks::read(store).await)?.flatten() {
        let limit = tasks.limit.map_or_else(|| "clear".to_owned(), |limit| format!("set {limit}"));
        entries.push(entry(tasks.at, &tasks.by, "cli", "tasks", Some(&limit)));
    }
    let settings = store.shared_record(StoreSettings::KIND, StoreSettings::ID).await?;
    let owner = settings.and_then(|record| StoreSettings::parse(&record).ok()?.ownership);
    if let Some(owner) = owner.filter(|owner| owner.how == Ownership::TAKEOVER) {
        entries.push(entry(owner.at, &owner.by, "cli", "takeover", None));
    }
    Ok(entries)
}

/// A record that cannot be read hides no other one; the commands of its own report it. Errors: the store does not respond.
fn readable<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(StoreError::Unusable(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn entry(at: chrono::DateTime<chrono::Utc>, by: &str, from: &str, action: &str, note: Option<&str>) -> AuditEntry {
    AuditEntry {
        at,
        by: sanitize_line(by, 120),
        from: from.to_owned(),
        action: action.to_owned(),
        count: 0,
        jobs: Vec::new(),
        note: note.map(|note| sanitize_line(note, 200)),
    }
}

/// `20261129-101204-8f3a: 12 jobs and 143 costs of old.csv`.
fn imported(batch: &ImportBatch) -> String {
    let (jobs, costs) = (format::count(batch.jobs, "job"), format::count(batch.costs, "cost"));
    format!("{}: {jobs} and {costs} of {}", batch.id, sanitize_line(&batch.file, 80))
}

fn text(entries: &[AuditEntry]) -> String {
    if entries.is_empty() {
        return "No recorded commands.".to_owned();
    }
    let rows = entries.iter().map(|entry| {
        let jobs = match (entry.count, entry.jobs.as_slice()) {
            (0, _) => String::new(),
            (1, [job]) => job.clone(),
            (count, _) => format::count(count, "job"),
        };
        let note = entry.note.clone().unwrap_or_default();
        let from = if entry.from.is_empty() { "-".to_owned() } else { entry.from.clone() };
        let at = entry.at.to_rfc3339_opts(SecondsFormat::Secs, true);
        vec![at, entry.by.clone(), from, entry.action.clone(), jobs, note]
    });
    table::plain(&["TIME", "WHO", "FROM", "COMMAND", "JOBS", "NOTE"], &[], rows)
}
