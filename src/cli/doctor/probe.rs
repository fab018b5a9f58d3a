//! What several checks use: the time of a server, and text about emulators.

use std::time::Duration;

use chrono::{DateTime, Utc};
use url::Url;

/// Timeout of a time request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The time in the `Date` header of the server, which every response has. The key is not sent.
pub(super) async fn server_time(address: &Url) -> Result<DateTime<Utc>, String> {
    let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build();
    let client = client.map_err(|error| error.to_string())?;
    let response = client.get(address.clone()).send().await.map_err(|error| error.without_url().to_string())?;
    let date = response.headers().get(reqwest::header::DATE).and_then(|date| date.to_str().ok());
    let date = date.ok_or("the response has no Date header")?;
    httpdate::parse_http_date(date).map(DateTime::from).map_err(|error| error.to_string())
}

/// Posts an empty object without a key. Returns the status, and whether the answer is HTML.
pub(super) async fn post_nothing(url: &Url) -> Result<(u16, bool), reqwest::Error> {
    let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build()?;
    let response = client.post(url.clone()).json(&serde_json::json!({})).send().await?;
    let status = response.status().as_u16();
    let body = response.bytes().await?;
    Ok((status, body.trim_ascii_start().starts_with(b"<")))
}

/// ` (emulator at HOST)`, or nothing.
pub(super) fn emulator(host: Option<&String>) -> String {
    host.map_or(String::new(), |host| format!(" (emulator at {host})"))
}
