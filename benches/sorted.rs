//! A page of the queue in the order of each field, of 100,000 jobs on the embedded store: through the index, and by reading all documents as
//! a store without such an index does.
//!
//! `cargo bench --bench sorted`; `DARKROOM_BENCH_JOBS=20000` takes fewer. `DARKROOM_BENCH_FILE=path` keeps the database. It fails where
//! both ways differ, never over a timing.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its figures and stops where it cannot run"
)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use darkroom::jobs::filter::Filter;
use darkroom::jobs::sort::{Sort, SortKey, SortedPageBuilder};
use darkroom::jobs::{BillingStatus, Claim, Failure, FailureCode, Job, JobId, Spec, WorkerId};
use darkroom::store::sqlite::SqliteStore;
use darkroom::store::{PageQuery, SortedQuery, Store};

/// Rows of one page.
const ROWS: usize = 100;

/// Measurements of each page; the median is shown.
const RUNS: usize = 9;

const SUBJECTS: [&str; 5] =
    ["a fox in the snow", "an owl at night", "portrait of a clockmaker", "harbour", "neon street"];

fn job(number: usize, now: DateTime<Utc>) -> Job {
    let at = now - TimeDelta::seconds(i64::try_from(number).unwrap());
    let side = [512, 768, 1_024, 1_440][number % 4];
    let prompt = format!("{} {number}, soft light, 35 mm, shallow depth of field, film grain", SUBJECTS[number % 5]);
    let spec = Spec::new(["flux-2-pro", "flux-2-max", "flux-dev"][number % 3], prompt);
    let spec = spec.with("width", side).with("height", 1_024);
    let mut job = Job::new(JobId::new(format!("job-{number:07}")).unwrap(), spec, true, at);
    if number.is_multiple_of(50) {
        return job;
    }
    let claim = Claim { worker: WorkerId::new(format!("worker-{}", number % 7)), until: at + TimeDelta::minutes(1) };
    job.begin_submit(claim, "0.03".parse().ok(), at).unwrap();
    if number % 50 > 1 {
        let ended = at + TimeDelta::milliseconds(i64::try_from(number % 9_000).unwrap());
        let failure = Failure::new(FailureCode::ProviderError, "the model failed", BillingStatus::No, ended);
        job.reject_by_provider(failure, ended).unwrap();
    }
    job
}

async fn through_index(store: &SqliteStore, sort: Sort, filter: &Filter) -> Vec<JobId> {
    let query = SortedQuery { filter: filter.clone(), sort, backwards: false, after: None, limit: ROWS };
    store.list_sorted(query).await.unwrap().jobs.into_iter().map(|job| job.id).collect()
}

async fn through_documents(store: &SqliteStore, sort: Sort, filter: &Filter) -> Vec<JobId> {
    let (mut kept, mut after) = (SortedPageBuilder::new(sort, false, None, ROWS), None);
    loop {
        let query = PageQuery { filter: filter.clone(), after, limit: 1_000, ..PageQuery::default() };
        let page = store.list(query).await.unwrap();
        page.jobs.into_iter().for_each(|job| kept.push(job));
        after = page.next;
        if after.is_none() {
            return kept.finish().0.into_iter().map(|job| job.id).collect();
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[tokio::main]
async fn main() {
    // `cargo test --benches` only wants to know that it builds and starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let number = |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let jobs: usize = number("DARKROOM_BENCH_JOBS", 100_000);
    let folder = tempfile::tempdir().unwrap();
    let file = std::env::var_os("DARKROOM_BENCH_FILE").map_or_else(|| folder.path().join("darkroom.db"), PathBuf::from);
    let store = SqliteStore::open(&file).unwrap();
    let begun = Instant::now();
    for batch in (0..jobs).collect::<Vec<_>>().chunks(1_000) {
        store.create(batch.iter().map(|number| job(*number, Utc::now())).collect()).await.unwrap();
    }
    println!("{jobs} jobs created in {:.1} s", begun.elapsed().as_secs_f64());
    println!("{:9} {:12} {:>10} {:>13} {:>7}", "order", "filter", "index", "all documents", "ratio");
    for key in [SortKey::Age, SortKey::Cost, SortKey::Size, SortKey::Duration, SortKey::Worker, SortKey::Prompt] {
        for text in ["", "model:flux-dev"] {
            let (sort, filter) = (Sort::by(key), Filter::parse(text, Utc::now()).unwrap());
            let mut times: Vec<Duration> = Vec::new();
            let mut found = Vec::new();
            for _ in 0..RUNS {
                let begun = Instant::now();
                found = through_index(&store, sort, &filter).await;
                times.push(begun.elapsed());
            }
            times.sort();
            let begun = Instant::now();
            let expected = through_documents(&store, sort, &filter).await;
            let (index, documents) = (milliseconds(times[RUNS / 2]), milliseconds(begun.elapsed()));
            assert_eq!(found, expected, "{key} {text}");
            println!("{:9} {text:12} {index:7.1} ms {documents:10.0} ms {:6.0}x", key.to_string(), documents / index);
        }
    }
}
