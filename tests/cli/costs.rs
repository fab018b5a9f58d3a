//! `darkroom costs`: uncertain charges and what the bill says of them.

use serde_json::{Value, json};

use crate::support::{TestEnv, text};

/// An environment with one job whose accepted request was moderated: $0.03 that may or may not be billed.
fn moderated() -> (TestEnv, String) {
    let env = TestEnv::new();
    let prompt = "a fox [sim:content-moderated]";
    env.run(&["submit", prompt, "--model", "flux-2-pro", "--width", "64", "--height", "64", "--wait"]);
    let id = env.jobs()[0]["id"].as_str().unwrap().to_owned();
    (env, id)
}

fn costs(env: &TestEnv) -> [Value; 4] {
    let costs = env.json(&["costs", "--json"]);
    ["total_usd", "unknown_usd", "unconfirmed_usd", "count"].map(|name| costs[name].clone())
}

#[test]
fn uncertain_charge_is_booked_with_its_amount() {
    let (env, id) = moderated();
    let listed = env.json(&["costs", "uncertain", "--json"]);
    assert_eq!(
        (&listed["unknown_usd"], &listed["unconfirmed_usd"], &listed["has_more"]),
        (&json!("0.03"), &json!("0"), &json!(false))
    );
    let charge = &listed["charges"][0];
    assert_eq!((&charge["job"], &charge["attempt"], &charge["usd"]), (&json!(id), &json!(1), &json!("0.03")));
    assert_eq!((&charge["basis"], &charge["can_resolve"]), (&json!("unknown"), &json!(true)));
    assert!(charge["why"].as_str().unwrap().contains("content_moderated"), "{charge}");
    let table = text(&env.run(&["costs", "uncertain"]).stdout);
    assert!(table.contains("$0.03") && table.contains("simulated: no real money"), "{table}");
    assert_eq!(costs(&env), [json!("0"), json!("0.03"), json!("0"), json!(1)]);

    let refused = env.fails(2, &["costs", "resolve", &id, "--billed", "0.02"]);
    assert!(
        refused.contains("books $0.02 for attempt 1") && refused.contains("recorded: $0.03 (unknown)"),
        "{refused}"
    );
    assert!(refused.contains("--yes"), "{refused}");
    let job = env.json(&["costs", "resolve", &id[..10], "--billed", "0.02", "--yes", "--json"]);
    let resolution = &job["attempts"][0]["resolution"];
    assert_eq!((&resolution["billed"], &resolution["charge"]["usd"]), (&json!(true), &json!("0.03")));
    assert!(resolution["by"].as_str().unwrap().contains('@') && resolution["at"].is_string(), "{resolution}");
    assert_eq!(job["attempts"][0]["charges"][0]["usd"], "0.02");
    assert_eq!(costs(&env), [json!("0.02"), json!("0"), json!("0"), json!(1)]);
    assert_eq!(env.json(&["costs", "uncertain", "--json"])["charges"], json!([]));
    let shown = text(&env.run(&["jobs", "show", &id]).stdout);
    assert!(shown.contains("booked as billed by "), "{shown}");
    let again = env.fails(1, &["costs", "resolve", &id, "--not-billed", "--yes"]);
    assert!(again.contains("already resolved as billed by"), "{again}");
    assert!(again.contains("an answer is final") && again.contains("darkroom jobs show"), "{again}");
}

#[test]
fn charge_is_released_only_with_confirmation() {
    let (env, id) = moderated();
    let refused = env.fails(2, &["costs", "resolve", &id, "--not-billed"]);
    assert!(refused.contains("removes $0.03 of attempt 1") && refused.contains("--yes"), "{refused}");
    assert_eq!(costs(&env)[1], json!("0.03"));
    let output = env.run(&["costs", "resolve", &id, "--not-billed", "--yes"]);
    assert!(text(&output.stdout).contains("$0.00, released as not billed by "), "{}", text(&output.stdout));
    assert_eq!(costs(&env), [json!("0"), json!("0"), json!("0"), json!(0)]);
    env.fails(2, &["costs", "resolve", &id]);
    env.fails(2, &["costs", "resolve", &id, "--billed", "0.01", "--not-billed"]);
    env.fails(1, &["costs", "resolve", "no-such-job", "--billed"]);
}

#[test]
fn wrong_answer_is_corrected_with_both_recorded() {
    let (env, id) = moderated();
    let early = env.fails(1, &["costs", "resolve", &id, "--billed", "--correct", "--yes"]);
    assert!(early.contains("no answer of this job can be corrected"), "{early}");
    env.json(&["costs", "resolve", &id, "--not-billed", "--yes", "--json"]);
    let refused = env.fails(2, &["costs", "resolve", &id, "--billed", "--correct"]);
    assert!(
        refused.contains("books $0.03 for attempt 1") && refused.contains("recorded: no charge, released as"),
        "{refused}"
    );
    assert_eq!(costs(&env), [json!("0"), json!("0"), json!("0"), json!(0)]);
    let job = env.json(&["costs", "resolve", &id, "--billed", "--correct", "--yes", "--json"]);
    let resolution = &job["attempts"][0]["resolution"];
    assert_eq!((&resolution["billed"], &resolution["corrected"][0]["billed"]), (&json!(true), &json!(false)));
    assert_eq!(costs(&env), [json!("0.03"), json!("0"), json!("0"), json!(1)]);
    let shown = text(&env.run(&["jobs", "show", &id]).stdout);
    assert!(
        shown.contains("booked as billed by ") && shown.contains("corrects: released as not billed by "),
        "{shown}"
    );
    let audit = text(&env.run(&["audit"]).stdout);
    assert!(audit.matches("resolve").count() == 2 && audit.contains("corrects the answer of "), "{audit}");
    let again = env.fails(1, &["costs", "resolve", &id, "--billed", "--correct", "--yes"]);
    assert!(again.contains("attempt 1 has this answer already"), "{again}");
}

/// Three images with tags, one moderated image without.
fn tagged() -> TestEnv {
    let env = TestEnv::new();
    let size = ["--width", "64", "--height", "64", "--wait"];
    let submit = |prompt: &str, model: &str, tags: &[&str]| {
        let tags: Vec<&str> = tags.iter().flat_map(|tag| ["--tag", tag]).collect();
        env.run(&[&["submit", prompt, "--model", model], tags.as_slice(), &size].concat());
    };
    submit("a fox", "flux-2-pro", &["cover"]);
    submit("a boat", "flux-2-pro", &["cover", "=draft"]);
    submit("a moth", "flux-2-max", &["=draft"]);
    submit("a fox [sim:broken]", "flux-2-pro", &[]);
    env
}

fn lines(report: &Value) -> Vec<(String, String, u64)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let lines = report["by"].as_array().unwrap();
    lines.iter().map(|line| (text(&line["key"]), text(&line["usd"]), line["count"].as_u64().unwrap())).collect()
}

#[test]
fn report_groups_by_tag_and_status() {
    let env = tagged();
    let line = |key: &str, usd: &str, count| (key.to_owned(), usd.to_owned(), count);
    let by_tag = env.json(&["costs", "--json", "--by", "tag"]);
    assert_eq!(lines(&by_tag), [line("=draft", "0.1", 2), line("cover", "0.06", 2), line("(no tag)", "0.03", 1)]);
    assert_eq!((&by_tag["total_usd"], &by_tag["count"]), (&json!("0.16"), &json!(4)));
    let by_status = env.json(&["costs", "--json", "--by", "status"]);
    assert_eq!(lines(&by_status), [line("done", "0.13", 3), line("failed", "0.03", 1)]);
    assert_eq!(
        (&by_status["wasted_usd"], &by_status["wasted_by"][0]["key"]),
        (&json!("0.03"), &json!("picture_broken"))
    );
    for by in ["week", "month", "day"] {
        let report = env.json(&["costs", "--json", "--by", by, "--period", "today"]);
        assert_eq!((lines(&report).len(), &report["total_usd"]), (1, &json!("0.16")), "{by}");
    }
    let csv = text(&env.run(&["costs", "--by", "tag", "--csv"]).stdout);
    assert_eq!(csv, "tag,charges,usd\n'=draft,2,0.1\ncover,2,0.06\n(no tag),1,0.03\n");
    env.fails(2, &["costs", "--csv", "--json"]);
}

#[test]
fn every_line_names_its_jobs() {
    let env = tagged();
    let names = |answer: &Value| -> Vec<String> {
        let jobs = answer["jobs"].as_array().unwrap();
        jobs.iter().map(|job| format!("{} {}", job["usd"].as_str().unwrap(), job["count"])).collect()
    };
    let jobs_of = |by: &str, key: &str| env.json(&["costs", "--json", "--by", by, "--jobs-of", key]);
    assert_eq!(names(&jobs_of("tag", "cover")), ["0.03 1", "0.03 1"]);
    assert_eq!(names(&jobs_of("tag", "(no tag)")), ["0.03 1"]);
    assert_eq!(names(&jobs_of("model", "flux-2-max")), ["0.07 1"]);
    assert_eq!(names(&jobs_of("status", "failed")), ["0.03 1"]);
    assert_eq!(names(&jobs_of("status", "done")).len(), 3);
    assert_eq!(names(&jobs_of("service", "bfl_api")).len(), 4);
    assert_eq!(names(&jobs_of("cause", "nothing")), [] as [&str; 0]);
    let causes = text(&env.run(&["costs", "--by", "cause"]).stdout);
    assert!(causes.lines().any(|line| line.starts_with("image  ")), "not the recorded key: {causes}");
    assert_eq!(names(&jobs_of("cause", "image")), names(&jobs_of("cause", "picture")), "the shown name finds its jobs");
    assert_eq!(names(&jobs_of("cause", "image")).len(), 3);
    let month = chrono::Utc::now().format("%Y-%m").to_string();
    assert_eq!(names(&jobs_of("month", &month)), ["0.07 1", "0.03 1", "0.03 1", "0.03 1"]);
    env.fails(2, &["costs", "--by", "month", "--jobs-of", "november"]);
    let report = env.json(&["costs", "--json", "--top", "2"]);
    assert_eq!(names(&report), ["0.07 1", "0.03 1"]);
    let table = text(&env.run(&["costs"]).stdout);
    assert!(table.contains("most expensive jobs") && table.contains("wasted: $0.03"), "{table}");
}

#[test]
fn report_covers_the_requested_span() {
    let env = tagged();
    let total = |arguments: &[&str]| {
        let report = env.json(&[&["costs", "--json"], arguments].concat());
        assert_eq!(report["month_usd"], "0.16", "the outlook is that of the month: {arguments:?}");
        assert!(report["forecast_usd"].is_string() && report["usd_per_day"].is_string(), "{report}");
        report["total_usd"].as_str().unwrap().to_owned()
    };
    assert_eq!(total(&["--from", "1h"]), "0.16");
    assert_eq!(total(&["--period", "year"]), "0.16");
    assert_eq!(total(&["--from", "2026-01-01", "--to", "2026-01-08"]), "0");
    assert_eq!(total(&["--to", "2d"]), "0");
    let table = text(&env.run(&["costs", "--from", "2026-01-01", "--to", "2026-01-08"]).stdout);
    assert!(table.contains("2026-01-01 to 2026-01-07, UTC (--to 2026-01-08 is not included)"), "{table}");
    let table = text(&env.run(&["costs", "--to", "2026-01-31"]).stdout);
    assert!(table.contains("2026-01-01 to 2026-01-30, UTC"), "{table}");
    env.fails(2, &["costs", "--from", "1h", "--to", "2h"]);
    env.fails(2, &["costs", "--from", "yesterday-ish"]);
    env.fails(2, &["costs", "--from", "1h", "--days", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn balance_is_evidence_for_a_charge() {
    use chrono::{TimeDelta, Utc};
    use darkroom::store::sqlite::SqliteStore;
    use darkroom::store::{SharedRecord, Store};

    let (env, id) = tokio::task::spawn_blocking(moderated).await.unwrap();
    let now = Utc::now();
    let midnight = now.date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    // Of the same day, also in its last hour.
    let after = (now + TimeDelta::hours(1)).min(midnight + TimeDelta::days(1) - TimeDelta::milliseconds(1));
    let looks = json!({"looks": [
        {"at": midnight - TimeDelta::hours(30), "usd": "10"},
        {"at": midnight - TimeDelta::hours(3), "usd": "9.5"},
        {"at": after, "usd": "9.47"},
    ]});
    let store = SqliteStore::open(&env.data().join("darkroom.db")).unwrap();
    store.put_shared_record(SharedRecord::new("balance", "simulated", now, "test", looks)).await.unwrap();
    drop(store);
    tokio::task::spawn_blocking(move || {
        let charge = &env.json(&["costs", "uncertain", "--json"])["charges"][0];
        assert_eq!(
            (&charge["balance_before"]["usd"], &charge["balance_after"]["usd"]),
            (&json!("9.5"), &json!("9.47"))
        );
        assert!(text(&env.run(&["costs", "uncertain"]).stdout).contains("$9.50 → $9.47"));
        let account = &env.json(&["costs", "--json"])["account"];
        assert_eq!((&account["balance_fell_usd"], &account["recorded_usd"]), (&json!("0.53"), &json!("0")));
        assert_eq!(account["difference_usd"], "0.53", "$0.50 were spent before the first charge");
        let today = &env.json(&["costs", "--json", "--period", "today"])["account"];
        assert_eq!((&today["difference_usd"], &today["uncertain_usd"]), (&json!("0.03"), &json!("0.03")));
        assert!(today["cause"].as_str().unwrap().contains("uncertain charges that were billed"), "{today}");
        env.json(&["costs", "resolve", &id, "--billed", "--yes", "--json"]);
        let today = &env.json(&["costs", "--json", "--period", "today"])["account"];
        assert_eq!((&today["difference_usd"], &today["cause"]), (&json!("0"), &Value::Null));
    })
    .await
    .unwrap();
}

#[test]
fn drift_between_estimate_and_charge_is_shown() {
    let env = TestEnv::new();
    env.run(&["submit", "a fox", "--model", "flux-2-pro", "--width", "64", "--height", "64", "--wait"]);
    let drift = env.json(&["costs", "drift", "--json"]);
    assert_eq!(
        (&drift["jobs"], &drift["compared_count"], &drift["differing_count"]),
        (&json!(1), &json!(1), &json!(0))
    );
    let id = env.jobs()[0]["id"].as_str().unwrap().to_owned();
    let attempt = &env.json(&["jobs", "show", &id, "--json"])["attempts"][0];
    assert_eq!((&attempt["estimate_usd"], &attempt["settled_usd"]), (&json!("0.03"), &json!("0.03")));
    assert_eq!((&attempt["quote_usd"], &attempt["drift_usd"]), (&json!("0.03"), &Value::Null));
    let shown = text(&env.run(&["jobs", "show", &id]).stdout);
    assert!(shown.contains("estimate $0.03, quote $0.03, settled $0.03"), "{shown}");
    assert!(text(&env.run(&["costs", "drift"]).stdout).contains("all agree"));
}
