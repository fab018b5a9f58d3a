//! Compares darkroom's recorded costs with the bill in the simulator's own database.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{TimeDelta, Utc};
use rust_decimal::Decimal;
use serde_json::Value;

use super::TestEnv;

/// The simulator's bill by prompt: number of charges and their sum in dollars.
pub fn bill(env: &TestEnv) -> BTreeMap<String, (usize, Decimal)> {
    bill_in(&env.data())
}

/// [`bill`] of a simulator with a separate data directory.
pub fn bill_in(directory: &Path) -> BTreeMap<String, (usize, Decimal)> {
    let file = directory.join("simulator.db");
    let ledger = rusqlite::Connection::open(file).expect("the simulator's ledger");
    let mut query = ledger
        .prepare("SELECT tickets.prompt, bill.credits FROM bill JOIN tickets ON tickets.id = bill.ticket")
        .expect("the ledger has tickets and a bill");
    let rows = query
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .expect("the bill can be read");
    let mut bill = BTreeMap::new();
    for row in rows {
        let (prompt, credits) = row.expect("an entry");
        let credits: Decimal = credits.parse().expect("credits are decimal");
        let entry = bill.entry(prompt).or_insert((0, Decimal::ZERO));
        entry.0 += 1;
        entry.1 += credits / Decimal::from(100);
    }
    bill
}

/// The sum of a bill in dollars.
pub fn total(bill: &BTreeMap<String, (usize, Decimal)>) -> Decimal {
    bill.values().map(|(_, dollars)| dollars).sum()
}

/// A decimal string of a JSON document.
pub fn dollars(value: &Value) -> Decimal {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a decimal string")).parse().expect("a decimal")
}

/// Asserts that all `count` jobs are finished, that none is billed twice, and that every cent on the bill is accounted for: by a
/// done job with exactly that charge, or by a job that failed with `submit_unknown` and is counted as unconfirmed. Returns the
/// number of done jobs.
pub fn check(env: &TestEnv, count: usize) -> usize {
    check_with(env, &env.data(), count)
}

/// [`check`] with the bill of a simulator with a separate data directory.
pub fn check_with(env: &TestEnv, simulator: &Path, count: usize) -> usize {
    let jobs = env.jobs();
    assert_eq!(jobs.len(), count, "no job is lost");
    let bill = bill_in(simulator);
    // A test may have moved its clock past midnight.
    let day = |days: i64| (Utc::now() + TimeDelta::days(days)).format("%Y-%m-%d").to_string();
    let costs = env.json(&["costs", "--json", "--from", &day(-1), "--to", &day(3)]);
    let mut unknown_and_billed = Decimal::ZERO;
    let mut done = 0;
    for job in &jobs {
        let prompt = job["prompt"].as_str().expect("a prompt");
        let (times, billed) = bill.get(prompt).copied().unwrap_or_default();
        assert!(times <= 1, "{prompt} is billed {times} times: {job}");
        match job["status"].as_str().expect("a status") {
            "done" => {
                done += 1;
                assert_eq!(dollars(&job["cost_usd"]), billed, "the charge of {prompt} equals the bill");
                let url = url::Url::parse(job["image_url"].as_str().expect("an image")).expect("a URL");
                let image = std::fs::read(url.to_file_path().expect("a file")).expect("the image exists");
                image::load_from_memory(&image).expect("the image is whole");
            }
            "failed" => {
                assert_eq!(job["error"]["code"], "submit_unknown", "{job}");
                unknown_and_billed += billed;
            }
            other => panic!("{prompt} is not finished: {other}"),
        }
    }
    assert_eq!(
        dollars(&costs["total_usd"]) + unknown_and_billed,
        total(&bill),
        "the recorded costs equal the bill: {costs}"
    );
    assert!(dollars(&costs["unconfirmed_usd"]) >= unknown_and_billed, "possible charges are shown: {costs}");
    done
}
