//! Owns what may be undone: a job goes back only where nothing has happened to it since. Must not save.

use chrono::{DateTime, Utc};

use super::Action;
use crate::jobs::{Job, Stage, StageName};

/// Puts `job` back to what it was before `action`; one line why not, where something happened since.
pub(super) fn restore(action: Action, job: &mut Job, old: &Job, now: DateTime<Utc>) -> Result<(), String> {
    let refusal = |what: &str| Err(format!("{what}; it stays as it is"));
    match action {
        Action::Submitted | Action::Undone => refusal("this cannot be undone"),
        Action::Hidden => {
            job.hidden = false;
            Ok(())
        }
        Action::Approved => job.unapprove(now).map_err(|illegal| illegal.to_string()),
        Action::Cancelled => match job.stage {
            // A queued job goes back to the queue, one that was generating goes back to its ticket: nothing is paid twice.
            Stage::Cancelled => {
                put_back(job, old, now);
                Ok(())
            }
            _ => refusal(&format!("it is {} by now", job.stage_name())),
        },
        Action::Retried => {
            let untouched =
                job.attempt().is_none_or(|attempt| attempt.receipt.is_none() || old.attempt() == Some(attempt));
            match job.stage_name() {
                StageName::Queued if untouched && job.claim.is_none() => {
                    put_back(job, old, now);
                    Ok(())
                }
                stage => refusal(&format!("it is {stage} by now")),
            }
        }
    }
}

fn put_back(job: &mut Job, old: &Job, now: DateTime<Utc>) {
    let revision = job.revision;
    *job = old.clone();
    job.revision = revision;
    job.claim = None;
    job.updated_at = now;
}
