//! Four workers on one queue: every job through its three saves, each worker with as many at once as it has slots.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use darkroom::costs::{Budget, CostGrouping, Credits};
use darkroom::jobs::{Claim, ImageFormat, Job, JobId, ObjectName, Receipt, Spec, StoredImage, Ticket, WorkerId};
use darkroom::store::firestore::FirestoreStore;
use darkroom::store::{CostQuery, Save, Store, TaskLimits};

use crate::support::firestore_emulator::{Emulator, fresh_project, store};

const WORKERS: usize = 4;
const SLOTS: usize = 6;

pub async fn measure(emulator: &Emulator) {
    // The server is a JVM: the first round is its warming up.
    run(emulator, 40, false).await;
    for (count, listening) in [(60, false), (400, false), (60, true), (400, true)] {
        // The emulator sends every listener everything again after every write; the real server sends what changed.
        let how = if listening { "listening to the emulator" } else { "without a listener" };
        let time = run(emulator, count, listening).await;
        println!("{WORKERS} workers, {count} jobs, {how}: {:.2} s", time.as_secs_f64());
    }
}

async fn run(emulator: &Emulator, count: usize, listening: bool) -> Duration {
    let project = fresh_project();
    let first = store(emulator, &project);
    let spec = Spec::new("flux-dev", "a fox");
    let jobs: Vec<Job> = (0..count)
        .map(|number| Job::new(JobId::new(format!("job-{number:04}")).unwrap(), spec.clone(), true, Utc::now()))
        .collect();
    for some in jobs.chunks(200) {
        first.create(some.to_vec()).await.unwrap();
    }
    let mut stores = Vec::new();
    for _ in 0..WORKERS {
        let store = Arc::new(store(emulator, &project));
        let watch = if listening { Some(store.watch().await.unwrap()) } else { None };
        stores.push((store, watch));
    }
    let queue = Arc::new(Mutex::new(VecDeque::from(jobs)));
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for (number, (store, _)) in stores.iter().enumerate() {
        for _ in 0..SLOTS {
            let (store, queue) = (Arc::clone(store), Arc::clone(&queue));
            tasks.spawn(async move {
                loop {
                    let next = queue.lock().unwrap().pop_front();
                    let Some(job) = next else { return };
                    let job = store.get(&job.id).await.unwrap().unwrap();
                    live(&store, job, number, None).await;
                }
            });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let time = begun.elapsed();
    let (from, to) = (Utc::now() - TimeDelta::days(2), Utc::now() + TimeDelta::days(1));
    let query = CostQuery { from, to, simulated: true };
    assert_eq!(
        first.costs(query).await.unwrap().report(CostGrouping::Service).count,
        count as u64,
        "the books are whole"
    );
    time
}

/// Takes the job through its life, as a worker does.
pub async fn live(store: &FirestoreStore, mut job: Job, number: usize, budget: Option<Budget>) {
    let now = Utc::now();
    begin(&mut job, number, now);
    let limits = TaskLimits { now, total: Some(24), model: None };
    job.revision = store.save_submit(Save { job: Arc::new(job.clone()), budget }, limits).await.unwrap();
    job.accept(receipt(now), None, now).unwrap();
    job.revision = store.save(Save::new(&job)).await.unwrap();
    let object = ObjectName::for_attempt(&job.id, job.attempt_number(), ImageFormat::Png);
    let url = format!("https://storage.example/{object}");
    let sha256 = "00".repeat(32);
    let image = StoredImage { object, url, format: ImageFormat::Png, width: 16, height: 16, bytes: 99, sha256 };
    job.complete(image, Some(Credits::new("2.5".parse().unwrap())), None, now).unwrap();
    job.revision = store.save(Save::new(&job)).await.unwrap();
}

/// The job with its charge, which is dated by its submit.
pub fn accepted(mut job: Job, at: DateTime<Utc>) -> Job {
    begin(&mut job, 0, at);
    job.accept(receipt(at), None, at).unwrap();
    job
}

fn begin(job: &mut Job, number: usize, at: DateTime<Utc>) {
    let claim = Claim { worker: WorkerId::new(format!("worker-{number}")), until: at + TimeDelta::minutes(3) };
    job.begin_submit(claim, Some("0.03".parse().unwrap()), at).unwrap();
}

fn receipt(accepted_at: DateTime<Utc>) -> Receipt {
    Receipt {
        ticket: Ticket { id: "ticket".into(), polling_url: "https://api.example/v1/get_result?id=ticket".into() },
        cost: Some(Credits::new("2.5".parse().unwrap())),
        input_megapixels: None,
        output_megapixels: None,
        accepted_at,
    }
}
