//! 100,000 imported costs: how long `darkroom import` takes, what a cost report then takes, and the peak of memory, on the embedded
//! store and on Firestore's emulator (left out, with a line, where none is installed).
//!
//! `cargo bench --profile dev --bench import`; `DARKROOM_BENCH_COSTS=5000` takes fewer. It fails where the books do not hold each
//! cost once, never over a timing.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its figures and stops where it cannot run"
)]

#[path = "watch.rs"]
mod watch;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[path = "../tests/support/mod.rs"]
#[allow(dead_code, clippy::expect_used, clippy::panic, missing_docs, reason = "written for the tests")]
mod support;

use serde_json::Value;
#[cfg(all(unix, feature = "firestore"))]
use support::firestore_emulator;
use watch::watch;

fn main() {
    // `cargo test --benches` only wants to know that it builds and starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let count: u64 = std::env::var("DARKROOM_BENCH_COSTS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("costs.jsonl");
    std::fs::write(&file, costs(count)).unwrap();
    let size = std::fs::metadata(&file).unwrap().len() as f64 / 1e6;
    println!("{count} costs over a year, {size:.1} MB of JSON lines");

    let sqlite = TestEnv { folder: folder.path().join("sqlite"), environment: Vec::new() };
    sqlite.measure("SQLite", &file, count);

    #[cfg(all(unix, feature = "firestore"))]
    on_firestore(folder.path(), &file, count);
}

#[cfg(all(unix, feature = "firestore"))]
fn on_firestore(folder: &Path, file: &Path, count: u64) {
    use darkroom::costs::CostGrouping;
    use darkroom::store::{CostQuery, Store};

    let emulator = firestore_emulator::shared();
    let project = firestore_emulator::fresh_project();
    let environment = [
        ("DARKROOM_STORE", "firestore".to_owned()),
        ("FIRESTORE_EMULATOR_HOST", emulator.host()),
        ("GOOGLE_CLOUD_PROJECT", project.clone()),
    ];
    let env = TestEnv { folder: folder.join("firestore"), environment: environment.to_vec() };
    env.measure("Firestore", file, count);
    // What the store itself counts: reads are money.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = firestore_emulator::store(emulator, &project);
        let (from, to) = ("2025-01-01T00:00:00Z".parse().unwrap(), "2026-01-01T00:00:00Z".parse().unwrap());
        let query = CostQuery { from, to, simulated: false };
        // The first question waits for the connection.
        store.costs(query.clone()).await.unwrap();
        let (before, begun) = (store.usage(), Instant::now());
        let report = store.costs(query).await.unwrap().report(CostGrouping::Day);
        let (time, reads) = (begun.elapsed(), store.usage().reads - before.reads);
        assert_eq!(report.count, count);
        println!(
            "Firestore  report of a year         {:.0} ms in the process, {reads} reads",
            time.as_secs_f64() * 1e3
        );
    });
    let (time, peak, rebuilt) = env.run(&["costs", "rebuild", "--dry-run", "--json"]);
    assert_eq!(rebuilt["differences"], serde_json::json!([]), "the sums are those of the entries");
    print_row("Firestore", "sums checked with all entries", time, peak);
}

/// One charge each five minutes and a quarter; every fifth is of the storage, every tenth was for nothing.
fn costs(count: u64) -> String {
    let mut lines = String::new();
    let begin: chrono::DateTime<chrono::Utc> = "2025-01-01T00:00:00Z".parse().unwrap();
    for number in 0..count {
        let at = begin + chrono::TimeDelta::milliseconds(i64::try_from(number * (31_536_000_000 / count)).unwrap());
        let (service, cost, details) = if number % 5 == 4 {
            ("google_storage", "5e-06", r#"{"image_size_bytes":571,"operation_type":"upload"}"#.to_owned())
        } else {
            let success = number % 10 != 3;
            let cost = if success { "0.025" } else { "0.0125" };
            ("bfl_api", cost, format!(r#"{{"model":"flux_dev","steps":28,"success":{success},"base_cost":0.025}}"#))
        };
        let _ = writeln!(
            lines,
            r#"{{"id":"c{number:019}","job_id":"job-{}","service":"{service}","cost_usd":{cost},"timestamp":"{}","details":{details}}}"#,
            number / 5,
            at.to_rfc3339()
        );
    }
    lines
}

struct TestEnv {
    folder: std::path::PathBuf,
    environment: Vec<(&'static str, String)>,
}

impl TestEnv {
    fn measure(&self, store: &str, file: &Path, count: u64) {
        let path = file.to_str().unwrap();
        let (time, peak, summary) = self.run(&["import", path, "--json"]);
        assert_eq!((summary["costs"]["new"].as_u64(), summary["refused_count"].as_u64()), (Some(count), Some(0)));
        print_row(store, "import", time, peak);
        println!("{store:<10} costs a second           {:.0}", count as f64 / time.as_secs_f64());
        let (time, peak, summary) = self.run(&["import", path, "--json"]);
        assert_eq!(summary["costs"]["unchanged"].as_u64(), Some(count), "nothing is booked twice");
        print_row(store, "unchanged import", time, peak);
        let (time, peak, report) = self.run(&["costs", "--json", "--real", "--days", "3660", "--by", "day"]);
        assert_eq!(report["count"].as_u64(), Some(count));
        print_row(store, "costs --days 3660", time, peak);
        let out = self.folder.join("out.jsonl");
        let (time, peak, exported) = self.run(&["export", "--costs", "--output", out.to_str().unwrap(), "--json"]);
        assert_eq!(exported["costs"].as_u64(), Some(count));
        print_row(store, "export", time, peak);
    }

    /// Runs the program to its end: the time, the peak of its memory in kB, and its answer.
    fn run(&self, arguments: &[&str]) -> (Duration, Option<u64>, Value) {
        std::fs::create_dir_all(&self.folder).unwrap();
        let answer = self.folder.join("answer.json");
        let begun = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_darkroom"))
            .args(arguments)
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.folder)
            .env("DARKROOM_DATA_DIR", self.folder.join("data"))
            .env("DARKROOM_LOG_DIR", self.folder.join("logs"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&answer).unwrap())
            .spawn()
            .unwrap();
        let used = watch(child);
        let time = begun.elapsed();
        assert!(used.success, "{arguments:?} failed");
        (time, used.peak_memory, serde_json::from_slice(&std::fs::read(&answer).unwrap()).unwrap())
    }
}

fn print_row(store: &str, what: &str, time: Duration, peak: Option<u64>) {
    let peak = peak.map_or_else(|| "not known here".to_owned(), |kilobytes| format!("{} MB", kilobytes / 1024));
    println!("{store:<10} {what:<24} {:.2} s, peak {peak}", time.as_secs_f64());
}
