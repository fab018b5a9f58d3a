//! Owns what may be undone: a job goes back only where nothing has happened to it since. Must not save.

use chrono::{DateTime, Utc};

use super::CommandKind;
use crate::jobs::{Job, Stage, StageName};

/// Puts `job` back to what it was before `action`; one line why not, where something happened since.
pub(super) fn restore(action: CommandKind, job: &mut Job, old: &Job, now: DateTime<Utc>) -> Result<(), String> {
    let refusal = |what: &str| Err(format!("{what}; it stays as it is"));
    match action {
        CommandKind::Submitted | CommandKind::Undone => refusal("this cannot be undone"),
        CommandKind::Hidden => {
            job.hidden = false;
            Ok(())
        }
        CommandKind::Approved => job.unapprove(now).map_err(|illegal| illegal.to_string()),
        CommandKind::Cancelled => match job.stage {
            // A queued job goes back to the queue, one that was generating goes back to its ticket: nothing is paid twice.
            Stage::Cancelled if !same_money(job, old) => refusal("it was tried again in between"),
            Stage::Cancelled => {
                put_back(job, old, now);
                Ok(())
            }
            _ => refusal(&format!("it is {} by now", job.stage_name())),
        },
        CommandKind::Retried => match job.stage_name() {
            StageName::Queued if !same_money(job, old) => refusal("it was tried again in between"),
            StageName::Queued if job.claim.is_none() => {
                put_back(job, old, now);
                Ok(())
            }
            stage => refusal(&format!("it is {stage} by now")),
        },
    }
}

/// Whether going back to `old` forgets no acceptance and no charge: an undo that comes late finds attempts that `old` does not
/// know, or that were ordered since.
fn same_money(job: &Job, old: &Job) -> bool {
    job.attempts.iter().enumerate().all(|(index, attempt)| match old.attempts.get(index) {
        Some(known) => {
            (&known.receipt, &known.charge, &known.storage_charge)
                == (&attempt.receipt, &attempt.charge, &attempt.storage_charge)
        }
        None => attempt.receipt.is_none() && attempt.charge.is_none() && attempt.storage_charge.is_none(),
    })
}

fn put_back(job: &mut Job, old: &Job, now: DateTime<Utc>) {
    let revision = job.revision;
    *job = old.clone();
    job.revision = revision;
    job.claim = None;
    job.updated_at = now;
}
