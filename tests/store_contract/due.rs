//! What workers may act on, and when.

use darkroom::jobs::{Job, WorkerId};
use darkroom::store::DueQuery;

use super::fixture::{Fixture, at, create, due, generating, names, queued, submitting};

fn waiting(mut job: Job, until: i64) -> Job {
    job.not_before = Some(at(until));
    job
}

fn free(mut job: Job) -> Job {
    job.claim = None;
    job
}

pub async fn oldest_queued_job_is_due_first(fixture: Fixture) {
    create(&fixture.store, [queued("late", 30), queued("b", 10), queued("a", 10), queued("early", 1)]).await;
    let found = fixture.other.due(due(60)).await.unwrap();
    assert_eq!(names(&found), ["early", "a", "b", "late"]);
    assert!(found.iter().all(|job| job.revision > 0), "what is due can be saved");
    let found = fixture.store.due(DueQuery { limit: 2, ..due(60) }).await.unwrap();
    assert_eq!(names(&found), ["early", "a"]);
    assert!(fixture.store.due(DueQuery { queued: false, ..due(60) }).await.unwrap().is_empty(), "the intake is closed");
}

pub async fn active_jobs_are_due_before_queued_ones(fixture: Fixture) {
    create(&fixture.store, [queued("queued", 0), free(generating("generating", 20, Some("4")))]).await;
    create(&fixture.store, [free(submitting("submitting", 10, "worker", 60))]).await;
    let mut done = generating("done", 0, Some("4"));
    super::fixture::finish(&mut done, None, None, 5);
    create(&fixture.store, [done]).await;
    let found = fixture.store.due(due(60)).await.unwrap();
    assert_eq!(names(&found), ["submitting", "generating", "queued"]);
    let found = fixture.store.due(DueQuery { queued: false, ..due(60) }).await.unwrap();
    assert_eq!(names(&found), ["submitting", "generating"]);
    let found = fixture.store.due(DueQuery { limit: 1, ..due(60) }).await.unwrap();
    assert_eq!(names(&found), ["submitting"]);
}

pub async fn claim_excludes_others_until_it_expires(fixture: Fixture) {
    create(&fixture.store, [submitting("a", 0, "worker", 60)]).await;
    assert!(fixture.store.due(due(59)).await.unwrap().is_empty());
    assert_eq!(fixture.store.next_due(due(59)).await.unwrap(), Some(at(60)));
    assert_eq!(names(&fixture.store.due(due(60)).await.unwrap()), ["a"]);
}

pub async fn claims_of_dead_workers_are_ignored(fixture: Fixture) {
    create(&fixture.store, [submitting("a", 0, "dead", 60), submitting("b", 1, "it's \"alive\"", 60)]).await;
    let gone =
        |workers: &[&str]| DueQuery { dead_workers: workers.iter().map(|id| WorkerId::new(*id)).collect(), ..due(10) };
    assert!(fixture.store.due(gone(&["another-worker"])).await.unwrap().is_empty());
    assert_eq!(names(&fixture.store.due(gone(&["dead"])).await.unwrap()), ["a"]);
    let both = gone(&["dead", "it's \"alive\""]);
    assert_eq!(names(&fixture.store.due(both.clone()).await.unwrap()), ["a", "b"]);
    assert_eq!(fixture.store.next_due(both).await.unwrap(), None, "both are due already");
}

pub async fn not_before_delays_due(fixture: Fixture) {
    let jobs = [
        waiting(queued("queued", 0), 30),
        waiting(free(generating("free", 1, Some("4"))), 40),
        waiting(generating("claimed", 2, Some("4")), 90),
    ];
    create(&fixture.store, jobs).await;
    assert!(fixture.store.due(due(29)).await.unwrap().is_empty());
    assert_eq!(names(&fixture.store.due(due(30)).await.unwrap()), ["queued"]);
    assert_eq!(names(&fixture.store.due(due(89)).await.unwrap()), ["free", "queued"]);
    assert_eq!(names(&fixture.store.due(due(90)).await.unwrap()), ["free", "claimed", "queued"]);
}

pub async fn simulated_and_real_jobs_are_separate(fixture: Fixture) {
    let real = |mut job: Job| {
        job.simulated = false;
        job
    };
    let jobs = [queued("simulated", 0), real(queued("real", 0)), real(submitting("real too", 0, "worker", 60))];
    create(&fixture.store, jobs).await;
    assert_eq!(names(&fixture.store.due(due(60)).await.unwrap()), ["simulated"]);
    let query = DueQuery { simulated: false, ..due(60) };
    assert_eq!(names(&fixture.store.due(query).await.unwrap()), ["real too", "real"]);
    assert_eq!(fixture.store.next_due(due(0)).await.unwrap(), None);
    assert_eq!(fixture.store.next_due(DueQuery { simulated: false, ..due(0) }).await.unwrap(), Some(at(60)));
}

pub async fn next_due_is_the_earliest_change(fixture: Fixture) {
    assert_eq!(fixture.store.next_due(due(0)).await.unwrap(), None);
    let jobs = [
        queued("now", 0),
        waiting(queued("held", 0), 20),
        waiting(generating("claimed", 0, Some("4")), 30),
        waiting(free(generating("free", 0, Some("4"))), 45),
        waiting(submitting("gone", 0, "gone", 70), 50),
    ];
    create(&fixture.store, jobs).await;
    // "claimed" has a claim until 60, so its own waiting time does not matter.
    let query = |now: i64| DueQuery { dead_workers: vec![WorkerId::new("gone")], ..due(now) };
    let mut seen = Vec::new();
    let mut now = 0;
    while let Some(next) = fixture.store.next_due(query(now)).await.unwrap() {
        let before = fixture.store.due(query(now)).await.unwrap().len();
        now = (next - at(0)).num_seconds();
        let after = fixture.store.due(query(now)).await.unwrap().len();
        assert_eq!(after, before + 1, "at {now}");
        seen.push(now);
    }
    assert_eq!(seen, [20, 45, 50, 60]);
    let closed = DueQuery { queued: false, ..query(0) };
    assert_eq!(
        fixture.store.next_due(closed).await.unwrap(),
        Some(at(45)),
        "held jobs do not matter to a closed intake"
    );
}
