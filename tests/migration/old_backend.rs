//! Another backend, played: what it writes to both collections, what it submits to the provider, and its open workflows.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::support::external_client::{ExternalClient, decimal, typed_fields};

/// What the old backend guessed that an image costs.
const OLD_PRICE: f64 = 0.025;

/// What it computed for storing one.
const OLD_STORAGE: f64 = 0.000_005;

/// How a job of the old backend stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Finished, and the page shows it.
    Review,
    /// Finished, and a reviewer approved it.
    Approved,
    /// Requested by the page, not taken up.
    Waiting,
    /// Taken up and submitted: the backend waits for the image.
    Running,
    /// Failed before anything was billed.
    Failed,
    /// Failed after the image had been stored and billed.
    FailedLate,
}

/// The backend, and the page that feeds it.
pub struct OldBackend {
    pub page: ExternalClient,
    /// The address of the provider's API.
    pub provider: String,
    http: reqwest::Client,
}

impl OldBackend {
    pub fn new(page: ExternalClient, provider: &str) -> Self {
        Self { page, provider: provider.trim_end_matches('/').to_owned(), http: reqwest::Client::new() }
    }

    /// Plays a job up to that point. The prompt contains the id, so that the provider's bill names the job.
    pub async fn play(&self, id: &str, standing: Standing) {
        let path = format!("jobs/{id}");
        let number = id.bytes().map(i64::from).sum::<i64>() % 100;
        // As the page's form writes it: no model, and numbers of both kinds.
        let request = json!({
            "status": "pending_art_generation", "prompt": prompt(id), "createdAt": chrono::Utc::now(),
            "aspectRatio": "16:9", "steps": 28, "guidance": 3.0, "seed": number, "promptUpsampling": false,
            "safetyTolerance": 2, "generationCount": 0,
        });
        self.page.write(&[(path.clone(), typed_fields(&request).into())]).await;
        if standing == Standing::Waiting {
            return;
        }
        self.page.patch(&path, json!({"status": "processing"}), &["status"]).await;
        if standing == Standing::Failed {
            let failed = json!({"status": "error", "errorMessage": "Request failed: 500"});
            return self.page.patch(&path, failed, &["status", "errorMessage"]).await;
        }
        self.submit(id, number).await;
        let billed = json!({"bfl_cost_usd": OLD_PRICE, "bfl_model": "flux_dev", "bfl_steps": 28});
        self.page.patch(&path, billed, &["bfl_cost_usd", "bfl_model", "bfl_steps"]).await;
        let details =
            json!({"model": "flux_dev", "steps": 28, "success": true, "base_cost": OLD_PRICE, "step_multiplier": 1.0});
        self.charge(id, "bfl_api", OLD_PRICE, details).await;
        if standing == Standing::Running {
            return;
        }
        let url = format!("https://storage.googleapis.com/example-bucket/generated-art/{id}.png");
        let stored = json!({
            "status": "pending_review", "generatedImageUrl": url, "generationCount": 1,
            "storage_cost_usd": OLD_STORAGE, "image_size_bytes": 556 + number,
        });
        let fields = ["status", "generatedImageUrl", "generationCount", "storage_cost_usd", "image_size_bytes"];
        self.page.patch(&path, stored, &fields).await;
        let details = json!({"image_size_bytes": 556 + number, "operation_type": "upload"});
        self.charge(id, "google_storage", OLD_STORAGE, details).await;
        match standing {
            Standing::Approved => self.page.patch(&path, json!({"status": "approved"}), &["status"]).await,
            Standing::FailedLate => {
                let failed = json!({"status": "error", "errorMessage": "Activity task timed out"});
                self.page.patch(&path, failed, &["status", "errorMessage"]).await;
            }
            _ => {}
        }
    }

    async fn submit(&self, id: &str, seed: i64) {
        let body =
            json!({"prompt": prompt(id), "width": 1344, "height": 768, "steps": 28, "guidance": 3.0, "seed": seed});
        let request = self.http.post(format!("{}/v1/flux-dev", self.provider)).header("x-key", "old-key").json(&body);
        let reply = request.send().await.unwrap();
        assert!(reply.status().is_success(), "{}", reply.text().await.unwrap());
    }

    async fn charge(&self, id: &str, service: &str, dollars: f64, details: Value) {
        let entry = json!({
            "job_id": id, "service": service, "cost_usd": dollars, "timestamp": chrono::Utc::now(), "details": details,
        });
        self.page.write(&[(format!("costs/{id}-{service}"), typed_fields(&entry).into())]).await;
    }
}

/// The prompt of a job.
pub fn prompt(id: &str) -> String {
    format!("a lighthouse, study {id}")
}

/// What the web page shows and the scripts count, by the queries of the data contract.
#[derive(Debug, Clone, PartialEq)]
pub struct PageView {
    /// `status == pending_review`, by id.
    pub review: BTreeMap<String, Value>,
    /// `status in [approved, pending_review]` by `createdAt` descending.
    pub gallery: Vec<(String, Value)>,
    /// The three newest by `createdAt`.
    pub newest: Vec<String>,
    /// The sums of `costs` by service.
    pub spent: BTreeMap<String, Decimal>,
}

impl PageView {
    pub async fn read(page: &ExternalClient) -> Self {
        let equal = |value: &str| json!({"fieldFilter": {"field": {"fieldPath": "status"}, "op": "EQUAL", "value": {"stringValue": value}}});
        let newest_first = json!([{"field": {"fieldPath": "createdAt"}, "direction": "DESCENDING"}]);
        let shown = json!({"fieldFilter": {"field": {"fieldPath": "status"}, "op": "IN", "value": {"arrayValue": {
            "values": [{"stringValue": "approved"}, {"stringValue": "pending_review"}]}}}});
        let jobs = json!([{"collectionId": "jobs"}]);
        let review = page.query(json!({"from": jobs, "where": equal("pending_review")})).await;
        let gallery = page.query(json!({"from": jobs, "where": shown, "orderBy": newest_first})).await;
        let newest = page.query(json!({"from": jobs, "orderBy": newest_first, "limit": 3})).await;
        let newest_charges = json!([{"field": {"fieldPath": "timestamp"}, "direction": "DESCENDING"}]);
        let entries = page.query(json!({"from": [{"collectionId": "costs"}], "orderBy": newest_charges})).await;
        let mut spent = BTreeMap::new();
        for (_, entry) in entries {
            let service = entry["service"]["stringValue"].as_str().unwrap().to_owned();
            *spent.entry(service).or_insert(Decimal::ZERO) += decimal(&entry["cost_usd"]);
        }
        Self {
            review: review.into_iter().collect(),
            gallery,
            newest: newest.into_iter().map(|(id, _)| id).collect(),
            spent,
        }
    }
}
