//! `import`, `export` and `costs rebuild` with the real program, real files, both stores and real kills.

mod bad_rows;
mod cases;
mod formats;
mod interrupted;
mod round_trip;

use rust_decimal::Decimal;
use serde_json::Value;

use crate::support::{House, path_text};

pub const JOBS: &str = include_str!("samples/old-backend-jobs.json");
pub const COSTS: &str = include_str!("samples/old-backend-costs.json");

/// A house on the store of a team; `None` where no emulator is installed.
#[cfg(all(unix, feature = "firestore"))]
pub fn house_with_firestore() -> Option<House> {
    use crate::support::firestore_emulator::{fresh_project, shared};
    let emulator = shared()?;
    let mut house = House::new();
    house.set("DARKROOM_STORE", "firestore");
    house.set("FIRESTORE_EMULATOR_HOST", &emulator.host());
    house.set("GOOGLE_CLOUD_PROJECT", &fresh_project());
    Some(house)
}

#[cfg(not(all(unix, feature = "firestore")))]
pub fn house_with_firestore() -> Option<House> {
    None
}

/// Runs an import that must succeed.
pub fn import(house: &House, name: &str, contents: &str) -> Value {
    let file = house.file(name, contents);
    house.json(&["import", path_text(&file), "--json"])
}

/// What an export prints.
pub fn export(house: &House, arguments: &[&str]) -> String {
    let output = house.run(&[&["export"], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", crate::support::text(&output.stderr));
    crate::support::text(&output.stdout)
}

/// New and unchanged jobs, new and unchanged costs of a summary.
pub fn counts(summary: &Value) -> [u64; 4] {
    let of = |collection: &str, what: &str| summary[collection][what].as_u64().unwrap();
    [of("jobs", "new"), of("jobs", "unchanged"), of("costs", "new"), of("costs", "unchanged")]
}

/// The real money of the last ten years.
pub fn spent(house: &House) -> (Decimal, u64) {
    let report = house.json(&["costs", "--json", "--real", "--days", "3660"]);
    (crate::support::books::dollars(&report["total_usd"]), report["count"].as_u64().unwrap())
}

/// What the samples cost, added up from their digits.
pub fn sample_total() -> Decimal {
    let costs: Vec<Value> = serde_json::from_str(COSTS).unwrap();
    costs
        .iter()
        .map(|cost| Decimal::from_scientific(&format!("{:e}", cost["cost_usd"].as_f64().unwrap())).unwrap())
        .sum()
}
