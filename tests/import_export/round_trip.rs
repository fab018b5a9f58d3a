//! An export that is imported into an empty store is unchanged, in every format and from store to store.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use super::export;
#[cfg(all(unix, feature = "firestore"))]
use super::{COSTS, JOBS, env_with_firestore, import};
use crate::support::{TestEnv, path_text, text};

/// Any text that a person or a program may have written, and some that look like something else.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{1,40}",
        any::<String>(),
        "['=+@-]{0,3}[0-9.,]{0,4}",
        prop_oneof![
            Just("28"),
            Just("true"),
            Just("null"),
            Just("\"x\""),
            Just("a,b\r\nc\"d"),
            Just("=1+1"),
            Just("{\"a\":1}"),
            Just(" x ")
        ]
        .prop_map(str::to_owned),
    ]
}

fn amounts() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0.0..2.0f64).prop_map(Value::from),
        (0..1_000_000_u64, 0..20_u32).prop_map(|(digits, scale)| {
            let text = rust_decimal::Decimal::from_i128_with_scale(i128::from(digits), scale).to_string();
            Value::from(text)
        }),
        Just(json!(5.000_345_210_234_324_6e-06)),
        Just(json!("0.000000000000000000000001")),
        Just(json!(0)),
    ]
}

fn times() -> impl Strategy<Value = String> {
    (1_600_000_000_000_000_i64..1_900_000_000_000_000).prop_map(|micros| {
        chrono::DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
    })
}

/// Fields of other programs.
fn external_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e6..1e6f64).prop_map(Value::from),
        texts().prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop::collection::btree_map("[a-z]{1,6}", inner, 1..3).prop_map(|map| json!(map))
    })
}

prop_compose! {
    fn cost()(
        id in "[A-Za-z0-9]{20}", job_id in "[A-Za-z0-9_ -]{1,20}", amount in amounts(), at in times(), storage in any::<bool>(),
        model in texts(), steps in 1..60_u32, success in any::<bool>(), error in texts(), other in external_values(),
    ) -> Value {
        let details = if storage {
            json!({"image_size_bytes": steps * 1_000, "operation_type": "upload", "note": other})
        } else {
            json!({"model": model, "steps": steps, "success": success, "base_cost": 0.025, "error": error})
        };
        let service = if storage { "google_storage" } else { "bfl_api" };
        json!({"id": id, "job_id": job_id, "service": service, "cost_usd": amount, "timestamp": at, "details": details})
    }
}

prop_compose! {
    fn job()(
        id in "[A-Za-z0-9]{20}", status in 0..5_usize, prompt in texts(), at in times(), steps in prop_oneof![Just(json!(28)), Just(json!(28.0))],
        ratio in prop_oneof![Just("16:9"), Just("1:1"), Just("9:16")], seed in any::<u32>(), cost in 0.0..0.1f64, page in external_values(),
        message in texts(),
    ) -> Value {
        let status = ["pending_art_generation", "processing", "pending_review", "approved", "error"][status];
        let mut job = json!({
            "id": id, "status": status, "prompt": prompt, "createdAt": at, "steps": steps, "guidance": 3.0, "aspectRatio": ratio,
            "seed": seed, "promptUpsampling": false, "safetyTolerance": 2, "generationCount": 1, "pageState": page,
        });
        if matches!(status, "pending_review" | "approved") {
            job["generatedImageUrl"] = json!("https://storage.googleapis.com/b/generated-art/x.png");
            job["bfl_cost_usd"] = json!(cost);
            job["bfl_model"] = json!("flux_dev");
            job["image_size_bytes"] = json!(556);
        }
        if status == "error" {
            job["errorMessage"] = json!(message);
        }
        job
    }
}

/// By id, so that the order of a file does not count.
fn sorted(documents: &Value) -> Map<String, Value> {
    let entries = documents.as_array().unwrap().iter();
    entries.map(|document| (document["id"].as_str().unwrap().to_owned(), document.clone())).collect()
}

fn whole(env: &TestEnv) -> [Map<String, Value>; 2] {
    let all: Value = serde_json::from_str(&export(env, &["--format", "db.json"])).unwrap();
    [sorted(&all["jobs"]), sorted(&all["costs"])]
}

fn import_file(env: &TestEnv, name: &str, contents: &str) {
    let file = env.file(name, contents);
    let output = env.run(&["import", path_text(&file), "--active"]);
    assert!(output.status.success(), "{name}: {}", text(&output.stderr));
}

fn survives_every_format(database: &Value) {
    let env = TestEnv::new();
    import_file(&env, "db.json", &database.to_string());
    let [jobs, costs] = whole(&env);
    // What the contract names is what it was.
    for (id, job) in sorted(&database["jobs"]) {
        assert_eq!(jobs[&id], job);
    }
    for (id, cost) in sorted(&database["costs"]) {
        let exported = &costs[&id];
        for name in ["job_id", "service", "timestamp"] {
            assert_eq!(exported[name], cost[name]);
        }
        for (name, value) in cost["details"].as_object().unwrap() {
            assert_eq!(&exported["details"][name], value);
        }
        let exact = |value: &Value| -> rust_decimal::Decimal {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text.parse().or_else(|_| rust_decimal::Decimal::from_scientific(&text)).unwrap()
        };
        let exported = exported["details"].get("amount").unwrap_or(&exported["cost_usd"]);
        assert_eq!(exact(exported).normalize(), exact(&cost["cost_usd"]).normalize());
    }
    for forms in [
        &[("db.json", "db.json", "")][..],
        &[("a.jsonl", "jsonl", "")],
        &[("j.csv", "csv", "--jobs"), ("c.csv", "csv", "--costs")],
    ] {
        let other = TestEnv::new();
        for (name, format, which) in forms {
            let which: Vec<&str> = Some(*which).filter(|which| !which.is_empty()).into_iter().collect();
            import_file(&other, name, &export(&env, &[&["--format", format][..], &which].concat()));
        }
        assert_eq!(whole(&other), [jobs.clone(), costs.clone()], "{forms:?}");
    }
}

#[test]
fn generated_documents_survive_every_format() {
    let config = Config { source_file: Some(file!()), ..Config::with_cases(16) };
    let documents = (prop::collection::vec(job(), 12), prop::collection::vec(cost(), 25));
    TestRunner::new(config)
        .run(&documents, |(jobs, costs)| {
            survives_every_format(&json!({"jobs": jobs, "costs": costs}));
            Ok(())
        })
        .unwrap();
}

#[cfg(all(unix, feature = "firestore"))]
#[test]
#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
fn old_backend_documents_survive_firestore() {
    let team = env_with_firestore();
    let embedded = TestEnv::new();
    import(&embedded, "costs.json", COSTS);
    import(&embedded, "jobs.json", JOBS);
    import_file(&team, "db.json", &export(&embedded, &["--format", "db.json"]));
    assert_eq!(whole(&team), whole(&embedded));
    let again = TestEnv::new();
    import_file(&again, "all.jsonl", &export(&team, &[]));
    assert_eq!(whole(&again), whole(&embedded));
}

#[cfg(all(unix, feature = "firestore"))]
#[test]
#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
fn native_jobs_move_to_firestore_and_back() {
    let team = env_with_firestore();
    let embedded = TestEnv::new();
    embedded.queue(4);
    let output = embedded.run(&["worker", "--until-idle"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report = |env: &TestEnv| {
        let mut report = env.json(&["costs", "--json", "--by", "cause"]);
        report.as_object_mut().unwrap().retain(|name, _| !["from", "to"].contains(&name.as_str()));
        report
    };
    let before = report(&embedded);
    assert_eq!(before["count"], 4, "{before}");
    let file = export(&embedded, &[]);
    import_file(&team, "all.jsonl", &file);
    import_file(&team, "all.jsonl", &file);
    assert_eq!(report(&team), before, "each cent once");
    assert_eq!(team.json(&["costs", "rebuild", "--dry-run", "--json"])["differences"], json!([]));
    let back = TestEnv::new();
    import_file(&back, "db.json", &export(&team, &["--format", "db.json"]));
    assert_eq!(report(&back), before);
    let jobs = |env: &TestEnv| {
        env.jobs()
            .into_iter()
            .map(|mut job| {
                job.as_object_mut().unwrap().remove("revision");
                job
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(jobs(&back), jobs(&embedded));
}
