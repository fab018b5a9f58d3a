//! Shrinking: the smallest part of a failing schedule that still breaks the same rule.

use super::plan::Plan;
use super::run;

/// How many schedules are tried at most.
const MAX_TRIES: usize = 2_000;

/// Removes operator actions, jobs, workers and faults from a failing schedule for as long as it breaks the same rule.
pub fn shrink(plan: &Plan) -> Plan {
    let mut best = plan.clone();
    let Some(rule) = run(plan, false).violation.map(|violation| violation.rule) else { return best };
    let mut tries = 0;
    loop {
        let mut is_smaller = false;
        for candidate in candidates(&best) {
            tries += 1;
            if tries > MAX_TRIES {
                return best;
            }
            if run(&candidate, false).violation.is_some_and(|violation| violation.rule == rule) {
                best = candidate;
                is_smaller = true;
                break;
            }
        }
        if !is_smaller {
            return best;
        }
    }
}

/// Smaller schedules, the largest step first.
fn candidates(plan: &Plan) -> Vec<Plan> {
    let mut candidates = Vec::new();
    let faults = run(plan, false).faults;
    // All later faults at once, then half of them, and so on; then each one.
    let mut kept = 0;
    while kept < faults.len() {
        let mut candidate = plan.clone();
        candidate.suppressed.extend(&faults[kept..]);
        candidates.push(candidate);
        kept = (kept * 2).max(1);
    }
    let lists: [fn(&mut Plan) -> &mut Vec<u64>; 3] =
        [|plan| &mut plan.actions, |plan| &mut plan.jobs, |plan| &mut plan.workers];
    for list in lists {
        let numbers = list(&mut plan.clone()).clone();
        for number in numbers.iter().rev() {
            let mut candidate = plan.clone();
            list(&mut candidate).retain(|kept| kept != number);
            if !candidate.jobs.is_empty() && !candidate.workers.is_empty() {
                candidates.push(candidate);
            }
        }
    }
    for fault in faults.iter().rev() {
        let mut candidate = plan.clone();
        candidate.suppressed.insert(*fault);
        candidates.push(candidate);
    }
    candidates
}
