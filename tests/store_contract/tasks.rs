//! The limits on unfinished tasks, which all workers of a store share.

use std::sync::Arc;

use darkroom::jobs::Job;
use darkroom::store::{Save, Store, StoreError, TaskLimits};
use futures::future::join_all;

use super::fixture::{Fixture, at, claim, create, generating, queued, read, submitting, usd};

async fn begin(
    store: &Arc<dyn Store>,
    name: &str,
    (total, model): (Option<u32>, Option<u32>),
    seconds: i64,
) -> Result<u64, StoreError> {
    let mut job = read(store, name).await;
    job.begin_submit(claim(name, seconds + 60), Some(usd("0.04")), at(seconds)).unwrap();
    let save = Save { job: Arc::new(job), budget: None };
    store.save_submit(save, TaskLimits { now: at(seconds), total, model }).await
}

fn of_model(mut job: Job, model: &str) -> Job {
    model.clone_into(&mut job.spec.model);
    job
}

pub async fn tasks_are_limited_across_workers(fixture: Fixture) {
    create(&fixture.store, [submitting("a", 0, "one", 60), generating("b", 0, Some("4")), queued("c", 0)]).await;
    create(&fixture.store, [queued("d", 0)]).await;
    let full = begin(&fixture.other, "c", (Some(2), None), 10).await;
    assert_eq!(full, Err(StoreError::TaskLimit(None)));
    assert_eq!(read(&fixture.store, "c").await.stage_name(), darkroom::jobs::StageName::Queued, "nothing was written");
    begin(&fixture.other, "c", (Some(3), None), 10).await.unwrap();
    assert_eq!(begin(&fixture.store, "d", (Some(3), None), 10).await, Err(StoreError::TaskLimit(None)));
}

pub async fn expired_claims_block_no_task(fixture: Fixture) {
    create(&fixture.store, [submitting("a", 0, "dead", 60), queued("b", 0)]).await;
    assert!(begin(&fixture.other, "b", (Some(1), None), 59).await.is_err());
    begin(&fixture.other, "b", (Some(1), None), 60).await.unwrap();
}

pub async fn finished_and_other_jobs_are_no_tasks(fixture: Fixture) {
    let mut done = generating("done", 0, Some("4"));
    super::fixture::finish(&mut done, None, None, 5);
    let mut real = submitting("real", 0, "worker", 60);
    real.simulated = false;
    create(&fixture.store, [done, real, queued("a", 0)]).await;
    begin(&fixture.other, "a", (Some(1), Some(1)), 10).await.unwrap();
}

pub async fn model_limit_counts_only_its_model(fixture: Fixture) {
    let limited = "flux-kontext-max";
    create(&fixture.store, [of_model(submitting("a", 0, "one", 60), limited), submitting("b", 0, "one", 60)]).await;
    create(&fixture.store, [of_model(queued("c", 0), limited), queued("d", 0)]).await;
    let full = begin(&fixture.other, "c", (Some(9), Some(1)), 10).await;
    assert_eq!(full, Err(StoreError::TaskLimit(Some(limited.to_owned()))));
    begin(&fixture.other, "c", (Some(9), Some(2)), 10).await.unwrap();
    begin(&fixture.other, "d", (Some(9), None), 10).await.unwrap();
}

/// Workers that submit in the same instant do not pass the limit together.
pub async fn limit_holds_under_concurrent_submits(fixture: Fixture) {
    let names: Vec<String> = (0..20).map(|number| format!("job-{number:02}")).collect();
    create(&fixture.store, names.iter().map(|name| queued(name, 0))).await;
    let stores = [&fixture.store, &fixture.other];
    let begun =
        join_all(names.iter().zip(stores.iter().cycle()).map(|(name, store)| begin(store, name, (Some(5), None), 1)));
    let mut begun = begun.await;
    for (name, result) in names.iter().zip(&mut begun) {
        // Contention: nothing was written, and a worker tries again.
        while matches!(result, Err(StoreError::Unavailable(_))) {
            *result = begin(&fixture.store, name, (Some(5), None), 1).await;
        }
    }
    assert_eq!(begun.iter().filter(|result| result.is_ok()).count(), 5, "{begun:?}");
    let refused = begun.iter().filter_map(|result| result.as_ref().err());
    assert!(refused.clone().all(|error| *error == StoreError::TaskLimit(None)), "{begun:?}");
}
