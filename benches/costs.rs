//! A cost report over 1,000,000 entries on the embedded store, and its reads over 20,000 entries on Firestore's emulator (left out where
//! none is installed).
//!
//! `cargo bench --bench costs`; `DARKROOM_BENCH_COSTS=50000` takes fewer. It fails where a sum is wrong, never over a timing.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its figures and stops where it cannot run"
)]

use std::time::{Duration, Instant};

#[cfg(all(unix, feature = "firestore"))]
#[path = "../tests/support/mod.rs"]
#[allow(dead_code, clippy::expect_used, clippy::panic, missing_docs, reason = "written for the tests")]
mod support;

use chrono::{DateTime, TimeDelta, Utc};
use darkroom::costs::{CostGrouping, Outlook};
use darkroom::store::schema::{CostEntry, Record};
use darkroom::store::sqlite::SqliteStore;
use darkroom::store::{CostJobsQuery, CostQuery, Store};
use serde_json::json;

/// Entries of one import.
const BATCH_SIZE: u64 = 2_000;

const MODELS: [(&str, f64); 6] = [
    ("flux-2-pro", 0.03),
    ("flux-2-pro", 0.045),
    ("flux-2-max", 0.07),
    ("flux-2-klein-4b", 0.014),
    ("flux-dev", 0.025),
    ("flux-2-flex", 0.05),
];

fn end() -> DateTime<Utc> {
    "2026-11-23T00:00:00Z".parse().unwrap()
}

/// Evenly over a year; two entries for each job, a third of them with a tag.
fn entry(number: u64, count: u64) -> Record {
    let back = i64::try_from(number).unwrap() * (365 * 86_400_000 / i64::try_from(count).unwrap()) + 1;
    let (model, amount) = MODELS[usize::try_from(number % 6).unwrap()];
    let at = end() - TimeDelta::milliseconds(back);
    let mut details = json!({"model": model, "success": !number.is_multiple_of(50)});
    if number.is_multiple_of(3) {
        details["tags"] = json!([format!("campaign-{}", number % 40)]);
    }
    let fields = json!({
        "job_id": format!("job-{}", number / 2), "service": "bfl_api", "cost_usd": amount,
        "timestamp": at.to_rfc3339(), "details": details,
    });
    let serde_json::Value::Object(fields) = fields else { unreachable!("an object") };
    Record::Cost(Box::new(CostEntry::read(Some(&format!("entry-{number}")), fields).unwrap()))
}

async fn fill(store: &dyn Store, count: u64) -> Duration {
    let begun = Instant::now();
    let mut next = 0;
    while next < count {
        let batch: Vec<Record> = (next..count.min(next + BATCH_SIZE)).map(|number| entry(number, count)).collect();
        store.import(batch, false).await.unwrap();
        next += BATCH_SIZE;
    }
    begun.elapsed()
}

fn main() {
    // `cargo test --benches` only wants to know that it builds and starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let count: u64 = std::env::var("DARKROOM_BENCH_COSTS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        embedded(count).await;
        #[cfg(all(unix, feature = "firestore"))]
        shared(count.min(20_000)).await;
    });
}

async fn embedded(count: u64) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("darkroom.db")).unwrap();
    let filled = fill(&store, count).await;
    println!("{count} entries over a year, written in {:.0} s", filled.as_secs_f64());
    let spans = [
        ("a year", end() - TimeDelta::days(365)),
        ("30 days", end() - TimeDelta::days(30)),
        ("a year but for 7 hours", end() - TimeDelta::days(365) + TimeDelta::hours(7)),
        ("a day", end() - TimeDelta::days(1)),
    ];
    for (name, from) in spans {
        let (mut report, mut jobs) = (Vec::new(), Vec::new());
        for _ in 0..9 {
            let begun = Instant::now();
            let table = store.costs(CostQuery { from, to: end(), simulated: false }).await.unwrap();
            let by_model = table.report(CostGrouping::Model);
            let tagged = table.report(CostGrouping::Tag);
            let _ = (table.report(CostGrouping::Day), table.wasted(table.span()), Outlook::of(&table, end()));
            report.push(begun.elapsed());
            assert_eq!(tagged.by.iter().map(|line| line.count).sum::<u64>(), by_model.count);
            let begun = Instant::now();
            let query = CostJobsQuery { from, to: end(), simulated: false, only: None, limit: 10 };
            let found = store.cost_jobs(query).await.unwrap();
            jobs.push(begun.elapsed());
            assert_eq!(found.len(), 10);
            assert_eq!(found[0].usd.to_string(), "0.084", "the dearest pair of entries");
        }
        println!(
            "SQLite     report over {name:<24} {}, with its 10 most expensive jobs {}",
            median(report),
            median(jobs)
        );
    }
}

fn median(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    format!("{:.1} ms", times[times.len() / 2].as_secs_f64() * 1e3)
}

#[cfg(all(unix, feature = "firestore"))]
async fn shared(count: u64) {
    use support::firestore_emulator;
    let emulator = tokio::task::spawn_blocking(firestore_emulator::shared).await.unwrap();
    let store = firestore_emulator::store(emulator, &firestore_emulator::fresh_project());
    fill(&store, count).await;
    for name in ["first report", "report"] {
        let before = store.usage().reads;
        let (from, to) = (end() - TimeDelta::days(30), end());
        let table = store.costs(CostQuery { from, to, simulated: false }).await.unwrap();
        let counted = table.report(CostGrouping::Model).count;
        let sums = store.usage().reads - before;
        let query = CostJobsQuery { from, to, simulated: false, only: None, limit: 5 };
        let jobs = store.cost_jobs(query).await.unwrap().len();
        let all = store.usage().reads - before;
        println!(
            "Firestore  {name} of 30 days over {counted} entries: {sums} reads, with its {jobs} most expensive jobs {all}"
        );
    }
}
