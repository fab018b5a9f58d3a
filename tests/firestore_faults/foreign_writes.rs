//! Writes of other programs to the document of a running job, at each of its steps: the job goes on at once, no image that was paid
//! for is lost, and the books equal the simulator's bill.
//!
//! No clock moves here: a run that would wait for the end of a claim finds no due job.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use darkroom::bucket::folder::FolderBucket;
use darkroom::bucket::{Bucket, BucketError, Stored};
use darkroom::costs::{CostGrouping, Credits};
use darkroom::engine::workflow::{JobWorkflow, RunOutcome, WorkflowError};
use darkroom::engine::{Ports, Settings};
use darkroom::jobs::{ImageFormat, Job, JobId, ObjectName, Receipt, Spec, StageName, Ticket, WorkerId};
use darkroom::provider::bfl::{FluxClient, FluxOptions};
use darkroom::provider::{
    CheckError, CreditsError, DownloadedImage, FetchError, PreparedRequest, Provider, ResultLink, SubmitError,
    TicketStatus,
};
use darkroom::simulator::{self, SharedSimulator, SimulatorOptions, Speed};
use darkroom::store::firestore::FirestoreStore;
use darkroom::store::{ChangeStream, CostQuery, DueQuery, Store};
use darkroom::time::{Clock, last_days};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::external_client::ExternalClient;
use crate::support::firestore_emulator::{fresh_project, options, shared};
use crate::support::{TestEnv, ledger_check};
use crate::workflow::harness::{MovedClock, NullObserver, within};

/// When the other program writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Before the record of the submit.
    Prepare,
    /// While the POST is in flight.
    Submit,
    Generate,
    Download,
    Store,
}

/// What the other program writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    Title,
    OddStatus,
    Approve,
    Regenerate,
    /// `set` without merge: removes the map `darkroom`.
    Set,
    Delete,
}

impl Write {
    async fn apply(self, page: &ExternalClient) {
        let mut requested = request("a fox");
        match self {
            Self::Title => page.patch("jobs/page-job", json!({"title": "x"}), &["title"]).await,
            Self::OddStatus => page.patch("jobs/page-job", json!({"status": "archived"}), &["status"]).await,
            Self::Approve => page.patch("jobs/page-job", json!({"status": "approved"}), &["status"]).await,
            Self::Regenerate => {
                requested["seed"] = json!(7);
                page.patch("jobs/page-job", requested, &["status", "seed"]).await;
            }
            Self::Set => page.patch("jobs/page-job", requested, &[]).await,
            Self::Delete => page.delete("jobs/page-job").await,
        }
    }
}

fn request(prompt: &str) -> Value {
    json!({"status": "pending_art_generation", "prompt": prompt, "createdAt": "2026-11-22T11:00:00Z"})
}

/// Another program that writes once, when the worker reaches a step.
struct OtherProgram {
    page: ExternalClient,
    step: Step,
    write: Mutex<Option<Write>>,
}

impl OtherProgram {
    async fn reached(&self, step: Step) {
        let write = if step == self.step { self.write.lock().unwrap().take() } else { None };
        if let Some(write) = write {
            write.apply(&self.page).await;
        }
    }
}

/// The real client and the real folder, with the other program between the requests.
struct Hooked<Of> {
    inner: Of,
    other: Arc<OtherProgram>,
}

impl<Of> fmt::Debug for Hooked<Of> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Hooked")
    }
}

#[async_trait]
impl Provider for Hooked<FluxClient> {
    async fn prepare(&self, spec: &Spec) -> Result<PreparedRequest, SubmitError> {
        self.other.reached(Step::Prepare).await;
        self.inner.prepare(spec).await
    }

    async fn submit(&self, request: PreparedRequest) -> Result<Receipt, SubmitError> {
        let reply = self.inner.submit(request).await;
        self.other.reached(Step::Submit).await;
        reply
    }

    async fn check(&self, ticket: &Ticket) -> Result<TicketStatus, CheckError> {
        self.other.reached(Step::Generate).await;
        self.inner.check(ticket).await
    }

    async fn fetch(&self, sample: &ResultLink) -> Result<DownloadedImage, FetchError> {
        self.other.reached(Step::Download).await;
        self.inner.fetch(sample).await
    }

    async fn credits(&self) -> Result<Credits, CreditsError> {
        self.inner.credits().await
    }
}

#[async_trait]
impl Bucket for Hooked<FolderBucket> {
    async fn put(&self, name: &ObjectName, bytes: Bytes, format: ImageFormat) -> Result<Stored, BucketError> {
        let stored = self.inner.put(name, bytes, format).await;
        self.other.reached(Step::Store).await;
        stored
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, BucketError> {
        self.inner.get(name).await
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), BucketError> {
        self.inner.delete(name).await
    }

    async fn check(&self) -> Result<(), BucketError> {
        self.inner.check().await
    }
}

/// One worker on a Firestore project of its own.
struct Team {
    env: TestEnv,
    store: Arc<FirestoreStore>,
    page: ExternalClient,
    clock: Arc<MovedClock>,
    simulator: SharedSimulator,
    /// Keeps the cache of the store fed, as in a running worker.
    _watch: Option<Box<dyn ChangeStream>>,
}

impl Team {
    async fn new(listens: bool) -> Self {
        let emulator = tokio::task::spawn_blocking(shared).await.unwrap();
        let project = fresh_project();
        let env = TestEnv::new();
        let simulator_options = SimulatorOptions { speed: Speed::Instant, ..SimulatorOptions::default() };
        let simulator = simulator::shared(&env.data(), simulator_options).await.unwrap();
        let mut store_options = options(emulator, &project);
        "flux-2-klein-4b".clone_into(&mut store_options.default_model);
        let store = Arc::new(FirestoreStore::connect(store_options));
        let watch = if listens { Some(store.watch().await.unwrap()) } else { None };
        let page = ExternalClient::new(emulator, &project);
        Self { env, store, page, clock: Arc::default(), simulator, _watch: watch }
    }

    fn workflow(&self, step: Step, write: Write) -> JobWorkflow {
        let other = OtherProgram { page: self.page.clone(), step, write: Mutex::new(Some(write)) };
        let other = Arc::new(other);
        let flux = FluxOptions::new(self.simulator.base_url(), Some("simulated".to_owned().into()));
        let ports = Ports {
            provider: Arc::new(Hooked { inner: FluxClient::new(flux).unwrap(), other: other.clone() }),
            store: self.store.clone(),
            bucket: Arc::new(Hooked { inner: FolderBucket::open(&self.env.data().join("images")).unwrap(), other }),
            clock: self.clock.clone(),
        };
        let settings = Settings { simulate_external: true, ..Settings::default() };
        JobWorkflow::new(ports, settings, WorkerId::new("worker"), Arc::new(NullObserver))
    }

    async fn due(&self, abandoned: bool) -> Option<Job> {
        let now = Clock::now(self.clock.as_ref());
        let dead_workers = if abandoned { vec![WorkerId::new("worker")] } else { Vec::new() };
        let due = DueQuery { now, simulated: true, queued: true, dead_workers, limit: 10 };
        self.store.due(due).await.unwrap().into_iter().next()
    }

    async fn job(&self) -> Job {
        self.store.get(&JobId::new("page-job").unwrap()).await.unwrap().expect("the document exists")
    }

    /// Runs until nothing is due now; the outcome of each run.
    async fn work(&self, workflow: &JobWorkflow) -> Vec<RunOutcome> {
        let mut outcomes = Vec::new();
        let mut abandoned = false;
        while let Some(job) = self.due(abandoned).await {
            let run = within("the run", workflow.run(job, &CancellationToken::new())).await;
            abandoned = run == Err(WorkflowError::Superseded);
            outcomes.push(if abandoned { RunOutcome::Superseded } else { run.unwrap() });
            assert!(outcomes.len() < 10, "the job never ends: {outcomes:?}");
        }
        outcomes
    }

    /// The number of charges on the simulator's bill; each of them is recorded, once, under its own key.
    async fn bills(&self) -> usize {
        let bill = ledger_check::bill(&self.env);
        let (from, to) = last_days(chrono::Utc::now(), 2);
        let fresh = self.store.clone();
        let query = CostQuery { from, to, simulated: true };
        let report = fresh.costs(query).await.unwrap().report(CostGrouping::Service);
        assert_eq!(report.total_usd.decimal(), ledger_check::total(&bill), "the books equal the bill");
        let times = bill.values().map(|(times, _)| times).sum::<usize>();
        assert_eq!(self.page.list("costs").await.len(), times, "each charge has an entry of its own");
        assert_eq!(report.count, times as u64);
        times
    }
}

async fn check(step: Step, write: Write, listens: bool) {
    let case = format!("{write:?} at {step:?}, listening: {listens}");
    let team = Team::new(listens).await;
    team.page.patch("jobs/page-job", request("a fox"), &[]).await;
    if listens {
        within("the request", async {
            while team.due(false).await.is_none() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    let outcomes = team.work(&team.workflow(step, write)).await;
    assert_eq!(outcomes.last(), Some(&RunOutcome::Finished), "{case}: {outcomes:?}");
    if step != Step::Prepare {
        assert_eq!(outcomes.len(), 1, "{case}: no step is repeated: {outcomes:?}");
    }
    let job = team.job().await;
    assert_eq!(job.stage_name(), StageName::Done, "{case}: {job:?}");
    assert_eq!(team.bills().await, job.images().count(), "{case}: each charge has its image");
    assert_eq!(job.images().count(), 1, "{case}");
    let fields = team.page.fields("jobs/page-job").await;
    assert_eq!(fields["status"]["stringValue"], "pending_review", "{case}");
    if write == Write::Title {
        assert_eq!(fields["title"]["stringValue"], "x", "{case}");
    }
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_write_at_any_step_delays_nothing() {
    let under_way = [Step::Submit, Step::Generate, Step::Download, Step::Store];
    let writes = [Write::Title, Write::OddStatus, Write::Approve, Write::Regenerate];
    for listens in [false, true] {
        check(Step::Prepare, Write::Title, listens).await;
        check(Step::Prepare, Write::Regenerate, listens).await;
        for step in under_way {
            for write in writes {
                check(step, write, listens).await;
            }
        }
    }
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaced_or_deleted_document_keeps_its_image() {
    for listens in [false, true] {
        for step in [Step::Submit, Step::Generate, Step::Download, Step::Store] {
            for write in [Write::Set, Write::Delete] {
                check(step, write, listens).await;
            }
        }
    }
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_job_is_found_under_any_status() {
    let team = Team::new(false).await;
    team.page.patch("jobs/page-job", request("a fox"), &[]).await;
    let mut job = team.due(false).await.unwrap();
    let now = Clock::now(team.clock.as_ref());
    job.begin_submit(darkroom::jobs::Claim { worker: WorkerId::new("gone"), until: now }, None, now).unwrap();
    team.store.save(darkroom::store::Save::new(&job)).await.unwrap();
    for status in ["approved", "archived", "error", "pending_art_generation"] {
        team.page.patch("jobs/page-job", json!({"status": status}), &["status"]).await;
        let found = team.due(true).await.expect("the worker died: another one finds the job");
        assert_eq!(found.stage_name(), StageName::Submitting, "{status}");
    }
    // A listener finds it as well.
    let mut watch = team.store.watch().await.unwrap();
    team.page.patch("jobs/page-job", json!({"status": "approved"}), &["status"]).await;
    within("the change", watch.next()).await.unwrap();
    assert!(team.due(true).await.is_some());
}
