//! A deterministic simulation: the real workflow on real SQL, with several workers, operators, a model of the provider and a
//! virtual clock. Each seed is one schedule: which worker continues at each await, what gets lost, delayed or suspended, which
//! process dies, whose clock is wrong. The same seed always gives the same schedule.

mod actors;
mod books;
mod executor;
mod plan;
mod ports;
mod provider;
mod rng;
mod shrink;
mod world;

use std::sync::Arc;

use chrono::TimeDelta;
use darkroom::costs::{BudgetEdit, BudgetSettings, CostGrouping};
use darkroom::jobs::Hold;
use darkroom::store::{BudgetChange, CostQuery, Store};
use futures::FutureExt;

use executor::Executor;
use plan::{FaultId, SECOND};
pub use plan::{Plan, Sabotage};
use rng::Rng;
pub use shrink::shrink;
pub use world::Violation;
use world::World;

/// More steps than any schedule needs.
const MAX_STEPS: u64 = 200_000;

/// How long a job may take after everything works again, in microseconds.
const CALM: i64 = 4 * 3_600 * SECOND;

/// How long everything must be over before the schedule ends: a run that is under way may still save something.
const IDLE: i64 = 60 * SECOND;

/// How long after the horizon a job may be held by a cap before the schedule ends.
const HELD: i64 = 600 * SECOND;

/// What a schedule resulted in.
pub struct Report {
    /// The first broken rule.
    pub violation: Option<Violation>,
    /// What happened, if that was recorded.
    pub trace: Vec<String>,
    /// What went wrong.
    pub faults: Vec<FaultId>,
    /// Polls of tasks.
    pub steps: u64,
    /// Submits that the provider accepted.
    pub billed: usize,
    /// A fingerprint of everything that happened.
    pub digest: u64,
}

/// Runs one schedule.
pub fn run(plan: &Plan, is_recorded: bool) -> Report {
    let world = World::new(plan.clone(), is_recorded);
    let mut executor = Executor::new(world.timeline.clone(), Rng::of(&[plan.seed, 7]));
    start(&world, &mut executor);
    let mut steps = 0;
    let mut digest = Rng::of(&[plan.seed]);
    while !is_over(&world) {
        if steps >= MAX_STEPS || !executor.step() {
            world.report("every job ends", format!("after {steps} steps"));
        }
        steps += 1;
        digest.absorb(world.timeline.now());
    }
    check_end(&world);
    drop(executor);
    let mut state = world.state.lock().unwrap();
    Report {
        violation: state.violation.take(),
        trace: state.trace.take().unwrap_or_default(),
        faults: std::mem::take(&mut state.faults),
        steps,
        billed: state.books.bill.len(),
        digest: digest.below(u64::MAX),
    }
}

fn start(world: &Arc<World>, executor: &mut Executor) {
    let plan = &world.plan;
    let settings = BudgetSettings { total: plan.caps, ..BudgetSettings::default() };
    if plan.caps.is_limited() && plan.sabotage != Some(Sabotage::IgnoredCaps) {
        let edit = BudgetEdit::Set { model: None, caps: plan.caps, soft_percent: None };
        let change = BudgetChange { at: world.date(), by: "operator".to_owned(), edit };
        world.store.change_budget(change).now_or_never().expect("in memory").expect("a budget");
    }
    world.state.lock().unwrap().books.set_caps(settings);
    world.state.lock().unwrap().pending = plan.jobs.len() + plan.actions.len();
    for number in &plan.jobs {
        executor.spawn(actors::submitter(world.clone(), *number));
    }
    for number in &plan.workers {
        executor.spawn(actors::worker(world.clone(), *number));
    }
    for number in &plan.actions {
        executor.spawn(actors::operator(world.clone(), *number));
    }
}

/// Whether nothing more will happen: a rule is broken, all jobs ended, or what is left is held by a cap.
fn is_over(world: &World) -> bool {
    let mut state = world.state.lock().unwrap();
    let now = world.timeline.now();
    if state.violation.is_some() || now > world.plan.horizon + CALM {
        return true;
    }
    let jobs = &state.books.jobs;
    let is_idle = state.pending == 0
        && jobs.len() == world.plan.jobs.len()
        && if now >= world.plan.horizon + HELD {
            state.books.unfinished().next().is_none()
        } else {
            !jobs.values().any(|job| job.stage_name().is_active())
        };
    if !is_idle {
        state.idle_since = None;
        return false;
    }
    now - *state.idle_since.get_or_insert(now) > IDLE
}

/// What must hold at the end.
fn check_end(world: &World) {
    if world.state.lock().unwrap().violation.is_some() {
        return;
    }
    world.change(|state| {
        if let Some(job) = state.books.unfinished().next() {
            let hold = job.hold().map(Hold::summary).unwrap_or_default();
            return Err(Violation {
                rule: "every job ends",
                details: format!("{} is {} {hold}", job.id, job.stage_name()),
            });
        }
        if state.books.jobs.len() != world.plan.jobs.len() {
            return Err(Violation { rule: "every job exists", details: format!("{} of them", state.books.jobs.len()) });
        }
        state.books.check_images(&state.objects)
    });
    let far = TimeDelta::days(40);
    let query = CostQuery { from: world.date() - far, to: world.date() + far, simulated: true };
    let table = world.store.costs(query).now_or_never().expect("in memory").expect("costs");
    let report = table.report(CostGrouping::Model);
    let reported = (report.total_usd, report.unknown_usd, report.unconfirmed_usd);
    let sums = world.state.lock().unwrap().books.sums();
    if reported != sums {
        world.report("the ledger equals the jobs", format!("{reported:?}, the jobs have {sums:?}"));
    }
    let jobs = world.state.lock().unwrap().books.jobs.clone();
    for (id, job) in jobs {
        let stored = world.store.get(&id).now_or_never().expect("in memory").expect("a job");
        if stored.as_ref() != Some(&job) {
            world.report("the books of the simulation are right", id.to_string());
        }
    }
}

/// What happens in a failing schedule, and how to replay it.
pub fn explain(plan: &Plan) -> String {
    let report = run(plan, true);
    let violation = report.violation.map_or_else(|| "no rule is broken".to_owned(), |violation| violation.to_string());
    format!(
        "{plan}\n{}\nBROKEN RULE: {violation}\nreplay: cargo run --release --example simulate_schedules -- --seed {}",
        report.trace.join("\n"),
        plan.seed
    )
}
