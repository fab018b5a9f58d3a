//! A headless worker through outages of everything that it needs, each alone and in pairs, at its start and while it works: it resumes
//! by itself, nothing is submitted twice, and `/health` and `/metrics` agree on what it waits for and since when.
//!
//! `cargo test --test integration -- --ignored worker_resumes_after_every` breaks each part and each pair at once, in a worker process of
//! its own for each; `DARKROOM_OUTAGE_SECONDS=1800` makes the outages half an hour long, which takes about 40 minutes in total.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use chrono::{DateTime, Utc};
use darkroom::simulator::{RunningSimulator, Simulator, SimulatorOptions};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::metrics::{Page, Worker};
use crate::support::chaos_proxy::ChaosProxy;
use crate::support::external_client::ExternalClient;
use crate::support::{TestEnv, firestore_emulator, gcs_server, temporal_server};

/// How long anything may take before the test calls it stuck. The pauses between two tries grow up to 5 minutes.
const PATIENCE: Duration = Duration::from_mins(10);

/// How many workers start or resume at the same time.
const BUSY_WORKERS: usize = 3;

/// What a worker needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Store,
    Bucket,
    Provider,
    Temporal,
    Credits,
    Key,
}

const PARTS: [Part; 6] = [Part::Store, Part::Bucket, Part::Provider, Part::Temporal, Part::Credits, Part::Key];

impl Part {
    /// Its name in `/health` and `/metrics`.
    fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Bucket => "bucket",
            Self::Provider => "provider",
            Self::Temporal => "temporal",
            Self::Credits => "credits",
            Self::Key => "key",
        }
    }
}

/// When the outage begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    BeforeTheStart,
    Later,
}

const BOTH: [When; 2] = [When::BeforeTheStart, When::Later];

/// Parts that break together.
#[derive(Debug, Clone)]
struct Case {
    parts: Vec<Part>,
    when: When,
    engine: &'static str,
}

impl Case {
    /// Half of the cases that need no Temporal server run on the local engine.
    fn new(parts: &[Part], when: When, number: usize) -> Self {
        let is_local = !parts.contains(&Part::Temporal) && number % 2 == 1;
        Self { parts: parts.to_vec(), when, engine: if is_local { "local" } else { "temporal" } }
    }

    /// What must be reported all the time. Two parts that only a job meets hide each other: then one of them suffices.
    fn reported(&self) -> Vec<&'static str> {
        let has = |part: &Part| self.parts.contains(part);
        if self.when == When::BeforeTheStart && has(&Part::Bucket) {
            return vec![Part::Bucket.name()];
        }
        let links: Vec<Part> = [Part::Store, Part::Temporal].into_iter().filter(has).collect();
        let is_alone = self.parts.len() == 1;
        let reported = if is_alone { self.parts.clone() } else { links };
        reported.into_iter().map(Part::name).collect()
    }

    fn is_reported(&self, waits: &Waits) -> bool {
        !waits.is_empty() && self.reported().iter().all(|name| waits.iter().any(|(dependency, _)| dependency == name))
    }
}

/// The API: forwards requests to the simulator, or answers them with an error.
#[derive(Clone)]
struct Account {
    http: reqwest::Client,
    api: String,
    /// Whether the API answers 503 to everything. A connection that is cut would leave open whether a submit was accepted.
    is_down: Arc<AtomicBool>,
    is_key_refused: Arc<AtomicBool>,
    has_no_credits: Arc<AtomicBool>,
    /// Submits that were accepted.
    accepted: Arc<AtomicUsize>,
}

impl Account {
    fn error(&self) -> Option<(u16, &'static str)> {
        let errors = [
            (&self.is_down, (503, "Service unavailable")),
            (&self.is_key_refused, (403, "Not authenticated")),
            (&self.has_no_credits, (402, "Insufficient credits")),
        ];
        errors.into_iter().find_map(|(is_set, error)| is_set.load(Ordering::SeqCst).then_some(error))
    }
}

async fn answer(State(account): State<Account>, request: Request) -> Response {
    if let Some((status, detail)) = account.error() {
        let body = json!({"detail": detail}).to_string();
        let response = Response::builder().status(status).header("content-type", "application/json");
        return response.body(Body::from(body)).unwrap();
    }
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("{}{path}", account.api.trim_end_matches('/'));
    let is_submit = parts.method == "POST";
    let mut forwarded = account.http.request(parts.method, url).body(to_bytes(body, usize::MAX).await.unwrap());
    for name in ["x-key", "content-type"] {
        if let Some(value) = parts.headers.get(name) {
            forwarded = forwarded.header(name, value);
        }
    }
    let Ok(reply) = forwarded.send().await else { return Response::builder().status(502).body(Body::empty()).unwrap() };
    let (status, kind) = (reply.status(), reply.headers().get("content-type").cloned());
    account.accepted.fetch_add(usize::from(is_submit && status.is_success()), Ordering::SeqCst);
    let mut response = Response::builder().status(status);
    if let Some(kind) = kind {
        response = response.header("content-type", kind);
    }
    response.body(Body::from(reply.bytes().await.unwrap_or_default())).unwrap()
}

/// Everything that a worker needs, each behind something that can break.
struct Team {
    env: TestEnv,
    page: ExternalClient,
    store: ChaosProxy,
    bucket: ChaosProxy,
    temporal: ChaosProxy,
    account: Account,
    _simulator: RunningSimulator,
}

impl Team {
    async fn new(engine: &str) -> Self {
        let emulator = tokio::task::spawn_blocking(firestore_emulator::shared).await.unwrap();
        let temporal = tokio::task::spawn_blocking(temporal_server::shared).await.unwrap();
        let images = gcs_server::fresh_bucket().await;
        let project = firestore_emulator::owned_project(emulator).await;
        let simulator = Simulator::serve(SimulatorOptions::default()).await.unwrap();
        let account = Account {
            http: reqwest::Client::new(),
            api: simulator.api_url().to_string(),
            is_down: Arc::default(),
            is_key_refused: Arc::default(),
            has_no_credits: Arc::default(),
            accepted: Arc::default(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = listener.local_addr().unwrap().to_string();
        let router = Router::new().fallback(answer).with_state(account.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let mut env = TestEnv::new();
        let proxies = [emulator.host(), images.emulator.unwrap(), temporal.address()];
        let [store, bucket, temporal] = proxies.map(|host| ChaosProxy::to(&host));
        for (name, value) in [
            ("DARKROOM_ENGINE", engine),
            ("DARKROOM_PROVIDER", "bfl"),
            ("BFL_API_KEY", "any"),
            ("BFL_API_URL", &format!("http://{gateway}")),
            ("DARKROOM_STORE", "firestore"),
            ("FIRESTORE_EMULATOR_HOST", &store.host()),
            ("GOOGLE_CLOUD_PROJECT", &project),
            ("DARKROOM_MODEL", "flux-2-klein-4b"),
            ("DARKROOM_BUCKET", "gcs"),
            ("STORAGE_EMULATOR_HOST", &bucket.host()),
            ("FIREBASE_STORAGE_BUCKET", &images.bucket),
            ("TEMPORAL_ADDRESS", &temporal.host()),
            // All teams share a namespace.
            ("DARKROOM_TEMPORAL_QUEUE", &format!("queue-{project}")),
        ] {
            env.set(name, value);
        }
        let page = ExternalClient::new(emulator, &project);
        Self { env, page, store, bucket, temporal, account, _simulator: simulator }
    }

    fn set(&self, part: Part, is_broken: bool) {
        let proxy = match part {
            Part::Store => &self.store,
            Part::Bucket => &self.bucket,
            Part::Temporal => &self.temporal,
            Part::Provider => return self.account.is_down.store(is_broken, Ordering::SeqCst),
            Part::Credits => return self.account.has_no_credits.store(is_broken, Ordering::SeqCst),
            Part::Key => return self.account.is_key_refused.store(is_broken, Ordering::SeqCst),
        };
        if is_broken { proxy.cut() } else { proxy.restore() }
    }

    async fn status(&self, id: &str) -> String {
        let fields = self.page.fields(&format!("jobs/{id}")).await;
        fields["status"]["stringValue"].as_str().unwrap_or_default().to_owned()
    }
}

/// What `/health` lists, by name with the start.
type Waits = Vec<(String, DateTime<Utc>)>;

/// One look at both pages; what they report must be one thing, unless it changes between the two.
async fn consistent(worker: &Worker) -> (u16, Waits, Value) {
    let begun = Instant::now();
    loop {
        let (status, text) = worker.get("/health").await;
        let page = worker.metrics().await;
        let health: Value = serde_json::from_str(&text).unwrap();
        let waits: Waits = health["waiting_for"].as_array().unwrap().iter().map(wait).collect();
        if agree(status, &health, &waits, &page) {
            return (status, waits, health);
        }
        assert!(begun.elapsed() < PATIENCE, "health and metrics differ: {health} {page:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn wait(listed: &Value) -> (String, DateTime<Utc>) {
    let text = |name: &str| listed[name].as_str().unwrap().to_owned();
    assert!(!text("reason").is_empty() && !text("reason").contains('\n'), "{listed}");
    (text("dependency"), text("since").parse().unwrap())
}

fn agree(status: u16, health: &Value, waits: &Waits, page: &Page) -> bool {
    let is = |name: &str| page.value(name, &[]);
    let is_waiting = |name: &str| waits.iter().any(|(dependency, _)| dependency == name);
    let since = |name: &str| page.value("darkroom_waiting_since_timestamp_seconds", &[("dependency", name)]);
    let names = ["store", "bucket", "provider", "image_host", "temporal", "credits", "key", "account", "journal"];
    let are_equal = names.iter().all(|name| {
        page.value("darkroom_waiting", &[("dependency", name)]) == Some(f64::from(u8::from(is_waiting(name))))
    });
    let are_dated = waits.iter().all(|(name, at)| {
        since(name).is_some_and(|seconds| (seconds - at.timestamp_millis() as f64 / 1_000.0).abs() < 0.002)
    });
    let reason = health["reason"].as_str().unwrap_or_default();
    let gauges = match reason {
        "" => {
            is("darkroom_intake_open") == Some(1.0)
                && is("darkroom_store_link_up") == Some(1.0)
                && is("darkroom_fleet_link_up").is_none_or(|up| up > 0.5)
        }
        reason if reason.starts_with("intake paused: ") => is("darkroom_intake_open") == Some(0.0),
        reason if reason.starts_with("store unreachable: ") => is("darkroom_store_link_up") == Some(0.0),
        reason if reason.starts_with("Temporal unreachable: ") => is("darkroom_fleet_link_up") == Some(0.0),
        reason => reason.starts_with("waiting") || reason.contains(" unreachable: "),
    };
    let is_ok = reason.is_empty();
    are_equal && are_dated && gauges && is_ok == waits.is_empty() && status == if is_ok { 200 } else { 503 }
}

async fn until(what: &str, worker: &Worker, mut is_so: impl AsyncFnMut(u16, &Waits) -> bool) {
    let begun = Instant::now();
    loop {
        let (status, waits, health) = consistent(worker).await;
        if is_so(status, &waits).await {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} did not come: {health}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Watches a worker that waits: it goes on to report the outage, with the same start, and no other.
async fn watch(case: &Case, worker: &Worker, broken_at: DateTime<Utc>, length: Duration) {
    let names: Vec<&str> = case.parts.iter().copied().map(Part::name).collect();
    let (end, mut before) = (Instant::now() + length, Waits::new());
    loop {
        let (_, waits, health) = consistent(worker).await;
        assert!(case.is_reported(&waits), "{case:?} is not reported: {health}");
        for (name, since) in &waits {
            assert!(names.contains(&name.as_str()), "{case:?}: {health}");
            assert!(*since >= broken_at - Duration::from_secs(1) && *since <= Utc::now(), "{case:?}: {health}");
            let known = before.iter().find(|(known, _)| known == name).map(|(_, since)| *since);
            assert!(known.is_none_or(|known| known == *since), "{case:?} has another start: {before:?} {health}");
        }
        before = waits;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(Duration::from_secs(15))).await;
    }
}

async fn outage(case: Case, length: Duration, busy: &Semaphore) {
    let permit = busy.acquire().await.unwrap();
    let team = Team::new(case.engine).await;
    let mut requested = Vec::new();
    let mut broken_at = Utc::now();
    let fail = || case.parts.iter().for_each(|part| team.set(*part, true));
    if case.when == When::BeforeTheStart {
        fail();
    }
    let worker = Worker::start(&team.env, &[]);
    if case.when == When::Later {
        until(&format!("{case:?}: the start"), &worker, async |status, _| status == 200).await;
        let id = team.page.request_image(&format!("under way, {case:?}")).await;
        until(&format!("{case:?}: a job under way"), &worker, async |_, _| {
            team.status(&id).await != "pending_art_generation"
        })
        .await;
        requested.push(id);
        broken_at = Utc::now();
        fail();
    }
    requested.push(team.page.request_image(&format!("waits, {case:?}")).await);
    until(&format!("{case:?}: the report"), &worker, async |_, waits| case.is_reported(waits)).await;
    drop(permit);
    watch(&case, &worker, broken_at, length).await;
    assert_ne!(team.status(requested.last().unwrap()).await, "pending_review", "{case:?}: nothing was missing");
    let permit = busy.acquire().await.unwrap();
    for part in &case.parts {
        team.set(*part, false);
    }
    drop(permit);
    until(&format!("{case:?}: the images"), &worker, async |status, _| {
        let mut are_done = status == 200;
        for id in &requested {
            are_done = are_done && team.status(id).await == "pending_review";
        }
        are_done
    })
    .await;
    assert_eq!(team.account.accepted.load(Ordering::SeqCst), requested.len(), "{case:?}: one submit for each job");
    let charges = team.page.list("costs").await.len();
    assert_eq!(charges, 2 * requested.len(), "{case:?}: one submit and one stored image are charged for each job");
}

async fn outages(cases: Vec<Case>, at_once: usize, length: Duration) {
    let busy = Semaphore::new(BUSY_WORKERS);
    let all = cases.into_iter().map(|case| outage(case, length, &busy));
    futures::stream::iter(all).buffer_unordered(at_once).collect::<()>().await;
}

/// Each part alone.
fn singles() -> Vec<Case> {
    let all = PARTS.into_iter().flat_map(|part| BOTH.map(|when| (part, when)));
    all.enumerate().map(|(number, (part, when))| Case::new(&[part], when, number / 2)).collect()
}

/// Two parts together.
fn pairs() -> Vec<Case> {
    let all = PARTS
        .into_iter()
        .enumerate()
        .flat_map(|(index, one)| PARTS[index + 1..].iter().map(move |other| [one, *other]));
    all.enumerate().flat_map(|(number, parts)| BOTH.map(|when| Case::new(&parts, when, number))).collect()
}

#[cfg_attr(
    not(all(firestore_emulator_installed, storage_server_installed, temporal_server_installed)),
    ignore = "one of its servers is not installed"
)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_resumes_after_each_outage() {
    let mut cases = singles();
    for (parts, when) in [
        ([Part::Store, Part::Bucket], When::Later),
        ([Part::Bucket, Part::Credits], When::BeforeTheStart),
        ([Part::Provider, Part::Temporal], When::Later),
        ([Part::Credits, Part::Key], When::Later),
    ] {
        cases.push(Case::new(&parts, when, cases.len()));
    }
    outages(cases, BUSY_WORKERS, Duration::ZERO).await;
}

#[ignore = "takes minutes: about 40 with DARKROOM_OUTAGE_SECONDS=1800"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_resumes_after_every_outage_and_pair() {
    let seconds = std::env::var("DARKROOM_OUTAGE_SECONDS").map_or(20, |seconds| seconds.parse().unwrap());
    let cases = [singles(), pairs()].concat();
    let count = cases.len();
    outages(cases, count, Duration::from_secs(seconds)).await;
}
