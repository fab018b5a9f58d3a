//! Charges and caps: booked with the job, never twice, never past a cap, added up exactly.

use std::sync::Arc;

use chrono::TimeDelta;
use darkroom::costs::{Basis, Budget, BudgetEdit, Charge, CostGrouping, CostReport, Credits, Service};
use darkroom::jobs::{BillingAnswer, BillingStatus, FailureCode, Job};
use darkroom::store::{BudgetChange, CostJobsQuery, CostQuery, Save, Store, StoreError};
use futures::future::join_all;

use super::fixture::{
    Fixture, at, claim, create, failure, finish, generating, id, queued, read, receipt, save, submitting, usd,
};

async fn costs_by(store: &Arc<dyn Store>, grouping: CostGrouping, simulated: bool) -> CostReport {
    let (from, to) = (at(0) - TimeDelta::days(40), at(0) + TimeDelta::days(40));
    store.costs(CostQuery { from, to, simulated }).await.unwrap().report(grouping)
}

async fn costs(store: &Arc<dyn Store>) -> CostReport {
    costs_by(store, CostGrouping::Model, true).await
}

fn lines(report: &CostReport) -> Vec<(String, String, u64)> {
    report.by.iter().map(|line| (line.key.clone(), line.usd.to_string(), line.count)).collect()
}

fn daily(cap: &str) -> Budget {
    Budget { daily: Some(usd(cap)), monthly: None }
}

/// Takes a queued job and tries to set that much aside at that second.
async fn reserve(
    store: &Arc<dyn Store>,
    name: &str,
    amount: Option<&str>,
    budget: Budget,
    seconds: i64,
) -> Result<u64, StoreError> {
    let mut job = read(store, name).await;
    job.begin_submit(claim("worker", seconds + 60), amount.map(usd), at(seconds)).unwrap();
    store.save(Save { job: Arc::new(job), budget: Some(budget) }).await
}

pub async fn charges_are_saved_with_the_job(fixture: Fixture) {
    create(&fixture.store, [submitting("a", 0, "worker", 60), generating("imported", 0, Some("7"))]).await;
    assert_eq!(costs(&fixture.other).await.total_usd, usd("0.07"), "a created job brings its charges along");
    let mut job = read(&fixture.store, "a").await;
    job.accept(receipt(1, Some("4.5")), None, at(1)).unwrap();
    save(&fixture.store, &mut job).await.unwrap();
    let report = costs(&fixture.other).await;
    assert_eq!((report.total_usd, report.count), (usd("0.115"), 2));
}

pub async fn repeated_save_charges_once(fixture: Fixture) {
    create(&fixture.store, [generating("a", 0, Some("4"))]).await;
    for _ in 0..5 {
        let mut job = read(&fixture.store, "a").await;
        job.claim = None;
        save(&fixture.store, &mut job).await.unwrap();
    }
    let report = costs(&fixture.store).await;
    assert_eq!((report.total_usd, report.count), (usd("0.04"), 1));
    // The cap is kept by its own sums: they must not count twice either.
    create(&fixture.store, [queued("b", 1), queued("c", 1)]).await;
    assert!(reserve(&fixture.store, "b", Some("0.06"), daily("0.10"), 2).await.is_ok());
    assert!(reserve(&fixture.store, "c", Some("0.01"), daily("0.10"), 2).await.is_err());
}

pub async fn settlement_replaces_amount_and_basis(fixture: Fixture) {
    create(&fixture.store, [generating("a", 0, None)]).await;
    let before = costs(&fixture.store).await;
    assert_eq!((before.unpriced_count, before.count, before.others_count), (1, 1, 0));
    let mut job = read(&fixture.store, "a").await;
    finish(&mut job, Some("3"), None, 9);
    save(&fixture.store, &mut job).await.unwrap();
    let after = costs(&fixture.store).await;
    assert_eq!((after.total_usd, after.unpriced_count, after.count), (usd("0.03"), 0, 1));
    assert_eq!(read(&fixture.store, "a").await.cost_basis(), Some(Basis::Settled));
}

pub async fn removed_charge_leaves_the_ledger(fixture: Fixture) {
    create(&fixture.store, [generating("a", 0, Some("4")), queued("b", 0)]).await;
    let mut job = read(&fixture.store, "a").await;
    job.attempts[0].charge = None;
    save(&fixture.store, &mut job).await.unwrap();
    let report = costs(&fixture.store).await;
    assert_eq!((report.total_usd, report.count), (usd("0"), 0));
    assert!(reserve(&fixture.store, "b", Some("0.04"), daily("0.04"), 1).await.is_ok(), "the cap has room again");
}

pub async fn conflict_records_no_charge(fixture: Fixture) {
    create(&fixture.store, [submitting("a", 0, "worker", 60)]).await;
    let mut late = read(&fixture.store, "a").await;
    let mut lost = late.clone();
    lost.mark_submit_unknown("no answer", at(1)).unwrap();
    save(&fixture.store, &mut lost).await.unwrap();
    late.accept(receipt(2, Some("9")), None, at(2)).unwrap();
    assert_eq!(save(&fixture.store, &mut late).await, Err(StoreError::Conflict(id("a"))));
    let report = costs(&fixture.store).await;
    assert_eq!((report.total_usd, report.unconfirmed_usd, report.count), (usd("0"), usd("0.04"), 1));
}

pub async fn cap_is_reached_never_exceeded(fixture: Fixture) {
    create(&fixture.store, (0..16).map(|number| queued(&format!("job-{number:02}"), number))).await;
    let reservations = (0..16).map(|number| {
        let store = Arc::clone(if number % 2 == 0 { &fixture.store } else { &fixture.other });
        tokio::spawn(async move { reserve(&store, &format!("job-{number:02}"), Some("0.03"), daily("0.25"), 20).await })
    });
    let results: Vec<_> = join_all(reservations).await.into_iter().map(Result::unwrap).collect();
    let granted = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(granted, 8, "eight times $0.03 fit under $0.25: {results:?}");
    for refused in results.iter().filter(|result| result.is_err()) {
        let Err(StoreError::BudgetExceeded(over)) = refused else { panic!("{refused:?}") };
        assert_eq!((over.period, over.over), ("day", Some(usd("0.02"))));
    }
    let counts = fixture.store.counts().await.unwrap();
    assert_eq!(counts.of(darkroom::jobs::StageName::Submitting), 8, "what was refused was not written");
    // What is answered turns from a reservation into a charge, and the room stays taken.
    let page = fixture.store.list_jobs(darkroom::store::PageQuery::default()).await.unwrap();
    let taken = page.into_iter().filter(|job| job.stage_name() == darkroom::jobs::StageName::Submitting);
    let waiting = fixture.store.find("job-", 100).await.unwrap();
    for mut job in taken {
        job.accept(receipt(21, Some("3")), None, at(21)).unwrap();
        save(&fixture.store, &mut job).await.unwrap();
    }
    let mut granted = 0;
    for name in &waiting {
        if read(&fixture.store, name.as_str()).await.stage_name() == darkroom::jobs::StageName::Queued {
            granted += u32::from(reserve(&fixture.store, name.as_str(), Some("0.01"), daily("0.25"), 22).await.is_ok());
        }
    }
    assert_eq!(granted, 1, "one cent is left");
}

pub async fn cap_counts_charges_and_reservations(fixture: Fixture) {
    let mut unconfirmed = submitting("unconfirmed", 0, "worker", 60);
    unconfirmed.mark_submit_unknown("no answer", at(0)).unwrap();
    let mut unknown = generating("unknown", 0, Some("4"));
    unknown.fail(failure(FailureCode::ContentModerated, BillingStatus::Unknown, 1), None, at(1)).unwrap();
    create(
        &fixture.store,
        [unconfirmed, unknown, generating("quoted", 0, Some("4")), submitting("reserved", 0, "worker", 60)],
    )
    .await;
    create(&fixture.store, [queued("a", 0), queued("b", 0)]).await;
    assert!(reserve(&fixture.store, "a", Some("0.05"), daily("0.20"), 2).await.is_err(), "$0.16 may be billed already");
    assert!(reserve(&fixture.store, "a", Some("0.04"), daily("0.20"), 2).await.is_ok());
    // A job whose reservation was given back makes room.
    let mut back = read(&fixture.store, "reserved").await;
    back.requeue(darkroom::jobs::Hold::RateLimit, at(30), at(3)).unwrap();
    save(&fixture.store, &mut back).await.unwrap();
    assert!(reserve(&fixture.store, "b", Some("0.05"), daily("0.20"), 4).await.is_err());
    assert!(reserve(&fixture.store, "b", Some("0.04"), daily("0.20"), 4).await.is_ok());
}

pub async fn caps_apply_per_period_and_provider(fixture: Fixture) {
    let day = 86_400;
    let mut real = generating("real", 0, Some("9"));
    real.simulated = false;
    real.attempts[0].charge.as_mut().unwrap().simulated = false;
    create(&fixture.store, [real, generating("yesterday", -day, Some("8")), generating("today", 0, Some("1"))]).await;
    create(&fixture.store, ["a", "b", "c"].map(|name| queued(name, 0))).await;
    let caps = |daily: &str, monthly: &str| Budget { daily: Some(usd(daily)), monthly: Some(usd(monthly)) };
    let over = |result: Result<u64, StoreError>| match result {
        Err(StoreError::BudgetExceeded(over)) => (over.period, over.until),
        other => panic!("{other:?}"),
    };
    let midnight = "2026-11-23T00:00:00Z".parse().unwrap();
    let december = "2026-12-01T00:00:00Z".parse().unwrap();
    assert_eq!(over(reserve(&fixture.store, "a", Some("0.02"), caps("0.02", "1"), 1).await), ("day", midnight));
    assert_eq!(over(reserve(&fixture.store, "a", Some("0.02"), caps("1", "0.10"), 1).await), ("month", december));
    assert!(reserve(&fixture.store, "a", Some("0.01"), caps("0.02", "0.10"), 1).await.is_ok());
    let mut taken = read(&fixture.store, "a").await;
    taken.accept(receipt(43_199, Some("1")), None, at(43_199)).unwrap();
    save(&fixture.store, &mut taken).await.unwrap();
    // One second before midnight the day is spent; at midnight a new one begins, the month goes on.
    assert!(reserve(&fixture.store, "b", Some("0.01"), caps("0.02", "1"), 43_199).await.is_err());
    assert!(reserve(&fixture.store, "b", Some("0.02"), caps("0.02", "0.12"), 43_200).await.is_ok());
    assert_eq!(over(reserve(&fixture.store, "c", Some("0.01"), caps("9", "0.12"), 43_200).await).0, "month");
}

pub async fn unknown_price_exceeds_every_cap(fixture: Fixture) {
    create(&fixture.store, [queued("a", 0)]).await;
    let Err(StoreError::BudgetExceeded(over)) = reserve(&fixture.store, "a", None, daily("100"), 1).await else {
        panic!("a cap cannot be kept without a price")
    };
    assert_eq!(over.over, None);
    assert!(reserve(&fixture.store, "a", None, Budget::default(), 1).await.is_ok(), "without caps it may go");
}

async fn set_budget(store: &Arc<dyn Store>, model: Option<&str>, daily: &str, seconds: i64) {
    let caps = Budget { daily: Some(usd(daily)), monthly: None };
    let edit = BudgetEdit::Set { model: model.map(str::to_owned), caps, soft_percent: None };
    store.change_budget(BudgetChange { at: at(seconds), by: "operator@host".into(), edit }).await.unwrap();
}

pub async fn store_caps_bind_every_process(fixture: Fixture) {
    create(&fixture.store, ["a", "b", "c", "d"].map(|name| queued(name, 0))).await;
    let none = Budget::default();
    set_budget(&fixture.store, None, "0.05", 1).await;
    assert!(reserve(&fixture.other, "a", Some("0.03"), none, 2).await.is_ok());
    assert!(reserve(&fixture.other, "b", Some("0.03"), none, 2).await.is_err(), "a process without a cap of its own");
    assert!(
        reserve(&fixture.other, "b", Some("0.03"), daily("100"), 2).await.is_err(),
        "a process cannot raise the cap"
    );
    assert!(reserve(&fixture.store, "b", Some("0.02"), daily("0.04"), 2).await.is_err(), "a process can lower the cap");
    set_budget(&fixture.other, None, "0.06", 3).await;
    assert!(reserve(&fixture.store, "b", Some("0.03"), none, 4).await.is_ok(), "raised without a restart");
    let clear = BudgetEdit::Clear { model: None };
    let change = BudgetChange { at: at(5), by: "other@host".into(), edit: clear };
    fixture.store.change_budget(change).await.unwrap();
    assert!(reserve(&fixture.other, "c", Some("9"), none, 6).await.is_ok());
    let history = fixture.other.budget_history(10).await.unwrap();
    let changes: Vec<_> =
        history.iter().map(|record| (record.at, record.by.as_str(), record.change.as_str())).collect();
    assert_eq!(
        changes,
        [
            (at(5), "other@host", "clear all"),
            (at(3), "operator@host", "set daily $0.06"),
            (at(1), "operator@host", "set daily $0.05"),
        ]
    );
    assert_eq!(fixture.store.budget_history(1).await.unwrap(), history[..1]);
}

pub async fn model_cap_counts_only_its_model(fixture: Fixture) {
    let mut other_model = generating("other", 0, Some("4"));
    other_model.spec.model = "flux-2-max".into();
    other_model.attempts[0].charge.as_mut().unwrap().model = "flux-2-max".into();
    let mut reserved = submitting("reserved", 0, "worker", 60);
    reserved.spec.model = "flux-2-max".into();
    create(&fixture.store, [other_model, reserved, generating("own", 0, Some("3")), queued("a", 0), queued("b", 0)])
        .await;
    set_budget(&fixture.store, Some("flux-dev"), "0.05", 1).await;
    let Err(StoreError::BudgetExceeded(over)) = reserve(&fixture.store, "a", Some("0.03"), Budget::default(), 2).await
    else {
        panic!("$0.03 of flux-dev are spent")
    };
    assert_eq!((over.model.as_deref(), over.over), (Some("flux-dev"), Some(usd("0.01"))));
    assert!(reserve(&fixture.store, "a", Some("0.02"), Budget::default(), 2).await.is_ok());
    assert!(reserve(&fixture.other, "b", Some("0.01"), Budget::default(), 2).await.is_err());
}

pub async fn unpriced_charge_counts_as_highest_price(fixture: Fixture) {
    create(&fixture.store, [generating("unpriced", 0, None), queued("a", 0)]).await;
    assert!(reserve(&fixture.store, "a", Some("0.01"), daily("0.61"), 1).await.is_err());
    assert!(reserve(&fixture.store, "a", Some("0.01"), daily("0.62"), 1).await.is_ok());
}

pub async fn storage_reservation_lasts_until_stored(fixture: Fixture) {
    let mut generating = queued("generating", 0);
    generating.reserve_storage(Some(usd("0.01")));
    generating.begin_submit(claim("worker", 60), Some(usd("0.04")), at(0)).unwrap();
    generating.accept(receipt(0, Some("4")), None, at(0)).unwrap();
    create(&fixture.store, [generating, queued("a", 0)]).await;
    assert!(reserve(&fixture.store, "a", Some("0.04"), daily("0.08"), 1).await.is_err(), "storing may cost $0.01");
    let mut done = read(&fixture.store, "generating").await;
    finish(&mut done, Some("4"), None, 2);
    save(&fixture.store, &mut done).await.unwrap();
    assert!(reserve(&fixture.store, "a", Some("0.04"), daily("0.08"), 3).await.is_ok());
}

/// Six charges that differ in all that can be grouped by.
async fn spend(store: &Arc<dyn Store>) {
    let storage = |job: &Job| Charge {
        service: Service::GoogleStorage,
        amount: Some(usd("0.000005")),
        basis: Basis::Estimated,
        model: job.spec.model.clone(),
        at: at(10),
        simulated: true,
    };
    let mut image = generating("picture", 0, Some("4"));
    let charge = storage(&image);
    finish(&mut image, Some("4"), Some(charge), 10);
    let mut unknown = generating("unknown", 0, Some("2"));
    unknown.fail(failure(FailureCode::ContentModerated, BillingStatus::Unknown, 1), None, at(1)).unwrap();
    let mut unconfirmed = submitting("unconfirmed", 0, "worker", 60);
    unconfirmed.mark_submit_unknown("no answer", at(1)).unwrap();
    let mut cancelled = queued("cancelled", -86_400);
    cancelled.spec.model = "flux-pro".into();
    cancelled.begin_submit(claim("worker", 60), None, at(-86_400)).unwrap();
    cancelled.accept(receipt(-86_400, Some("5")), None, at(-86_400)).unwrap();
    cancelled.cancel(at(1)).unwrap();
    let unpriced = generating("unpriced", 0, None);
    let mut real = generating("real", 0, Some("100"));
    real.simulated = false;
    real.attempts[0].charge.as_mut().unwrap().simulated = false;
    create(store, [image, unknown, unconfirmed, cancelled, unpriced, real]).await;
}

pub async fn report_groups_every_way(fixture: Fixture) {
    spend(&fixture.store).await;
    let groupings = [
        CostGrouping::Model,
        CostGrouping::Day,
        CostGrouping::Week,
        CostGrouping::Month,
        CostGrouping::Service,
        CostGrouping::Status,
        CostGrouping::Tag,
        CostGrouping::Cause,
    ];
    for grouping in groupings {
        let report = costs_by(&fixture.other, grouping, true).await;
        assert_eq!(report.total_usd, usd("0.090005"), "{grouping:?}");
        assert_eq!((report.unknown_usd, report.unconfirmed_usd), (usd("0.02"), usd("0.04")), "{grouping:?}");
        assert_eq!((report.unpriced_count, report.count, report.simulated), (1, 6, true), "{grouping:?}");
        let expected: &[(&str, &str, u64)] = match grouping {
            CostGrouping::Model => &[("flux-pro", "0.05", 1), ("flux-dev", "0.040005", 5)],
            CostGrouping::Day => &[("2026-11-21", "0.05", 1), ("2026-11-22", "0.040005", 5)],
            CostGrouping::Week => &[("2026-W47", "0.090005", 6)],
            CostGrouping::Month => &[("2026-11", "0.090005", 6)],
            CostGrouping::Status => {
                &[("cancelled", "0.05", 1), ("done", "0.040005", 2), ("failed", "0", 2), ("running", "0", 1)]
            }
            CostGrouping::Tag => &[("(no tag)", "0.090005", 6)],
            CostGrouping::Service => &[("bfl_api", "0.09", 5), ("google_storage", "0.000005", 1)],
            CostGrouping::Cause => &[
                ("cancelled", "0.05", 1),
                ("picture", "0.040005", 2),
                ("content_moderated", "0", 1),
                ("in_progress", "0", 1),
                ("submit_unknown", "0", 1),
            ],
        };
        let expected: Vec<_> =
            expected.iter().map(|(key, usd, count)| ((*key).to_owned(), (*usd).to_owned(), *count)).collect();
        assert_eq!(lines(&report), expected, "{grouping:?}");
    }
    let real = costs_by(&fixture.store, CostGrouping::Service, false).await;
    assert_eq!((real.total_usd, real.count, real.simulated), (usd("1"), 1, false));
}

pub async fn report_span_is_half_open(fixture: Fixture) {
    create(&fixture.store, (0..5).map(|number| generating(&format!("job-{number}"), number, Some("1")))).await;
    let query = CostQuery { from: at(1), to: at(4), simulated: true };
    let report = fixture.store.costs(query).await.unwrap().report(CostGrouping::Model);
    assert_eq!((report.total_usd, report.count), (usd("0.03"), 3), "the first instant is inside, the last is not");
    assert_eq!((report.from, report.to), (at(1), at(4)));
}

pub async fn report_is_exact_over_any_span(fixture: Fixture) {
    // Around midnights (43,200 seconds after noon), with an empty day between them.
    let times = [-43_201, -43_200, -43_199, 0, 43_199, 43_200, 43_201, 129_599, 216_000, 216_001];
    let jobs =
        times.iter().zip(1..).map(|(time, cents)| generating(&format!("at {time}"), *time, Some(&format!("{cents}"))));
    create(&fixture.store, jobs).await;
    let edges = times.into_iter().chain([-200_000, -100, 100, 129_600, 172_800, 215_999, 300_000]);
    let edges: Vec<i64> = edges.collect();
    for from in &edges {
        for to in &edges {
            let inside = || times.iter().zip(1..).filter(|(time, _)| (from..to).contains(time));
            let cents: u32 = inside().map(|(_, cents): (_, u32)| cents).sum();
            for grouping in [CostGrouping::Day, CostGrouping::Cause] {
                let query = CostQuery { from: at(*from), to: at(*to), simulated: true };
                let report = fixture.store.costs(query).await.unwrap().report(grouping);
                let expected = Credits::new(cents.into()).to_usd();
                assert_eq!((report.total_usd, report.count), (expected, inside().count() as u64), "{from} to {to}");
            }
        }
    }
}

/// The first try was before midnight and was rejected; the second one has no reply, and its worker died.
pub async fn unconfirmed_charge_counts_when_it_was_sent(fixture: Fixture) {
    let (before, after) = (43_190, 43_210);
    create(&fixture.store, [queued("a", 0), queued("b", 0)]).await;
    reserve(&fixture.store, "a", Some("0.03"), daily("0.03"), before).await.unwrap();
    let mut job = read(&fixture.store, "a").await;
    job.requeue(darkroom::jobs::Hold::RateLimit, at(before), at(before)).unwrap();
    save(&fixture.store, &mut job).await.unwrap();
    reserve(&fixture.store, "a", Some("0.03"), daily("0.03"), after).await.unwrap();
    // Another write of the document, days later.
    let mut job = read(&fixture.other, "a").await;
    job.hidden = true;
    job.updated_at = at(3 * 86_400);
    save(&fixture.other, &mut job).await.unwrap();
    let mut job = read(&fixture.other, "a").await;
    job.mark_submit_unknown("its worker stopped", at(3 * 86_400)).unwrap();
    save(&fixture.other, &mut job).await.unwrap();
    assert!(
        reserve(&fixture.store, "b", Some("0.03"), daily("0.03"), after + 60).await.is_err(),
        "the cap of that day"
    );
    let day = |from: i64| CostQuery { from: at(from), to: at(from + 86_400), simulated: true };
    let unconfirmed = async |query| {
        let report = fixture.store.costs(query).await.unwrap().report(CostGrouping::Model);
        (report.unconfirmed_usd, report.total_usd)
    };
    assert_eq!(unconfirmed(day(43_200)).await, (usd("0.03"), usd("0")));
    assert_eq!(unconfirmed(day(43_200 - 86_400)).await, (usd("0"), usd("0")));
}

pub async fn uncertain_charges_are_listed(fixture: Fixture) {
    spend(&fixture.store).await;
    let charges = fixture.other.uncertain_charges(true, 10).await.unwrap();
    let listed: Vec<_> = charges
        .iter()
        .map(|charge| (charge.job_id.as_str(), charge.attempt, charge.amount, charge.basis, charge.at))
        .collect();
    let names = ["unconfirmed", "unknown", "unpriced"];
    let expected = [
        (names[0], Some(1), Some(usd("0.04")), Basis::Unconfirmed, at(0)),
        (names[1], Some(1), Some(usd("0.02")), Basis::Unknown, at(0)),
        (names[2], Some(1), None, Basis::Unknown, at(0)),
    ];
    assert_eq!(listed, expected);
    assert_eq!(fixture.other.uncertain_charges(true, 1).await.unwrap().len(), 1);
    assert_eq!(fixture.other.uncertain_charges(false, 10).await.unwrap(), []);
}

pub async fn simulated_charges_hide_no_real_ones(fixture: Fixture) {
    let doubtful = |name: &str, simulated: bool| {
        let mut job = generating(name, 0, Some("2"));
        job.simulated = simulated;
        job.attempts[0].charge.as_mut().unwrap().simulated = simulated;
        job.fail(failure(FailureCode::TicketLost, BillingStatus::Unknown, 10), None, at(10)).unwrap();
        job
    };
    let simulated = (0..9).map(|number| doubtful(&format!("a-{number}"), true));
    // Behind them in the order of the ids.
    create(&fixture.store, simulated.chain([doubtful("real", false)])).await;
    let charges = fixture.other.uncertain_charges(false, 1).await.unwrap();
    let listed: Vec<_> = charges.iter().map(|charge| (charge.job_id.as_str(), charge.amount)).collect();
    assert_eq!(listed, [("real", Some(usd("0.02")))]);
}

pub async fn resolved_charge_counts_once(fixture: Fixture) {
    spend(&fixture.store).await;
    let before = costs(&fixture.store).await;
    let answers = [("unconfirmed", BillingAnswer::Billed(Some(usd("0.05")))), ("unknown", BillingAnswer::NotBilled)];
    for (name, answer) in answers {
        let mut job = read(&fixture.store, name).await;
        let mut late = job.clone();
        job.resolve_charge(None, answer, "ada@studio", at(20)).unwrap();
        save(&fixture.store, &mut job).await.unwrap();
        late.resolve_charge(None, answer, "eve@studio", at(20)).unwrap();
        assert_eq!(save(&fixture.other, &mut late).await, Err(StoreError::Conflict(id(name))));
    }
    // Both answers were wrong, and each is corrected and corrected back.
    for (name, answer) in [("unconfirmed", BillingAnswer::NotBilled), ("unknown", BillingAnswer::Billed(None))] {
        let mut job = read(&fixture.other, name).await;
        job.correct_answer(None, answer, "eve@studio", at(25)).unwrap();
        save(&fixture.other, &mut job).await.unwrap();
    }
    let corrected = costs(&fixture.store).await;
    assert_eq!((corrected.total_usd, corrected.count), (before.total_usd + usd("0.02"), before.count - 1));
    assert_eq!(fixture.store.verify_rollups(false).await.unwrap().unwrap_or_default().mismatches, []);
    for (name, answer) in answers {
        let mut job = read(&fixture.store, name).await;
        job.correct_answer(None, answer, "ada@studio", at(26)).unwrap();
        save(&fixture.store, &mut job).await.unwrap();
    }
    let after = costs(&fixture.other).await;
    assert_eq!((after.total_usd, after.count), (before.total_usd + usd("0.05"), before.count - 1));
    assert_eq!((after.unknown_usd, after.unconfirmed_usd), (usd("0"), usd("0")));
    let left = fixture.store.uncertain_charges(true, 10).await.unwrap();
    assert_eq!(left.iter().map(|charge| charge.job_id.as_str()).collect::<Vec<_>>(), ["unpriced"]);
    // The answer to the first request arrives after all: it replaces what was booked.
    let mut job = read(&fixture.other, "unconfirmed").await;
    assert_eq!(job.attempts[0].resolution.as_ref().unwrap().by, "ada@studio");
    assert!(job.apply_late_receipt(1, receipt(30, Some("4")), None, at(30)));
    save(&fixture.other, &mut job).await.unwrap();
    let settled = costs(&fixture.store).await;
    assert_eq!((settled.total_usd, settled.count), (before.total_usd + usd("0.04"), before.count - 1));
    assert_eq!(fixture.store.verify_rollups(false).await.unwrap().unwrap_or_default().mismatches, []);
}

fn tagged(name: &str, seconds: i64, credits: &str, tags: &[&str]) -> Job {
    let mut job = generating(name, seconds, Some(credits));
    job.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    job
}

pub async fn charges_count_for_their_tags(fixture: Fixture) {
    let mut old = tagged("old", 0, "5", &["cover"]);
    old.attempts[0].counts_tags = false;
    create(
        &fixture.store,
        [
            tagged("both", 0, "4", &["draft", "cover", "cover"]),
            tagged("one", -43_201, "2", &["cover | 50 % `x`"]),
            tagged("none", 1, "1", &[]),
            old,
        ],
    )
    .await;
    let mut settled = read(&fixture.other, "both").await;
    finish(&mut settled, Some("3"), None, 9);
    save(&fixture.other, &mut settled).await.unwrap();
    let line = |key: &str, usd: &str, count| (key.to_owned(), usd.to_owned(), count);
    let report = costs_by(&fixture.store, CostGrouping::Tag, true).await;
    assert_eq!(report.total_usd, usd("0.11"));
    let expected = [
        line("(no tag)", "0.06", 2),
        line("cover", "0.03", 1),
        line("draft", "0.03", 1),
        line("cover | 50 % `x`", "0.02", 1),
    ];
    assert_eq!(lines(&report), expected, "entries of earlier versions count as untagged");
    // A part of a day is added up from its charges.
    let query = CostQuery { from: at(-43_201), to: at(1), simulated: true };
    let part = fixture.other.costs(query).await.unwrap().report(CostGrouping::Tag);
    let expected = [
        line("(no tag)", "0.05", 1),
        line("cover", "0.03", 1),
        line("draft", "0.03", 1),
        line("cover | 50 % `x`", "0.02", 1),
    ];
    assert_eq!(lines(&part), expected);
    // Tags that change take their charges along; a charge that is removed leaves its tags.
    let mut both = read(&fixture.store, "both").await;
    both.tags = vec!["final".into()];
    save(&fixture.store, &mut both).await.unwrap();
    let mut one = read(&fixture.store, "one").await;
    one.attempts[0].charge = None;
    save(&fixture.store, &mut one).await.unwrap();
    let report = costs_by(&fixture.other, CostGrouping::Tag, true).await;
    assert_eq!(lines(&report), [line("(no tag)", "0.06", 2), line("final", "0.03", 1)]);
    assert_eq!(fixture.store.verify_rollups(false).await.unwrap().unwrap_or_default().mismatches, []);
}

pub async fn jobs_of_a_line_are_found(fixture: Fixture) {
    spend(&fixture.store).await;
    create(&fixture.store, [tagged("tagged", 5, "9", &["cover"])]).await;
    let jobs = async |only: Option<(CostGrouping, &str)>, from: i64, limit: usize| -> Vec<(String, String, String)> {
        let only = only.map(|(grouping, key)| (grouping, key.to_owned()));
        let query = CostJobsQuery { from: at(from), to: at(100), simulated: true, only, limit };
        let jobs = fixture.other.cost_jobs(query).await.unwrap();
        jobs.into_iter().map(|job| (job.job_id, job.usd.to_string(), job.uncertain_usd.to_string())).collect()
    };
    let job = |id: &str, usd: &str, uncertain: &str| (id.to_owned(), usd.to_owned(), uncertain.to_owned());
    let top = jobs(None, -90_000, 3).await;
    assert_eq!(top, [job("tagged", "0.09", "0"), job("cancelled", "0.05", "0"), job("picture", "0.040005", "0")]);
    assert_eq!(jobs(None, -10, 2).await[1], job("picture", "0.040005", "0"), "only of the span");
    assert_eq!(jobs(Some((CostGrouping::Tag, "cover")), -90_000, 9).await, [job("tagged", "0.09", "0")]);
    assert_eq!(jobs(Some((CostGrouping::Model, "flux-pro")), -90_000, 9).await, [job("cancelled", "0.05", "0")]);
    assert_eq!(jobs(Some((CostGrouping::Day, "2026-11-21")), -90_000, 9).await, [job("cancelled", "0.05", "0")]);
    assert_eq!(jobs(Some((CostGrouping::Cause, "content_moderated")), -90_000, 9).await, [job("unknown", "0", "0.02")]);
    assert_eq!(
        jobs(Some((CostGrouping::Status, "failed")), -90_000, 9).await,
        [job("unconfirmed", "0", "0.04"), job("unknown", "0", "0.02")]
    );
    assert_eq!(
        jobs(Some((CostGrouping::Service, "google_storage")), -90_000, 9).await,
        [job("picture", "0.000005", "0")]
    );
}
