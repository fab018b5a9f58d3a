//! When jobs that a cap holds are tried again: after the caps changed, after money was released, at a start, and once an hour.
//!
//! A try costs reads, and a write where the cap still holds the job. So each occasion tries the oldest job of each model; a job that
//! goes on lets the next ones be tried, twice as many each time, and one that is held again ends it. Nothing is tried at rest.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::ChangedJobs;
use crate::jobs::{Hold, Job, JobId, StageName};

/// When held jobs are tried although nothing was reported: a report may have been missed.
const RETRY_INTERVAL: Duration = Duration::from_hours(1);

/// Shortest time between two tries because of released money: each search for held jobs reads the queue.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Jobs of one model that are tried together at most.
const MAX_TRIES: usize = 64;

/// When the next try is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NextTry {
    None,
    /// Not before [`MIN_INTERVAL`].
    Soon,
    Now,
}

/// Which held jobs are tried.
pub(super) struct HeldJobs {
    /// Whether there may be held jobs.
    may_exist: bool,
    next: NextTry,
    /// Jobs of each model that are tried next.
    tries: usize,
    /// The jobs that are being tried.
    tried: HashSet<JobId>,
    has_succeeded: bool,
    tried_at: Instant,
}

impl HeldJobs {
    /// All held jobs are tried at the start.
    pub(super) fn new() -> Self {
        Self {
            may_exist: true,
            next: NextTry::Now,
            tries: 1,
            tried: HashSet::new(),
            has_succeeded: false,
            tried_at: Instant::now(),
        }
    }

    /// Money was released: held jobs may fit now.
    fn wake(&mut self) {
        self.want(NextTry::Soon);
        self.tries = 1;
    }

    fn want(&mut self, next: NextTry) {
        if self.next != NextTry::Now {
            self.next = next;
        }
    }

    /// The caps were changed, or the intake was opened: there may be held jobs that this process does not know.
    pub(super) fn wake_all(&mut self) {
        self.may_exist = true;
        self.tried.clear();
        self.next = NextTry::Now;
        self.tries = 1;
    }

    pub(super) fn on_jobs_changed(&mut self, changed: &ChangedJobs) {
        for job in changed {
            if is_held(job) {
                self.may_exist = true;
                self.tried.remove(&job.id);
            } else if job.stage_name() != StageName::Queued && self.tried.remove(&job.id) {
                self.has_succeeded = true;
            } else if !matches!(job.stage_name(), StageName::Queued | StageName::Submitting) {
                // Its reservation became a charge, or was released.
                self.wake();
            }
        }
        self.continue_tries();
    }

    /// A run has ended, whether or not its save was reported. One that finished its job released money, or showed that there is room.
    pub(super) fn on_run_finished(&mut self, id: &JobId, has_finished_job: bool) {
        let was_tried = self.tried.remove(id);
        if has_finished_job && was_tried {
            self.has_succeeded = true;
        } else if has_finished_job {
            self.wake();
        }
        self.continue_tries();
    }

    /// The job was picked, and is not run after all.
    pub(super) fn forget(&mut self, id: &JobId) {
        if self.tried.remove(id) {
            self.want(NextTry::Soon);
        }
    }

    fn continue_tries(&mut self) {
        if self.tried.is_empty() && std::mem::take(&mut self.has_succeeded) {
            self.next = NextTry::Now;
            self.tries = (self.tries * 2).min(MAX_TRIES);
        }
    }

    /// Whether held jobs are to be tried now.
    pub(super) fn are_wanted(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.tried_at);
        if elapsed >= RETRY_INTERVAL {
            self.wake_all();
        }
        let is_due = match self.next {
            NextTry::None => false,
            NextTry::Soon => elapsed >= MIN_INTERVAL,
            NextTry::Now => true,
        };
        self.may_exist && is_due && self.tried.is_empty()
    }

    /// Whether no try is wanted or under way.
    pub(super) fn are_settled(&self) -> bool {
        self.next == NextTry::None && self.tried.is_empty()
    }

    /// The jobs to try among all queued ones, oldest first.
    pub(super) fn pick(&mut self, queued: Vec<Job>, now: Instant) -> Vec<Job> {
        self.tried_at = now;
        self.next = NextTry::None;
        self.may_exist = queued.iter().any(is_held);
        let mut of_model: HashMap<String, usize> = HashMap::new();
        let picked = queued.into_iter().filter(|job| {
            let count = of_model.entry(job.spec.model.clone()).or_default();
            *count += usize::from(is_held(job));
            is_held(job) && *count <= self.tries
        });
        let picked: Vec<Job> = picked.collect();
        self.tried.extend(picked.iter().map(|job| job.id.clone()));
        picked
    }
}

/// Whether a cap holds the job.
pub(super) fn is_held(job: &Job) -> bool {
    matches!(job.hold(), Some(Hold::Budget { .. }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::{DateTime, Utc};

    use super::*;
    use crate::jobs::Spec;

    fn noon() -> DateTime<Utc> {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn held(number: usize, model: &str) -> Job {
        let mut job = Job::new(JobId::new(format!("job-{number}")).unwrap(), Spec::new(model, "a fox"), true, noon());
        let hold = Hold::Budget { period: "day".to_owned(), model: None, over: None };
        job.set_hold(Some(hold), None, noon()).unwrap();
        job
    }

    fn submitted(job: &Job) -> Arc<Job> {
        let mut job = job.clone();
        let claim = crate::jobs::Claim { worker: crate::jobs::WorkerId::new("w"), until: noon() };
        job.begin_submit(claim, None, noon()).unwrap();
        Arc::new(job)
    }

    #[tokio::test]
    async fn held_jobs_are_tried_in_growing_numbers() {
        let now = Instant::now();
        let mut jobs: Vec<Job> = (0..20).map(|number| held(number, "flux-dev")).collect();
        jobs.push(held(20, "flux-2-pro"));
        let mut held_jobs = HeldJobs::new();
        assert!(held_jobs.are_wanted(now));
        let first = held_jobs.pick(jobs.clone(), now);
        assert_eq!(first.len(), 2, "one of each model");
        assert!(!held_jobs.are_wanted(now), "until these are decided");
        // The cheaper one fits, the other does not.
        held_jobs.on_jobs_changed(&vec![Arc::new(first[0].clone())]);
        held_jobs.on_jobs_changed(&vec![submitted(&first[1])]);
        assert!(held_jobs.are_wanted(now));
        let second = held_jobs.pick(jobs.clone(), now);
        assert_eq!(second.iter().filter(|job| job.spec.model == "flux-dev").count(), 2);
        for job in &second {
            held_jobs.on_jobs_changed(&vec![Arc::new(job.clone())]);
        }
        assert!(!held_jobs.are_wanted(now), "all are held again: nothing is tried at rest");
        assert!(!held_jobs.are_wanted(now + Duration::from_mins(59)));
        assert!(held_jobs.are_wanted(now + RETRY_INTERVAL));
    }

    #[tokio::test]
    async fn released_money_wakes_only_where_jobs_are_held() {
        let now = Instant::now();
        let mut held_jobs = HeldJobs::new();
        assert!(held_jobs.pick(Vec::new(), now).is_empty());
        let mut done = Job::new(JobId::new("done").unwrap(), Spec::new("flux-dev", "a fox"), true, noon());
        done.cancel(noon()).unwrap();
        held_jobs.on_jobs_changed(&vec![Arc::new(done.clone())]);
        assert!(!held_jobs.are_wanted(now), "no job is held");
        held_jobs.on_jobs_changed(&vec![Arc::new(held(1, "flux-dev"))]);
        held_jobs.on_jobs_changed(&vec![Arc::new(done)]);
        assert!(!held_jobs.are_wanted(now), "not at once");
        assert!(held_jobs.are_wanted(now + MIN_INTERVAL));
        // A report that was lost does not end the tries.
        held_jobs.pick(vec![held(1, "flux-dev")], now);
        let later = now + MIN_INTERVAL;
        held_jobs.wake();
        assert!(!held_jobs.are_wanted(later));
        held_jobs.on_run_finished(&JobId::new("job-1").unwrap(), false);
        assert!(held_jobs.are_wanted(later));
        // Until a run that finished its job is reported, too, the other ones are not settled.
        held_jobs.pick(vec![held(1, "flux-dev"), held(2, "flux-dev")], now);
        assert!(!held_jobs.are_settled());
        held_jobs.on_run_finished(&JobId::new("job-1").unwrap(), true);
        assert!(!held_jobs.are_settled() && held_jobs.are_wanted(now), "there is room");
        held_jobs.pick(vec![held(2, "flux-dev")], now);
        held_jobs.on_run_finished(&JobId::new("job-2").unwrap(), false);
        assert!(held_jobs.are_settled(), "it is held again");
        held_jobs.on_run_finished(&JobId::new("done").unwrap(), true);
        assert!(!held_jobs.are_settled() && held_jobs.are_wanted(later), "its reservation was released");
        // Neither does a job that is not run after all.
        held_jobs.pick(vec![held(1, "flux-dev")], now);
        held_jobs.forget(&JobId::new("job-1").unwrap());
        assert!(held_jobs.are_wanted(later));
    }
}
