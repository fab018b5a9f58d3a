//! Runs many schedules of the deterministic simulation of `tests/simulation`, on all processors.
//!
//! `cargo run --release --example simulate_schedules -- --schedules 100000 --seed 1` runs the seeds from 1 on. A seed that breaks
//! a rule is shrunk and printed with what happened; `-- --seed N` replays it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool that prints its result and stops where it cannot run"
)]

#[path = "../tests/simulation/schedules/mod.rs"]
mod schedules;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use schedules::{Plan, Sabotage, run, shrink};

#[derive(Parser)]
struct Arguments {
    /// How many schedules to run.
    #[arg(long, default_value_t = 1)]
    schedules: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads; all processors if it is not given.
    #[arg(long)]
    threads: Option<usize>,
    /// Go on after a failing seed, and print each one without shrinking it.
    #[arg(long)]
    keep_going: bool,
    /// Break the store on purpose, to see that a rule notices it.
    #[arg(long)]
    sabotage: Option<Sabotage>,
    /// Print what happened, also if no rule is broken.
    #[arg(long)]
    trace: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let plan = |seed| Plan { sabotage: arguments.sabotage, ..Plan::of(seed) };
    let threads = arguments.threads.or_else(|| std::thread::available_parallelism().ok().map(Into::into)).unwrap_or(1);
    let (next, end) = (AtomicU64::new(arguments.seed), arguments.seed + arguments.schedules);
    let failing: Mutex<Vec<u64>> = Mutex::default();
    let [steps, faults, billed, fingerprint] = [0; 4].map(AtomicU64::new);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let is_stopped = !arguments.keep_going && !failing.lock().unwrap().is_empty();
                    if seed >= end || is_stopped {
                        break;
                    }
                    let report = run(&plan(seed), false);
                    steps.fetch_add(report.steps, Ordering::Relaxed);
                    faults.fetch_add(report.faults.len() as u64, Ordering::Relaxed);
                    fingerprint.fetch_xor(report.digest, Ordering::Relaxed);
                    billed.fetch_add(report.billed as u64, Ordering::Relaxed);
                    if let Some(violation) = report.violation {
                        if arguments.keep_going {
                            println!("seed {seed}: {violation}");
                        }
                        failing.lock().unwrap().push(seed);
                    }
                }
            });
        }
    });
    let mut failing = failing.into_inner().unwrap();
    failing.sort_unstable();
    println!(
        "{} schedules: {} steps, {} faults, {} billed submits, {} failing seeds in {:.1} s; fingerprint {:016x}",
        arguments.schedules,
        steps.into_inner(),
        faults.into_inner(),
        billed.into_inner(),
        failing.len(),
        begun.elapsed().as_secs_f64(),
        fingerprint.into_inner(),
    );
    if arguments.trace {
        println!("{}", run(&plan(arguments.seed), true).trace.join("\n"));
    }
    let Some(seed) = failing.first() else { return ExitCode::SUCCESS };
    if !arguments.keep_going {
        println!("{}", schedules::explain(&shrink(&plan(*seed))));
    }
    ExitCode::FAILURE
}
