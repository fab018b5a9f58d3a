//! A team moves from its old backend to darkroom, by the steps of `docs/migration.md`. The old backend is played: its document writes, its
//! submits to the same provider, its workflow type. The provider is the simulator, served over HTTP in the role of the real API.

mod old_backend;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};

use darkroom::bucket::folder::FolderBucket;
use darkroom::engine::local::{self, WorkerLock};
use darkroom::engine::{Mode, Ports, Settings};
use darkroom::provider::bfl::{FluxClient, FluxOptions};
use darkroom::simulator::{self, SharedSimulator, SimulatorOptions, Speed};
use darkroom::store::firestore::{FirestoreOptions, FirestoreStore};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::support::external_client::ExternalClient;
use crate::support::temporal_server::{self, TemporalServer};
use crate::support::{TestEnv, firestore_emulator, gcs_server, ledger_check, text};
use crate::temporal::old_backend::{OLD_TYPE, OldWorker, start_old_workflow};
use crate::temporal::worker::{PATIENCE, Worker, until};
use crate::workflow::harness::{Engine, MovedClock};

use old_backend::{OldBackend, PageView, Standing, prompt};

/// 20 finished, 5 waiting, 3 running, 2 failed.
fn jobs() -> BTreeMap<String, Standing> {
    let of = |name: &'static str, count: usize, standing: Standing| {
        (0..count).map(move |number| (format!("{name}{number}"), standing))
    };
    of("review", 14, Standing::Review)
        .chain(of("approved", 6, Standing::Approved))
        .chain(of("waiting", 5, Standing::Waiting))
        .chain(of("running", 3, Standing::Running))
        .chain(of("failed", 1, Standing::Failed))
        .chain(of("late", 1, Standing::FailedLate))
        .collect()
}

/// A running pipeline of the old backend, and an environment in which darkroom takes it over.
struct Migration {
    env: TestEnv,
    old: OldBackend,
    server: &'static TemporalServer,
    namespace: String,
    project: String,
    simulator: SharedSimulator,
}

impl Migration {
    async fn start(engine: &str) -> Self {
        let emulator = tokio::task::spawn_blocking(firestore_emulator::shared).await.unwrap();
        let server = tokio::task::spawn_blocking(temporal_server::shared).await.unwrap();
        let bucket = gcs_server::fresh_bucket().await;
        let project = firestore_emulator::fresh_project();
        let mut env = TestEnv::new();
        let options = SimulatorOptions { speed: Speed::Instant, ..SimulatorOptions::default() };
        let simulator = simulator::shared(&env.data(), options).await.unwrap();
        // What the team has in its environment, and the three names that choose darkroom's parts.
        env.set("GOOGLE_CLOUD_PROJECT", &project);
        env.set("FIREBASE_STORAGE_BUCKET", &bucket.bucket);
        env.set("FIRESTORE_EMULATOR_HOST", &emulator.host());
        env.set("STORAGE_EMULATOR_HOST", &bucket.emulator.unwrap());
        env.set("BFL_API_KEY", "the-teams-key");
        env.set("BFL_API_URL", simulator.base_url().as_str());
        let namespace = server.configure(&mut env);
        env.set("DARKROOM_ENGINE", engine);
        env.set("DARKROOM_PROVIDER", "bfl");
        env.set("DARKROOM_STORE", "firestore");
        env.set("DARKROOM_BUCKET", "gcs");
        let old = OldBackend::new(ExternalClient::new(emulator, &project), simulator.base_url().as_str());
        Self { env, old, server, namespace, project, simulator }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        tokio::task::block_in_place(|| self.env.run(arguments))
    }

    fn plan(&self) -> Value {
        self.json(&["takeover", "--dry-run", "--json"])
    }

    /// Runs the program, which must succeed, and returns what it prints as JSON.
    fn json(&self, arguments: &[&str]) -> Value {
        tokio::task::block_in_place(|| self.env.json(arguments))
    }

    /// The documents of both collections.
    async fn documents(&self) -> (BTreeMap<String, Value>, BTreeMap<String, Value>) {
        (self.old.page.list("jobs").await, self.old.page.list("costs").await)
    }
}

/// Waits until the job's document has that status.
async fn until_status(page: &ExternalClient, id: &str, status: &str) {
    let started = Instant::now();
    loop {
        let fields = page.fields(&format!("jobs/{id}")).await;
        if fields["status"]["stringValue"] == status {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{id} is not {status}: {fields}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn take_over(engine: &str) {
    let migration = Migration::start(engine).await;
    let Migration { env, old, server, namespace, .. } = &migration;
    let jobs = jobs();
    for (id, standing) in &jobs {
        old.play(id, *standing).await;
    }
    let of = |wanted: &[Standing]| -> Vec<&String> {
        jobs.iter().filter(|(_, standing)| wanted.contains(standing)).map(|(id, _)| id).collect()
    };
    let (waiting, running) = (of(&[Standing::Waiting]), of(&[Standing::Running]));
    let settled =
        of(&[Standing::Review, Standing::Approved, Standing::Failed, Standing::FailedLate, Standing::Running]);
    // Workflows that the old backend leaves open: of the running jobs, and of one that it had only just taken from the queue.
    let blocked: Vec<&String> = running.iter().chain(&waiting[..1]).copied().collect();
    tokio::task::block_in_place(|| blocked.iter().for_each(|id| start_old_workflow(server, namespace, id)));
    // The old backend's worker; in the other variant it is stopped already.
    let old_worker = (engine == "temporal").then(|| {
        let worker = tokio::task::block_in_place(|| OldWorker::start(server, namespace));
        tokio::task::block_in_place(|| {
            until("the old worker polls", || migration.plan()["temporal"]["pollers"] != json!([]));
        });
        worker
    });
    let before = PageView::read(&old.page).await;
    let documents = migration.documents().await;
    let bill = ledger_check::bill(env);
    assert_eq!(bill.len(), settled.len() - 1, "all but the one that failed early were submitted");

    // Step 1. Before the takeover no command changes anything.
    let early = migration.run(&["worker", "--until-idle"]);
    assert!(!early.status.success() && text(&early.stderr).contains("darkroom takeover"), "{}", text(&early.stderr));
    let plan = migration.plan();
    check_plan(&plan, &blocked, &running);
    if let Some(old_worker) = old_worker {
        let refused = migration.run(&["takeover", "--yes"]);
        assert!(
            !refused.status.success() && text(&refused.stderr).contains("not taken over"),
            "{}",
            text(&refused.stderr)
        );
        // Step 2. The server lists the stopped worker for a while.
        drop(old_worker);
        tokio::task::block_in_place(|| until("no poller", || migration.plan()["temporal"]["pollers"] == json!([])));
    }
    assert_eq!(migration.documents().await, documents, "nothing was written");
    assert_eq!(ledger_check::bill(env), bill);

    // Step 3. It wrote a moment ago, so the operator has to know that it is stopped.
    let refused = migration.run(&["takeover", "--yes"]);
    assert!(text(&refused.stderr).contains("wait 5 minutes"), "{}", text(&refused.stderr));
    let done = migration.json(&["takeover", "--yes", "--force", "--json"]);
    assert_eq!((&done["state"], &done["owner"]["how"]), (&json!("taken_over"), &json!("takeover")), "{done}");
    // Step 4.
    for id in &blocked {
        let command = terminate_command(&done, id);
        tokio::task::block_in_place(|| server.run(&command.split(' ').skip(1).collect::<Vec<_>>()));
    }
    // Step 5.
    let worker = Worker::start(env, &[]);
    for id in &waiting {
        until_status(&old.page, id, "pending_review").await;
    }
    let stopped = tokio::task::block_in_place(|| worker.leave());
    assert!(stopped.status.success(), "{}", text(&stopped.stderr));

    check_money(&migration, &bill, &before, &waiting).await;
    check_page(&migration, &documents.0, &before, &waiting, &settled).await;
    // Step 6.
    check_running(&migration, &running).await;
    migration.simulator.shutdown().await;
}

/// The plan has the backlog with its price, the running jobs, the former defaults, and the workflows that are in the way.
fn check_plan(plan: &Value, blocked: &[&String], running: &[&String]) {
    assert_eq!(plan["state"], "planned", "{plan}");
    assert_eq!(plan["jobs"], json!({"total": 30, "other_programs": 30}), "{plan}");
    assert_eq!(plan["backlog"]["count"], 5, "{plan}");
    assert!(ledger_check::dollars(&plan["backlog"]["usd"]) > Decimal::ZERO, "{plan}");
    assert_eq!(plan["in_progress"], json!(running), "{plan}");
    assert_eq!((&plan["defaults"]["model"], &plan["defaults"]["output_format"]), (&json!("flux-dev"), &json!("png")));
    let open = plan["temporal"]["open_workflows"].as_array().unwrap();
    assert_eq!(open.len(), blocked.len(), "{plan}");
    assert!(open.iter().all(|workflow| workflow["workflow_type"] == OLD_TYPE), "{plan}");
}

/// The command that ends the old workflow of that job.
fn terminate_command(plan: &Value, id: &str) -> String {
    let mut open = plan["temporal"]["open_workflows"].as_array().unwrap().iter();
    let workflow = open.find(|workflow| workflow["id"] == format!("image-gen-{id}"));
    workflow.unwrap_or_else(|| panic!("no workflow of {id}: {plan}"))["terminate"].as_str().unwrap().to_owned()
}

/// Nothing is billed twice or simulated, and the books are the sum of both backends' entries.
async fn check_money(
    migration: &Migration,
    old_bill: &BTreeMap<String, (usize, Decimal)>,
    before: &PageView,
    waiting: &[&String],
) {
    let bill = ledger_check::bill(&migration.env);
    for (prompt, (times, _)) in &bill {
        assert_eq!(*times, 1, "{prompt}");
    }
    let new: BTreeSet<&String> = bill.keys().filter(|prompt| !old_bill.contains_key(*prompt)).collect();
    let expected: Vec<String> = waiting.iter().map(|id| prompt(id)).collect();
    assert_eq!(new, expected.iter().collect(), "darkroom submitted the waiting jobs, nothing else");
    let new_bill: Decimal = new.iter().map(|prompt| bill[*prompt].1).sum();
    let after = PageView::read(&migration.old.page).await;
    assert_eq!(after.spent["bfl_api"], before.spent["bfl_api"] + new_bill, "{after:?}");
    assert!(after.spent["google_storage"] > before.spent["google_storage"]);
    let costs = migration.json(&["costs", "--json", "--days", "2", "--by", "service"]);
    assert_eq!(ledger_check::dollars(&costs["total_usd"]), after.spent.values().sum(), "{costs}");
    for job in migration.json(&["jobs", "list", "--json", "--limit", "1000"]).as_array().unwrap() {
        assert_eq!(job["simulated"], false, "{job}");
    }
}

/// Twenty minutes later the backend of the running jobs is presumed dead: they fail, and are not submitted.
async fn check_running(migration: &Migration, running: &[&String]) {
    let bill = ledger_check::bill(&migration.env);
    let spent = PageView::read(&migration.old.page).await.spent;
    let clock = Arc::new(MovedClock::default());
    clock.forward(20 * 60);
    let mut options = FirestoreOptions::new(&migration.project, "flux-dev");
    options.emulator_host = Some(firestore_emulator::shared().host());
    options.gated = true;
    let key = Some("the-teams-key".to_owned().into());
    let ports = Ports {
        provider: Arc::new(FluxClient::new(FluxOptions::new(migration.simulator.base_url(), key)).unwrap()),
        store: Arc::new(FirestoreStore::connect(options)),
        bucket: Arc::new(FolderBucket::open(&migration.env.data().join("images")).unwrap()),
        clock,
    };
    let settings = Settings { simulated: false, mode: Mode::UntilIdle, ..Settings::default() };
    let worker_lock = WorkerLock::acquire(&migration.env.data()).unwrap();
    Engine::of(local::start(ports, settings, worker_lock)).until_stopped().await;
    let failed = migration.json(&["jobs", "list", "--json", "--status", "failed"]);
    let unknown: BTreeSet<&str> = failed
        .as_array()
        .unwrap()
        .iter()
        .filter(|job| job["error"]["code"] == "submit_unknown")
        .map(|job| job["id"].as_str().unwrap())
        .collect();
    assert_eq!(unknown, running.iter().map(|id| id.as_str()).collect(), "{failed}");
    assert_eq!(ledger_check::bill(&migration.env), bill, "nothing was submitted");
    assert_eq!(PageView::read(&migration.old.page).await.spent, spent, "the old backend's charges stand");
}

/// The page's queries give what they gave before, and the new images.
async fn check_page(
    migration: &Migration,
    before: &BTreeMap<String, Value>,
    view: &PageView,
    waiting: &[&String],
    settled: &[&String],
) {
    let page = &migration.old.page;
    let documents = page.list("jobs").await;
    assert_eq!(documents.len(), before.len());
    for id in settled {
        assert_eq!(documents[*id], before[*id], "what the old backend left stays as it was");
    }
    let after = PageView::read(page).await;
    let is_new = |id: &String| waiting.contains(&id);
    let old_part = |list: &[(String, Value)]| -> Vec<(String, Value)> {
        list.iter().filter(|(id, _)| !is_new(id)).cloned().collect()
    };
    assert_eq!(old_part(&after.gallery), view.gallery);
    assert_eq!(after.gallery.len(), view.gallery.len() + waiting.len());
    assert_eq!(after.review.len(), view.review.len() + waiting.len());
    assert!(view.review.iter().all(|(id, fields)| after.review[id] == *fields));
    assert_eq!(after.newest, view.newest, "by the time of the request");
    for id in waiting {
        let fields = &after.review[*id];
        assert_eq!(fields["bfl_model"]["stringValue"], "flux-dev", "the model as before: {fields}");
        let url = fields["generatedImageUrl"]["stringValue"].as_str().unwrap();
        assert!(
            url.split('?').next().and_then(|path| path.rsplit('.').next()) == Some("png"),
            "the format as before: {url}"
        );
        let image = reqwest::get(url).await.unwrap().error_for_status().unwrap().bytes().await.unwrap();
        image::load_from_memory(&image).expect("the image is whole");
    }
}

#[cfg_attr(
    not(all(firestore_emulator_installed, storage_server_installed, temporal_server_installed)),
    ignore = "one of its servers is not installed"
)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipeline_is_taken_over_by_local_engine() {
    take_over("local").await;
}

#[cfg_attr(
    not(all(firestore_emulator_installed, storage_server_installed, temporal_server_installed)),
    ignore = "one of its servers is not installed"
)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipeline_is_taken_over_by_temporal_engine() {
    take_over("temporal").await;
}
