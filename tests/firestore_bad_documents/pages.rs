//! Pages over documents of other programs: invalid dates, more documents than one page may cost, another database, an old job that is
//! requested again.

use std::collections::BTreeSet;

use darkroom::jobs::StageName;
use darkroom::store::firestore::FirestoreStore;
use darkroom::store::{Change, PageQuery, SortOrder, Store};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::LIMIT;
use crate::support::external_client::ExternalClient;
use crate::support::firestore_emulator::{Emulator, fresh_project, options, shared, store};
use crate::support::{TestEnv, text};

async fn emulator() -> &'static Emulator {
    tokio::task::spawn_blocking(shared).await.unwrap()
}

/// What an old backend left, made at that date.
fn old(id: &str, date: &Value) -> (String, Value) {
    let fields = json!({
        "status": {"stringValue": "approved"}, "prompt": {"stringValue": "a fox"}, "createdAt": date,
        "generatedImageUrl": {"stringValue": "https://storage.example/generated-art/a-1.png"},
    });
    (format!("jobs/{id}"), fields)
}

fn minute(number: i64) -> Value {
    let at = "2026-11-01T00:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    json!({"timestampValue": at + chrono::TimeDelta::minutes(number)})
}

/// All ids in the order in which pages name them, unreadable ones included at the end of their page.
async fn all(store: &FirestoreStore, mut query: PageQuery) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let page = store.list(query.clone()).await.unwrap();
        assert!(page.jobs.len() <= query.limit);
        ids.extend(page.jobs.iter().map(|job| job.id.as_str().to_owned()));
        ids.extend(page.unreadable.iter().map(|(id, _)| id.as_str().to_owned()));
        query.after = page.next;
        if query.after.is_none() {
            return ids;
        }
    }
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undated_jobs_follow_dated_ones_once() {
    let emulator = emulator().await;
    let project = fresh_project();
    let dated: Vec<String> = (0..20).map(|number| format!("dated-{number:02}")).collect();
    let mut documents: Vec<_> = dated.iter().zip(0..).map(|(id, number)| old(id, &minute(number))).collect();
    for number in 0..10 {
        documents.push(old(&format!("text-{number}"), &json!({"stringValue": format!("2026-10-0{number}T00:00:00Z")})));
        documents.push(old(&format!("number-{number}"), &json!({"integerValue": number.to_string()})));
        documents.push(old(&format!("map-{number}"), &json!({"mapValue": {}})));
        documents.push(old(&format!("null-{number}"), &json!({"nullValue": null})));
        let (id, mut fields) = old(&format!("missing-{number}"), &json!(null));
        fields.as_object_mut().unwrap().remove("createdAt");
        documents.push((id, fields));
    }
    ExternalClient::new(emulator, &project).write(&documents).await;
    let store = store(emulator, &project);
    for order in [SortOrder::NewestFirst, SortOrder::OldestFirst] {
        for (stages, limit) in [(vec![], 7), (vec![StageName::Approved], 20), (vec![], 1_000)] {
            let ids = all(&store, PageQuery { order, stages, limit, ..PageQuery::default() }).await;
            assert_eq!(ids.len(), documents.len(), "{order:?}, {limit}: {ids:?}");
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "none twice: {ids:?}");
            if limit < 1_000 {
                let mut first = ids[..20].to_vec();
                if order == SortOrder::NewestFirst {
                    first.reverse();
                }
                assert_eq!(first, dated);
            }
        }
    }
    let since = Some("2026-10-05T00:00:00Z".parse().unwrap());
    let jobs = store.list_jobs(PageQuery { since, limit: 1_000, ..PageQuery::default() }).await.unwrap();
    let texts = jobs.iter().filter(|job| job.id.as_str().starts_with("text")).count();
    assert_eq!((texts, jobs.len()), (6, 56), "texts are times; a document without a valid time has its own age");
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn search_stops_at_the_read_limit_with_a_cursor() {
    let emulator = emulator().await;
    let project = fresh_project();
    let mut documents: Vec<_> = (0..3_000).map(|number| old(&format!("job-{number:04}"), &minute(number))).collect();
    documents[10].1["prompt"] = json!({"stringValue": "a WHALE"});
    ExternalClient::new(emulator, &project).write(&documents).await;
    let store = store(emulator, &project);
    let mut query = PageQuery { search: Some("whale".to_owned()), limit: 200, ..PageQuery::default() };
    let page = store.list(query.clone()).await.unwrap();
    assert!(page.jobs.is_empty());
    let (at, id) = page.next.clone().expect("there is more");
    assert_eq!(id.as_str(), "job-1000", "two thousand were looked at");
    assert_eq!(json!(at), minute(1_000)["timestampValue"]);
    let reads = store.usage().reads;
    assert!(reads <= 2_000, "{reads}");
    query.after = page.next;
    let page = store.list(query).await.unwrap();
    assert_eq!(page.jobs.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["job-0010"]);
    assert_eq!(page.next, None);
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn list_continues_inside_undated_jobs() {
    let emulator = emulator().await;
    let project = fresh_project();
    for undated in [true, false] {
        let project = format!("{project}-{undated}");
        let mut documents: Vec<_> = (0..2_200).map(|number| old(&format!("job-{number:04}"), &minute(0))).collect();
        for (_, fields) in &mut documents {
            if undated {
                fields["createdAt"] = json!({"stringValue": "once"});
            } else {
                fields.as_object_mut().unwrap().remove("createdAt");
            }
        }
        let whale = if undated { 10 } else { 2_190 };
        documents[whale].1["prompt"] = json!({"stringValue": "a whale"});
        ExternalClient::new(emulator, &project).write(&documents).await;
        let mut env = TestEnv::new();
        env.set("DARKROOM_STORE", "firestore");
        env.set("FIRESTORE_EMULATOR_HOST", &emulator.host());
        env.set("GOOGLE_CLOUD_PROJECT", &project);
        let list = move |position: Option<String>| {
            let mut arguments = vec!["jobs", "list", "--search", "whale", "--json"];
            let position = position.unwrap_or_default();
            if !position.is_empty() {
                arguments.extend(["--before", &position]);
            }
            let output = env.run(&arguments);
            assert!(output.status.success(), "{}", text(&output.stderr));
            (serde_json::from_slice::<Value>(&output.stdout).unwrap(), text(&output.stderr))
        };
        tokio::task::spawn_blocking(move || {
            let (found, stopped) = list(None);
            assert_eq!(found, json!([]));
            let position = stopped.split("--before '").nth(1).and_then(|text| text.split('\'').next());
            let (found, stopped) = list(Some(position.expect(&stopped).to_owned()));
            assert_eq!(found.as_array().unwrap().len(), 1, "{found} {stopped}");
        })
        .await
        .unwrap();
    }
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_of_a_project_are_separate() {
    let emulator = emulator().await;
    let project = fresh_project();
    ExternalClient::in_database(emulator, &project, "archive").write(&[old("there", &minute(0))]).await;
    let mut named = options(emulator, &project);
    named.database = "archive".to_owned();
    let (named, default) = (FirestoreStore::connect(named), store(emulator, &project));
    assert_eq!(named.counts().await.unwrap().of(StageName::Approved), 1);
    assert_eq!(named.list_jobs(PageQuery::default()).await.unwrap()[0].id.as_str(), "there");
    assert_eq!(default.counts().await.unwrap().total(), 0);
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_request_of_an_old_job_is_received() {
    let emulator = emulator().await;
    let project = fresh_project();
    let client = ExternalClient::new(emulator, &project);
    // Texts sort behind all times: they must not fill up what is listened to as the newest either.
    let mut documents: Vec<_> = (0..120).map(|number| old(&format!("job-{number:03}"), &minute(number))).collect();
    let texts =
        (0..60).map(|number| old(&format!("text-{number:03}"), &json!({"stringValue": "2020-01-01T00:00:00Z"})));
    documents.extend(texts);
    client.write(&documents).await;
    let store = store(emulator, &project);
    let mut watch = store.watch().await.unwrap();
    let mut again = old("job-000", &minute(0));
    again.1["status"] = json!({"stringValue": "pending_art_generation"});
    client.write(&[again]).await;
    // And the newest of all is approved.
    let mut newest = old("job-119", &minute(119));
    newest.1["tab"] = json!({"integerValue": "1"});
    client.write(&[newest]).await;
    let (mut requested, mut received) = (None, false);
    while requested.is_none() || !received {
        for change in timeout(LIMIT, watch.next()).await.expect("a change was not received").unwrap() {
            match change {
                Change::Job(job) if job.id.as_str() == "job-000" && job.stage_name() == StageName::Queued => {
                    requested = Some(job);
                }
                Change::Job(job) => received |= job.id.as_str() == "job-119",
                _ => {}
            }
        }
    }
    assert_eq!(requested.map(|job| job.attempt_number()), Some(2), "it is a new attempt");
}
