//! `darkroom audit`: commands, and what the store records elsewhere.

use crate::support::{TestEnv, path_text};

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
