//! The simulator over real HTTP: every status and body shape, money, images, faults, restarts, and who serves.

mod api;
mod faults;
mod images;
mod money;
mod standby;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use darkroom::simulator::{RunningSimulator, Simulator, SimulatorOptions, Speed};
use darkroom::time::Clock;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use url::Url;

/// A clock that stands still until it is moved.
#[derive(Debug)]
struct HandClock(Mutex<DateTime<Utc>>);

impl HandClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap())))
    }

    fn advance(&self, seconds: i64) {
        *self.0.lock().unwrap() += TimeDelta::seconds(seconds);
    }
}

impl Clock for HandClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

/// Everything is ready at once.
fn instant() -> SimulatorOptions {
    SimulatorOptions { speed: Speed::Instant, ..SimulatorOptions::default() }
}

/// A client of one simulator.
struct Api {
    client: Client,
    base: Url,
}

impl Api {
    fn new(base: Url) -> Self {
        Self { client: Client::builder().no_proxy().build().unwrap(), base }
    }

    async fn of(options: SimulatorOptions) -> (RunningSimulator, Self) {
        let running = Simulator::serve(options).await.unwrap();
        let api = Self::new(running.api_url());
        (running, api)
    }

    fn request(&self, model: &str, body: &Value) -> RequestBuilder {
        let url = self.base.join(&format!("v1/{model}")).unwrap();
        self.client.post(url).header("x-key", "test").json(body)
    }

    async fn submit(&self, model: &str, body: &Value) -> Response {
        self.request(model, body).send().await.unwrap()
    }

    /// Submits a small image that must be accepted.
    async fn accepted(&self, prompt: &str) -> Value {
        body_of(self.submit("flux-2-pro", &small(prompt)).await, StatusCode::OK).await
    }

    async fn get(&self, url: &str) -> Response {
        self.client.get(self.base.join(url).unwrap()).header("x-key", "test").send().await.unwrap()
    }

    /// Polls an accepted ticket.
    async fn poll(&self, accepted: &Value) -> Value {
        body_of(self.get(accepted["polling_url"].as_str().unwrap()).await, StatusCode::OK).await
    }

    /// The link of a ticket that is ready.
    async fn sample(&self, accepted: &Value) -> String {
        let body = self.poll(accepted).await;
        assert_eq!(body["status"], "Ready", "{body}");
        body["result"]["sample"].as_str().unwrap().to_owned()
    }

    async fn bill(&self) -> Value {
        body_of(self.get("simulator/bill?entries=1").await, StatusCode::OK).await
    }

    async fn credits(&self) -> Value {
        body_of(self.get("v1/credits").await, StatusCode::OK).await["credits"].clone()
    }
}

/// A FLUX.2 order of the smallest image.
fn small(prompt: &str) -> Value {
    json!({"prompt": prompt, "width": 64, "height": 64, "seed": 1, "output_format": "png"})
}

async fn body_of(response: Response, status: StatusCode) -> Value {
    let (found, body) = (response.status(), response.text().await.unwrap());
    assert_eq!(found, status, "{body}");
    serde_json::from_str(&body).unwrap_or_else(|_| panic!("{body}"))
}

fn names(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}
