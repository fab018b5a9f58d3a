//! What each command changes on one job. Errors: one line why it does not apply.

use chrono::{DateTime, Utc};

use crate::engine::{BulkAction, TagEdit};
use crate::jobs::{Attempt, Job, Review, StageName};

/// One line why a job is not changed.
type Change = Result<(), String>;

/// What a bulk action changes on each of its jobs. Clones and undos do not change a job by a rule.
pub(super) fn of_action(action: &BulkAction, job: &mut Job, now: DateTime<Utc>) -> Change {
    match action {
        BulkAction::Retry => retry(job, now),
        BulkAction::Cancel => cancel(job, now),
        BulkAction::Approve => approve(job, now),
        BulkAction::Reject => reject_image(job, now),
        BulkAction::Hide => hide(job, now),
        BulkAction::Unhide => unhide(job, now),
        BulkAction::Tag(edit) => tag(edit, job),
        BulkAction::Clone { .. } | BulkAction::Undo { .. } | BulkAction::Mark => Err("nothing to change".to_owned()),
    }
}

/// Whether `job` is what the action leaves of `old`.
pub(super) fn is_left_by(action: &BulkAction, old: &Job, job: &Job) -> bool {
    let mut left = old.clone();
    of_action(action, &mut left, job.updated_at).is_ok()
        && (left.stage_name(), left.review(), left.hidden, &left.tags, &left.spec)
            == (job.stage_name(), job.review(), job.hidden, &job.tags, &job.spec)
        && has_same_attempts(&left.attempts, &job.attempts)
}

/// Whether nothing was done in these attempts that was not done in the others. Times are left out: a store may round them.
pub(super) fn has_same_attempts(left: &[Attempt], right: &[Attempt]) -> bool {
    let steps = |attempt: &Attempt| attempt.steps.iter().map(|step| (step.name, step.tries)).collect::<Vec<_>>();
    let is_same = |(left, right): (&Attempt, &Attempt)| {
        (left.number, &left.spec, &left.receipt, &left.charge, &left.storage_charge, &left.resolution)
            == (right.number, &right.spec, &right.receipt, &right.charge, &right.storage_charge, &right.resolution)
            && (&left.outcome, left.failed_rechecks, left.recheck_first, left.image_rejected)
                == (&right.outcome, right.failed_rechecks, right.recheck_first, right.image_rejected)
            && steps(left) == steps(right)
    };
    left.len() == right.len() && left.iter().zip(right).all(is_same)
}

pub(super) fn retry(job: &mut Job, now: DateTime<Utc>) -> Change {
    job.retry(now).map(|_| ()).map_err(|illegal| illegal.to_string())
}

pub(super) fn cancel(job: &mut Job, now: DateTime<Utc>) -> Change {
    job.cancel(now).map_err(|illegal| illegal.to_string())
}

pub(super) fn approve(job: &mut Job, now: DateTime<Utc>) -> Change {
    job.approve(now).map_err(|illegal| illegal.to_string())
}

pub(super) fn reject_image(job: &mut Job, now: DateTime<Utc>) -> Change {
    if job.review() == Some(Review::Rejected) {
        return Err("it is already rejected".to_owned());
    }
    job.reject_image(now).map_err(|illegal| illegal.to_string())
}

pub(super) fn hide(job: &mut Job, _: DateTime<Utc>) -> Change {
    if job.hidden {
        return Err("it is already hidden".to_owned());
    }
    if job.stage_name().is_active() {
        return Err(format!("a job that is {} cannot be hidden; cancel it first", job.stage_name()));
    }
    job.hidden = true;
    Ok(())
}

pub(super) fn unhide(job: &mut Job, _: DateTime<Utc>) -> Change {
    if !job.hidden {
        return Err("it is not hidden".to_owned());
    }
    job.hidden = false;
    Ok(())
}

/// A job that a worker holds is not changed: its save must not fail while a request is in flight.
pub(super) fn tag(edit: &TagEdit, job: &mut Job) -> Change {
    if matches!(job.stage_name(), StageName::Submitting | StageName::Generating) {
        return Err(format!("it is {}; tag it when it has ended", job.stage_name()));
    }
    let tags = edit.applied_to(&job.tags)?;
    if tags == job.tags {
        return Err("it has these tags already".to_owned());
    }
    job.tags = tags;
    Ok(())
}
