//! Imports are recorded, listed and undone.

use serde_json::{Value, json};

use super::{COSTS, JOBS, counts, export, import, spent};
use crate::support::{TestEnv, text};

fn check(env: &TestEnv) {
    assert_eq!(env.json(&["import", "--list", "--json"]), json!([]));
    let jobs = import(env, "jobs.json", JOBS);
    let costs = import(env, "costs.json", COSTS);
    let id = |summary: &Value| summary["batch"].as_str().unwrap().to_owned();
    let (jobs_batch, costs_batch) = (id(&jobs), id(&costs));
    let listed = env.json(&["import", "--list", "--json"]);
    assert_eq!(
        (&listed[0]["id"], &listed[1]["id"]),
        (&json!(costs_batch), &json!(jobs_batch)),
        "newest first: {listed}"
    );
    assert_eq!((&listed[0]["state"], &listed[0]["costs"]), (&json!("complete"), &json!(143)));
    assert_eq!((&listed[1]["jobs"], &listed[1]["jobs_without_costs"].is_u64()), (&json!(60), &true));
    assert!(
        listed[0]["by"].as_str().unwrap().contains('@') && listed[0]["file"].as_str().unwrap().ends_with("costs.json")
    );
    assert!(spent(env).1 > 0);

    // A second import of the same file writes nothing, and its undo removes nothing.
    let again = import(env, "costs.json", COSTS);
    assert_eq!(counts(&again), [0, 0, 0, 143]);
    let undone = env.json(&["import", "--undo", &id(&again), "--yes", "--json"]);
    assert_eq!((&undone["costs"], &undone["kept"]), (&json!(0), &json!([])));

    let refused = env.fails(2, &["import", "--undo", &costs_batch]);
    assert!(refused.contains("removes up to 0 jobs and 143 costs") && refused.contains("--yes"), "{refused}");
    let would = env.json(&["import", "--undo", &costs_batch, "--dry-run", "--json"]);
    assert_eq!((&would["dry_run"], &would["costs"]), (&json!(true), &json!(143)));
    let undone = env.json(&["import", "--undo", &costs_batch, "--yes", "--json"]);
    assert_eq!((&undone["costs"], &undone["missing"], &undone["kept"]), (&json!(143), &json!(0), &json!([])));
    assert_eq!(spent(env).1, 0);
    let twice = env.fails(1, &["import", "--undo", &costs_batch, "--yes"]);
    assert!(twice.contains("was already undone by"), "{twice}");

    let done = env.jobs().into_iter().find(|job| job["status"] == "done").unwrap();
    let done = done["id"].as_str().unwrap();
    env.json(&["jobs", "approve", done, "--json"]);
    let output = env.run(&["import", "--undo", &jobs_batch, "--yes"]);
    let (shown, named) = (text(&output.stdout), text(&output.stderr));
    assert!(shown.contains("59 jobs and 0 costs removed, 1 kept"), "{shown}");
    assert!(named.contains(&format!("kept jobs {done}: it was changed since the import")), "{named}");
    let left = env.jobs();
    assert_eq!((left.len(), &left[0]["status"]), (1, &json!("approved")));
    let table = text(&env.run(&["import", "--list"]).stdout);
    assert!(table.contains("undone by") && table.contains("in no report"), "{table}");
    env.fails(1, &["import", "--undo", "no-such-batch"]);
    env.fails(2, &["import"]);
}

#[test]
fn import_can_be_undone() {
    check(&TestEnv::new());
}

/// Jobs of the simulator and their costs, of another store.
fn check_own_jobs(env: &TestEnv) {
    let other = TestEnv::new();
    other.json(&["submit", "a fox", "--width", "64", "--height", "64", "--count", "2", "--wait", "--json"]);
    let all: Value = serde_json::from_str(&export(&other, &["--format", "db.json"])).unwrap();
    let total = |env: &TestEnv| env.json(&["costs", "--json"])["total_usd"].as_str().unwrap().to_owned();
    let undo = |batch: &Value, dry: &str| {
        let undone = env.json(&["import", "--undo", batch["batch"].as_str().unwrap(), dry, "--json"]);
        ["jobs", "costs", "kept"]
            .map(|what| undone[what].as_array().map_or(undone[what].clone(), |kept| json!(kept.len())))
    };
    // Each in a file of its own: the undo of the jobs leaves the costs.
    let costs = import(env, "costs.json", &all["costs"].to_string());
    let jobs = import(env, "jobs.json", &all["jobs"].to_string());
    assert_eq!((counts(&costs), counts(&jobs)), ([0, 0, 2, 0], [2, 0, 0, 0]));
    assert_eq!(undo(&costs, "--yes"), [json!(0), json!(0), json!(2)]);
    assert_eq!(undo(&jobs, "--yes"), [json!(2), json!(0), json!(0)]);
    assert_eq!((env.jobs().len(), total(env)), (0, total(&other)));
    // What was kept can go now.
    assert_eq!(undo(&costs, "--yes"), [json!(0), json!(2), json!(0)]);
    assert_eq!(total(env), "0");
    // Both in one file, the costs first: the undo removes both.
    let both = format!("{{\"costs\": {}, \"jobs\": {}}}", all["costs"], all["jobs"]);
    let both = import(env, "both.json", &both);
    assert_eq!(counts(&both), [2, 0, 2, 0]);
    assert_eq!(undo(&both, "--dry-run"), [json!(2), json!(2), json!(0)]);
    assert_eq!(undo(&both, "--yes"), [json!(2), json!(2), json!(0)]);
    assert_eq!((env.jobs().len(), total(env)), (0, "0".to_owned()));
}

#[test]
fn undo_removes_only_what_its_import_wrote() {
    check_own_jobs(&TestEnv::new());
}

#[cfg(all(unix, feature = "firestore"))]
#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[test]
fn undo_removes_only_what_it_wrote_on_firestore() {
    check_own_jobs(&super::env_with_firestore());
}

#[cfg(all(unix, feature = "firestore"))]
#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[test]
fn import_can_be_undone_on_firestore() {
    check(&super::env_with_firestore());
}
