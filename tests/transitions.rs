//! The stage machine as a table: every transition from every stage, and what it does to money.

mod late_receipt;
mod resolution;

use chrono::{DateTime, Duration, Utc};
use darkroom::costs::{Basis, Credits, Usd};
use darkroom::jobs::{
    AnsweredSubmit, BillingStatus, Claim, Failure, FailureCode, Hold, ImageFormat, Job, JobId, MAX_ATTEMPT_NUMBER,
    ObjectName, Receipt, RetryKind, Spec, StageName, StepName, StepState, StoredImage, Ticket, WorkerId,
};

fn now() -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

fn credits(text: &str) -> Credits {
    Credits::from_json(&serde_json::from_str(text).unwrap()).unwrap()
}

fn claim() -> Claim {
    Claim { worker: WorkerId::new("w"), until: now() + Duration::seconds(90) }
}

fn receipt(cost: Option<&str>) -> Receipt {
    Receipt {
        ticket: Ticket { id: "t".into(), polling_url: "https://api.eu2.bfl.ai/v1/get_result?id=t".into() },
        cost: cost.map(credits),
        input_megapixels: None,
        output_megapixels: None,
        accepted_at: now(),
    }
}

fn image(job: &Job) -> StoredImage {
    StoredImage {
        object: ObjectName::for_attempt(&job.id, job.attempt_number(), ImageFormat::Png),
        url: "file:///a.png".into(),
        format: ImageFormat::Png,
        width: 64,
        height: 64,
        bytes: 9,
        sha256: "00".into(),
    }
}

fn failure(code: FailureCode, billed: BillingStatus) -> Failure {
    Failure::new(code, "no", billed, now())
}

fn queued() -> Job {
    Job::new(JobId::new("j").unwrap(), Spec::new("flux-2-pro", "a fox"), true, now())
}

fn submitting() -> Job {
    let mut job = queued();
    job.begin_submit(claim(), Some(usd("0.03")), now()).unwrap();
    job
}

fn generating(cost: Option<&str>) -> Job {
    let mut job = submitting();
    job.accept(receipt(cost), Some(usd("0.03")), now()).unwrap();
    job
}

fn done() -> Job {
    let mut job = generating(Some("3"));
    job.complete(image(&job), Some(credits("3")), None, now()).unwrap();
    job
}

fn failed(code: FailureCode, billed: BillingStatus) -> Job {
    let mut job = generating(Some("3"));
    job.fail(failure(code, billed), None, now()).unwrap();
    job
}

fn in_stage(stage: StageName) -> Job {
    match stage {
        StageName::Queued => queued(),
        StageName::Submitting => submitting(),
        StageName::Generating => generating(Some("3")),
        StageName::Done => done(),
        StageName::Approved => {
            let mut job = done();
            job.approve(now()).unwrap();
            job
        }
        StageName::Failed => failed(FailureCode::ContentModerated, BillingStatus::Unknown),
        StageName::Cancelled => {
            let mut job = queued();
            job.cancel(now()).unwrap();
            job
        }
    }
}

type Move = fn(&mut Job) -> bool;
type Row = (&'static str, Move, &'static [(StageName, StageName)]);

#[test]
fn transitions_are_legal_only_from_their_stages() {
    use StageName::{Approved, Cancelled, Done, Failed, Generating, Queued, Submitting};
    let table: [Row; 14] = [
        ("begin_submit", |job| job.begin_submit(claim(), None, now()).is_ok(), &[(Queued, Submitting)]),
        ("not_accepted", |job| job.requeue(Hold::RateLimit, now(), now()).is_ok(), &[(Submitting, Queued)]),
        (
            "refused",
            |job| job.reject_by_provider(failure(FailureCode::InvalidRequest, BillingStatus::No), now()).is_ok(),
            &[(Submitting, Failed)],
        ),
        (
            "reject",
            |job| job.reject(failure(FailureCode::InvalidRequest, BillingStatus::No), now()).is_ok(),
            &[(Queued, Failed)],
        ),
        ("mark_submit_unknown", |job| job.mark_submit_unknown("lost", now()).is_ok(), &[(Submitting, Failed)]),
        ("accepted", |job| job.accept(receipt(None), None, now()).is_ok(), &[(Submitting, Generating)]),
        ("wait_until", |job| job.defer_until(now(), now()).is_ok(), &[(Generating, Generating)]),
        (
            "stored",
            |job| {
                let image = image(job);
                job.complete(image, None, None, now()).is_ok()
            },
            &[(Generating, Done)],
        ),
        (
            "fail",
            |job| job.fail(failure(FailureCode::TimedOut, BillingStatus::Yes), None, now()).is_ok(),
            &[(Generating, Failed)],
        ),
        ("cancel", |job| job.cancel(now()).is_ok(), &[(Queued, Cancelled), (Generating, Cancelled)]),
        ("approve", |job| job.approve(now()).is_ok(), &[(Done, Approved)]),
        ("reject_image", |job| job.reject_image(now()).is_ok(), &[(Done, Done), (Approved, Done)]),
        ("unapprove", |job| job.unapprove(now()).is_ok(), &[(Approved, Done)]),
        (
            "retry",
            |job| job.retry(now()).is_ok(),
            &[(Done, Queued), (Approved, Queued), (Failed, Queued), (Cancelled, Queued)],
        ),
    ];
    for (name, transition, allowed) in table {
        for from in StageName::ALL {
            let before = in_stage(from);
            let mut job = before.clone();
            let moved = transition(&mut job);
            if let Some((_, to)) = allowed.iter().find(|(allowed, _)| *allowed == from) {
                assert!(moved, "{name} must be allowed from {from}");
                assert_eq!(job.stage_name(), *to, "{name} from {from}");
            } else {
                assert!(!moved, "{name} must not be allowed from {from}");
                assert_eq!(job, before, "an illegal {name} from {from} must change nothing");
            }
        }
    }
}

#[test]
fn money_is_reserved_charged_then_settled() {
    let mut job = submitting();
    assert_eq!(job.attempt().unwrap().reserved, Some(usd("0.03")));
    assert_eq!(job.cost(), None, "a reservation is not a charge");
    job.accept(receipt(Some("4.5")), Some(usd("0.03")), now()).unwrap();
    assert_eq!(job.attempt().unwrap().reserved, None);
    assert_eq!((job.cost(), job.cost_basis()), (Some(usd("0.045")), Some(Basis::Quoted)), "the provider's price wins");
    job.complete(image(&job), Some(credits("4.4")), None, now()).unwrap();
    assert_eq!((job.cost(), job.cost_basis()), (Some(usd("0.044")), Some(Basis::Settled)));
}

#[test]
fn reply_without_price_charges_the_estimate() {
    let job = generating(None);
    assert_eq!((job.cost(), job.cost_basis()), (Some(usd("0.03")), Some(Basis::Estimated)));
    let mut unpriced = submitting();
    unpriced.accept(receipt(None), None, now()).unwrap();
    assert_eq!((unpriced.cost(), unpriced.cost_basis()), (None, Some(Basis::Unknown)));
}

#[test]
fn rejected_submit_costs_nothing() {
    for end in [
        |job: &mut Job| job.requeue(Hold::RateLimit, now(), now()),
        |job: &mut Job| job.reject_by_provider(failure(FailureCode::InvalidRequest, BillingStatus::No), now()),
    ] {
        let mut job = submitting();
        end(&mut job).unwrap();
        assert_eq!(job.charges().count(), 0);
        assert_eq!(job.attempt().unwrap().reserved, None);
        assert!(job.claim.is_none());
    }
}

#[test]
fn unknown_submit_is_unconfirmed() {
    let mut job = submitting();
    job.mark_submit_unknown("the worker died", now()).unwrap();
    let charge = job.attempt().unwrap().charge.clone().unwrap();
    assert_eq!((charge.basis, charge.amount), (Basis::Unconfirmed, Some(usd("0.03"))));
    assert_eq!(job.cost(), None, "unconfirmed money is in no total");
    assert_eq!(job.retry(now()).unwrap(), RetryKind::NewAttempt);
    assert_eq!(job.attempts.len(), 2);
    assert_eq!(job.attempts[0].charge.as_ref().unwrap().basis, Basis::Unconfirmed, "the old question stays open");
}

#[test]
fn late_receipt_confirms_the_charge() {
    let mut given_up = submitting();
    given_up.mark_submit_unknown("claim ran out", now()).unwrap();
    assert!(given_up.apply_late_receipt(1, receipt(Some("3")), None, now()));
    assert_eq!(given_up.stage_name(), StageName::Generating, "no operator had decided yet: the job continues");
    assert_eq!(given_up.cost_basis(), Some(Basis::Quoted));
    assert!(!given_up.apply_late_receipt(1, receipt(Some("3")), None, now()), "the same receipt twice changes nothing");

    // Another process saved the document while the submit was unanswered: the receipt is its reply.
    let mut under_way = submitting();
    assert!(under_way.apply_late_receipt(1, receipt(Some("3")), None, now()));
    assert_eq!((under_way.stage_name(), under_way.cost_basis()), (StageName::Generating, Some(Basis::Quoted)));

    let mut retried = submitting();
    retried.mark_submit_unknown("claim ran out", now()).unwrap();
    retried.retry(now()).unwrap();
    assert!(retried.apply_late_receipt(1, receipt(Some("3")), None, now()));
    assert_eq!((retried.stage_name(), retried.attempts.len()), (StageName::Generating, 1), "nothing is paid twice");
    assert_eq!(retried.cost(), Some(usd("0.03")));

    let mut sent = submitting();
    sent.mark_submit_unknown("claim ran out", now()).unwrap();
    sent.retry(now()).unwrap();
    sent.begin_submit(claim(), Some(usd("0.03")), now() + Duration::seconds(1)).unwrap();
    assert!(sent.apply_late_receipt(1, receipt(Some("3")), None, now()));
    assert_eq!(
        (sent.stage_name(), sent.attempts.len()),
        (StageName::Submitting, 2),
        "the new attempt is not disturbed"
    );

    let mut changed = submitting();
    changed.mark_submit_unknown("claim ran out", now()).unwrap();
    changed.resubmit_with(Spec::new("flux-2-pro", "another"), now()).unwrap();
    assert!(changed.apply_late_receipt(1, receipt(Some("3")), None, now()));
    assert_eq!((changed.stage_name(), changed.attempts.len()), (StageName::Queued, 2), "another image is requested");
}

#[test]
fn retry_checks_old_ticket_first() {
    for (code, kind) in [
        (FailureCode::TimedOut, RetryKind::OldTicket),
        (FailureCode::SampleExpired, RetryKind::OldTicket),
        (FailureCode::ImageCorrupt, RetryKind::OldTicket),
        (FailureCode::ContentModerated, RetryKind::NewAttempt),
        (FailureCode::ProviderError, RetryKind::NewAttempt),
        (FailureCode::TicketLost, RetryKind::OldTicket),
        (FailureCode::UntrustedHost, RetryKind::OldTicket),
    ] {
        let mut job = failed(code, BillingStatus::Yes);
        assert_eq!(job.retry(now()).unwrap(), kind, "{}", code.as_str());
        assert_eq!(job.charges().count(), 1, "a retry by itself books nothing");
    }
    let mut cancelled = generating(Some("3"));
    cancelled.cancel(now()).unwrap();
    assert_eq!(cancelled.retry(now()).unwrap(), RetryKind::OldTicket);
    let mut untouched = queued();
    untouched.cancel(now()).unwrap();
    assert_eq!(untouched.retry(now()).unwrap(), RetryKind::SameAttempt);
    assert_eq!(untouched.attempts.len(), 1);
}

#[test]
fn failed_free_check_submits_nothing() {
    let codes = [
        FailureCode::TimedOut,
        FailureCode::TicketLost,
        FailureCode::UntrustedHost,
        FailureCode::SampleExpired,
        FailureCode::ImageCorrupt,
        FailureCode::BucketRefused,
        FailureCode::Internal,
    ];
    for first in codes {
        for second in codes {
            let mut job = failed(first, BillingStatus::Yes);
            assert_eq!(job.retry(now()).unwrap(), RetryKind::OldTicket);
            job.fail(failure(second, BillingStatus::Unknown), None, now()).unwrap();
            assert_eq!((job.stage_name(), job.attempt_number()), (StageName::Failed, 1), "{first:?} {second:?}");
            assert_eq!(job.retry_kind().unwrap(), RetryKind::OldTicketThenNewAttempt, "the next one names a price");
        }
    }
}

#[test]
fn confirmed_retry_pays_only_for_a_dead_ticket() {
    use FailureCode::{
        BucketRefused, ContentModerated, ImageCorrupt, Internal, ProviderError, SampleExpired, TicketLost, TimedOut,
    };
    for (code, stage) in [
        (TicketLost, StageName::Queued),
        (TimedOut, StageName::Queued),
        (SampleExpired, StageName::Queued),
        (ImageCorrupt, StageName::Queued),
        (ProviderError, StageName::Queued),
        (ContentModerated, StageName::Failed),
        (BucketRefused, StageName::Failed),
        (Internal, StageName::Failed),
    ] {
        let mut job = failed(TimedOut, BillingStatus::Yes);
        job.retry(now()).unwrap();
        job.fail(failure(TimedOut, BillingStatus::Yes), None, now()).unwrap();
        assert_eq!(job.retry(now()).unwrap(), RetryKind::OldTicketThenNewAttempt);
        assert_eq!(job.stage_name(), StageName::Generating, "checked first");
        job.fail(failure(code, BillingStatus::Unknown), None, now()).unwrap();
        assert_eq!(job.stage_name(), stage, "{code:?}");
        assert_eq!(job.attempts.len(), if stage == StageName::Queued { 2 } else { 1 }, "{code:?}");
    }
}

#[test]
fn cancelled_check_proves_nothing() {
    let mut job = failed(FailureCode::TimedOut, BillingStatus::Yes);
    job.retry(now()).unwrap();
    job.cancel(now()).unwrap();
    assert_eq!(job.retry(now()).unwrap(), RetryKind::OldTicket);
}

#[test]
fn found_image_makes_the_charge_certain_again() {
    let mut job = failed(FailureCode::TicketLost, BillingStatus::Unknown);
    assert_eq!(job.cost_basis(), Some(Basis::Unknown));
    job.retry(now()).unwrap();
    job.complete(image(&job), None, None, now()).unwrap();
    assert_eq!((job.cost(), job.cost_basis()), (Some(usd("0.03")), Some(Basis::Quoted)));
}

#[test]
fn charge_of_a_reported_image_stays_certain() {
    let mut job = failed(FailureCode::SampleExpired, BillingStatus::Yes);
    job.retry(now()).unwrap();
    job.fail(failure(FailureCode::TicketLost, BillingStatus::Unknown), None, now()).unwrap();
    assert_eq!((job.cost(), job.cost_basis()), (Some(usd("0.03")), Some(Basis::Quoted)), "it had an image");
    let mut lost = failed(FailureCode::TimedOut, BillingStatus::Yes);
    lost.retry(now()).unwrap();
    lost.fail(failure(FailureCode::TicketLost, BillingStatus::Unknown), None, now()).unwrap();
    assert_eq!((lost.cost(), lost.cost_basis()), (None, Some(Basis::Unknown)), "it may have failed unbilled");
}

/// A receipt of the task with that id.
fn receipt_of(task: &str, cost: &str) -> Receipt {
    Receipt { ticket: Ticket { id: task.into(), ..receipt(None).ticket }, ..receipt(Some(cost)) }
}

/// The document as another program replaced it during a POST: its history begins again.
fn replaced(spec: &str) -> Job {
    Job { spec: Spec::new(spec, "a crow"), ..queued() }
}

#[test]
fn replaced_request_keeps_the_first_receipt() {
    let sent = submitting();
    let first = receipt_of("first", "3");
    let reply = AnsweredSubmit { job: &sent, receipt: &first, estimate: None };
    let mut job = replaced("flux-dev");
    assert!(job.apply_answered_submit(&reply, now()));
    assert_eq!((job.stage_name(), job.attempt_number()), (StageName::Queued, 2), "the new request is not answered");
    assert_eq!(job.attempts[0].charge.as_ref().unwrap().model, "flux-2-pro", "what was submitted");
    assert_eq!(job.spec_of(&job.attempts[0]).prompt, "a fox");
    assert!(!job.apply_answered_submit(&reply, now()), "once");
    job.begin_submit(claim(), Some(usd("0.025")), now() + Duration::seconds(9)).unwrap();
    job.accept(receipt_of("second", "2.5"), None, now() + Duration::seconds(9)).unwrap();
    assert_eq!(job.cost(), Some(usd("0.055")), "both are on the bill");
}

#[test]
fn replaced_request_in_flight_keeps_both() {
    for first_reply in [1, 2] {
        let (sent, mut job) = (submitting(), replaced("flux-dev"));
        job.begin_submit(claim(), Some(usd("0.025")), now() + Duration::seconds(1)).unwrap();
        let sent_again = job.clone();
        let (first, second) = (receipt_of("first", "3"), receipt_of("second", "2.5"));
        let mut replies = [
            AnsweredSubmit { job: &sent, receipt: &first, estimate: None },
            AnsweredSubmit { job: &sent_again, receipt: &second, estimate: None },
        ];
        if first_reply == 2 {
            replies.reverse();
        }
        for reply in &replies {
            assert!(job.apply_answered_submit(reply, now()));
        }
        let numbers: Vec<u32> = job.attempts.iter().map(|attempt| attempt.number).collect();
        assert_eq!((numbers, job.cost()), (vec![1, 2], Some(usd("0.055"))));
        assert_eq!(job.stage_name(), StageName::Generating);
        assert_eq!(job.attempt().unwrap().receipt.as_ref(), Some(&second), "its own image is awaited");
        assert!(replies.iter().all(|reply| !job.clone().apply_answered_submit(reply, now())), "each once");
    }
}

#[test]
fn moderated_charge_is_unknown_unless_priced() {
    let job = failed(FailureCode::ContentModerated, BillingStatus::Unknown);
    assert_eq!((job.cost(), job.cost_basis()), (None, Some(Basis::Unknown)));
    let mut settled = generating(Some("3"));
    settled.fail(failure(FailureCode::ContentModerated, BillingStatus::Unknown), Some(credits("0")), now()).unwrap();
    assert_eq!((settled.cost(), settled.cost_basis()), (Some(Usd::ZERO), Some(Basis::Settled)));
}

#[test]
fn steps_record_the_attempt() {
    let mut job = submitting();
    job.requeue(Hold::RetryAt { reason: "was 503".into() }, now(), now()).unwrap();
    job.begin_submit(claim(), None, now() + Duration::seconds(2)).unwrap();
    job.accept(receipt(None), None, now() + Duration::seconds(3)).unwrap();
    let submit = job.attempt().unwrap().step(StepName::Submit).unwrap();
    assert_eq!((submit.state, submit.tries), (StepState::Done, 2));
    assert_eq!(submit.started_at, now());
    assert!(submit.note.as_deref().unwrap().contains("was 503"));
}

#[test]
fn changed_spec_begins_new_attempt() {
    let mut job = done();
    job.resubmit_with(Spec::new("flux-dev", "a crow"), now()).unwrap();
    assert_eq!(job.spec_of(&job.attempts[0]).model, "flux-2-pro");
    assert_eq!(job.spec_of(&job.attempts[1]).model, "flux-dev");
    assert!(job.image().is_some(), "the earlier image is still there");
}

#[test]
fn storage_stays_reserved_until_image_is_stored() {
    let mut job = queued();
    job.reserve_storage(Some(usd("0.001")));
    assert_eq!(job.reservation(), None, "a queued job reserves nothing");
    job.begin_submit(claim(), Some(usd("0.03")), now()).unwrap();
    assert_eq!(job.reservation(), Some(usd("0.031")));
    job.accept(receipt(Some("3")), None, now()).unwrap();
    assert_eq!(job.reservation(), Some(usd("0.001")), "the provider's part is a charge now");
    let mut failed = job.clone();
    failed.fail(failure(FailureCode::ProviderError, BillingStatus::Unknown), None, now()).unwrap();
    assert_eq!((failed.reservation(), failed.attempts[0].storage_reserved), (None, None));
    job.complete(image(&job), None, None, now()).unwrap();
    assert_eq!((job.reservation(), job.attempts[0].storage_reserved), (None, None));
}

#[test]
fn unconfirmed_charge_is_dated_by_its_post() {
    let (before, after) = (now(), now() + Duration::hours(2));
    let mut job = queued();
    job.begin_submit(claim(), Some(usd("0.03")), before).unwrap();
    job.requeue(Hold::RateLimit, before, before).unwrap();
    job.begin_submit(claim(), Some(usd("0.03")), after).unwrap();
    // Any other write, such as another program's, may move this time.
    job.updated_at = after + Duration::hours(24);
    job.mark_submit_unknown("no answer", after + Duration::minutes(1)).unwrap();
    assert_eq!(job.attempts[0].charge.as_ref().unwrap().at, after);
}

#[test]
fn reply_after_midnight_keeps_the_reserved_day() {
    let midnight = DateTime::parse_from_rfc3339("2026-12-01T00:00:00Z").unwrap().to_utc();
    let (before, after) = (midnight - Duration::milliseconds(1), midnight + Duration::milliseconds(1));
    let mut job = queued();
    job.begin_submit(claim(), Some(usd("0.03")), before).unwrap();
    let mut late = job.clone();
    let reply = || Receipt { accepted_at: after, ..receipt(Some("3")) };

    job.accept(reply(), None, after).unwrap();
    assert_eq!(job.attempts[0].charge.as_ref().unwrap().at, before);
    late.mark_submit_unknown("claim ran out", after).unwrap();
    assert!(late.apply_late_receipt(1, reply(), None, after));
    assert_eq!(late.attempts[0].charge.as_ref().unwrap().at, before);
}

#[test]
fn settled_charge_stays_settled_after_a_failure() {
    let mut job = generating(Some("3"));
    job.fail(failure(FailureCode::SampleExpired, BillingStatus::Yes), Some(credits("3")), now()).unwrap();
    job.retry(now()).unwrap();
    job.fail(failure(FailureCode::TicketLost, BillingStatus::Unknown), None, now()).unwrap();
    let charge = job.attempts[0].charge.as_ref().unwrap();
    assert_eq!((charge.basis, charge.amount), (Basis::Settled, Some(usd("0.03"))));
}

#[test]
fn attempt_numbers_end_without_overflow() {
    for number in [MAX_ATTEMPT_NUMBER, u32::MAX] {
        let mut job = failed(FailureCode::ContentModerated, BillingStatus::Yes);
        job.attempts[0].number = number;
        let before = job.clone();
        assert!(job.retry(now()).is_err() && job.resubmit_with(job.spec.clone(), now()).is_err(), "{number}");
        assert_eq!(job, before);
        assert!(job.apply_late_receipt(number, receipt_of("late", "4"), None, now()), "a charge is never dropped");
    }
    let mut job = submitting();
    job.attempts[0].steps[0].tries = u32::MAX;
    (job.attempts[0].rejections, job.attempts[0].failed_rechecks) = (u32::MAX, u32::MAX);
    job.attempts[0].begin(StepName::Claim, now());
    job.requeue(Hold::RateLimit, now(), now()).unwrap();
    assert_eq!((job.attempts[0].rejections, job.attempts[0].steps[0].tries), (u32::MAX, u32::MAX));
}

#[test]
fn negative_reservation_makes_no_room() {
    let mut job = submitting();
    job.attempts[0].reserved = Some(usd("-1000"));
    job.attempts[0].storage_reserved = Some(usd("-1"));
    assert_eq!(job.reservation(), Some(Usd::ZERO));
    job.accept(receipt(None), None, now()).unwrap();
    assert_eq!(job.reservation(), Some(Usd::ZERO));
}

#[test]
fn far_receipt_has_a_deadline() {
    let mut job = submitting();
    let far: DateTime<Utc> = "+262142-12-31T23:59:59Z".parse().unwrap();
    job.accept(Receipt { accepted_at: far, ..receipt(None) }, None, now()).unwrap();
    assert!(job.rescue_deadline().is_some_and(|deadline| deadline >= far));
}
