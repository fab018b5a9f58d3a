//! Jobs for people: order, pages, filters, search, prefixes, counts.

use darkroom::jobs::filter::Filter;
use darkroom::jobs::sort::{Sort, SortKey};
use darkroom::jobs::{BillingStatus, FailureCode, Hold, Job, Spec, StageName};
use darkroom::store::{PageQuery, SortOrder, SortedQuery};

use super::fixture::{Fixture, at, create, failure, finish, generating, id, names, queued, submitting};

async fn page(fixture: &Fixture, query: PageQuery) -> Vec<String> {
    names(&fixture.other.list_jobs(query).await.unwrap())
}

pub async fn page_is_ordered_with_ties_by_id(fixture: Fixture) {
    create(&fixture.store, [queued("b", 1), queued("c", 2), queued("a", 1), queued("d", 0)]).await;
    assert_eq!(page(&fixture, PageQuery::default()).await, ["c", "b", "a", "d"]);
    let oldest = PageQuery { order: SortOrder::OldestFirst, ..PageQuery::default() };
    assert_eq!(page(&fixture, oldest.clone()).await, ["d", "a", "b", "c"]);
    assert_eq!(page(&fixture, PageQuery { limit: 2, ..oldest }).await, ["d", "a"]);
}

pub async fn pages_have_no_gaps_or_duplicates(fixture: Fixture) {
    // Five jobs for each second, so that pages end in the middle of a tie.
    create(&fixture.store, (0..50).map(|number| queued(&format!("job-{number:02}"), number / 5))).await;
    for order in [SortOrder::NewestFirst, SortOrder::OldestFirst] {
        let mut seen: Vec<Job> = Vec::new();
        loop {
            let after = seen.last().map(|job| (job.created_at, job.id.clone()));
            let next =
                fixture.store.list_jobs(PageQuery { after, order, limit: 7, ..PageQuery::default() }).await.unwrap();
            if next.is_empty() {
                break;
            }
            seen.extend(next);
        }
        let mut expected: Vec<String> = (0..50).map(|number| format!("job-{number:02}")).collect();
        if order == SortOrder::NewestFirst {
            expected.reverse();
        }
        assert_eq!(names(&seen), expected, "{order:?}");
        // The same by the place that each page names; only the last names none.
        let (mut seen, mut query) = (Vec::new(), PageQuery { order, limit: 7, ..PageQuery::default() });
        loop {
            let page = fixture.store.list(query.clone()).await.unwrap();
            assert!(page.jobs.len() == 7 || page.next.is_none(), "{order:?}: {} jobs", page.jobs.len());
            seen.extend(page.jobs);
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        assert_eq!(names(&seen), expected, "{order:?}, by places");
    }
}

pub async fn sorted_pages_are_complete(fixture: Fixture) {
    let models = ["flux-dev", "FLUX-2-pro", "flux-2-max"];
    let jobs: Vec<Job> = (0..24)
        .map(|number: i64| {
            let name = format!("job-{number:02}");
            let mut job = match number % 6 {
                0 => submitting(&name, number / 2, &format!("worker-{}", number % 5), 9_000),
                1 | 2 => generating(&name, number / 2, Some(["4", "1", "7.5"][number as usize % 3])),
                _ => queued(&name, number / 2),
            };
            if number % 6 == 2 {
                finish(&mut job, Some("4"), None, number / 2 + number % 7);
            }
            if number % 6 == 4 {
                job.set_hold(Some(Hold::RateLimit), None, at(number)).unwrap();
            }
            models[number as usize % 3].clone_into(&mut job.spec.model);
            job.spec.prompt = format!("{} owl {number}", ["Élan", "a", "zebra"][number as usize % 3]);
            job.tags = if number % 4 == 0 { Vec::new() } else { vec![format!("tag-{}", number % 4)] };
            job.hidden = number == 23;
            job
        })
        .collect();
    create(&fixture.store, jobs.clone()).await;
    let keys = [
        SortKey::Age,
        SortKey::Status,
        SortKey::Cost,
        SortKey::Model,
        SortKey::Size,
        SortKey::Tags,
        SortKey::Attempts,
        SortKey::Duration,
        SortKey::Worker,
        SortKey::Prompt,
    ];
    for key in keys {
        for (sort, backwards) in [(Sort::by(key), false), (Sort::by(key).reversed(), false), (Sort::by(key), true)] {
            for text in ["", "tag:tag"] {
                let filter = Filter::parse(text, at(0)).unwrap();
                let mut places: Vec<_> = jobs
                    .iter()
                    .filter(|job| !job.hidden && (text.is_empty() || !job.tags.is_empty()))
                    .map(|job| sort.place(job))
                    .collect();
                places.sort_by(|left, right| sort.compare(left, right));
                if backwards {
                    places.reverse();
                }
                let expected: Vec<String> = places.iter().map(|place| place.id.to_string()).collect();
                let (mut seen, mut after) = (Vec::new(), None);
                loop {
                    let query = SortedQuery { filter: filter.clone(), sort, backwards, after, limit: 5 };
                    let page = fixture.store.list_sorted(query).await.unwrap();
                    assert!(page.jobs.len() <= 5 && page.read_back_to.is_none());
                    seen.extend(page.jobs);
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
                assert_eq!(names(&seen), expected, "{sort:?}, backwards {backwards}, filter {text:?}");
            }
        }
    }
}

pub async fn page_filters_by_stage_and_time(fixture: Fixture) {
    let jobs = [queued("a", 1), submitting("b", 2, "worker", 60), generating("c", 3, Some("4")), queued("d", 4)];
    create(&fixture.store, jobs).await;
    let stages = |stages: &[StageName]| PageQuery { stages: stages.to_vec(), ..PageQuery::default() };
    assert_eq!(page(&fixture, stages(&[StageName::Queued])).await, ["d", "a"]);
    assert_eq!(page(&fixture, stages(&[StageName::Generating, StageName::Submitting])).await, ["c", "b"]);
    assert!(page(&fixture, stages(&[StageName::Done])).await.is_empty());
    let since = PageQuery { since: Some(at(2)), ..PageQuery::default() };
    assert_eq!(page(&fixture, since.clone()).await, ["d", "c", "b"]);
    let behind = PageQuery { after: Some((at(3), id("c"))), ..since };
    assert_eq!(page(&fixture, behind).await, ["b"]);
}

pub async fn page_includes_hidden_on_request(fixture: Fixture) {
    let mut hidden = queued("hidden", 1);
    hidden.hidden = true;
    create(&fixture.store, [queued("a", 0), hidden, queued("b", 2)]).await;
    assert_eq!(page(&fixture, PageQuery::default()).await, ["b", "a"]);
    assert_eq!(page(&fixture, PageQuery { hidden: true, ..PageQuery::default() }).await, ["b", "hidden", "a"]);
}

pub async fn search_is_literal(fixture: Fixture) {
    let job = |name: &str, seconds: i64, model: &str, prompt: &str, tags: &[&str]| {
        let mut job = Job::new(id(name), Spec::new(model, prompt), true, at(seconds));
        job.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        job
    };
    create(
        &fixture.store,
        [
            job("percent", 0, "flux-dev", "100% wool, it's a \"coat\"", &[]),
            job("under_score", 1, "flux-dev", "1000 wool", &[]),
            job("Fox", 2, "flux-pro", "ÜBER den Wolken", &["Winter Sale", "back\\slash"]),
            job("nul", 3, "flux-pro", "before\0after \u{1f98a}", &[]),
        ],
    )
    .await;
    for (needle, found) in [
        ("0% w", vec!["percent"]),
        ("r_s", vec!["under_score"]),
        ("%", vec!["percent"]),
        ("it's a \"COAT", vec!["percent"]),
        ("'", vec!["percent"]),
        ("über", vec!["Fox"]),
        ("fox", vec!["Fox"]),
        ("FLUX-PRO", vec!["nul", "Fox"]),
        ("winter s", vec!["Fox"]),
        ("k\\s", vec!["Fox"]),
        ("after", vec!["nul"]),
        ("\u{1f98a}", vec!["nul"]),
        ("wool", vec!["under_score", "percent"]),
        ("", vec!["nul", "Fox", "under_score", "percent"]),
        ("*", vec![]),
        ("'; DROP TABLE jobs; --", vec![]),
    ] {
        let query = PageQuery { search: Some(needle.to_owned()), ..PageQuery::default() };
        assert_eq!(page(&fixture, query).await, found, "{needle:?}");
    }
}

const FILTERS: &[&str] = &[
    "",
    "fox",
    "\"neon fox\"",
    "cafe",
    "image -plain",
    "age",
    "tag",
    "ain",
    "status:failed",
    "status:queued,failed",
    "-status:queued",
    "status:running",
    "status:active -status:held",
    "status:held",
    "status:hidden",
    "status:hidden fox",
    "status:failed status:done",
    "review:open",
    "review:rejected",
    "review:open,approved",
    "-review:rejected status:done",
    "review:rejected status:failed",
    "model:2-pro",
    "-model:dev",
    "tag:cover",
    "tag:\"cover, back\"",
    "tag:%",
    "error:moderated",
    "error:work",
    "work",
    "-error:moderated status:failed",
    "id:ta",
    "id:t",
    "cost>0.03",
    "cost>0.05",
    "cost<=0",
    "-cost:0.06",
    "attempts>1",
    "attempts:1",
    "since:2026-11-22T12:00:03Z",
    "since:2026-11-22T12:00:03Z before:2026-11-22T12:00:08Z",
    "before:2026-11-22T12:00:02Z",
    "-since:2026-11-22T12:00:03Z",
    "since:2026-11-23",
    "status:failed,done since:2026-11-22T12:00:04Z cost>0.01 -whale",
];

/// Every filter lists, across all pages, exactly the jobs that it matches, and counts as many where it counts at all.
pub async fn filter_lists_and_counts_what_matches(fixture: Fixture) {
    let mut failed = queued("failed", 3);
    failed.reject(failure(FailureCode::RequestModerated, BillingStatus::No, 4), at(4)).unwrap();
    let mut retried = generating("retried", 4, Some("6"));
    retried.fail(failure(FailureCode::ProviderError, BillingStatus::Yes, 5), None, at(5)).unwrap();
    retried.retry(at(6)).unwrap();
    let mut held = queued("held", 5);
    held.set_hold(Some(Hold::RateLimit), None, at(6)).unwrap();
    let mut hidden = queued("hidden", 6);
    hidden.hidden = true;
    let mut tagged = Job::new(id("Tagged"), Spec::new("flux-2-pro", "a \"NEON\" fox, caf\u{e9}"), true, at(7));
    tagged.tags = vec!["Cover, back".to_owned(), "100%".to_owned()];
    let mut done = generating("done", 8, Some("4"));
    finish(&mut done, None, None, 9);
    let mut rejected = generating("rejected", 10, Some("4"));
    finish(&mut rejected, None, None, 11);
    rejected.reject_image(at(12)).unwrap();
    let mut approved = generating("approved", 11, Some("4"));
    finish(&mut approved, None, None, 12);
    approved.approve(at(13)).unwrap();
    let jobs = vec![
        queued("plain", 1),
        submitting("sent", 2, "worker", 60),
        failed,
        retried,
        held,
        hidden,
        tagged,
        done,
        rejected,
        approved,
    ];
    create(&fixture.store, jobs.clone()).await;
    for text in FILTERS {
        let filter = Filter::parse(text, at(0)).unwrap();
        let mut expected: Vec<&Job> = jobs.iter().filter(|job| filter.shows(job)).collect();
        for (order, limit) in [(SortOrder::OldestFirst, 3), (SortOrder::NewestFirst, 2)] {
            expected.sort_by_key(|job| job.created_at);
            if order == SortOrder::NewestFirst {
                expected.reverse();
            }
            let mut query = PageQuery { filter: filter.clone(), order, limit, ..PageQuery::default() };
            let mut found = Vec::new();
            loop {
                let page = fixture.other.list(query.clone()).await.unwrap();
                found.extend(page.jobs);
                query.after = page.next;
                if query.after.is_none() {
                    break;
                }
            }
            assert_eq!(names(&found), names(expected.iter().copied()), "{text:?}, {order:?}");
        }
        let counts = fixture.other.count_matching(&filter).await.unwrap();
        if let Some(counts) = counts {
            assert_eq!(counts.total(), expected.len() as u64, "{text:?}: {counts:?}");
        }
    }
    let counts = fixture.other.count_matching(&Filter::parse("status:failed", at(0)).unwrap()).await.unwrap();
    assert_eq!(counts.map(|counts| counts.by_stage[&StageName::Failed]), Some(1), "a stage is always counted");
}

pub async fn find_returns_ids_by_prefix(fixture: Fixture) {
    let jobs = ["abc", "abd", "ab%", "ab_", "Abc", "ab", "\u{fffd}x", "zz"].map(|name| queued(name, 0));
    create(&fixture.store, jobs).await;
    let find = async |prefix: &str, limit: usize| {
        let ids = fixture.other.find(prefix, limit).await.unwrap();
        ids.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(find("ab", 100).await, ["ab", "ab%", "ab_", "abc", "abd"]);
    assert_eq!(find("ab", 2).await, ["ab", "ab%"]);
    assert_eq!(find("ab%", 100).await, ["ab%"]);
    assert_eq!(find("ab_", 100).await, ["ab_"]);
    assert_eq!(find("\u{fffd}", 100).await, ["\u{fffd}x"]);
    assert!(find("abcd", 100).await.is_empty());
    assert_eq!(find("", 100).await.len(), 8);
}

pub async fn counts_are_by_stage(fixture: Fixture) {
    assert_eq!(fixture.store.counts().await.unwrap().total(), 0);
    let mut hidden = queued("hidden", 0);
    hidden.hidden = true;
    let jobs = [queued("a", 0), queued("b", 0), generating("c", 0, Some("4")), hidden];
    create(&fixture.store, jobs).await;
    let counts = fixture.other.counts().await.unwrap();
    assert_eq!((counts.of(StageName::Queued), counts.of(StageName::Generating)), (2, 1));
    assert_eq!((counts.of(StageName::Done), counts.total(), counts.hidden), (0, 3, 1));
    let mut job = super::fixture::read(&fixture.store, "a").await;
    job.cancel(at(1)).unwrap();
    super::fixture::save(&fixture.store, &mut job).await.unwrap();
    let counts = fixture.other.counts().await.unwrap();
    assert_eq!((counts.of(StageName::Queued), counts.of(StageName::Cancelled)), (1, 1));
}
