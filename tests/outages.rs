//! A headless worker through outages of everything that it needs, each alone and in pairs, at its start and later: it resumes by
//! itself, and `/health` and `/metrics` agree on what it waits for.
//!
//! `cargo test --test integration -- --ignored outages_in_pairs` breaks each pair in turn, and `DARKROOM_OUTAGE_SECONDS=1800` makes
//! each outage half an hour long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use darkroom::simulator::{RunningSimulator, Simulator, SimulatorOptions, Speed};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::metrics::Worker;
use crate::support::chaos_proxy::ChaosProxy;
use crate::support::external_client::ExternalClient;
use crate::support::{TestEnv, firestore_emulator, gcs_server, temporal_server};

/// How long anything may take before the test calls it stuck: a worker resumes after growing pauses.
const PATIENCE: Duration = Duration::from_mins(3);

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

impl Part {
    fn is_of_account(self) -> bool {
        matches!(self, Self::Credits | Self::Key)
    }
}

const PARTS: [Part; 6] = [Part::Store, Part::Bucket, Part::Provider, Part::Temporal, Part::Credits, Part::Key];

/// When the outage begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    BeforeTheStart,
    Later,
}

/// The API's account: forwards requests to the simulator, or answers them with an account error.
#[derive(Clone)]
struct Account {
    http: reqwest::Client,
    api: String,
    /// The status of every answer; 0 forwards.
    error: Arc<AtomicU16>,
    /// Whether the API answers 503 to everything. A connection that is cut would leave open whether a submit was accepted.
    is_down: Arc<AtomicBool>,
}

async fn answer(State(account): State<Account>, request: Request) -> Response {
    let error = if account.is_down.load(Ordering::SeqCst) { 503 } else { account.error.load(Ordering::SeqCst) };
    if error != 0 {
        let detail = match error {
            402 => "Insufficient credits",
            403 => "Not authenticated",
            _ => "Service unavailable",
        };
        let body = json!({"detail": detail}).to_string();
        return Response::builder()
            .status(error)
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap();
    }
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("{}{path}", account.api.trim_end_matches('/'));
    let mut forwarded = account.http.request(parts.method, url).body(to_bytes(body, usize::MAX).await.unwrap());
    for name in ["x-key", "content-type"] {
        if let Some(value) = parts.headers.get(name) {
            forwarded = forwarded.header(name, value);
        }
    }
    let Ok(reply) = forwarded.send().await else { return Response::builder().status(502).body(Body::empty()).unwrap() };
    let (status, kind) = (reply.status(), reply.headers().get("content-type").cloned());
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
    async fn new() -> Self {
        let emulator = tokio::task::spawn_blocking(firestore_emulator::shared).await.unwrap();
        let temporal = tokio::task::spawn_blocking(temporal_server::shared).await.unwrap();
        let images = gcs_server::fresh_bucket().await;
        let project = firestore_emulator::owned_project(emulator).await;
        let options = SimulatorOptions { speed: Speed::Instant, ..SimulatorOptions::default() };
        let simulator = Simulator::serve(options).await.unwrap();
        let account = Account {
            http: reqwest::Client::new(),
            api: simulator.api_url().to_string(),
            error: Arc::default(),
            is_down: Arc::default(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = listener.local_addr().unwrap().to_string();
        let router = Router::new().fallback(answer).with_state(account.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let mut env = TestEnv::new();
        temporal.configure(&mut env);
        let proxies = [emulator.host(), images.emulator.unwrap(), temporal.address()];
        let [store, bucket, temporal] = proxies.map(|host| ChaosProxy::to(&host));
        for (name, value) in [
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
        ] {
            env.set(name, value);
        }
        let page = ExternalClient::new(emulator, &project);
        Self { env, page, store, bucket, temporal, account, _simulator: simulator }
    }

    fn proxy(&self, part: Part) -> Option<&ChaosProxy> {
        match part {
            Part::Store => Some(&self.store),
            Part::Bucket => Some(&self.bucket),
            Part::Temporal => Some(&self.temporal),
            Part::Provider | Part::Credits | Part::Key => None,
        }
    }

    fn fail(&self, part: Part) {
        match part {
            Part::Provider => self.account.is_down.store(true, Ordering::SeqCst),
            Part::Credits => self.account.error.store(402, Ordering::SeqCst),
            Part::Key => self.account.error.store(403, Ordering::SeqCst),
            part => self.proxy(part).unwrap().cut(),
        }
    }

    fn restore(&self, part: Part) {
        match self.proxy(part) {
            Some(proxy) => proxy.restore(),
            None if part == Part::Provider => self.account.is_down.store(false, Ordering::SeqCst),
            None => self.account.error.store(0, Ordering::SeqCst),
        }
    }

    async fn is_done(&self, id: &str) -> bool {
        self.page.fields(&format!("jobs/{id}")).await["status"]["stringValue"] == "pending_review"
    }
}

/// One look at both pages; what they say must be one thing, unless it changes between the two.
async fn consistent(worker: &Worker) -> (u16, Value) {
    let begun = Instant::now();
    loop {
        let (status, text) = worker.get("/health").await;
        let page = worker.metrics().await;
        let health: Value = serde_json::from_str(&text).unwrap();
        let reason = health["reason"].as_str().unwrap_or_default();
        let is = |name: &str| page.value(name, &[]);
        let agree = match reason {
            "" => {
                status == 200
                    && is("darkroom_intake_open") == Some(1.0)
                    && is("darkroom_store_link_up") == Some(1.0)
                    && is("darkroom_fleet_link_up").is_none_or(|up| up > 0.5)
            }
            reason if reason.starts_with("intake paused: ") => status == 503 && is("darkroom_intake_open") == Some(0.0),
            reason if reason.starts_with("store unreachable: ") => {
                status == 503 && is("darkroom_store_link_up") == Some(0.0)
            }
            reason if reason.starts_with("Temporal unreachable: ") => {
                status == 503 && is("darkroom_fleet_link_up") == Some(0.0)
            }
            reason => status == 503 && reason.starts_with("waiting"),
        };
        if agree {
            return (status, health);
        }
        assert!(begun.elapsed() < PATIENCE, "health and metrics differ: {health} {page:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn until(what: &str, worker: &Worker, mut is_so: impl AsyncFnMut(u16) -> bool) {
    let begun = Instant::now();
    loop {
        let (status, health) = consistent(worker).await;
        if is_so(status).await {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} did not come: {health}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Whether `/health` reports that outage: without work in progress, an unreachable provider, and a bucket that worked at the start,
/// are noticed by the jobs only, which are tried again.
fn is_reported(part: Part, when: When) -> bool {
    match part {
        Part::Store | Part::Temporal | Part::Credits | Part::Key => true,
        Part::Bucket => when == When::BeforeTheStart,
        Part::Provider => false,
    }
}

async fn outage(parts: &[Part], when: When) {
    let case = format!("{parts:?} {when:?}");
    let team = Team::new().await;
    if when == When::BeforeTheStart {
        for part in parts {
            team.fail(*part);
        }
    }
    let worker = Worker::start(&team.env, &[]);
    if when == When::Later {
        until(&format!("{case}: the start"), &worker, async |status| status == 200).await;
        for part in parts {
            team.fail(*part);
        }
    }
    let id = team.page.request_image(&case).await;
    // A provider that is down hides the account's errors.
    let is_hidden = |part: Part| parts.contains(&Part::Provider) && part.is_of_account();
    if parts.iter().any(|part| is_reported(*part, when) && !is_hidden(*part)) {
        until(&format!("{case}: the report"), &worker, async |status| status == 503).await;
    }
    if let Ok(seconds) = std::env::var("DARKROOM_OUTAGE_SECONDS") {
        tokio::time::sleep(Duration::from_secs(seconds.parse().unwrap())).await;
    }
    assert!(!team.is_done(&id).await, "{case}: nothing was missing");
    for part in parts {
        team.restore(*part);
    }
    until(&format!("{case}: the image"), &worker, async |status| status == 200 && team.is_done(&id).await).await;
    assert_eq!(team.page.list("costs").await.len(), 2, "{case}: one submit and one stored image are charged");
}

/// Runs these, a few at a time.
async fn outages(cases: Vec<(Vec<Part>, When)>) {
    let all = cases.into_iter().map(async |(parts, when)| outage(&parts, when).await);
    futures::stream::iter(all).buffer_unordered(3).collect::<()>().await;
}

const BOTH: [When; 2] = [When::BeforeTheStart, When::Later];

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[cfg_attr(not(storage_server_installed), ignore = "fake-gcs-server is not installed")]
#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_resumes_after_each_outage() {
    let cases = PARTS.into_iter().flat_map(|part| BOTH.map(|when| (vec![part], when)));
    outages(cases.collect()).await;
}

#[ignore = "takes minutes: half an hour for each pair with DARKROOM_OUTAGE_SECONDS=1800"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_resumes_after_outages_in_pairs() {
    let mut cases = Vec::new();
    for (index, one) in PARTS.into_iter().enumerate() {
        for other in &PARTS[index + 1..] {
            // An account has one error at a time.
            if (one, *other) != (Part::Credits, Part::Key) {
                cases.extend(BOTH.map(|when| (vec![one, *other], when)));
            }
        }
    }
    outages(cases).await;
}
