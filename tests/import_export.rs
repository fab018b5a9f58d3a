//! `import`, `export` and `costs rebuild` with the real program, real files, both stores and real kills.

mod bad_rows;
mod cases;
mod formats;
mod interrupted;
mod round_trip;
mod undo;

use rust_decimal::Decimal;
use serde_json::Value;

use crate::support::{TestEnv, path_text};

pub const JOBS: &str = include_str!("samples/old-backend-jobs.json");
pub const COSTS: &str = include_str!("samples/old-backend-costs.json");

/// An environment on a Firestore project of its own.
#[cfg(all(unix, feature = "firestore"))]
pub fn env_with_firestore() -> TestEnv {
    use crate::support::firestore_emulator::{fresh_project, shared};
    let mut env = TestEnv::new();
    env.set("DARKROOM_STORE", "firestore");
    env.set("FIRESTORE_EMULATOR_HOST", &shared().host());
    env.set("GOOGLE_CLOUD_PROJECT", &fresh_project());
    env
}

/// Runs an import that must succeed.
pub fn import(env: &TestEnv, name: &str, contents: &str) -> Value {
    let file = env.file(name, contents);
    env.json(&["import", path_text(&file), "--json"])
}

/// What an export prints.
pub fn export(env: &TestEnv, arguments: &[&str]) -> String {
    let output = env.run(&[&["export"], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", crate::support::text(&output.stderr));
    crate::support::text(&output.stdout)
}

/// New and unchanged jobs, new and unchanged costs of a summary.
pub fn counts(summary: &Value) -> [u64; 4] {
    let of = |collection: &str, what: &str| summary[collection][what].as_u64().unwrap();
    [of("jobs", "new"), of("jobs", "unchanged"), of("costs", "new"), of("costs", "unchanged")]
}

/// The real money of the last ten years.
pub fn spent(env: &TestEnv) -> (Decimal, u64) {
    let report = env.json(&["costs", "--json", "--real", "--days", "3660"]);
    (crate::support::ledger_check::dollars(&report["total_usd"]), report["count"].as_u64().unwrap())
}

/// What the samples cost, added up from their digits.
pub fn sample_total() -> Decimal {
    let costs: Vec<Value> = serde_json::from_str(COSTS).unwrap();
    costs
        .iter()
        .map(|cost| Decimal::from_scientific(&format!("{:e}", cost["cost_usd"].as_f64().unwrap())).unwrap())
        .sum()
}
