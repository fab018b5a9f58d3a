//! Who acts: workers that run the real workflow, operators, web pages that request an image again, and a program that creates the
//! jobs.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use chrono::{DateTime, Utc};
use darkroom::costs::{Budget, BudgetEdit, BudgetExceeded};
use darkroom::engine::workflow::{JobWorkflow, Observer, RunOutcome, WorkflowError};
use darkroom::engine::{
    CommandKind, Dependency, JobFinished, OperatorCommands, Ports, Progress, Settings, fingerprint,
};
use darkroom::jobs::{BillingAnswer, Job, JobId, Spec};
use darkroom::store::{BudgetChange, DueQuery, Save, Store, StoreError};

use super::plan::SECOND;
use super::ports::{ProcessStore, ports};
use super::rng::Rng;
use super::world::{Actor, Process, ProcessClock, World};

/// How often a worker with nothing to do looks for a reason to query, in microseconds.
const IDLE_PAUSE: i64 = 5 * SECOND;

/// How often a worker looks for journals of dead workers, in microseconds.
const JOURNAL_PAUSE: i64 = 60 * SECOND;

/// Actors from this number on are operators.
const FIRST_OPERATOR: u64 = 1_000;

/// Actors from this number on create jobs.
const FIRST_SUBMITTER: u64 = 2_000;

/// The id of a job.
pub fn job_id(number: u64) -> JobId {
    JobId::new(format!("job-{number}")).expect("an id")
}

/// Runs what a process does, until it is done or the process dies. True if it is done.
async fn live(process: &Arc<Process>, future: impl Future<Output = ()>) -> bool {
    let mut future: Pin<&mut _> = pin!(future);
    std::future::poll_fn(|context| {
        let poll = future.as_mut().poll(context);
        if process.is_dead() { Poll::Ready(false) } else { poll.map(|()| true) }
    })
    .await
}

/// A worker machine: one process after the other.
pub async fn worker(world: Arc<World>, number: u64) {
    let actor = Actor::new(number);
    for generation in 1_u64.. {
        let process = Process::new(&world, &actor, &format!("worker-{number}-{generation}"));
        let is_done = live(&process, work(process.clone())).await;
        let mut rng = Rng::of(&[world.plan.seed, 4, number, generation]);
        if !is_done {
            world.note(|| format!("{process:?} is dead"));
            let mut state = world.state.lock().unwrap();
            state.dead.push(process.worker.clone());
            state.books.changes += 1;
        }
        let high = rng.pick(&[(3, 2), (2, 60), (1, 400)]) * SECOND;
        world.timeline.pause(rng.between(SECOND, high)).await;
    }
}

/// What the scheduler of an engine does.
async fn work(process: Arc<Process>) {
    let world = process.world.clone();
    let ports = ports(&process);
    let settings = Settings { budget: world.plan.process_budget(process.actor.number), ..Settings::default() };
    let observer = Arc::new(WorkerObserver(process.clone()));
    let workflow = JobWorkflow::new(ports.clone(), settings, process.worker.clone(), observer)
        .with_unsynced_journal(&world.disk(process.actor.number), "the store");
    let jobs = Mutex::default();
    let slots = (0..world.plan.slots).map(|_| fill_slot(&process, &ports, &workflow, &jobs));
    tokio::join!(futures::future::join_all(slots), settle_journals(&process, &workflow));
}

/// The jobs of one process.
#[derive(Default)]
struct OwnJobs {
    running: BTreeSet<JobId>,
    /// Those that a run left under a claim of this worker.
    abandoned: BTreeSet<JobId>,
}

/// One job after the other.
async fn fill_slot(process: &Arc<Process>, ports: &Ports, workflow: &JobWorkflow, jobs: &Mutex<OwnJobs>) {
    let world = process.world.clone();
    while !process.stop.is_cancelled() {
        let job = match next_job(process, ports, jobs).await {
            Ok(Ok(job)) => job,
            Ok(Err((changes, next))) => {
                // As a real worker: until a job is due, a job changes, or the intake opens.
                let is_idle = || {
                    let is_due = next.is_some_and(|next| process.now() >= next) || process.is_opened();
                    !is_due && world.state.lock().unwrap().books.changes == changes
                };
                loop {
                    world.timeline.pause(IDLE_PAUSE).await;
                    if !is_idle() || process.stop.is_cancelled() {
                        break;
                    }
                }
                continue;
            }
            Err(_) => {
                world.timeline.pause(SECOND).await;
                continue;
            }
        };
        let id = job.id.clone();
        let result = workflow.run(job, &process.stop).await;
        let mut is_abandoned = false;
        let pause = match result {
            Ok(RunOutcome::Finished | RunOutcome::Deferred | RunOutcome::Stopped | RunOutcome::RunningElsewhere) => 0,
            Ok(RunOutcome::Superseded) | Err(WorkflowError::Superseded) => {
                is_abandoned = true;
                0
            }
            Err(WorkflowError::TaskLimit(_)) => SECOND,
            Err(WorkflowError::Store(_)) => {
                is_abandoned = true;
                SECOND
            }
            Err(WorkflowError::Illegal(error)) => {
                world.report("the workflow makes legal moves only", format!("{process:?} {id}: {error}"));
                0
            }
        };
        {
            let mut jobs = jobs.lock().unwrap();
            jobs.running.remove(&id);
            if is_abandoned {
                jobs.abandoned.insert(id);
            }
        }
        if pause > 0 {
            world.timeline.pause(pause).await;
        }
    }
}

/// Settles what dead workers of the same machine left, as an engine does when it starts and now and then.
async fn settle_journals(process: &Arc<Process>, workflow: &JobWorkflow) {
    while !process.stop.is_cancelled() {
        match workflow.recover_journals().await {
            Ok(()) | Err(WorkflowError::Store(_) | WorkflowError::Superseded | WorkflowError::TaskLimit(_)) => {}
            Err(WorkflowError::Illegal(error)) => {
                process.world.report("the workflow makes legal moves only", format!("{process:?} journals: {error}"));
            }
        }
        tokio::select! {
            biased;
            () = process.stop.cancelled() => return,
            () = process.world.timeline.pause(JOURNAL_PAUSE) => {}
        }
    }
}

/// The next job that this worker may run, or what a later query depends on: how many saves there were, and when the next job is due.
async fn next_job(
    process: &Process,
    ports: &Ports,
    jobs: &Mutex<OwnJobs>,
) -> Result<Result<Job, (u64, Option<DateTime<Utc>>)>, StoreError> {
    let world = &process.world;
    let now = process.now();
    let is_blocked = process.is_blocked();
    let (dead, changes) = {
        let state = world.state.lock().unwrap();
        (state.dead.clone(), state.books.changes)
    };
    let mut query = DueQuery {
        now,
        simulated: true,
        queued: !is_blocked,
        dead_workers: if world.plan.one_machine { dead } else { Vec::new() },
        limit: 8,
    };
    if !jobs.lock().unwrap().abandoned.is_empty() {
        query.dead_workers.push(process.worker.clone());
    }
    let due = ports.store.due(query.clone()).await?;
    {
        let mut jobs = jobs.lock().unwrap();
        let is_free = |job: &Job| {
            let claim = job.claim.as_ref().filter(|claim| claim.worker == process.worker && claim.holds(process.now()));
            !jobs.running.contains(&job.id) && (claim.is_none() || jobs.abandoned.contains(&job.id))
        };
        if let Some(job) = due.into_iter().find(is_free) {
            jobs.abandoned.remove(&job.id);
            jobs.running.insert(job.id.clone());
            return Ok(Ok(job));
        }
    }
    let next = ports.store.next_due(query).await?;
    Ok(Err((changes, next)))
}

struct WorkerObserver(Arc<Process>);

impl Observer for WorkerObserver {
    fn progress(&self, _: Progress) {}

    /// An operator opens the intake again after a while.
    fn account_blocked(&self, _: Dependency, _: &str) {
        let until = self.0.world.timeline.now() + self.0.next_rng().1.between(10, 300) * SECOND;
        self.0.blocked_until.store(until, Ordering::Relaxed);
    }

    fn provider_full(&self) {
        self.0.blocked_until.fetch_max(self.0.world.timeline.now() + SECOND, Ordering::Relaxed);
    }

    fn submit_in_flight(&self, _: bool) {}
    fn budget_exceeded(&self, _: &BudgetExceeded) {}
    fn job_finished(&self, _: JobFinished) {}
}

/// Creates one job, until the store confirms it.
pub async fn submitter(world: Arc<World>, number: u64) {
    let actor = Actor::new(FIRST_SUBMITTER + number);
    let mut rng = Rng::of(&[world.plan.seed, 5, number]);
    let latest = world.plan.horizon / 2;
    world.timeline.pause(if rng.chance(600) { 0 } else { rng.between(0, latest) }).await;
    let spec = spec(number, 1, &mut rng);
    loop {
        let process = Process::new(&world, &actor, "submitter");
        let job = Job::new(job_id(number), spec.clone(), true, process.now());
        live(&process, async {
            let store = ProcessStore::new(&process);
            while let Err(error) = store.create(vec![job.clone()]).await {
                if matches!(error, StoreError::AlreadyExists(_)) {
                    return;
                }
                world.timeline.pause(SECOND).await;
            }
        })
        .await;
        if world.state.lock().unwrap().books.jobs.contains_key(&job.id) {
            break;
        }
        world.timeline.pause(SECOND).await;
    }
    world.state.lock().unwrap().pending -= 1;
}

/// A request of a job in that version.
fn spec(number: u64, version: u64, rng: &mut Rng) -> Spec {
    let model = rng.pick(&[(3, "flux-2-klein-4b"), (1, "flux-pro-1.1")]);
    let spec = Spec::new(model, format!("job-{number} in version {version}"));
    if model == "flux-2-klein-4b" && rng.chance(600) { spec.with("width", 64).with("height", 64) } else { spec }
}

/// One action of an operator or of a web page.
pub async fn operator(world: Arc<World>, number: u64) {
    let mut rng = Rng::of(&[world.plan.seed, 6, number]);
    world.timeline.pause(rng.between(0, world.plan.horizon)).await;
    let actor = Actor::new(FIRST_OPERATOR + number);
    let process = Process::new(&world, &actor, &format!("operator-{number}"));
    let is_done = live(&process, act(process.clone(), rng)).await;
    world.state.lock().unwrap().pending -= 1;
    if !is_done {
        world.note(|| format!("{process:?} is dead"));
    }
}

async fn act(process: Arc<Process>, mut rng: Rng) {
    let world = process.world.clone();
    let store = Arc::new(ProcessStore::new(&process));
    let commands = OperatorCommands::new(store.clone(), Arc::new(ProcessClock(process.clone())), true);
    let number = rng.below(world.plan.jobs.last().map_or(1, |last| last + 1));
    let id = job_id(number);
    let action = rng.below(100);
    world.note(|| format!("{process:?} action {action} on {id}"));
    let outcome = match action {
        // Most jobs end only after a while: a retry waits for that.
        0..35 => {
            until_ended(&world, &id).await;
            // An operator sees the job as it is, and decides a while later.
            let Ok(Some(job)) = store.get(&id).await else { return };
            commands.retry(vec![(id, fingerprint(&job))]).await
        }
        35..55 => commands.cancel(vec![id]).await,
        55..62 => {
            let last = world.state.lock().unwrap().last_command.take();
            let Some(last) = last else { return };
            commands.undo(last).await
        }
        62..66 => commands.approve(vec![id]).await,
        66..76 => return regenerate(&process, &store, number, &mut rng).await,
        76..82 => return touch(&store, &id).await,
        82..89 => {
            until_ended(&world, &id).await;
            return resolve(&process, &commands, &id).await;
        }
        _ => return change_caps(&process, &store, &mut rng).await,
    };
    if let Ok(outcome) = outcome {
        let is_undoable = !outcome.previous.is_empty() && outcome.kind != CommandKind::Undone;
        if is_undoable {
            world.state.lock().unwrap().last_command = Some(outcome);
        }
    }
}

async fn until_ended(world: &Arc<World>, id: &JobId) {
    while !world.is_calm() {
        let stage = world.state.lock().unwrap().books.jobs.get(id).map(Job::stage_name);
        if stage.is_some_and(|stage| !stage.is_active()) {
            return;
        }
        world.timeline.pause(5 * SECOND).await;
    }
}

/// A web page requests the image again, with another prompt.
async fn regenerate(process: &Process, store: &ProcessStore, number: u64, rng: &mut Rng) {
    until_ended(&process.world, &job_id(number)).await;
    let Ok(Some(mut job)) = store.get(&job_id(number)).await else { return };
    // Unlike every other version: a page that requests the same again wants another image too, without a look at the old task.
    let version = process.actor.number;
    if job.resubmit_with(spec(number, version, rng), process.now()).is_ok() {
        let _ = store.save(Save::new(&job)).await;
    }
}

/// Another program changes what darkroom does not own.
async fn touch(store: &ProcessStore, id: &JobId) {
    if let Ok(Some(mut job)) = store.get(id).await {
        job.tags.push("seen".to_owned());
        let _ = store.save(Save::new(&job)).await;
    }
}

/// An operator compares an uncertain charge with the provider's bill and answers.
async fn resolve(process: &Process, commands: &OperatorCommands, id: &JobId) {
    let answer = {
        let state = process.world.state.lock().unwrap();
        let attempts = state.books.jobs.get(id).map(|job| job.attempts.as_slice()).unwrap_or_default();
        let uncertain = attempts.iter().find(|attempt| attempt.uncertain_charge().is_some());
        let Some(number) = uncertain.map(|attempt| attempt.number) else { return };
        let line = state.books.bill.get(&(id.clone(), number));
        (number, line.map_or(BillingAnswer::NotBilled, |line| BillingAnswer::Billed(Some(line.settled.to_usd()))))
    };
    process.world.note(|| format!("{process:?} resolves {id}: {answer:?}"));
    let _ = commands.resolve_charge(id.clone(), Some(answer.0), answer.1, "operator").await;
}

async fn change_caps(process: &Process, store: &ProcessStore, rng: &mut Rng) {
    let cap = rng.pick(&[(2, None), (1, Some("0.02")), (2, Some("0.05")), (2, Some("0.1")), (1, Some("1"))]);
    let edit = match cap {
        None => BudgetEdit::Clear { model: None },
        Some(cap) => BudgetEdit::Set {
            model: rng.chance(200).then(|| "flux-pro-1.1".to_owned()),
            caps: Budget { daily: cap.parse().ok(), monthly: None },
            soft_percent: None,
        },
    };
    let _ = store.change_budget(BudgetChange { at: process.now(), by: "operator".to_owned(), edit }).await;
}
