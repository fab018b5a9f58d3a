//! `darkroom audit`: commands, and what the store records elsewhere.

use chrono::Utc;
use darkroom::store::sqlite::SqliteStore;
use darkroom::store::{SharedRecord, Store};
use serde_json::json;

use crate::support::{TestEnv, path_text};

#[test]
fn unreadable_import_hides_no_other_record() {
    let env = TestEnv::new();
    env.json(&["budget", "set", "--daily", "5", "--json"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = SqliteStore::open(&env.data().join("darkroom.db")).unwrap();
    let record = SharedRecord::new("import", "20261101-000000-0000", Utc::now(), "newer", json!({"state": "folded"}));
    runtime.block_on(store.put_shared_record(record)).unwrap();
    assert_eq!(env.json(&["audit", "--json"])[0]["note"], "set daily $5.00");
    assert!(env.fails(1, &["import", "--list"]).contains("20261101-000000-0000 cannot be read"));
}

#[test]
fn caps_tasks_and_imports_are_in_the_audit() {
    let env = TestEnv::new();
    let made = env.json(&["submit", "a fox", "--json"]);
    env.json(&["budget", "set", "--daily", "5", "--json"]);
    env.json(&["tasks", "set", "7", "--json"]);
    let file = env.file("costs.csv", "timestamp,job_id,service,cost_usd\n2026-11-01,old-1,bfl_api,0.03\n");
    let batch = env.json(&["import", path_text(&file), "--json"])["batch"].as_str().unwrap().to_owned();
    env.json(&["import", "--undo", &batch, "--yes", "--json"]);
    let entries = env.json(&["audit", "--json"]);
    let entries = entries.as_array().unwrap();
    let shown: Vec<(&str, &str)> =
        entries.iter().map(|entry| (entry["action"].as_str().unwrap(), entry["note"].as_str().unwrap_or(""))).collect();
    let imported = format!("{batch}: 0 jobs and 1 cost of {}", path_text(&file));
    let expected = [
        ("import undo", batch.as_str()),
        ("import", imported.as_str()),
        ("tasks", "set 7"),
        ("budget", "set daily $5.00"),
        ("submit", ""),
    ];
    assert_eq!(shown, expected);
    assert!(entries.iter().all(|entry| entry["by"].as_str().unwrap().contains('@')), "{entries:?}");
    assert_eq!(env.json(&["audit", "--limit", "2", "--json"]).as_array().unwrap().len(), 2);
    let id = made[0]["id"].as_str().unwrap();
    assert_eq!(env.json(&["audit", "--job", id, "--json"]).as_array().unwrap().len(), 1);
}
