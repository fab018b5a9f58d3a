//! What is charged, when, and what a retry polls before it pays again.

use chrono::{DateTime, TimeDelta, Utc};
use darkroom::catalog::Catalog;
use darkroom::costs::{Basis, Credits, Usd};
use darkroom::engine::Settings;
use darkroom::jobs::{
    BillingStatus, Claim, Failure, FailureCode, Hold, Job, JobId, Receipt, RetryKind, Spec, StageName, Ticket, WorkerId,
};
use darkroom::simulator::Speed;
use darkroom::store::{DueQuery, Store};

use super::harness::{WorkflowHarness, within};
use crate::support::ledger_check;

fn late_evening() -> DateTime<Utc> {
    "2026-11-27T23:59:00Z".parse().unwrap()
}

fn queued_job() -> Job {
    Job::new(JobId::new("job").unwrap(), Spec::new("flux-dev", "a fox"), true, late_evening())
}

fn claim(now: DateTime<Utc>) -> Claim {
    Claim { worker: WorkerId::new("worker"), until: now + TimeDelta::minutes(2) }
}

fn generating_job(polling_url: &str) -> Job {
    let (mut job, now) = (queued_job(), late_evening());
    let ticket = Ticket { id: "1".to_owned(), polling_url: polling_url.to_owned() };
    let receipt = Receipt { ticket, cost: None, input_megapixels: None, output_megapixels: None, accepted_at: now };
    job.begin_submit(claim(now), None, now).unwrap();
    job.accept(receipt, Some("0.03".parse::<Usd>().unwrap()), now).unwrap();
    job
}

fn failure(code: FailureCode, billed: BillingStatus) -> Failure {
    Failure::new(code, "reason", billed, late_evening())
}

#[test]
fn unconfirmed_charge_is_dated_by_its_own_submit() {
    let (mut job, first) = (queued_job(), late_evening());
    let second = first + TimeDelta::minutes(2);
    job.begin_submit(claim(first), None, first).unwrap();
    job.requeue(Hold::RateLimit, first, first).unwrap();
    job.begin_submit(claim(second), None, second).unwrap();
    job.mark_submit_unknown("no reply", second).unwrap();
    let charge = job.attempt().unwrap().charge.as_ref().unwrap();
    assert_eq!((charge.basis, charge.at), (Basis::Unconfirmed, second), "the second submit is on the next day");
}

#[test]
fn settled_charge_survives_a_lost_ticket() {
    let mut job = generating_job("https://api.bfl.ai/v1/get_result?id=1");
    let cost: Credits = serde_json::from_str("\"3\"").unwrap();
    job.fail(failure(FailureCode::SampleExpired, BillingStatus::Yes), Some(cost), late_evening()).unwrap();
    assert_eq!(job.retry(late_evening()).unwrap(), RetryKind::OldTicket);
    job.fail(failure(FailureCode::TicketLost, BillingStatus::Unknown), None, late_evening()).unwrap();
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Failed, 1));
    let charge = job.attempts[0].charge.as_ref().unwrap();
    assert_eq!((charge.basis, charge.amount.unwrap().to_string().as_str()), (Basis::Settled, "0.03"));
}

#[test]
fn retry_polls_ticket_not_seen_in_a_final_state() {
    let url = "https://api.bfl.ai/v1/get_result?id=1";
    for (code, id, url, kind) in [
        (FailureCode::TicketLost, "1", url, RetryKind::OldTicket),
        (FailureCode::UntrustedHost, "1", "https://elsewhere.example/1", RetryKind::OldTicket),
        // The configured host is asked by the id.
        (FailureCode::TicketLost, "1", "", RetryKind::OldTicket),
        (FailureCode::TicketLost, "", "", RetryKind::NewAttempt),
        (FailureCode::RequestModerated, "1", url, RetryKind::NewAttempt),
        (FailureCode::ProviderError, "1", url, RetryKind::NewAttempt),
    ] {
        let mut job = generating_job(url);
        job.attempts[0].receipt.as_mut().unwrap().ticket.id = id.to_owned();
        job.fail(failure(code, BillingStatus::Unknown), None, late_evening()).unwrap();
        assert_eq!(job.retry_kind().unwrap(), kind, "{} {id} {url}", code.as_str());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_link_is_retried_until_it_expires() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("a fox").await;
    harness.provider.reject_downloads(3);
    harness.work().await;
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Done, 1));
    assert_eq!(ledger_check::check(&harness.env, 1), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_obeyed_after_a_crash() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("[sim:poll-503]").await;
    let worker = harness.run_due("crashing", &harness.provider).await;
    let not_before = within("the requested delay", async {
        loop {
            let job = harness.job(&id).await;
            if let Some(at) = job.not_before.filter(|_| job.stage_name() == StageName::Generating) {
                return at;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    worker.abort();
    let due = async |now| {
        let dead_workers = vec![WorkerId::new("crashing")];
        let query = DueQuery { now, simulated: true, queued: true, dead_workers, limit: 1 };
        harness.store.due(query).await.unwrap().len()
    };
    assert_eq!(due(not_before - TimeDelta::milliseconds(1)).await, 0, "not before the requested time");
    assert_eq!(due(not_before + TimeDelta::milliseconds(1)).await, 1);
}

/// What a submit of unpublished price sets aside must not fall back to a guess when the reply names no price: a second job would then
/// pass a cap that the first one has used up.
#[tokio::test(flavor = "multi_thread")]
async fn silent_reply_keeps_the_upper_bound_charged() {
    let harness = WorkflowHarness::new(Speed::Times(0.1)).await;
    harness.provider.hide_quotes();
    // The server chooses the size.
    let spec = Spec::new("flux-2-pro", "a fox");
    let estimate = Catalog::builtin().estimate(&spec);
    let (likely, at_most) = (estimate.amount.unwrap(), estimate.at_most.unwrap());
    assert!(at_most > likely, "{estimate:?}");
    let id = harness.submit_spec(spec).await;
    let mut engine = harness.engine(Settings::default());
    engine.until_stage(&id, StageName::Generating).await;
    engine.stop().await;
    let job = harness.job(&id).await;
    let charge = job.attempt().unwrap().charge.clone().unwrap();
    assert_eq!((charge.basis, charge.amount), (Basis::Estimated, Some(at_most)));
    harness.simulated_clock.forward(300);
    harness.work().await;
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), job.cost_basis()), (StageName::Done, Some(Basis::Settled)));
    assert_eq!(job.cost(), Some(likely), "settled at what the provider really charged");
}

/// Another worker may be given the job before the requested time, by a Temporal server for example.
#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_obeyed_by_the_next_worker() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("[sim:poll-503]").await;
    let worker = harness.run_due("crashing", &harness.provider).await;
    let requested = within("the requested delay", async {
        loop {
            let job = harness.job(&id).await;
            if job.stage_name() == StageName::Generating && job.not_before.is_some() {
                return job;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    worker.abort();
    let _ = worker.await;
    let polled_before = harness.provider.checks().len();
    let not_before = requested.not_before.unwrap();
    harness.run_job("next", requested).await.unwrap();
    assert_eq!(harness.job(&id).await.stage_name(), StageName::Done);
    let checks = harness.provider.checks().split_off(polled_before);
    assert!(!checks.is_empty() && checks.iter().all(|at| *at >= not_before), "{checks:?} before {not_before}");
}
