//! The deterministic simulation, a short run. The long one is `cargo run --release --example simulate_schedules`.

mod schedules;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use schedules::{Plan, Sabotage, explain, run, shrink};

/// The first seed that breaks a rule, whichever thread finds one first.
fn first_failure(seeds: std::ops::Range<u64>, prepare: impl Fn(Plan) -> Plan + Sync) -> Option<Plan> {
    let (next, failing) = (AtomicU64::new(seeds.start), Mutex::new(None::<Plan>));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || failing.lock().unwrap().is_some() {
                        break;
                    }
                    let plan = prepare(Plan::of(seed));
                    if run(&plan, false).violation.is_some() {
                        let mut failing = failing.lock().unwrap();
                        if failing.as_ref().is_none_or(|first| first.seed > seed) {
                            *failing = Some(plan);
                        }
                    }
                }
            });
        }
    });
    failing.into_inner().unwrap()
}

#[test]
fn short_run_keeps_every_rule() {
    assert!((1..20).map(|seed| run(&Plan::of(seed), false).billed).sum::<usize>() > 10, "jobs are submitted");
    if let Some(plan) = first_failure(1..201, |plan| plan) {
        panic!("{}", explain(&shrink(&plan)));
    }
}

#[test]
fn same_seed_gives_same_schedule() {
    for seed in [3, 14, 15, 92] {
        let (one, two) = (run(&Plan::of(seed), true), run(&Plan::of(seed), true));
        assert_eq!(one.trace, two.trace, "seed {seed}");
        assert_eq!((one.steps, one.digest), (two.steps, two.digest), "seed {seed}");
    }
    assert_ne!(run(&Plan::of(3), false).digest, run(&Plan::of(4), false).digest);
}

#[test]
fn broken_store_is_found_and_shrunk() {
    for (sabotage, rule) in [
        (Sabotage::UnwrittenRecord, "a submit needs a durable record"),
        (Sabotage::ForgottenCharge, "the bill has nothing that no charge mentions"),
        (Sabotage::IgnoredCaps, "a cap is never passed"),
    ] {
        let found = first_failure(1..500, |plan| Plan { sabotage: Some(sabotage), ..plan });
        let shrunk = shrink(&found.unwrap_or_else(|| panic!("{sabotage:?} is not found")));
        assert_eq!(run(&shrunk, false).violation.map(|violation| violation.rule), Some(rule));
        assert!(shrunk.jobs.len() <= 3 && shrunk.actions.is_empty(), "{shrunk}");
    }
}
