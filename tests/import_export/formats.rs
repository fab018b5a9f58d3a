//! The formats of a file are equivalent, on both stores.

use serde_json::{Map, Value, json};

#[cfg(all(unix, feature = "firestore"))]
use super::env_with_firestore;
use super::{COSTS, JOBS, counts, export, import, sample_total, spent};
use crate::support::{TestEnv, path_text, text};

fn lines(list: &str) -> String {
    let documents: Vec<Value> = serde_json::from_str(list).unwrap();
    let lines: Vec<String> = documents.iter().map(Value::to_string).collect();
    lines.join("\n") + "\n"
}

/// As a database that keeps documents by their ids would write it.
fn by_id(list: &str) -> Value {
    let documents: Vec<Value> = serde_json::from_str(list).unwrap();
    let entry = |mut document: Value| {
        let id = document.as_object_mut().unwrap().remove("id").unwrap();
        (id.as_str().unwrap().to_owned(), document)
    };
    Value::Object(documents.into_iter().map(entry).collect::<Map<_, _>>())
}

fn whole(env: &TestEnv) -> Value {
    let mut all: Value = serde_json::from_str(&export(env, &["--format", "db.json"])).unwrap();
    for collection in ["jobs", "costs"] {
        all[collection].as_array_mut().unwrap().sort_by_key(|document| document["id"].to_string());
    }
    all
}

fn formats_are_equivalent(env: &TestEnv) {
    let csv = {
        let other = TestEnv::new();
        import(&other, "costs.json", COSTS);
        export(&other, &["--costs", "--format", "csv"])
    };
    assert_eq!(counts(&import(env, "costs.json", COSTS)), [0, 0, 143, 0]);
    assert_eq!(counts(&import(env, "jobs.json", JOBS)), [60, 0, 0, 0]);
    let first = whole(env);
    let both = json!({"jobs": by_id(JOBS), "costs": by_id(COSTS)});
    let lists = format!("{{\"jobs\": {JOBS}, \"costs\": {COSTS}}}");
    for (name, contents) in [
        ("all.jsonl", format!("{}\n\r\n{}", lines(JOBS), lines(COSTS))),
        ("all", format!("\u{feff}{}", lines(COSTS) + &lines(JOBS))),
        ("db.json", both.to_string()),
        ("pretty.json", serde_json::to_string_pretty(&both).unwrap()),
        ("lists.json", lists),
        ("costs.csv", csv.replace('\n', "\r\n")),
        ("costs-too", csv),
    ] {
        let [jobs, jobs_there, costs, costs_there] = counts(&import(env, name, &contents));
        assert_eq!((jobs, costs), (0, 0), "{name}: nothing is new");
        assert_eq!((jobs_there, costs_there), (if name.starts_with("costs") { 0 } else { 60 }, 143), "{name}");
    }
    assert_eq!(whole(env), first);
    assert_eq!(spent(env), (sample_total(), 143));
    let rebuilt = env.json(&["costs", "rebuild", "--json", "--dry-run"]);
    assert_eq!((&rebuilt["agree"], &rebuilt["differences"]), (&json!(true), &json!([])), "{rebuilt}");
}

#[test]
fn formats_are_equivalent_on_sqlite() {
    formats_are_equivalent(&TestEnv::new());
}

#[cfg(all(unix, feature = "firestore"))]
#[test]
#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
fn formats_are_equivalent_on_firestore() {
    formats_are_equivalent(&env_with_firestore());
}

#[test]
fn tracker_csv_is_read_as_it_is() {
    let env = TestEnv::new();
    let csv = "timestamp,job_id,service,cost_usd,model,steps,success,image_size_bytes,operation_type\n\
               2025-11-02 12:00:00,17,bfl_api,0.025,flux_dev,28,True,,\n\
               2025-11-02T12:00:01.5,17,google_storage,5.0003452102343246e-06,,,,556,upload\n\
               1762084802,18,bfl_api,0.0125,flux_dev,28,False,,\n";
    assert_eq!(counts(&import(&env, "tracker.csv", csv)), [0, 0, 3, 0]);
    assert_eq!(counts(&import(&env, "tracker.csv", csv)), [0, 0, 0, 3]);
    assert_eq!(spent(&env).0.to_string(), "0.0375050003452102343246");
    let exported: Vec<Value> = serde_json::from_str(&export(&env, &["--costs", "--format", "json"])).unwrap();
    assert!(exported.iter().all(|cost| cost["details"]["imported_historical"] == true), "{exported:?}");
    assert!(exported.iter().any(|cost| cost["timestamp"] == "2025-11-02T12:00:01.500000Z"), "{exported:?}");
    // People are exported of it although the simulator makes the images.
    let report = text(&env.run(&["costs", "--days", "3660"]).stdout);
    assert!(report.contains("of real spending in 3 charges"), "{report}");
}

fn equal_rows_are_separate_charges(env: &TestEnv) {
    let row = "2025-11-02 12:00:00,17,bfl_api,0.025,flux_dev\n";
    let other = "2025-11-02 12:00:00,17,bfl_api,0.05,flux_dev\n";
    let csv = |rows: &[&str]| format!("timestamp,job_id,service,cost_usd,model\n{}", rows.concat());
    let twice = csv(&[row, other, row]);
    assert_eq!(counts(&import(env, "tracker.csv", &twice)), [0, 0, 3, 0]);
    assert_eq!(counts(&import(env, "again.csv", &twice)), [0, 0, 0, 3], "the same file adds nothing");
    assert_eq!(spent(env), ("0.1".parse().unwrap(), 3));
    // The tracker appended: the earlier rows are contained again, in any order.
    assert_eq!(counts(&import(env, "more.csv", &csv(&[other, row, row, other, row]))), [0, 0, 2, 3]);
    assert_eq!(spent(env), ("0.175".parse().unwrap(), 5));
    assert_eq!(counts(&import(env, "part.csv", &csv(&[row]))), [0, 0, 0, 1]);
    // Exported with their ids, the rows are known by them.
    let exported = export(env, &["--costs"]);
    assert_eq!(counts(&import(env, "exported.jsonl", &exported)), [0, 0, 0, 5]);
    let rebuilt = env.json(&["costs", "rebuild", "--json", "--dry-run"]);
    assert_eq!(rebuilt["agree"], true, "{rebuilt}");
}

#[test]
fn equal_rows_are_separate_charges_on_sqlite() {
    equal_rows_are_separate_charges(&TestEnv::new());
}

#[cfg(all(unix, feature = "firestore"))]
#[test]
#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
fn equal_rows_are_separate_charges_on_firestore() {
    equal_rows_are_separate_charges(&env_with_firestore());
}

#[test]
fn dry_run_reports_what_an_import_does() {
    let env = TestEnv::new();
    let other = "{\"service\": \"bfl_api\", \"job_id\": \"a\", \"cost_usd\": 0.02, \"timestamp\": 1762084800, \"id\": \"twice\"}\n";
    let lines = format!("{}{other}{other}{}", lines(COSTS), other.replace("0.02", "0.03"));
    let file = env.file("all.jsonl", &lines);
    let run = |arguments: &[&str]| -> Value {
        let output = env.run(&[&["import", path_text(&file), "--json"], arguments].concat());
        assert_eq!(output.status.code(), Some(1), "one is refused");
        let mut summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(summary["refused"][0]["line"], 146, "{summary}");
        summary.as_object_mut().unwrap().retain(|name, _| !["dry_run", "refused", "batch"].contains(&name.as_str()));
        summary
    };
    let before = run(&["--dry-run"]);
    assert_eq!(spent(&env).1, 0);
    assert_eq!(run(&["--dry-run"]), before);
    assert_eq!(run(&[]), before);
    assert_eq!(spent(&env).1, 144);
}

/// The same documents without their ids.
fn without_ids(list: &str) -> String {
    let mut documents: Vec<Value> = serde_json::from_str(list).unwrap();
    for document in &mut documents {
        document.as_object_mut().unwrap().remove("id");
    }
    Value::from(documents).to_string()
}

fn history_counts_once(env: &TestEnv, other: &TestEnv) {
    let anonymous = without_ids(COSTS);
    assert_eq!(counts(&import(env, "costs.json", COSTS)), [0, 0, 143, 0]);
    let file = env.file("anonymous.json", &anonymous);
    let dry_run = env.json(&["import", path_text(&file), "--dry-run", "--json"]);
    assert_eq!((counts(&dry_run), &dry_run["duplicates"]["count"]), ([0; 4], &json!(143)), "{dry_run}");
    let stdout = text(&env.run(&["import", path_text(&file)]).stdout);
    assert!(
        stdout.contains("warning: 143 costs of $1.7878 skipped") && stdout.contains("--allow-duplicates"),
        "{stdout}"
    );
    assert_eq!(spent(env), (sample_total(), 143));
    // The other way round, and each once more.
    assert_eq!(counts(&import(other, "anonymous.json", &anonymous)), [0, 0, 143, 0]);
    for _ in 0..2 {
        let summary = import(other, "costs.json", COSTS);
        assert_eq!((counts(&summary), &summary["duplicates"]["count"]), ([0; 4], &json!(143)), "{summary}");
        assert_eq!(counts(&import(other, "anonymous.json", &anonymous)), [0, 0, 0, 143]);
    }
    assert_eq!(spent(other), (sample_total(), 143));
    let file = other.file("costs.json", COSTS);
    let summary = other.json(&["import", path_text(&file), "--allow-duplicates", "--json"]);
    assert_eq!(counts(&summary), [0, 0, 143, 0]);
    assert_eq!(spent(other).1, 286);
}

#[test]
fn history_with_and_without_ids_counts_once() {
    history_counts_once(&TestEnv::new(), &TestEnv::new());
}

#[cfg(all(unix, feature = "firestore"))]
#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[test]
fn history_counts_once_on_firestore() {
    history_counts_once(&env_with_firestore(), &env_with_firestore());
}

#[test]
fn duplicates_are_matched_one_by_one() {
    let env = TestEnv::new();
    let row = "2025-11-02 12:00:00,17,bfl_api,0.025,flux_dev\n";
    let csv = |count: usize| format!("timestamp,job_id,service,cost_usd,model\n{}", row.repeat(count));
    let cost = |id: &str| {
        format!(
            "{{\"id\":\"{id}\",\"timestamp\":\"2025-11-02T12:00:00Z\",\"job_id\":\"17\",\"service\":\"bfl_api\",\"cost_usd\":0.025}}\n"
        )
    };
    import(&env, "two.jsonl", &(cost("a") + &cost("b")));
    for new in [1, 0] {
        let summary = import(&env, "three.csv", &csv(3));
        assert_eq!(counts(&summary), [0, 0, new, 1 - new], "{summary}");
        assert_eq!(summary["duplicates"], json!({"count": 2, "usd": "0.05"}), "{summary}");
        assert_eq!(spent(&env).1, 3);
    }
}

#[test]
fn jobs_without_their_costs_are_reported() {
    let env = TestEnv::new();
    let file = env.file("jobs.json", JOBS);
    let summary = env.json(&["import", path_text(&file), "--dry-run", "--json"]);
    let noted: Vec<f64> = serde_json::from_str::<Vec<Value>>(JOBS)
        .unwrap()
        .iter()
        .map(|job| ["bfl_cost_usd", "storage_cost_usd"].iter().filter_map(|name| job[*name].as_f64()).sum())
        .filter(|usd| *usd > 0.0)
        .collect();
    assert_eq!(summary["jobs_without_costs"]["count"], noted.len(), "{summary}");
    let usd: f64 = summary["jobs_without_costs"]["usd"].as_str().unwrap().parse().unwrap();
    assert!((usd - noted.iter().sum::<f64>()).abs() < 1e-9, "{usd}");
    let stdout = text(&env.run(&["import", path_text(&file)]).stdout);
    assert!(stdout.contains(&format!("{} new jobs note $", noted.len())), "{stdout}");
    // With the costs in the same file, before or after the jobs, nothing is missing.
    for contents in [format!("{}{}", lines(COSTS), lines(JOBS)), format!("{}{}", lines(JOBS), lines(COSTS))] {
        let other = TestEnv::new();
        let summary = import(&other, "all.jsonl", &contents);
        assert_eq!(summary["jobs_without_costs"], json!({"count": 0, "usd": "0"}), "{summary}");
    }
}

#[test]
fn active_job_is_imported_on_request_only() {
    let env = TestEnv::new();
    let request = "{\"id\": \"request\", \"status\": \"pending_art_generation\", \"prompt\": \"a fox\", \"createdAt\": \"2025-11-02\"}";
    let file = env.file("request.jsonl", request);
    let stderr = env.fails(1, &["import", path_text(&file)]);
    assert!(stderr.contains("line 1: the job is queued") && stderr.contains("--active"), "{stderr}");
    assert!(env.jobs().is_empty());
    assert_eq!(counts(&env.json(&["import", path_text(&file), "--active", "--json"])), [1, 0, 0, 0]);
    assert_eq!(env.jobs()[0]["status"], "queued");
}

#[test]
fn export_replaces_a_file_only_with_force() {
    let env = TestEnv::new();
    import(&env, "costs.json", COSTS);
    let path = env.file("mine.csv", "precious");
    let stderr = env.fails(1, &["export", "--costs", "--output", path_text(&path)]);
    assert!(stderr.contains("already exists") && stderr.contains("--force"), "{stderr}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    env.json(&["export", "--costs", "--output", path_text(&path), "--force", "--json"]);
    let csv = std::fs::read_to_string(&path).unwrap();
    assert_eq!(csv.lines().count(), 144);
    assert!(
        csv.starts_with("id,timestamp,job_id,service,cost_usd,details_model,") && csv.contains(",0.000005,"),
        "{csv}"
    );
    // A store that cannot be opened leaves the file unchanged and adds no other file.
    std::fs::write(env.data().join("darkroom.db"), "no database").unwrap();
    env.fails(1, &["export", "--costs", "--output", path_text(&path), "--force"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), csv);
    let drafts = std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("darkroom-export"));
    assert_eq!(drafts.count(), 0);
    assert!(env.fails(2, &["export", "--format", "csv"]).contains("--costs or --jobs"));
    assert!(env.fails(2, &["export", "--days", "3", "--from", "2d"]).contains("--days"));
}

#[test]
fn export_range_is_by_time_of_charge() {
    let env = TestEnv::new();
    let cost = |day: u32| json!({"id": format!("d{day}"), "service": "bfl_api", "job_id": "a", "cost_usd": 1, "timestamp": format!("2025-11-{day:02}")});
    let lines: Vec<String> = (1..=9).map(|day| cost(day).to_string()).collect();
    import(&env, "days.jsonl", &lines.join("\n"));
    let exported = export(&env, &["--costs", "--from", "2025-11-03", "--to", "2025-11-06"]);
    let ids: Vec<Value> =
        exported.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone()).collect();
    assert_eq!(ids, ["d3", "d4", "d5"]);
    assert_eq!(export(&env, &["--costs", "--days", "1"]), "");
    let stderr = text(&env.run(&["costs", "rebuild"]).stdout);
    assert!(stderr.contains("Nothing to rebuild"), "{stderr}");
}
