//! Charges and documents of other programs that a cap must not miss, whatever their form.

use darkroom::store::firestore::FirestoreOptions;

use super::*;
use crate::support::firestore_emulator::options;

fn charge(cost: &Value) -> Value {
    json!({"job_id": "x", "service": "bfl_api", "cost_usd": cost, "timestamp": "2026-11-22T11:00:00Z"})
}

/// A job that is about to be submitted for at most $0.03 of real money.
async fn submitting(store: &FirestoreStore, name: &str) -> Job {
    let mut job = Job::new(id(name), Spec::new("flux-dev", "a fox"), false, now());
    store.create(vec![job.clone()]).await.unwrap();
    job.revision = store.get(&job.id).await.unwrap().unwrap().revision;
    let claim = Claim { worker: WorkerId::new("worker"), until: now() + TimeDelta::seconds(60) };
    job.begin_submit(claim, Some("0.03".parse().unwrap()), now()).unwrap();
    job
}

async fn reserve(store: &FirestoreStore, job: &Job, daily: &str) -> Result<u64, StoreError> {
    let budget = Some(Budget { daily: Some(daily.parse().unwrap()), monthly: None });
    store.save(Save { job: Arc::new(job.clone()), budget }).await
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cap_includes_amounts_of_any_form() {
    let emulator = emulator().await;
    for (case, entries) in [
        ("text", vec![charge(&json!("0.04"))]),
        ("balanced", vec![charge(&json!(0.04)), charge(&json!(-0.04))]),
        ("negative", vec![charge(&json!(0.04)), charge(&json!(-1))]),
        ("no number", vec![charge(&json!(0.04)), charge(&json!({"usd": 1}))]),
    ] {
        let project = fresh_project();
        let (store, script) = (store(emulator, &project), ExternalClient::new(emulator, &project));
        let job = submitting(&store, "a").await;
        for (number, entry) in entries.into_iter().enumerate() {
            script.patch(&format!("costs/external-{number}"), entry, &[]).await;
        }
        let refused = reserve(&store, &job, "0.06").await;
        assert!(matches!(refused, Err(StoreError::BudgetExceeded(_))), "{case}: {refused:?}");
        reserve(&store, &job, "0.07").await.unwrap();
    }
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn amount_in_text_is_added_up_once() {
    let emulator = emulator().await;
    let project = fresh_project();
    let (store, script) = (store(emulator, &project), ExternalClient::new(emulator, &project));
    for number in 0..60 {
        script.patch(&format!("costs/text-{number}"), charge(&json!("0.01")), &[]).await;
    }
    let (from, to) = (now() - TimeDelta::hours(12), now() + TimeDelta::hours(12));
    let query = CostQuery { from, to, simulated: false };
    for expected_reads in [200, 12] {
        let before = store.usage().reads;
        let report = store.costs(query.clone()).await.unwrap().report(CostGrouping::Service);
        assert_eq!((report.total_usd.to_string().as_str(), report.count), ("0.6", 60));
        assert_eq!(report.others_count, 60);
        let reads = store.usage().reads - before;
        assert!(reads <= expected_reads, "{reads} reads");
    }
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cap_includes_charges_that_move_meanwhile() {
    let emulator = emulator().await;
    for round in 0..12 {
        let project = fresh_project();
        let (worker, script) = (store(emulator, &project), ExternalClient::new(emulator, &project));
        let job = submitting(&worker, "a").await;
        script.patch("costs/external", charge(&json!(0.04)), &[]).await;
        // A report of another process moves the charge into the rollups while the cap is checked.
        let other = store(emulator, &project);
        let query =
            CostQuery { from: now() - TimeDelta::hours(12), to: now() + TimeDelta::hours(12), simulated: false };
        let report = tokio::spawn(async move { other.costs(query).await });
        let refused = reserve(&worker, &job, "0.06").await;
        assert!(matches!(refused, Err(StoreError::BudgetExceeded(_))), "round {round}: {refused:?}");
        report.await.unwrap().unwrap();
    }
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreadable_job_keeps_its_reservation() {
    let emulator = emulator().await;
    let project = fresh_project();
    let (store, script) = (store(emulator, &project), ExternalClient::new(emulator, &project));
    let other = submitting(&store, "other").await;
    reserve(&store, &other, "1").await.unwrap();
    let job = submitting(&store, "a").await;
    script.patch("jobs/other", json!({"darkroom": {"job": "damaged"}}), &["darkroom.job"]).await;
    let fresh = FirestoreStore::connect(FirestoreOptions { simulated: false, ..options(emulator, &project) });
    for store in [&store, &fresh] {
        let refused = reserve(store, &job, "0.05").await;
        assert!(matches!(refused, Err(StoreError::BudgetExceeded(_))), "{refused:?}");
    }
    reserve(&store, &job, "0.06").await.unwrap();
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_over_20000_entries_is_few_reads() {
    let emulator = emulator().await;
    let project = fresh_project();
    let script = ExternalClient::new(emulator, &project);
    // The last thirty days, in two months or three.
    let midnight = (Utc::now() + TimeDelta::days(1)).date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    let from = midnight - TimeDelta::days(30);
    let entry = |number: i64| {
        let at = from + TimeDelta::seconds(number * 30 * 86_400 / 20_000);
        let mut entry = charge(&json!(0.01));
        entry["timestamp"] = json!(at);
        (format!("costs/external-{number}"), Value::Object(crate::support::external_client::typed_fields(&entry)))
    };
    let entries: Vec<_> = (0..20_000).map(entry).collect();
    script.write(&entries).await;
    let query = CostQuery { from, to: midnight, simulated: false };
    let report = async |store: &FirestoreStore| {
        let before = store.usage().reads;
        let report = store.costs(query.clone()).await.unwrap().report(CostGrouping::Model);
        (report.total_usd.to_string(), report.count, store.usage().reads - before)
    };
    // Once, the entries themselves are read.
    let (total, count, _) = report(&store(emulator, &project)).await;
    assert_eq!((total.as_str(), count), ("200", 20_000));
    let later = store(emulator, &project);
    for _ in 0..2 {
        let (total, count, reads) = report(&later).await;
        assert_eq!((total.as_str(), count), ("200", 20_000));
        assert!(reads <= 40, "{reads} reads");
    }
    // A fresh charge of another program is in the next report, at once and by its model.
    let fresh = async |name: &str, at: DateTime<Utc>, model: &str| {
        let mut entry = charge(&json!(0.04));
        (entry["timestamp"], entry["details"]) = (json!(at), json!({ "model": model }));
        script.patch(&format!("costs/{name}"), entry, &[]).await;
    };
    fresh("fresh", Utc::now(), "flux-pro-1.1").await;
    let by_model = async |expected: &[(&str, &str, u64)]| {
        let store = store(emulator, &project);
        let report = store.costs(query.clone()).await.unwrap().report(CostGrouping::Model);
        let lines: Vec<_> = report.by.iter().map(|line| (line.key.clone(), line.usd.to_string(), line.count)).collect();
        let expected: Vec<_> =
            expected.iter().map(|(key, usd, count)| ((*key).to_owned(), (*usd).to_owned(), *count)).collect();
        assert_eq!(lines, expected);
        let read = expected.iter().filter(|(key, ..)| key != "(not read yet)");
        assert_eq!(report.others_count, read.map(|(.., count)| count).sum::<u64>(), "all are of another program");
        store.usage().reads
    };
    for _ in 0..2 {
        let reads = by_model(&[("(no model)", "200", 20_000), ("flux-pro-1.1", "0.04", 1)]).await;
        assert!(reads <= 40, "{reads} reads");
    }
    // One that is dated back among the others would cost the whole day: it is counted at once, and read within the hour.
    fresh("late", Utc::now() - TimeDelta::days(6), "flux-dev").await;
    for _ in 0..2 {
        let expected = [("(no model)", "200", 20_000), ("(not read yet)", "0.04", 1), ("flux-pro-1.1", "0.04", 1)];
        let reads = by_model(&expected).await;
        assert!(reads <= 40, "{reads} reads");
    }
    // A month that ended a while ago is not compared again.
    let ended = from - TimeDelta::days(40);
    let mut old = charge(&json!(1));
    old["timestamp"] = json!(ended);
    script.patch("costs/old", old, &[]).await;
    let whole = CostQuery { from: ended - TimeDelta::days(1), to: ended + TimeDelta::days(1), simulated: false };
    let whole = CostQuery {
        from: whole.from.date_naive().and_time(chrono::NaiveTime::MIN).and_utc(),
        to: whole.to.date_naive().and_time(chrono::NaiveTime::MIN).and_utc(),
        ..whole
    };
    let mut reads = Vec::new();
    for _ in 0..3 {
        let store = store(emulator, &project);
        let report = store.costs(whole.clone()).await.unwrap().report(CostGrouping::Model);
        assert_eq!((report.total_usd.to_string().as_str(), report.count), ("1", 1));
        reads.push(store.usage().reads);
    }
    assert!(reads[2] <= 4 && reads[0] > reads[2], "verified once, then frozen: {reads:?}");
}
