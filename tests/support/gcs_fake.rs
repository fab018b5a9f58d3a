//! A Cloud Storage of the tests' own, for what the real server of the tests cannot show: the content type that is sent, rejections,
//! broken checksums, bucket rules. It keeps what it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use darkroom::bucket::gcs::{GcsCredentials, GcsOptions, PublicUrl};

/// One upload as it was sent.
#[derive(Debug, Clone)]
pub struct Upload {
    pub query: BTreeMap<String, String>,
    pub metadata: Value,
    /// Length of the request's body.
    pub length: usize,
}

/// An object as it is kept.
#[derive(Debug, Clone)]
pub struct Object {
    pub bytes: Vec<u8>,
    pub generation: i64,
    pub public: bool,
}

/// What an answer to an upload says of its checksum.
#[derive(Debug, Default, Clone, Copy)]
pub enum Checksum {
    #[default]
    True,
    Other,
    Missing,
}

/// What the bucket is like, and what happened to it.
#[derive(Debug, Default)]
pub struct Bucket {
    pub objects: BTreeMap<String, Object>,
    pub uploads: Vec<Upload>,
    /// Method and path of every request.
    pub requests: Vec<String>,
    /// Answers in place of the real one, the oldest first.
    pub answers: VecDeque<(StatusCode, String)>,
    /// Uploads are carried out, but their answers are lost.
    pub lost_answers: usize,
    pub checksum: Checksum,
    pub uniform: bool,
    pub public_forbidden: bool,
    /// Whether the bucket's own description may be read.
    pub hidden: bool,
    /// `None` knows no rights, as emulators.
    pub rights: Option<Vec<&'static str>>,
    pub buckets_of_project: Option<Vec<&'static str>>,
}

/// The running server; it ends with the test.
#[derive(Clone)]
pub struct GcsFake {
    pub host: String,
    pub state: Arc<Mutex<Bucket>>,
}

impl GcsFake {
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(Bucket::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let router = Router::new()
            .route("/upload/storage/v1/b/art/o", post(upload))
            .route("/storage/v1/b/art/o/{object}", get(read))
            .route("/storage/v1/b/art/o/{object}/acl", post(make_public))
            .route("/storage/v1/b/art", get(describe))
            .route("/storage/v1/b/art/iam/testPermissions", get(rights))
            .route("/storage/v1/b", get(list))
            .fallback(|| async { error(StatusCode::NOT_FOUND, "notFound", "The specified bucket does not exist.") })
            .layer(middleware::from_fn_with_state(Arc::clone(&state), intercept))
            .with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { host, state }
    }

    pub fn options(&self) -> GcsOptions {
        GcsOptions {
            bucket: "art".to_owned(),
            project: None,
            url: PublicUrl::Public,
            emulator: Some(self.host.clone()),
            credentials: GcsCredentials::Anonymous,
        }
    }

    pub fn set(&self, change: impl FnOnce(&mut Bucket)) {
        change(&mut self.state.lock().unwrap());
    }

    pub fn look<Seen>(&self, look: impl FnOnce(&Bucket) -> Seen) -> Seen {
        look(&self.state.lock().unwrap())
    }

    /// The next requests are answered so, whatever they ask.
    pub fn answer(&self, status: u16, reason: &str, message: &str, times: usize) {
        let status = StatusCode::from_u16(status).unwrap();
        let body = error_body(status, reason, message).to_string();
        self.set(|bucket| bucket.answers.extend(std::iter::repeat_n((status, body), times)));
    }
}

type Shared = State<Arc<Mutex<Bucket>>>;

fn error_body(status: StatusCode, reason: &str, message: &str) -> Value {
    json!({"error": {"code": status.as_u16(), "message": message, "errors": [{"reason": reason, "message": message}]}})
}

fn error(status: StatusCode, reason: &str, message: &str) -> Response {
    (status, axum::Json(error_body(status, reason, message))).into_response()
}

async fn intercept(State(state): Shared, request: Request, next: Next) -> Response {
    let answer = {
        let mut bucket = state.lock().unwrap();
        bucket.requests.push(format!("{} {}", request.method(), request.uri().path()));
        bucket.answers.pop_front()
    };
    match answer {
        Some((status, body)) => (status, [("content-type", "application/json")], body).into_response(),
        None => next.run(request).await,
    }
}

fn pairs(query: Option<&str>) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

/// The metadata and the content of a `multipart/related` body.
fn parts(headers: &HeaderMap, body: &[u8]) -> (Value, Vec<u8>) {
    let kind = headers["content-type"].to_str().unwrap();
    assert!(kind.starts_with("multipart/related"), "{kind}");
    let boundary = kind.split("boundary=").nth(1).unwrap().split(';').next().unwrap().trim_matches('"');
    let marker = format!("--{boundary}");
    let find = |from: usize, what: &[u8]| {
        body[from..].windows(what.len().max(1)).position(|window| window == what).map(|at| from + at)
    };
    let mut contents = Vec::new();
    let mut at = find(0, marker.as_bytes()).unwrap() + marker.len();
    while let Some(end) = find(at, format!("\r\n{marker}").as_bytes()) {
        let content = find(at, b"\r\n\r\n").unwrap() + 4;
        contents.push(body[content..end].to_vec());
        at = end + 2 + marker.len();
    }
    assert_eq!(contents.len(), 2, "one part of metadata and one of content");
    (serde_json::from_slice(&contents[0]).unwrap(), contents.remove(1))
}

async fn upload(State(state): Shared, RawQuery(query): RawQuery, headers: HeaderMap, body: Bytes) -> Response {
    let query = pairs(query.as_deref());
    assert_eq!(query["uploadType"], "multipart", "an image goes up in one request");
    let (metadata, bytes) = parts(&headers, &body);
    let name = query.get("name").cloned().unwrap_or_else(|| metadata["name"].as_str().unwrap().to_owned());
    let mut bucket = state.lock().unwrap();
    bucket.uploads.push(Upload { query: query.clone(), metadata, length: body.len() });
    let public = query.get("predefinedAcl").is_some_and(|acl| acl == "publicRead");
    if public && bucket.uniform {
        return uniform();
    }
    if public && bucket.public_forbidden {
        return public_forbidden();
    }
    let generation = bucket.objects.get(&name).map_or(0, |object| object.generation);
    if query.get("ifGenerationMatch").is_some_and(|wanted| *wanted != generation.to_string()) {
        return error(
            StatusCode::PRECONDITION_FAILED,
            "conditionNotMet",
            "At least one of the pre-conditions did not hold.",
        );
    }
    let crc32c = match bucket.checksum {
        Checksum::True => Some(crc32c::crc32c(&bytes)),
        Checksum::Other => Some(!crc32c::crc32c(&bytes)),
        Checksum::Missing => None,
    };
    let mut answer = json!({
        "kind": "storage#object", "name": name, "bucket": "art",
        "generation": (generation + 1).to_string(), "size": bytes.len().to_string(),
    });
    if let Some(crc32c) = crc32c {
        answer["crc32c"] = BASE64_STANDARD.encode(crc32c.to_be_bytes()).into();
    }
    bucket.objects.insert(name, Object { bytes, generation: generation + 1, public });
    if bucket.lost_answers > 0 {
        bucket.lost_answers -= 1;
        return error(StatusCode::SERVICE_UNAVAILABLE, "backendError", "Backend Error");
    }
    axum::Json(answer).into_response()
}

async fn read(State(state): Shared, Path(name): Path<String>) -> Response {
    let bucket = state.lock().unwrap();
    let Some(object) = bucket.objects.get(&name) else {
        return error(StatusCode::NOT_FOUND, "notFound", &format!("No such object: art/{name}"));
    };
    let hash = format!("crc32c={}", BASE64_STANDARD.encode(crc32c::crc32c(&object.bytes).to_be_bytes()));
    let headers = [
        ("x-goog-generation", object.generation.to_string()),
        ("x-goog-metageneration", "1".to_owned()),
        ("x-goog-stored-content-length", object.bytes.len().to_string()),
        ("x-goog-hash", hash),
    ];
    (headers, object.bytes.clone()).into_response()
}

async fn make_public(State(state): Shared, Path(name): Path<String>, axum::Json(entry): axum::Json<Value>) -> Response {
    assert_eq!(entry, json!({"entity": "allUsers", "role": "READER"}));
    let mut bucket = state.lock().unwrap();
    if bucket.uniform {
        return uniform();
    }
    if bucket.public_forbidden {
        return public_forbidden();
    }
    bucket.objects.get_mut(&name).unwrap().public = true;
    axum::Json(entry).into_response()
}

async fn describe(State(state): Shared) -> Response {
    let bucket = state.lock().unwrap();
    if bucket.hidden {
        return error(StatusCode::FORBIDDEN, "forbidden", "the caller does not have storage.buckets.get access");
    }
    let prevention = if bucket.public_forbidden { "enforced" } else { "inherited" };
    axum::Json(json!({
        "name": "art",
        "iamConfiguration": {
            "uniformBucketLevelAccess": {"enabled": bucket.uniform}, "publicAccessPrevention": prevention,
        },
    }))
    .into_response()
}

async fn rights(State(state): Shared, RawQuery(query): RawQuery) -> Response {
    let bucket = state.lock().unwrap();
    let Some(rights) = &bucket.rights else { return StatusCode::NOT_FOUND.into_response() };
    let asked = url::form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes()).into_owned();
    let granted: Vec<String> = asked.map(|(_, right)| right).filter(|right| rights.contains(&right.as_str())).collect();
    axum::Json(json!({"permissions": granted})).into_response()
}

async fn list(State(state): Shared) -> Response {
    let bucket = state.lock().unwrap();
    match &bucket.buckets_of_project {
        Some(names) => {
            let items: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
            axum::Json(json!({"items": items})).into_response()
        }
        None => error(StatusCode::FORBIDDEN, "forbidden", "the caller does not have storage.buckets.list access"),
    }
}

fn uniform() -> Response {
    error(
        StatusCode::BAD_REQUEST,
        "invalid",
        "Cannot insert legacy ACL for an object when uniform bucket-level access is enabled. Read more at a page.",
    )
}

fn public_forbidden() -> Response {
    error(
        StatusCode::PRECONDITION_FAILED,
        "conditionNotMet",
        "The member bindings allUsers and allAuthenticatedUsers are not allowed since public access prevention is enforced.",
    )
}
