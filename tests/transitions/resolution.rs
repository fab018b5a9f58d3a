//! Uncertain charges that an operator resolves, and what the provider reports afterwards: one charge for each attempt.

use darkroom::costs::{Basis, Usd};
use darkroom::jobs::{
    BillingAnswer, BillingStatus, Failure, FailureCode, Job, ResolveError, RetryKind, Stage, StageName,
};

use super::{claim, credits, failed, generating, image, now, receipt, submitting, usd};

const BY: &str = "ada@studio";

fn unconfirmed() -> Job {
    let mut job = submitting();
    job.mark_submit_unknown("no answer", now()).unwrap();
    job
}

fn charge(job: &Job) -> Option<(Option<Usd>, Basis)> {
    job.attempts[0].charge.as_ref().map(|charge| (charge.amount, charge.basis))
}

fn billed(job: &Job) -> BillingStatus {
    let Stage::Failed { failure } = &job.stage else { panic!("{:?}", job.stage) };
    failure.billed
}

#[test]
fn billed_answer_books_the_charge() {
    let mut job = unconfirmed();
    assert_eq!(job.resolve_charge(None, BillingAnswer::Billed(None), BY, now()), Ok(1));
    assert_eq!(charge(&job), Some((Some(usd("0.03")), Basis::Settled)));
    assert_eq!((job.cost(), billed(&job)), (Some(usd("0.03")), BillingStatus::Yes));
    let resolution = job.attempts[0].resolution.as_ref().unwrap();
    assert_eq!((resolution.by.as_str(), resolution.at, resolution.charge.basis), (BY, now(), Basis::Unconfirmed));
    let stored: Job = serde_json::from_str(&serde_json::to_string(&job).unwrap()).unwrap();
    assert_eq!(stored.attempts[0].resolution, job.attempts[0].resolution);
    let again = job.resolve_charge(None, BillingAnswer::NotBilled, "eve@studio", now());
    assert_eq!(again, Err(ResolveError::AlreadyResolved { attempt: 1, billed: true, by: BY.into() }));
}

#[test]
fn bill_amount_replaces_the_recorded_one() {
    let mut job = failed(FailureCode::ContentModerated, BillingStatus::Unknown);
    assert_eq!(charge(&job), Some((Some(usd("0.03")), Basis::Unknown)));
    for wrong in ["0", "-0.01", "1000000.01", "0.0000000000001"] {
        let answer = BillingAnswer::Billed(Some(usd(wrong)));
        assert_eq!(job.resolve_charge(None, answer, BY, now()), Err(ResolveError::InvalidAmount), "{wrong}");
    }
    job.resolve_charge(Some(1), BillingAnswer::Billed(Some(usd("0.015"))), BY, now()).unwrap();
    assert_eq!(charge(&job), Some((Some(usd("0.015")), Basis::Settled)));
}

#[test]
fn released_charge_is_removed() {
    let mut job = unconfirmed();
    job.resolve_charge(None, BillingAnswer::NotBilled, BY, now()).unwrap();
    assert_eq!((charge(&job), job.cost(), billed(&job)), (None, None, BillingStatus::No));
    // The first request may still be answered: the retry has a number of its own.
    assert_eq!(job.retry(now()), Ok(RetryKind::NewAttempt));
    job.begin_submit(claim(), Some(usd("0.03")), now()).unwrap();
    assert!(job.apply_late_receipt(1, receipt(Some("4")), None, now()));
    job.accept(receipt(Some("3")), None, now()).unwrap();
    assert_eq!(job.cost(), Some(usd("0.07")), "both requests were accepted");
}

#[test]
fn late_receipt_overrules_the_answer() {
    for (answer, cost, expected) in [
        (BillingAnswer::NotBilled, Some("4"), (usd("0.04"), Basis::Quoted)),
        (BillingAnswer::NotBilled, None, (usd("0.025"), Basis::Estimated)),
        (BillingAnswer::Billed(Some(usd("0.05"))), Some("4"), (usd("0.04"), Basis::Quoted)),
        // The bill says more than our own table.
        (BillingAnswer::Billed(Some(usd("0.05"))), None, (usd("0.05"), Basis::Settled)),
    ] {
        let mut job = unconfirmed();
        job.resolve_charge(None, answer, BY, now()).unwrap();
        assert!(job.apply_late_receipt(1, receipt(cost), Some(usd("0.025")), now()));
        assert_eq!(job.stage_name(), StageName::Generating);
        assert_eq!(charge(&job), Some((Some(expected.0), expected.1)), "{answer:?} {cost:?}");
        assert_eq!(job.charges().count(), 1);
        let overruled = job.attempts[0].resolution.as_ref().unwrap().overruled_at;
        assert_eq!(overruled.is_some(), expected.1 != Basis::Settled, "{answer:?} {cost:?}");
    }
}

#[test]
fn settled_price_overrules_the_answer() {
    for answer in [BillingAnswer::NotBilled, BillingAnswer::Billed(Some(usd("0.05")))] {
        let mut job = failed(FailureCode::TimedOut, BillingStatus::Unknown);
        job.resolve_charge(None, answer, BY, now()).unwrap();
        assert_eq!(job.retry(now()), Ok(RetryKind::OldTicket));
        job.complete(image(&job), Some(credits("4")), None, now()).unwrap();
        assert_eq!(charge(&job), Some((Some(usd("0.04")), Basis::Settled)), "{answer:?}");
        assert!(job.attempts[0].resolution.as_ref().unwrap().overruled_at.is_some());
    }
}

#[test]
fn image_overrules_that_nothing_was_billed() {
    let released = || {
        let mut job = failed(FailureCode::TicketLost, BillingStatus::Unknown);
        job.resolve_charge(None, BillingAnswer::NotBilled, BY, now()).unwrap();
        assert_eq!(job.retry(now()), Ok(RetryKind::OldTicket));
        job
    };
    // The task names no price: the quote of its receipt counts.
    let quoted = Some((Some(usd("0.03")), Basis::Quoted));
    let mut job = released();
    job.complete(image(&job), None, None, now()).unwrap();
    assert_eq!((charge(&job), job.cost()), (quoted, Some(usd("0.03"))));
    assert!(job.attempts[0].resolution.as_ref().unwrap().overruled_at.is_some());
    // Whatever becomes of the image.
    let mut job = released();
    let expired = Failure::new(FailureCode::SampleExpired, "expired", BillingStatus::Yes, now());
    job.fail(expired.clone(), None, now()).unwrap();
    assert_eq!((charge(&job), billed(&job)), (quoted, BillingStatus::Yes));
    // Without an image the answer stands.
    let mut job = released();
    job.fail(Failure::new(FailureCode::TicketLost, "gone", BillingStatus::Unknown, now()), None, now()).unwrap();
    assert_eq!(charge(&job), None);
    // A doubtful charge becomes certain as well.
    let mut job = failed(FailureCode::TicketLost, BillingStatus::Unknown);
    job.retry(now()).unwrap();
    job.fail(expired, None, now()).unwrap();
    assert_eq!(charge(&job), quoted);
}

#[test]
fn correction_replaces_the_answer_and_keeps_it() {
    let correct = |job: &mut Job, answer| job.correct_answer(None, answer, "eve@studio", now());
    let mut job = unconfirmed();
    assert_eq!(correct(&mut job, BillingAnswer::NotBilled), Err(ResolveError::NoAnswer), "nothing is answered yet");
    job.resolve_charge(None, BillingAnswer::NotBilled, BY, now()).unwrap();
    assert_eq!(correct(&mut job, BillingAnswer::NotBilled), Err(ResolveError::SameAnswer(1)));
    assert_eq!(correct(&mut job, BillingAnswer::Billed(Some(usd("0")))), Err(ResolveError::InvalidAmount));
    assert_eq!((charge(&job), billed(&job)), (None, BillingStatus::No));
    // Billed after all, with the amount that was recorded.
    assert_eq!(correct(&mut job, BillingAnswer::Billed(None)), Ok(1));
    assert_eq!((charge(&job), billed(&job)), (Some((Some(usd("0.03")), Basis::Settled)), BillingStatus::Yes));
    assert_eq!(job.charges().count(), 1);
    // Another amount, and back.
    assert_eq!(correct(&mut job, BillingAnswer::Billed(Some(usd("0.03")))), Err(ResolveError::SameAnswer(1)));
    assert_eq!(correct(&mut job, BillingAnswer::Billed(Some(usd("0.02")))), Ok(1));
    assert_eq!(correct(&mut job, BillingAnswer::NotBilled), Ok(1));
    assert_eq!((charge(&job), job.cost(), billed(&job)), (None, None, BillingStatus::No));
    let stored: Job = serde_json::from_str(&serde_json::to_string(&job).unwrap()).unwrap();
    let resolution = stored.attempts[0].resolution.as_ref().unwrap();
    assert_eq!((resolution.charge.basis, resolution.by.as_str()), (Basis::Unconfirmed, "eve@studio"));
    let kept: Vec<_> = resolution.corrected.iter().map(|old| (old.billed, old.amount, old.by.as_str())).collect();
    let eve = "eve@studio";
    assert_eq!(kept, [(false, None, BY), (true, Some(usd("0.03")), eve), (true, Some(usd("0.02")), eve)]);
    let line = resolution.summary(|_| "T".to_owned());
    assert_eq!(line.split("; corrects: ").last(), Some("released as not billed by ada@studio, T"), "{line}");
}

#[test]
fn overruled_answer_cannot_be_corrected() {
    let mut job = failed(FailureCode::TimedOut, BillingStatus::Unknown);
    job.resolve_charge(None, BillingAnswer::NotBilled, BY, now()).unwrap();
    job.retry(now()).unwrap();
    job.complete(image(&job), Some(credits("4")), None, now()).unwrap();
    let corrected = job.correct_answer(Some(1), BillingAnswer::NotBilled, BY, now());
    assert_eq!((corrected, job.cost()), (Err(ResolveError::NoAnswer), Some(usd("0.04"))));
    let missing = job.correct_answer(Some(2), BillingAnswer::NotBilled, BY, now());
    assert_eq!(missing, Err(ResolveError::NoAttempt(2)));
}

#[test]
fn certain_and_running_charges_are_kept() {
    let resolve = |job: &mut Job, number| job.resolve_charge(number, BillingAnswer::NotBilled, BY, now());
    assert_eq!(resolve(&mut failed(FailureCode::TimedOut, BillingStatus::Yes), None), Err(ResolveError::Certain));
    assert_eq!(
        resolve(&mut failed(FailureCode::TimedOut, BillingStatus::Yes), Some(1)),
        Err(ResolveError::CertainAttempt(1))
    );
    assert_eq!(resolve(&mut unconfirmed(), Some(2)), Err(ResolveError::NoAttempt(2)));
    let mut unpriced = submitting();
    unpriced.accept(receipt(None), None, now()).unwrap();
    assert_eq!(resolve(&mut unpriced, None), Err(ResolveError::Running(1)));
    let mut two = unconfirmed();
    two.retry(now()).unwrap();
    two.begin_submit(claim(), None, now()).unwrap();
    two.mark_submit_unknown("no answer", now()).unwrap();
    assert_eq!(resolve(&mut two, None), Err(ResolveError::Several(vec![1, 2])));
    assert!(ResolveError::Several(vec![1, 2]).to_string().ends_with("choose one with --attempt"));
    let unpriced = two.resolve_charge(Some(2), BillingAnswer::Billed(None), BY, now());
    assert_eq!(unpriced, Err(ResolveError::NoAmount(2)));
    assert_eq!(two.resolve_charge(Some(1), BillingAnswer::NotBilled, BY, now()), Ok(1));
    assert_eq!(generating(Some("3")).attempts[0].uncertainty(), None);
}
