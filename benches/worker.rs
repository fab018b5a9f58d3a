//! The main job at full speed: N small jobs through `darkroom worker --until-idle` against the instant simulator in a process of its
//! own.
//!
//! `cargo bench --bench worker` prints jobs per second, CPU time, peak memory and database size for 10,000 jobs;
//! `DARKROOM_BENCH_JOBS=1000 cargo bench --bench worker` does the same for fewer, and `DARKROOM_BENCH_PROGRAM` names another build to
//! compare with. It fails where the books do not equal the simulator's bill, never over a timing.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its figures and stops where it cannot run"
)]

#[path = "watch.rs"]
mod watch;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use darkroom::simulator::{self, SimulatorOptions, Speed};
use serde_json::Value;
use watch::{cpu_seconds, watch};

fn main() {
    // `cargo test --benches` only wants to know that it builds and starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let count: usize = std::env::var("DARKROOM_BENCH_JOBS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let lines: Vec<String> = (0..count)
        .map(|index| {
            format!(
                r#"{{"prompt":"job {index}","model":"flux-2-klein-4b","width":64,"height":64,"output_format":"png"}}"#
            )
        })
        .collect();
    let file = folder.path().join("jobs.jsonl");
    std::fs::write(&file, lines.join("\n")).unwrap();

    let begun = Instant::now();
    let submitted = darkroom(folder.path(), &["submit", "--json", "--file", file.to_str().unwrap()]).output().unwrap();
    assert!(submitted.status.success(), "{}", String::from_utf8_lossy(&submitted.stderr));
    let submit_time = begun.elapsed();

    // This process serves the simulator of the directory, so that the worker's figures are its own.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let options = SimulatorOptions { speed: Speed::Instant, ..SimulatorOptions::default() };
    let simulator = runtime.block_on(simulator::shared(&data, options)).unwrap();
    let server_before = cpu_seconds(std::process::id());
    let begun = Instant::now();
    let worker = darkroom(folder.path(), &["worker", "--until-idle"]).stdout(Stdio::null()).spawn().unwrap();
    let used = watch(worker);
    let time = begun.elapsed();
    assert!(used.success, "the worker failed");
    let server_after = cpu_seconds(std::process::id());
    runtime.block_on(simulator.shutdown());

    let costs = darkroom(folder.path(), &["costs", "--json", "--days", "2"]).output().unwrap();
    let costs: Value = serde_json::from_slice(&costs.stdout).unwrap();
    assert_eq!(costs["count"], count, "every job has its one charge");

    let per = |seconds: f64| format!("{seconds:.2} s = {:.0} jobs/s", count as f64 / seconds);
    println!("jobs                {count}");
    println!("submit              {:.2} s", submit_time.as_secs_f64());
    println!("run until idle      {}", per(time.as_secs_f64()));
    if let (Some(cpu), Some(before), Some(after)) = (used.cpu_seconds, server_before, server_after) {
        println!("CPU of the worker   {}", per(cpu));
        println!("CPU of the server   {}", per(after - before));
    }
    println!(
        "peak memory         {}",
        used.peak_memory.map_or_else(|| "not known here".to_owned(), |kb| format!("{} MB", kb / 1024))
    );
    println!("database            {:.1} MB", size(&data, "darkroom.db") as f64 / 1e6);
    println!("spent (simulated)   ${}", costs["total_usd"].as_str().unwrap_or("?"));
}

fn darkroom(folder: &Path, arguments: &[&str]) -> Command {
    let program = std::env::var_os("DARKROOM_BENCH_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_darkroom").into());
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("DARKROOM_DATA_DIR", folder.join("data"))
        .env("DARKROOM_LOG_DIR", folder.join("logs"))
        .env("DARKROOM_SIMULATOR_SPEED", "instant");
    command
}

fn size(data: &Path, name: &str) -> u64 {
    ["", "-wal", "-shm"]
        .iter()
        .filter_map(|end| std::fs::metadata(data.join(format!("{name}{end}"))).ok())
        .map(|file| file.len())
        .sum()
}
