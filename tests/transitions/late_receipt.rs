//! A receipt that arrives while a retry of its request is being sent: its ticket is polled before anything is paid again.

use darkroom::costs::Basis;
use darkroom::jobs::{BillingStatus, FailureCode, Hold, Job, RetryKind, StageName};

use super::{claim, failure, now, receipt, submitting, usd};

/// A job whose second attempt is being sent when the receipt of its first one arrives.
fn retried_with_late_receipt() -> Job {
    let mut job = submitting();
    job.mark_submit_unknown("no answer", now()).unwrap();
    assert_eq!(job.retry(now()), Ok(RetryKind::NewAttempt));
    job.begin_submit(claim(), Some(usd("0.03")), now()).unwrap();
    assert!(job.apply_late_receipt(1, receipt(Some("3")), Some(usd("0.03")), now()));
    assert_eq!(job.stage_name(), StageName::Submitting, "the second request may be in flight");
    job
}

/// It waits for the image of its first request, and nothing else is charged or reserved.
fn assert_polls_first(job: &Job) {
    assert_eq!(job.stage_name(), StageName::Generating);
    assert_eq!((job.attempt_number(), job.attempts.len()), (1, 1));
    assert_eq!((job.cost(), job.cost_basis()), (Some(usd("0.03")), Some(Basis::Quoted)));
    assert_eq!((job.reservation(), job.not_before, job.claim.clone()), (None, None, None));
}

#[test]
fn unaccepted_retry_polls_the_late_ticket() {
    let mut job = retried_with_late_receipt();
    job.requeue(Hold::RateLimit, now(), now()).unwrap();
    assert_polls_first(&job);
}

#[test]
fn retry_of_refused_one_polls_late_ticket() {
    let mut job = retried_with_late_receipt();
    job.reject_by_provider(failure(FailureCode::RequestModerated, BillingStatus::No), now()).unwrap();
    assert_eq!((job.stage_name(), job.attempt_number()), (StageName::Failed, 2));
    assert_eq!(job.retry(now()), Ok(RetryKind::OldTicket), "it costs nothing");
    assert_polls_first(&job);
}

#[test]
fn accepted_retry_keeps_the_late_charge() {
    let mut job = retried_with_late_receipt();
    let mut second = receipt(Some("3"));
    second.ticket.id = "t2".into();
    job.accept(second, Some(usd("0.03")), now()).unwrap();
    assert_eq!((job.stage_name(), job.attempt_number()), (StageName::Generating, 2));
    assert_eq!(job.cost(), Some(usd("0.06")), "both were billed");
}
