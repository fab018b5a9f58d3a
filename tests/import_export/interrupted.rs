//! An import that is killed leaves sums that agree with the entries, and running it again completes it.

use std::time::{Duration, Instant};

use rust_decimal::Decimal;
use serde_json::json;

#[cfg(all(unix, feature = "firestore"))]
use super::env_with_firestore;
use super::{counts, spent};
#[cfg(all(unix, feature = "firestore"))]
use crate::support::text;
use crate::support::{TestEnv, path_text};

/// How long something may take that must happen.
const LIMIT: Duration = Duration::from_mins(2);

fn kill_and_complete(env: &TestEnv, count: u64) {
    let lines: Vec<String> = (0..count)
        .map(|number| {
            let (day, second) = (number % 28 + 1, number % 60);
            let line = json!({
                "service": "bfl_api", "job_id": format!("job-{number}"), "cost_usd": 0.025,
                "timestamp": format!("2025-11-{day:02}T12:00:{second:02}Z"), "details": {"model": "flux_dev", "success": true},
            });
            line.to_string()
        })
        .collect();
    let file = env.file("many.jsonl", &lines.join("\n"));
    let mut import = env.command(&["import", path_text(&file)]).spawn().unwrap();
    let begun = Instant::now();
    while spent(env).1 == 0 && import.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < LIMIT, "nothing is written");
    }
    import.kill().unwrap();
    import.wait().unwrap();
    let (usd, there) = spent(env);
    assert!(there > 0 && there <= count);
    assert_eq!(usd, Decimal::new(25, 3) * Decimal::from(there), "the sums match the entries");
    let rebuilt = env.json(&["costs", "rebuild", "--dry-run", "--json"]);
    assert_eq!(rebuilt["differences"], json!([]), "{rebuilt}");
    let summary = env.json(&["import", path_text(&file), "--json"]);
    // A commit that was on its way to the server when the import was killed may have been carried out since.
    let [_, _, new, unchanged] = counts(&summary);
    assert!(new + unchanged == count && unchanged >= there, "{there}: {summary}");
    assert_eq!(spent(env), (Decimal::new(25, 3) * Decimal::from(count), count));
}

#[test]
fn killed_import_is_completed_on_sqlite() {
    kill_and_complete(&TestEnv::new(), 6_000);
}

#[cfg(all(unix, feature = "firestore"))]
#[test]
#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
fn killed_import_is_completed_on_firestore() {
    kill_and_complete(&env_with_firestore(), 3_000);
}

#[cfg(all(unix, feature = "firestore"))]
#[test]
#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
fn damaged_sums_are_reported_and_repaired() {
    let env = env_with_firestore();
    let line = "{\"service\": \"bfl_api\", \"job_id\": \"a\", \"cost_usd\": 0.025, \"timestamp\": \"2025-11-02\"}\n";
    let file = env.file("one.jsonl", line);
    env.json(&["import", path_text(&file), "--json"]);
    let of = |name: &str| env.variables().iter().find(|(known, _)| known == name).unwrap().1.clone();
    let (host, project) = (of("FIRESTORE_EMULATOR_HOST"), of("GOOGLE_CLOUD_PROJECT"));
    // Another program writes an entry that is not in the sums.
    let url = format!("http://{host}/v1/projects/{project}/databases/(default)/documents/costs/foreign");
    let entry = json!({"fields": {
        "service": {"stringValue": "google_storage"}, "job_id": {"stringValue": "a"}, "cost_usd": {"doubleValue": 5e-6},
        "timestamp": {"timestampValue": "2025-11-02T01:00:00Z"},
    }});
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let answer = runtime.block_on(reqwest::Client::new().patch(url).bearer_auth("owner").json(&entry).send()).unwrap();
    assert!(answer.status().is_success());
    let seen = env.json(&["costs", "rebuild", "--dry-run", "--json"]);
    assert_eq!(
        (&seen["agree"], &seen["differences"][0]["computed"]["usd"]),
        (&json!(false), &json!("0.000005")),
        "{seen}"
    );
    let again = env.json(&["costs", "rebuild", "--dry-run", "--json"]);
    assert_eq!(again["differences"], seen["differences"], "a dry run changes nothing");
    let corrected = env.json(&["costs", "rebuild", "--json"]);
    assert_eq!((&corrected["agree"], &corrected["differences"]), (&json!(true), &seen["differences"]));
    assert_eq!((spent(&env).0.to_string().as_str(), spent(&env).1), ("0.025005", 2));
    assert_eq!(env.json(&["costs", "rebuild", "--json"])["differences"], json!([]));
}

#[cfg(all(unix, feature = "firestore"))]
#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[test]
fn rebuild_names_entries_that_cannot_be_read() {
    let env = env_with_firestore();
    // The store is darkroom's before other programs write to it.
    let line = "{\"service\": \"bfl_api\", \"job_id\": \"a\", \"cost_usd\": 0.025, \"timestamp\": \"2025-11-02\"}\n";
    let file = env.file("one.jsonl", line);
    env.json(&["import", path_text(&file), "--json"]);
    let of = |name: &str| env.variables().iter().find(|(known, _)| known == name).unwrap().1.clone();
    let (host, project) = (of("FIRESTORE_EMULATOR_HOST"), of("GOOGLE_CLOUD_PROJECT"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = reqwest::Client::new();
    for (name, cost) in [("good", json!({"doubleValue": 0.5})), ("bad", json!({"stringValue": "10 dollars"}))] {
        let url = format!("http://{host}/v1/projects/{project}/databases/(default)/documents/costs/{name}");
        let entry = json!({"fields": {
            "service": {"stringValue": "bfl_api"}, "job_id": {"stringValue": "a"}, "cost_usd": cost,
            "timestamp": {"timestampValue": "2025-11-02T01:00:00Z"},
        }});
        let answer = runtime.block_on(client.patch(url).bearer_auth("owner").json(&entry).send()).unwrap();
        assert!(answer.status().is_success());
    }
    for _ in 0..2 {
        let output = env.run(&["costs", "rebuild", "--json"]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        let rebuilt: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(rebuilt["agree"], false);
        let unreadable = &rebuilt["unreadable"];
        assert_eq!(unreadable.as_array().unwrap().len(), 1, "{rebuilt}");
        assert_eq!((&unreadable[0]["collection"], &unreadable[0]["id"]), (&json!("costs"), &json!("bad")));
        assert!(unreadable[0]["cost_usd"].as_str().unwrap().contains("10 dollars"), "{rebuilt}");
    }
    let output = env.run(&["costs", "rebuild"]);
    assert!(output.status.code() == Some(1) && text(&output.stdout).contains("costs/bad"), "{}", text(&output.stdout));
}
