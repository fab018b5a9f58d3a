use chrono::{DateTime, Duration, Utc};

use super::*;
use crate::costs::{Basis, Charge, Service};
use crate::jobs::{Attempt, BillingStatus, Failure, FailureCode, JobId, Spec};

fn now() -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn failed() -> Job {
    let created = now() - Duration::hours(3);
    let mut job = Job::new(JobId::new("Abc1").unwrap(), Spec::new("flux-dev", "Glass FROG"), true, created);
    job.tags = vec!["Zoo".into()];
    let failure = Failure::new(FailureCode::ContentModerated, "withheld", BillingStatus::Unknown, created);
    job.reject(failure, created).unwrap();
    job.attempts[0].charge = Some(Charge {
        amount: Some("0.06".parse().unwrap()),
        basis: Basis::Settled,
        service: Service::BflApi,
        model: "flux-dev".into(),
        at: created,
        simulated: true,
    });
    job.attempts.push(Attempt::new(2, created));
    job
}

fn parse(text: &str) -> Filter {
    Filter::parse(text, now()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn error(text: &str) -> FilterError {
    Filter::parse(text, now()).expect_err(text)
}

fn matches(filter: &str) -> bool {
    let job = failed();
    parse(filter).matches(&job, &haystack(&job))
}

#[test]
fn filter_terms_match_their_field() {
    for filter in [
        "",
        "frog",
        "GLASS frog",
        "\"glass frog\"",
        "status:failed",
        "status:fa",
        "status:done,failed",
        "model:dev",
        "model:pro,dev",
        "tag:zo",
        "error:moderated",
        "error:withheld",
        "id:ab",
        "-whale",
        "-status:done",
        "withheld",
        "abc",
        "cost>0.05",
        "cost>=$0.06",
        "cost:0.06",
        "-cost<0.06",
        "attempts>1",
        "attempts=2",
        "since:4h",
        "before:2h",
        "since:2026-11-20 before:2026-11-23",
        "since:\"3h 30m\"",
        "-since:2h",
        "status:failed model:dev cost>0.05 since:1d before:1h tag:zoo attempts>1 \"glass frog\" -portrait error:moderated",
    ] {
        assert!(matches(filter), "{filter}");
    }
    for filter in [
        "whale",
        "frog whale",
        "\"frog glass\"",
        "status:done",
        "-frog",
        "status:running",
        "model:pro",
        "id:bc",
        "bc1",
        "cost<0.06",
        "cost>0.06",
        "attempts<2",
        "since:2h",
        "before:1d",
        "-before:2h",
    ] {
        assert!(!matches(filter), "{filter}");
    }
}

#[test]
fn filter_ignores_accents_and_composition() {
    let mut job = failed();
    job.spec.prompt = "a cafe\u{301} in the STRASSE".to_owned();
    for filter in ["café", "CAFE\u{301}", "cafe", "straße", "tag:ZÓO", "\"CAFÉ in\""] {
        assert!(parse(filter).matches(&job, &haystack(&job)), "{filter}");
    }
}

#[test]
fn filter_errors_name_the_term_and_what_to_do() {
    for (text, message, at) in [
        ("sinc:1h", "unknown key 'sinc': did you mean 'since'?", 0..7),
        ("frog modle:pro x", "unknown key 'modle': did you mean 'model'?", 5..14),
        ("status:fialed", "unknown status 'fialed': did you mean 'failed'?", 0..13),
        ("status:rejected", "unknown status 'rejected': use review:rejected", 0..15),
        ("review:rejcted", "unknown review 'rejcted': did you mean 'rejected'?", 0..14),
        ("cost>cheap", "'cheap' is not a valid amount in dollars: write for example cost>0.05", 0..10),
        ("attempts>-1", "'-1' is not a valid number of attempts: write for example attempts>1", 0..11),
        ("model>pro", "'model>' is not valid: use model:VALUE", 0..9),
        ("status: fox", "'status' needs a value: write for example status:failed", 0..7),
    ] {
        let error = error(text);
        assert_eq!((error.message.as_str(), error.at.clone(), error.is_incomplete), (message, at, false), "{text}");
    }
    assert!(error("since:soon").message.contains("'soon' is not a valid time"));
    assert!(error("zebra:1").message.starts_with("unknown key 'zebra': use status, model"));
    for filter in ["16:9", "https://example.org", "\"style:anime\"", "-", "a=b".trim_matches('a'), ":", "STATUS:failed"]
    {
        parse(filter);
    }
}

#[test]
fn unfinished_last_term_is_left_out_while_typing() {
    for (typed, without) in [("frog status:", "frog"), ("frog cost>", "frog"), ("frog \"gla", "frog"), ("-tag:", "")] {
        assert!(error(typed).is_incomplete, "{typed}");
        assert_eq!(Filter::parse_typed(typed, now()), Ok(parse(without)), "{typed}");
    }
    assert!(Filter::parse_typed("frog sinc:1h", now()).is_err());
}

#[test]
fn longer_filter_narrows_only_when_safe() {
    let narrows = |new: &str, old: &str| parse(new).narrows(&parse(old));
    assert!(narrows("frogs", "frog"));
    assert!(narrows("frog glass", "frog"));
    assert!(narrows("frog", ""));
    assert!(narrows("frog status:failed", "status:failed"));
    assert!(!narrows("fro", "frog"));
    assert!(!narrows("-frogs", "-frog"), "-frogs shows more than -frog");
    assert!(!narrows("frog", "-frog"));
    assert!(!narrows("status:hidden", ""));
}

#[test]
fn store_receives_stages_and_times() {
    use StageName::{Failed, Generating, Queued, Submitting};
    assert_eq!(parse("status:failed frog").stages(), [Failed]);
    assert_eq!(parse("status:held").stages(), [Queued]);
    assert_eq!(parse("status:active -status:queued").stages(), [Submitting, Generating]);
    assert_eq!(parse("status:failed status:done").stages(), []);
    assert_eq!(parse("review:rejected").stages(), [StageName::Done]);
    assert_eq!(parse("frog").stages().len(), 7);
    let filter = parse("since:2d -before:1d before:1h");
    assert_eq!((filter.since(), filter.before()), (Some(now() - Duration::days(1)), Some(now() - Duration::hours(1))));
    assert!(parse("status:failed since:1h").is_by_stage_and_time());
    assert!(!parse("status:held").is_by_stage_and_time() && !parse("fox").is_by_stage_and_time());
}

#[test]
fn completion_suggests_keys_and_values() {
    let vocabulary = Vocabulary { models: &["flux-2-pro", "flux-dev"], tags: &["cover", "back cover"] };
    let texts = |text: &str| -> Vec<String> {
        complete(text, vocabulary).into_iter().map(|completion| completion.text).collect()
    };
    assert_eq!(texts("st"), ["status:"]);
    assert_eq!(texts("fox at"), ["fox attempts>"]);
    assert_eq!(texts("fox ")[..2], ["fox status:", "fox model:"]);
    assert_eq!(texts("-status:f"), ["-status:failed"]);
    assert_eq!(texts("status:failed,he"), ["status:failed,held"]);
    assert_eq!(texts("review:rej"), ["review:rejected"]);
    assert_eq!(texts("model:dev"), ["model:flux-dev"]);
    assert_eq!(texts("tag:cov"), ["tag:cover", "tag:\"back cover\""]);
    assert_eq!(texts("error:lost"), ["error:ticket_lost"]);
    assert_eq!(texts("status:failed"), Vec::<String>::new());
    assert_eq!(texts("\"neon f"), Vec::<String>::new());
    for completion in complete("", vocabulary) {
        assert!(Filter::parse(&completion.text, now()).unwrap_err().is_incomplete, "{completion:?}");
    }
}
