//! The parts of the engine in one environment, for tests that move the clock, delay a reply or send commands: the real HTTP client,
//! real SQLite, real files, and the simulator that the processes of the environment would use.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, Utc};
use darkroom::bucket::folder::FolderBucket;
use darkroom::costs::{BudgetExceeded, Credits};
use darkroom::engine::local::{self, EngineEnd, EngineHandle, WorkerLock};
use darkroom::engine::workflow::{JobWorkflow, Observer, RunOutcome, WorkflowError};
use darkroom::engine::{
    Command, CommandOutcome, Dependency, Event, JobFinished, Mode, NewJob, OperatorCommands, Ports, Progress, Settings,
    fingerprint,
};
use darkroom::jobs::{Job, JobId, Receipt, Spec, StageName, Ticket, WorkerId};
use darkroom::provider::bfl::{FluxClient, FluxOptions};
use darkroom::provider::{
    CheckError, CreditsError, DownloadedImage, FetchError, PreparedRequest, Provider, ResultLink, SubmitError,
    TicketStatus,
};
use darkroom::simulator::{self, SharedSimulator, SimulatorOptions, Speed};
use darkroom::store::sqlite::SqliteStore;
use darkroom::store::{DueQuery, Store};
use darkroom::time::Clock;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::TestEnv;

/// How long anything may take before a test calls it stuck.
const STUCK: Duration = Duration::from_mins(1);

/// Writes a small image that every model takes as an input, and returns its path as text.
pub fn small_image(path: &Path) -> String {
    image::RgbImage::from_pixel(256, 256, image::Rgb([180, 40, 20])).save(path).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The machine's clock, put forward by hand.
#[derive(Debug, Default)]
pub struct MovedClock(AtomicI64);

impl MovedClock {
    pub fn forward(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6) + chrono::Duration::seconds(self.0.load(Ordering::SeqCst))
    }
}

/// The real client behind a gate: replies to submits are held back while the gate is closed, as they would be for a suspended
/// worker.
pub struct GatedProvider {
    client: FluxClient,
    clock: Arc<MovedClock>,
    is_open: watch::Sender<bool>,
    replies: watch::Sender<usize>,
    /// How many more downloads are rejected as if their link had expired.
    rejected_downloads: AtomicU32,
    /// When tickets were polled, by the clock of the engine.
    checks: Mutex<Vec<DateTime<Utc>>>,
    /// Whether replies to submits lose their price.
    hides_quotes: AtomicBool,
}

impl fmt::Debug for GatedProvider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("GatedProvider")
    }
}

impl GatedProvider {
    /// Rejects the next `count` downloads as if their link had expired.
    pub fn reject_downloads(&self, count: u32) {
        self.rejected_downloads.store(count, Ordering::SeqCst);
    }

    /// Replies to submits name no price from now on.
    pub fn hide_quotes(&self) {
        self.hides_quotes.store(true, Ordering::SeqCst);
    }

    /// When tickets were polled, by the clock of the engine.
    pub fn checks(&self) -> Vec<DateTime<Utc>> {
        self.checks.lock().unwrap().clone()
    }

    /// Holds back the replies to submits from now on.
    pub fn hold_replies(&self) {
        self.is_open.send_replace(false);
    }

    /// Delivers the replies, the ones held back included.
    pub fn release_replies(&self) {
        self.is_open.send_replace(true);
    }

    /// How many submits the provider has replied to.
    pub fn replies(&self) -> usize {
        *self.replies.borrow()
    }

    /// Waits until the provider has replied to that many submits.
    pub async fn until_replies(&self, count: usize) {
        let mut replies = self.replies.subscribe();
        within("a reply to a submit", replies.wait_for(|replies| *replies >= count)).await.unwrap();
    }
}

#[async_trait]
impl Provider for GatedProvider {
    async fn prepare(&self, spec: &Spec) -> Result<PreparedRequest, SubmitError> {
        self.client.prepare(spec).await
    }

    async fn submit(&self, request: PreparedRequest) -> Result<Receipt, SubmitError> {
        let mut reply = self.client.submit(request).await;
        if let Ok(receipt) = &mut reply {
            // The client has the machine's clock, as the engine has outside of tests.
            receipt.accepted_at = self.clock.now();
            if self.hides_quotes.load(Ordering::SeqCst) {
                receipt.cost = None;
            }
        }
        self.replies.send_modify(|replies| *replies += 1);
        let _ = self.is_open.subscribe().wait_for(|is_open| *is_open).await;
        reply
    }

    async fn check(&self, ticket: &Ticket) -> Result<TicketStatus, CheckError> {
        self.checks.lock().unwrap().push(self.clock.now());
        self.client.check(ticket).await
    }

    async fn fetch(&self, sample: &ResultLink) -> Result<DownloadedImage, FetchError> {
        let left = |count: u32| count.checked_sub(1);
        if self.rejected_downloads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok() {
            return Err(FetchError::Expired { reason: "HTTP 403".to_owned() });
        }
        self.client.fetch(sample).await
    }

    async fn credits(&self) -> Result<Credits, CreditsError> {
        self.client.credits().await
    }
}

/// Ignores everything.
pub struct NullObserver;

impl Observer for NullObserver {
    fn progress(&self, _: Progress) {}
    fn account_blocked(&self, _: Dependency, _: &str) {}
    fn provider_full(&self) {}
    fn submit_in_flight(&self, _: bool) {}
    fn budget_exceeded(&self, _: &BudgetExceeded) {}
    fn job_finished(&self, _: JobFinished) {}
}

/// The engine with its ports in one environment.
pub struct WorkflowHarness {
    pub env: TestEnv,
    pub store: Arc<SqliteStore>,
    pub operator: OperatorCommands,
    /// The engine's clock.
    pub clock: Arc<MovedClock>,
    /// The simulator's clock.
    pub simulated_clock: Arc<MovedClock>,
    pub provider: Arc<GatedProvider>,
    simulator: SharedSimulator,
}

impl WorkflowHarness {
    /// A new one, whose simulator works at that speed.
    pub async fn new(speed: Speed) -> Self {
        let env = TestEnv::new();
        let (clock, simulated_clock) = (Arc::new(MovedClock::default()), Arc::new(MovedClock::default()));
        let options = SimulatorOptions { speed, clock: simulated_clock.clone(), ..SimulatorOptions::default() };
        let simulator = simulator::shared(&env.data(), options).await.unwrap();
        let store = Arc::new(SqliteStore::open(&env.data().join("darkroom.db")).unwrap());
        let operator = OperatorCommands::new(store.clone(), clock.clone(), true);
        let provider = Arc::new(provider(&simulator, &clock));
        Self { env, store, operator, clock, simulated_clock, provider, simulator }
    }

    /// The ports, with the harness's own provider.
    pub fn ports(&self) -> Ports {
        self.ports_behind(self.provider.clone())
    }

    fn ports_behind(&self, provider: Arc<GatedProvider>) -> Ports {
        let bucket = Arc::new(FolderBucket::open(&self.env.data().join("images")).unwrap());
        Ports { provider, store: self.store.clone(), bucket, clock: self.clock.clone() }
    }

    /// One more provider to the same simulator.
    pub fn another_provider(&self) -> Arc<GatedProvider> {
        Arc::new(provider(&self.simulator, &self.clock))
    }

    /// Makes a small job.
    pub async fn submit(&self, prompt: &str) -> JobId {
        let outcome = self.operator.submit(vec![small(prompt)]).await.unwrap();
        outcome.succeeded[0].clone()
    }

    /// Makes a job of that spec.
    pub async fn submit_spec(&self, spec: Spec) -> JobId {
        let outcome = self.operator.submit(vec![NewJob { spec, tags: Vec::new() }]).await.unwrap();
        outcome.succeeded[0].clone()
    }

    /// Retries the job as it is stored.
    pub async fn retry(&self, id: &JobId) -> CommandOutcome {
        let job = self.job(id).await;
        self.operator.retry(vec![(id.clone(), fingerprint(&job))]).await.unwrap()
    }

    /// The job as it is stored.
    pub async fn job(&self, id: &JobId) -> Job {
        self.store.get(id).await.unwrap().unwrap()
    }

    /// Starts an engine.
    pub fn engine(&self, settings: Settings) -> Engine {
        let worker_lock = WorkerLock::acquire(&self.env.data()).unwrap();
        Engine { handle: local::start(self.ports(), settings, worker_lock) }
    }

    /// Runs an engine until nothing is left.
    pub async fn work(&self) -> EngineEnd {
        self.engine(Settings { mode: Mode::UntilIdle, ..Settings::default() }).until_stopped().await
    }

    /// Runs an engine until that job needs no worker any more; others are left where they are.
    pub async fn work_on(&self, id: &JobId) {
        let mut engine = self.engine(Settings::default());
        while self.job(id).await.stage_name().is_active() {
            engine.until("a change", |event| matches!(event, Event::Jobs(_) | Event::Slots { .. })).await;
        }
        engine.stop().await;
    }

    /// What a worker does with the due job whose claims run out before an order could be answered.
    pub async fn run_with_short_lease(&self) -> Result<RunOutcome, WorkflowError> {
        let job = self.due().await;
        let settings = Settings { lease: Duration::from_secs(1), ..Settings::default() };
        let workflow = JobWorkflow::new(self.ports(), settings, WorkerId::new("short"), Arc::new(NullObserver));
        workflow.run(job, &CancellationToken::new()).await
    }

    async fn due(&self) -> Job {
        let now = Clock::now(self.clock.as_ref());
        let due = DueQuery { now, simulated: true, queued: true, dead_workers: Vec::new(), limit: 1 };
        self.store.due(due).await.unwrap().pop().expect("a job is due")
    }

    /// Takes up a job, due or not, as a server does that assigns it to this worker.
    pub async fn run_job(&self, worker: &str, job: Job) -> Result<RunOutcome, WorkflowError> {
        let settings = Settings::default();
        let workflow = JobWorkflow::new(self.ports(), settings, WorkerId::new(worker), Arc::new(NullObserver));
        within("the end of the run", workflow.run(job, &CancellationToken::new())).await
    }

    /// What one worker does with the due job, as a task of its own.
    pub async fn run_due(
        &self,
        worker: &str,
        provider: &Arc<GatedProvider>,
    ) -> JoinHandle<Result<RunOutcome, WorkflowError>> {
        let job = self.due().await;
        let ports = self.ports_behind(provider.clone());
        let workflow = JobWorkflow::new(ports, Settings::default(), WorkerId::new(worker), Arc::new(NullObserver));
        tokio::spawn(async move { workflow.run(job, &CancellationToken::new()).await })
    }
}

fn provider(simulator: &SharedSimulator, clock: &Arc<MovedClock>) -> GatedProvider {
    let options = FluxOptions::new(simulator.base_url(), Some("simulated".to_owned().into()));
    GatedProvider {
        client: FluxClient::new(options).unwrap(),
        clock: clock.clone(),
        is_open: watch::Sender::new(true),
        replies: watch::Sender::new(0),
        rejected_downloads: AtomicU32::new(0),
        checks: Mutex::default(),
        hides_quotes: AtomicBool::new(false),
    }
}

/// A job that is quick to draw.
pub fn small(prompt: &str) -> NewJob {
    let spec = Spec::new("flux-2-klein-4b", prompt).with("width", 64).with("height", 64);
    NewJob { spec, tags: Vec::new() }
}

/// What it is, or a panic that says what did not come.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(STUCK, future).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

/// A running engine.
pub struct Engine {
    handle: EngineHandle,
}

impl Engine {
    /// One that was started elsewhere.
    pub fn of(handle: EngineHandle) -> Self {
        Self { handle }
    }

    pub async fn send(&self, command: Command) {
        self.handle.commands.send(command).await.expect("the engine takes commands");
    }

    /// Reads events until one is as wanted.
    pub async fn until(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        within(what, async {
            loop {
                let event = self.handle.events.recv().await.unwrap_or_else(|| panic!("it ended before {what}"));
                if wanted(&event) {
                    return event;
                }
            }
        })
        .await
    }

    /// Reads events until the job is reported in that stage.
    pub async fn until_stage(&mut self, id: &JobId, stage: StageName) {
        let is = |job: &Arc<Job>| &job.id == id && job.stage_name() == stage;
        self.until(&format!("{id} {stage}"), |event| matches!(event, Event::Jobs(jobs) if jobs.iter().any(is))).await;
    }

    /// Waits until all of these jobs are in that stage.
    pub async fn until_all(&mut self, harness: &WorkflowHarness, ids: &[JobId], stage: StageName) {
        for id in ids {
            while harness.job(id).await.stage_name() != stage {
                self.until(&format!("{id} {stage}"), |event| matches!(event, Event::Jobs(_) | Event::Slots { .. }))
                    .await;
            }
        }
    }

    /// Whether it has ended already.
    pub fn has_ended(&self) -> bool {
        self.handle.finished.is_finished()
    }

    /// Reads everything until it has ended by itself.
    pub async fn until_stopped(mut self) -> EngineEnd {
        within("the end of the engine", async {
            while self.handle.events.recv().await.is_some() {}
            self.handle.finished.await.unwrap()
        })
        .await
    }

    /// Asks it to stop and waits for that.
    pub async fn stop(self) -> EngineEnd {
        self.send(Command::Stop).await;
        self.until_stopped().await
    }
}
