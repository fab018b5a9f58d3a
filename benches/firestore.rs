//! What the shared store costs in time and money, against the official emulator.
//!
//! `cargo bench --bench firestore` prints: the time from a write by another program to its row on the screen, next to the bare
//! listener's own time for the same writes; reads and writes of a job, of a report, of an hour at rest; and how long four workers
//! take for a queue. `cargo bench --bench firestore -- rows` (or `costs`, `workers`) does one of the three. It never fails over a
//! timing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints its figures and stops where it cannot run"
)]

#[path = "../tests/support/mod.rs"]
#[allow(dead_code, clippy::expect_used, clippy::panic, missing_docs, reason = "written for the tests")]
mod support;

#[path = "firestore/costs.rs"]
mod costs;
#[path = "firestore/rows.rs"]
mod rows;
#[path = "firestore/workers.rs"]
mod workers;

use support::firestore_emulator::Emulator;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    // `cargo test --benches` only wants to know that it builds and starts.
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let emulator = Emulator::start(None);
    let wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == name);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if wanted("rows") {
        runtime.block_on(rows::measure(&emulator));
    }
    if wanted("costs") {
        runtime.block_on(costs::measure(&emulator));
    }
    if wanted("workers") {
        runtime.block_on(workers::measure(&emulator));
    }
}
