//! Creating and saving: all or none, one winner, durable revisions.

use std::sync::Arc;

use darkroom::store::{Save, StoreError};
use futures::future::join_all;

use super::fixture::{Fixture, at, create, id, queued, read, save};

pub async fn created_jobs_can_be_read(fixture: Fixture) {
    let mut job = queued("a", 0);
    job.tags = vec!["winter".into()];
    create(&fixture.store, [job.clone()]).await;
    for store in [&fixture.store, &fixture.other] {
        let stored = read(store, "a").await;
        assert!(stored.revision > 0, "a stored job has a revision");
        assert_eq!(darkroom::jobs::Job { revision: 0, ..stored }, job);
    }
    assert_eq!(fixture.store.get(&id("b")).await.unwrap(), None);
}

pub async fn create_is_all_or_nothing(fixture: Fixture) {
    create(&fixture.store, [queued("taken", 0)]).await;
    let before = read(&fixture.store, "taken").await;
    let jobs = vec![queued("new", 1), queued("taken", 1), queued("newer", 1)];
    assert_eq!(fixture.store.create(jobs).await, Err(StoreError::AlreadyExists(id("taken"))));
    assert_eq!(fixture.store.get(&id("new")).await.unwrap(), None);
    assert_eq!(fixture.store.get(&id("newer")).await.unwrap(), None);
    assert_eq!(read(&fixture.store, "taken").await, before);
    let twice = vec![queued("same", 1), queued("same", 2)];
    assert_eq!(fixture.store.create(twice).await, Err(StoreError::AlreadyExists(id("same"))));
    assert_eq!(fixture.store.get(&id("same")).await.unwrap(), None);
    assert_eq!(fixture.store.create(Vec::new()).await, Ok(()));
}

pub async fn create_accepts_a_thousand_jobs(fixture: Fixture) {
    create(&fixture.store, (0..1_000).map(|number| queued(&format!("job-{number:04}"), number))).await;
    assert_eq!(fixture.other.counts().await.unwrap().total(), 1_000);
    assert_eq!(read(&fixture.other, "job-0999").await.created_at, at(999));
}

pub async fn save_requires_latest_revision(fixture: Fixture) {
    create(&fixture.store, [queued("a", 0)]).await;
    let mut mine = read(&fixture.store, "a").await;
    let mut theirs = read(&fixture.other, "a").await;
    theirs.tags = vec!["theirs".into()];
    save(&fixture.other, &mut theirs).await.unwrap();
    mine.tags = vec!["mine".into()];
    assert_eq!(save(&fixture.store, &mut mine).await, Err(StoreError::Conflict(id("a"))));
    assert_eq!(read(&fixture.store, "a").await, theirs, "the revision that a save returns is the one that is read");
    theirs.tags = vec!["theirs again".into()];
    save(&fixture.store, &mut theirs).await.unwrap();
    assert_eq!(read(&fixture.other, "a").await, theirs);
}

pub async fn concurrent_saves_have_one_winner(fixture: Fixture) {
    create(&fixture.store, [queued("a", 0)]).await;
    for round in 0..10 {
        let before = read(&fixture.store, "a").await;
        let savers = (0..8).map(|saver| {
            let store = Arc::clone(if saver % 2 == 0 { &fixture.store } else { &fixture.other });
            let mut job = before.clone();
            job.tags = vec![format!("round {round}, saver {saver}")];
            tokio::spawn(async move { (job.tags.clone(), store.save(Save::new(&job)).await) })
        });
        let results: Vec<_> = join_all(savers).await.into_iter().map(Result::unwrap).collect();
        let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(|(_, result)| result.is_ok());
        assert_eq!(won.len(), 1, "round {round}: {won:?}");
        assert!(lost.iter().all(|(_, result)| *result == Err(StoreError::Conflict(id("a")))), "{lost:?}");
        let after = read(&fixture.store, "a").await;
        assert_eq!(after.tags, won[0].0);
        assert_eq!(Ok(after.revision), won[0].1);
    }
}

pub async fn save_of_missing_job_is_not_found(fixture: Fixture) {
    let result = fixture.store.save(Save::new(&queued("missing", 0))).await;
    assert_eq!(result, Err(StoreError::NotFound(id("missing"))));
    assert_eq!(fixture.store.get(&id("missing")).await.unwrap(), None);
}

pub async fn rejected_save_does_not_affect_others(fixture: Fixture) {
    create(&fixture.store, (0..40).map(|number| queued(&format!("job-{number:02}"), number))).await;
    let mut saves = Vec::new();
    for number in 0..40 {
        let mut job = read(&fixture.store, &format!("job-{number:02}")).await;
        job.hidden = true;
        if number % 4 == 0 {
            job.revision += 1;
        }
        let store = Arc::clone(&fixture.store);
        saves.push(tokio::spawn(async move { store.save(Save::new(&job)).await.is_ok() }));
    }
    let answers = join_all(saves).await;
    assert_eq!(answers.into_iter().filter(|saved| *saved.as_ref().unwrap()).count(), 30);
    let counts = fixture.store.counts().await.unwrap();
    assert_eq!((counts.hidden, counts.total()), (30, 10));
}
