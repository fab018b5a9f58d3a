//! The limits on unfinished tasks, for which stores of several processes compete.

use super::*;
use darkroom::store::TaskLimits;
use futures::future::join_all;

/// A submit as a worker begins it: contention writes nothing and is tried again.
async fn begin(store: &FirestoreStore, name: &str, limit: u32) -> Result<(), StoreError> {
    loop {
        let mut job = store.get(&id(name)).await?.unwrap();
        let claim = Claim { worker: WorkerId::new(name), until: now() + TimeDelta::seconds(60) };
        job.begin_submit(claim, Some("0.03".parse().unwrap()), now()).unwrap();
        let limits = TaskLimits { now: now(), total: Some(limit), model: None };
        match store.save_submit(Save { job: Arc::new(job), budget: None }, limits).await {
            Err(StoreError::Unavailable(_)) => {}
            other => return other.map(|_| ()),
        }
    }
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn last_task_goes_to_one_of_four_stores() {
    let emulator = emulator().await;
    for round in 0..8 {
        let project = fresh_project();
        let stores: Vec<_> = (0..4).map(|_| store(emulator, &project)).collect();
        let names = ["a", "b", "c", "d", "held-1", "held-2"];
        let job = |name| Job::new(id(name), Spec::new("flux-dev", "a fox"), true, now());
        stores[0].create(names.map(job).to_vec()).await.unwrap();
        for name in &names[4..] {
            begin(&stores[0], name, 3).await.unwrap();
        }
        // Each of them has read the job and counted the tasks before.
        join_all(stores.iter().zip(names).map(|(store, name)| async { store.get(&id(name)).await.unwrap() })).await;
        let racing = stores
            .into_iter()
            .zip(names)
            .map(|(store, name)| tokio::spawn(async move { begin(&store, name, 3).await }));
        let results: Vec<_> = join_all(racing).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "round {round}: {results:?}");
        assert!(
            results.iter().all(|result| matches!(result, Ok(()) | Err(StoreError::TaskLimit(None)))),
            "{results:?}"
        );
    }
}
