//! Undo: a job is restored only if nothing has happened to it since.

use chrono::{DateTime, Utc};

use crate::engine::CommandKind;
use crate::jobs::{IllegalTransition, Job, Review, Stage, StageName};

/// Restores `job` to what it was before the command `kind`; one line why not, if something has happened since.
pub(super) fn restore(kind: CommandKind, job: &mut Job, old: &Job, now: DateTime<Utc>) -> Result<(), String> {
    let rejected = |reason: &str| Err(format!("cannot undo: {reason}"));
    match kind {
        CommandKind::Submitted | CommandKind::Undone | CommandKind::Resolved => rejected("this command has no undo"),
        CommandKind::Tagged => {
            if matches!(job.stage_name(), StageName::Submitting | StageName::Generating) {
                return rejected(&format!("it is {} now", job.stage_name()));
            }
            job.tags.clone_from(&old.tags);
            Ok(())
        }
        CommandKind::Hidden => {
            job.hidden = false;
            Ok(())
        }
        CommandKind::Approved | CommandKind::ImagesRejected => {
            restore_review(kind, job, old, now).map_err(|illegal| illegal.to_string())
        }
        CommandKind::Cancelled => match job.stage {
            // A queued job returns to the queue, one that was generating to its ticket: nothing is paid twice.
            Stage::Cancelled if !has_same_charges(job, old) => rejected("it was retried in the meantime"),
            Stage::Cancelled => {
                replace(job, old, now);
                Ok(())
            }
            _ => rejected(&format!("it is {} now", job.stage_name())),
        },
        CommandKind::Retried => match job.stage_name() {
            StageName::Queued if !has_same_charges(job, old) => rejected("it was retried in the meantime"),
            StageName::Queued if job.claim.is_none() => {
                replace(job, old, now);
                Ok(())
            }
            stage => rejected(&format!("it is {stage} now")),
        },
    }
}

fn restore_review(kind: CommandKind, job: &mut Job, old: &Job, now: DateTime<Utc>) -> Result<(), IllegalTransition> {
    if kind == CommandKind::Approved {
        job.unapprove(now)?;
    } else {
        job.withdraw_rejection(now)?;
    }
    match old.review() {
        Some(Review::Approved) => job.approve(now),
        Some(Review::Rejected) => job.reject_image(now),
        _ => Ok(()),
    }
}

/// Whether returning to `old` loses no receipt and no charge: a late undo may find attempts that `old` does not have, or that
/// were submitted since.
fn has_same_charges(job: &Job, old: &Job) -> bool {
    job.attempts.iter().enumerate().all(|(index, attempt)| match old.attempts.get(index) {
        Some(before) => {
            (&before.receipt, &before.charge, &before.storage_charge)
                == (&attempt.receipt, &attempt.charge, &attempt.storage_charge)
        }
        None => attempt.receipt.is_none() && attempt.charge.is_none() && attempt.storage_charge.is_none(),
    })
}

fn replace(job: &mut Job, old: &Job, now: DateTime<Utc>) {
    let revision = job.revision;
    *job = old.clone();
    job.revision = revision;
    job.claim = None;
    job.updated_at = now;
}
