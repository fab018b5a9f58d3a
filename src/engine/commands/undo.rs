//! Undo: a job is restored only if nothing has happened to it since.

use chrono::{DateTime, Utc};

use super::changes;
use crate::engine::{CommandKind, TagEdit};
use crate::jobs::{IllegalTransition, Job, Review, StageName};

/// Restores `job` to what it was before the command `kind` (which made `edit` of its tags); one line why not, if something has happened
/// since.
pub(super) fn restore(
    kind: CommandKind,
    edit: Option<&TagEdit>,
    job: &mut Job,
    old: &Job,
    now: DateTime<Utc>,
) -> Result<(), String> {
    let rejected = |reason: &str| Err(format!("cannot undo: {reason}"));
    match kind {
        CommandKind::Submitted | CommandKind::Undone | CommandKind::Resolved => rejected("this command has no undo"),
        CommandKind::Tagged => {
            if matches!(job.stage_name(), StageName::Submitting | StageName::Generating) {
                return rejected(&format!("it is {} now", job.stage_name()));
            }
            if !edit.is_some_and(|edit| edit.has_left(&job.tags, &old.tags)) {
                return rejected("its tags were changed since");
            }
            job.tags.clone_from(&old.tags);
            Ok(())
        }
        CommandKind::Hidden if !job.hidden => rejected("it is not hidden now"),
        CommandKind::Hidden => {
            job.hidden = false;
            Ok(())
        }
        CommandKind::Approved | CommandKind::ImagesRejected => {
            restore_review(kind, job, old, now).map_err(|illegal| illegal.to_string())
        }
        // A cancelled job returns to the queue, or to its ticket if it was generating: nothing is paid twice.
        CommandKind::Cancelled | CommandKind::Retried => {
            let is_left = match job.stage_name() {
                StageName::Cancelled => kind == CommandKind::Cancelled,
                StageName::Queued => kind == CommandKind::Retried && job.claim.is_none(),
                _ => false,
            };
            if !is_left {
                return rejected(&format!("it is {} now", job.stage_name()));
            }
            if let Some(why) = change_since(kind, job, old) {
                return rejected(why);
            }
            replace(job, old, now);
            Ok(())
        }
    }
}

/// What has happened to the job since the command, beyond what the command itself does: `replace` would lose it. What a worker noted
/// on a queued job that is held counts as nothing.
fn change_since(kind: CommandKind, job: &Job, old: &Job) -> Option<&'static str> {
    if !has_same_charges(job, old) {
        return Some("it was retried in the meantime");
    }
    if job.tags != old.tags {
        return Some("its tags were changed since");
    }
    if job.hidden != old.hidden {
        return Some(if job.hidden { "it was hidden since" } else { "it was shown again since" });
    }
    if job.spec != old.spec {
        return Some("its request was changed since");
    }
    let mut left = old.clone();
    let changed = match kind {
        CommandKind::Cancelled => changes::cancel(&mut left, job.updated_at),
        _ => changes::retry(&mut left, job.updated_at),
    };
    let is_left = changed.is_ok()
        && match (left.attempts.split_last(), job.attempts.split_last()) {
            (Some((left, before)), Some((current, earlier))) if kind == CommandKind::Retried => {
                left.number == current.number
                    && left.resolution == current.resolution
                    && changes::has_same_attempts(before, earlier)
            }
            _ => changes::has_same_attempts(&left.attempts, &job.attempts),
        };
    (!is_left).then_some("it changed since")
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
