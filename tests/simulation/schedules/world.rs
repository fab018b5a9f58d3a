//! What all actors of a simulation share: the true time, the store, the provider, the bucket, and the books that check them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use darkroom::engine::CommandOutcome;
use darkroom::jobs::WorkerId;
use darkroom::store::sqlite::SqliteStore;
use darkroom::time::Clock;
use tokio_util::sync::CancellationToken;

use super::books::Books;
use super::executor::Timeline;
use super::plan::{FaultId, Plan, SECOND};
use super::provider::Tickets;
use super::rng::Rng;

/// A month ends at this midnight.
static MIDNIGHT: LazyLock<DateTime<Utc>> = LazyLock::new(|| "2026-12-01T00:00:00Z".parse().expect("a date"));

/// What a simulation consists of.
pub struct World {
    pub plan: Plan,
    pub timeline: Arc<Timeline>,
    /// Real SQL, in memory.
    pub store: SqliteStore,
    pub state: Mutex<State>,
    /// The disks of the machines: the journals of their workers.
    disks: tempfile::TempDir,
}

/// What changes in a world, apart from its store.
#[derive(Default)]
pub struct State {
    pub books: Books,
    pub tickets: Tickets,
    pub objects: BTreeMap<String, Bytes>,
    /// Workers that died without releasing their claims.
    pub dead: Vec<WorkerId>,
    /// The last command, for an undo.
    pub last_command: Option<CommandOutcome>,
    /// Operators and submitters that have not finished, and processes that are suspended.
    pub pending: usize,
    /// Since when nothing is left to do.
    pub idle_since: Option<i64>,
    /// What went wrong, in order.
    pub faults: Vec<FaultId>,
    /// The first broken invariant.
    pub violation: Option<Violation>,
    /// What happened, one line each, if it is recorded.
    pub trace: Option<Vec<String>>,
}

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which one. Shrinking keeps it.
    pub rule: &'static str,
    /// Where.
    pub details: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.rule, self.details)
    }
}

impl World {
    pub fn new(plan: Plan, is_recorded: bool) -> Arc<Self> {
        let state = State { trace: is_recorded.then(Vec::new), ..State::default() };
        let store = SqliteStore::in_memory().expect("a database in memory");
        let disks = tempfile::tempdir().expect("a directory");
        Arc::new(Self { plan, timeline: Arc::default(), store, state: Mutex::new(state), disks })
    }

    /// The data directory of a worker's machine.
    pub fn disk(&self, worker: u64) -> PathBuf {
        let machine = if self.plan.one_machine { 0 } else { worker };
        self.disks.path().join(format!("machine-{machine}"))
    }

    /// The true time as a date.
    pub fn date(&self) -> DateTime<Utc> {
        *MIDNIGHT - TimeDelta::seconds(self.plan.before_midnight) + TimeDelta::microseconds(self.timeline.now())
    }

    /// Whether nothing goes wrong any more.
    pub fn is_calm(&self) -> bool {
        self.timeline.now() >= self.plan.horizon
    }

    /// Changes the state, and reports what is broken by that.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> Result<T, Violation>) -> Option<T> {
        let mut state = self.state.lock().unwrap();
        match change(&mut state) {
            Ok(value) => Some(value),
            Err(violation) => {
                state.violation.get_or_insert(violation);
                None
            }
        }
    }

    pub fn report(&self, rule: &'static str, details: String) {
        self.state.lock().unwrap().violation.get_or_insert(Violation { rule, details });
    }

    /// Adds a line to the trace, if there is one.
    pub fn note(&self, line: impl FnOnce() -> String) {
        let (now, mut state) = (self.timeline.now(), self.state.lock().unwrap());
        if let Some(trace) = &mut state.trace {
            trace.push(format!("{:>12.3} s  {}", now as f64 / SECOND as f64, line()));
        }
    }
}

/// What goes wrong at a call of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call fails without an effect.
    Fails,
    /// The call has its effect, and the caller is informed that it failed.
    ReplyLost,
    /// The process dies before the effect.
    CrashBefore,
    /// The process dies after the effect.
    CrashAfter,
    /// The process is suspended before the effect.
    SuspendedBefore,
    /// The process is suspended after the effect.
    SuspendedAfter,
    /// The process receives a request to stop during the call.
    Stop,
    /// The clock of the process jumps during the call.
    ClockJump,
}

/// One call of a port.
pub struct Call {
    pub fault: Option<Fault>,
    pub rng: Rng,
}

impl Call {
    pub fn fails(&self) -> bool {
        self.fault == Some(Fault::Fails)
    }

    pub fn is_reply_lost(&self) -> bool {
        self.fault == Some(Fault::ReplyLost)
    }
}

/// Someone who calls ports, in one process after the other.
#[derive(Debug, Default)]
pub struct Actor {
    pub number: u64,
    calls: AtomicU64,
    /// How wrong the clock of this machine is, in microseconds.
    skew: AtomicI64,
}

/// A process of an actor.
pub struct Process {
    pub world: Arc<World>,
    pub actor: Arc<Actor>,
    pub worker: WorkerId,
    pub stop: CancellationToken,
    is_dead: AtomicBool,
    /// Until then no queued job is started: the account was rejected.
    pub blocked_until: AtomicI64,
    /// Until then nothing of the process continues.
    suspended_until: AtomicI64,
}

impl fmt::Debug for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.worker.as_str())
    }
}

impl Process {
    pub fn new(world: &Arc<World>, actor: &Arc<Actor>, name: &str) -> Arc<Self> {
        Arc::new(Self {
            world: world.clone(),
            actor: actor.clone(),
            worker: WorkerId::new(name),
            stop: CancellationToken::new(),
            is_dead: AtomicBool::new(false),
            blocked_until: AtomicI64::new(0),
            suspended_until: AtomicI64::new(0),
        })
    }

    pub fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::Relaxed)
    }

    /// Whether no queued job is started.
    pub fn is_blocked(&self) -> bool {
        !self.world.is_calm() && self.blocked_until.load(Ordering::Relaxed) > self.world.timeline.now()
    }

    /// Whether the intake was blocked and is open again; true once.
    pub fn is_opened(&self) -> bool {
        let was_blocked = self.blocked_until.load(Ordering::Relaxed) > 0;
        let is_opened = was_blocked && !self.is_blocked();
        if is_opened {
            self.blocked_until.store(0, Ordering::Relaxed);
        }
        is_opened
    }

    /// A stream of random numbers for the next decision of this actor.
    pub fn next_rng(&self) -> (u64, Rng) {
        let number = self.actor.calls.fetch_add(1, Ordering::Relaxed);
        (number, Rng::of(&[self.world.plan.seed, 2, self.actor.number, number]))
    }

    /// The beginning of a call, up to its effect.
    pub async fn enter(&self, name: &str) -> Call {
        let (number, mut rng) = self.next_rng();
        let fault = self.fault(number, &mut rng);
        let delay = rng.pick(&[(6, 2_000), (3, 40_000), (1, 900_000)]);
        self.world.timeline.pause(rng.between(1, delay)).await;
        self.until_resumed().await;
        if let Some(fault) = fault {
            self.world.note(|| format!("{self:?} {name}: {fault:?}"));
            self.world.state.lock().unwrap().faults.push((self.actor.number, number));
        }
        match fault {
            Some(Fault::CrashBefore) => self.crash().await,
            Some(Fault::SuspendedBefore) => self.suspend(&mut rng).await,
            Some(Fault::Stop) => self.stop.cancel(),
            Some(Fault::ClockJump) => {
                let most = rng.pick(&[(3, 5), (2, 90), (2, 400), (1, 7_200)]) * SECOND;
                self.actor.skew.store(rng.between(-most, most), Ordering::Relaxed);
            }
            _ => {}
        }
        Call { fault, rng }
    }

    /// The end of a call, after its effect.
    pub async fn leave(&self, call: &mut Call) {
        match call.fault {
            Some(Fault::CrashAfter) => self.crash().await,
            Some(Fault::SuspendedAfter) => self.suspend(&mut call.rng).await,
            _ => {}
        }
        self.world.timeline.pause(call.rng.between(1, 20_000)).await;
        self.until_resumed().await;
    }

    fn fault(&self, number: u64, rng: &mut Rng) -> Option<Fault> {
        let plan = &self.world.plan;
        let chosen = rng.pick(&[
            (4, Fault::Fails),
            (4, Fault::ReplyLost),
            (2, Fault::CrashBefore),
            (3, Fault::CrashAfter),
            (2, Fault::SuspendedBefore),
            (2, Fault::SuspendedAfter),
            (1, Fault::Stop),
            (if plan.skewed { 2 } else { 0 }, Fault::ClockJump),
        ]);
        let happens = rng.chance(plan.fault_rate) && !self.world.is_calm();
        (happens && !plan.suppressed.contains(&(self.actor.number, number))).then_some(chosen)
    }

    async fn suspend(&self, rng: &mut Rng) {
        let (low, high) = rng.pick(&[(3, (1, 20)), (4, (100, 200)), (2, (600, 4_000))]);
        self.world.state.lock().unwrap().pending += 1;
        let until = self.world.timeline.now() + rng.between(low * SECOND, high * SECOND);
        self.suspended_until.fetch_max(until, Ordering::Relaxed);
        self.until_resumed().await;
        self.world.state.lock().unwrap().pending -= 1;
    }

    /// Also the other slots of a suspended process do not go on.
    async fn until_resumed(&self) {
        loop {
            let left = self.suspended_until.load(Ordering::Relaxed) - self.world.timeline.now();
            if left <= 0 {
                return;
            }
            self.world.timeline.pause(left).await;
        }
    }

    /// The end of the process: nothing of it ever continues.
    async fn crash(&self) {
        self.is_dead.store(true, Ordering::Relaxed);
        std::future::pending::<()>().await;
    }

    /// The process's own opinion about the present.
    pub fn now(&self) -> DateTime<Utc> {
        self.world.date() + TimeDelta::microseconds(self.actor.skew.load(Ordering::Relaxed))
    }
}

/// The clock of a process.
#[derive(Debug)]
pub struct ProcessClock(pub Arc<Process>);

#[async_trait]
impl Clock for ProcessClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }

    async fn sleep(&self, time: Duration) {
        self.0.world.timeline.pause(i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4)).await;
    }

    fn jitter(&self) -> f64 {
        self.0.next_rng().1.unit()
    }
}

impl Actor {
    pub fn new(number: u64) -> Arc<Self> {
        Arc::new(Self { number, ..Self::default() })
    }
}
