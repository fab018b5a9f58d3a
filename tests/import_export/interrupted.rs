//! An import that is killed leaves sums that agree with the entries, and running it again completes it.

use std::time::{Duration, Instant};

use rust_decimal::Decimal;
use serde_json::json;

use super::{counts, house_with_firestore, spent};
use crate::support::{House, path_text};

/// How long something may take that must happen.
const LIMIT: Duration = Duration::from_mins(2);

fn kill_and_complete(house: &House, count: u64) {
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
    let file = house.file("many.jsonl", &lines.join("\n"));
    let mut import = house.command(&["import", path_text(&file)]).spawn().unwrap();
    let begun = Instant::now();
    while spent(house).1 == 0 && import.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < LIMIT, "nothing is written");
    }
    import.kill().unwrap();
    import.wait().unwrap();
    let (usd, there) = spent(house);
    assert!(there > 0 && there <= count);
    assert_eq!(usd, Decimal::new(25, 3) * Decimal::from(there), "the sums are those of what is there");
    let rebuilt = house.json(&["costs", "rebuild", "--dry-run", "--json"]);
    assert_eq!(rebuilt["differences"], json!([]), "{rebuilt}");
    let summary = house.json(&["import", path_text(&file), "--json"]);
    assert_eq!(counts(&summary), [0, 0, count - there, there]);
    assert_eq!(spent(house), (Decimal::new(25, 3) * Decimal::from(count), count));
}

#[test]
fn killed_import_is_completed_on_sqlite() {
    kill_and_complete(&House::new(), 6_000);
}

#[test]
fn killed_import_is_completed_on_firestore() {
    if let Some(house) = house_with_firestore() {
        kill_and_complete(&house, 3_000);
    }
}

#[cfg(all(unix, feature = "firestore"))]
#[test]
fn damaged_sums_are_reported_and_repaired() {
    let Some(house) = house_with_firestore() else { return };
    let line = "{\"service\": \"bfl_api\", \"job_id\": \"a\", \"cost_usd\": 0.025, \"timestamp\": \"2025-11-02\"}\n";
    let file = house.file("one.jsonl", line);
    house.json(&["import", path_text(&file), "--json"]);
    let of = |name: &str| house.environment().iter().find(|(known, _)| known == name).unwrap().1.clone();
    let (host, project) = (of("FIRESTORE_EMULATOR_HOST"), of("GOOGLE_CLOUD_PROJECT"));
    // Another program writes an entry of its own, and nobody counts it.
    let url = format!("http://{host}/v1/projects/{project}/databases/(default)/documents/costs/foreign");
    let entry = json!({"fields": {
        "service": {"stringValue": "google_storage"}, "job_id": {"stringValue": "a"}, "cost_usd": {"doubleValue": 5e-6},
        "timestamp": {"timestampValue": "2025-11-02T01:00:00Z"},
    }});
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let answer = runtime.block_on(reqwest::Client::new().patch(url).bearer_auth("owner").json(&entry).send()).unwrap();
    assert!(answer.status().is_success());
    let seen = house.json(&["costs", "rebuild", "--dry-run", "--json"]);
    assert_eq!(
        (&seen["agree"], &seen["differences"][0]["counted"]["usd"]),
        (&json!(false), &json!("0.000005")),
        "{seen}"
    );
    assert_eq!(spent(&house).1, 1, "a dry run changes nothing");
    let corrected = house.json(&["costs", "rebuild", "--json"]);
    assert_eq!((&corrected["agree"], &corrected["differences"]), (&json!(true), &seen["differences"]));
    assert_eq!((spent(&house).0.to_string().as_str(), spent(&house).1), ("0.025005", 2));
    assert_eq!(house.json(&["costs", "rebuild", "--json"])["differences"], json!([]));
}
