//! The adapter of the provider port that speaks the FLUX API over HTTP. The simulator answers the same client.
//!
//! This file owns the client: what is sent where, and which requests carry the key. What an answer means is in `submit`,
//! `check` and `fetch`; which addresses may be requested is in `hosts`. Must not retry anything: engines do.

mod check;
mod fetch;
mod hosts;
mod image_check;
mod prepare;
mod reply;
mod submit;
mod transport;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::Utc;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{
    CheckError, CreditsError, DownloadedImage, FetchError, PreparedRequest, Provider, ResultLink, SubmitError,
    TicketStatus,
};
use crate::costs::Credits;
use crate::jobs::{Receipt, Spec, Ticket};
use hosts::HostPolicy;

/// The header that carries the key.
const KEY_HEADER: HeaderName = HeaderName::from_static("x-key");

/// What the client needs to know.
#[derive(Debug, Clone)]
pub struct FluxOptions {
    /// `https://api.bfl.ai`, a regional host, or a simulator.
    pub base_url: Url,
    /// The API key; a simulator may want none.
    pub key: Option<SecretString>,
    /// To be connected.
    pub connect_timeout: Duration,
    /// For a submit from its first byte to the whole reply, uploads of input images included. The outcome of one that takes longer
    /// is unknown, so it is generous.
    pub submit_timeout: Duration,
    /// For a poll of a ticket or of the credits.
    pub check_timeout: Duration,
    /// For the download of an image.
    pub fetch_timeout: Duration,
}

impl FluxOptions {
    /// The default timeouts: 10 s to connect, 90 s for a submit, 20 s for a poll, 120 s for an image.
    pub fn new(base_url: Url, key: Option<SecretString>) -> Self {
        Self {
            base_url,
            key,
            connect_timeout: Duration::from_secs(10),
            submit_timeout: Duration::from_secs(90),
            check_timeout: Duration::from_secs(20),
            fetch_timeout: Duration::from_mins(2),
        }
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum FluxClientError {
    /// The base URL cannot be used.
    #[error("the API's address cannot be used: {0}")]
    BaseUrl(&'static str),
    /// The key cannot stand in a header.
    #[error("the API key contains characters that no key has, such as a line break")]
    Key,
    /// TLS could not be set up, such as for want of root certificates.
    #[error("the HTTP client cannot be set up: {0}")]
    Http(String),
}

/// A client of the FLUX API. Cheap to share; has no state but its connections.
pub struct FluxClient {
    hosts: HostPolicy,
    key: Option<HeaderValue>,
    submit_client: Client,
    read_client: Client,
    submit_timeout: Duration,
    check_timeout: Duration,
    fetch_timeout: Duration,
}

impl fmt::Debug for FluxClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FluxClient").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl FluxClient {
    /// A client. Connects to nothing.
    pub fn new(options: FluxOptions) -> Result<Self, FluxClientError> {
        let hosts = HostPolicy::new(options.base_url).map_err(FluxClientError::BaseUrl)?;
        let key = options.key.as_ref().map(|key| {
            HeaderValue::from_str(key.expose_secret().trim()).map(|mut key| {
                key.set_sensitive(true);
                key
            })
        });
        let plain = hosts.is_http();
        Ok(Self {
            key: key.transpose().map_err(|_| FluxClientError::Key)?,
            submit_client: transport::submit_client(options.connect_timeout, plain).map_err(FluxClientError::Http)?,
            read_client: transport::read_client(options.connect_timeout, plain).map_err(FluxClientError::Http)?,
            hosts,
            submit_timeout: options.submit_timeout,
            check_timeout: options.check_timeout,
            fetch_timeout: options.fetch_timeout,
        })
    }

    /// Adds the key. Only for hosts that `HostPolicy` made or allowed for tickets.
    fn with_key(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.key {
            Some(key) => request.header(KEY_HEADER, key.clone()),
            None => request,
        }
    }
}

#[async_trait]
impl Provider for FluxClient {
    async fn prepare(&self, spec: &Spec) -> Result<PreparedRequest, SubmitError> {
        prepare::prepare(spec).await
    }

    async fn submit(&self, prepared: PreparedRequest) -> Result<Receipt, SubmitError> {
        let request = self
            .with_key(self.submit_client.post(self.hosts.endpoint(&prepared.route)))
            .header(CONTENT_TYPE, "application/json")
            .timeout(self.submit_timeout)
            .body(prepared.body.to_string());
        let reply = transport::exchange(request, reply::MAX_JSON).await.map_err(submit::interpret_no_reply)?;
        submit::interpret_reply(&reply, &self.hosts, Utc::now())
    }

    async fn check(&self, ticket: &Ticket) -> Result<TicketStatus, CheckError> {
        let trusted = self.hosts.check_polling_url(&ticket.polling_url);
        // A ticket without a usable address may be known to the configured host by its id.
        let by_id = || (!ticket.id.is_empty()).then(|| self.hosts.result_of(&ticket.id));
        let is_by_id = trusted.is_none();
        let Some(url) = trusted.or_else(by_id) else { return Err(check::untrusted_host(ticket)) };
        let request = self.with_key(self.read_client.get(url)).timeout(self.check_timeout);
        let reply = transport::exchange(request, reply::MAX_JSON).await.map_err(check::interpret_no_reply)?;
        let result = check::interpret_reply(&reply);
        // Only the ticket's own address could know more.
        if is_by_id && check::is_not_found(&result) { Err(check::untrusted_host(ticket)) } else { result }
    }

    async fn fetch(&self, sample: &ResultLink) -> Result<DownloadedImage, FetchError> {
        let Some(url) = self.hosts.check_result_url(&sample.url) else {
            let place = hosts::shown(&sample.url);
            return Err(FetchError::UntrustedHost { reason: format!("the image is at {place}, which is not fetched") });
        };
        fetch::fetch(&self.read_client, url, self.fetch_timeout).await
    }

    async fn credits(&self) -> Result<Credits, CreditsError> {
        let request = self.with_key(self.read_client.get(self.hosts.endpoint("credits"))).timeout(self.check_timeout);
        let reply = transport::exchange(request, reply::MAX_JSON)
            .await
            .map_err(|no_reply| CreditsError::Unavailable(no_reply.reason))?;
        match reply.status {
            200 => {}
            401 | 403 => return Err(CreditsError::KeyRejected(reply.key_refused())),
            422 if reply.is_malformed_key() => return Err(CreditsError::KeyRejected(reply.key_refused())),
            _ => return Err(CreditsError::Unavailable(reply.error_message())),
        }
        let body = reply.json().map_err(CreditsError::Unavailable)?;
        match body.get("credits") {
            // An account may be overdrawn, so a negative number is one.
            Some(serde_json::Value::Number(number)) => {
                Credits::from_json(number).map_err(|error| CreditsError::Unavailable(error.to_string()))
            }
            _ => Err(CreditsError::Unavailable("the answer names no credits".to_owned())),
        }
    }
}
