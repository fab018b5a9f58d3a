//! The state that every route needs: options, ledger, images, addresses.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use sha2::{Digest, Sha256};
use url::Url;

use crate::simulator::account::AccountState;
use crate::simulator::images::RenderQueue;
use crate::simulator::ledger::Ledger;
use crate::simulator::options::SimulatorOptions;
use crate::simulator::ticket::Ticket;

/// What every route needs.
#[derive(Debug)]
pub(super) struct App {
    pub options: SimulatorOptions,
    /// Held for moments only, never while waiting.
    state: Mutex<AccountState>,
    pub ledger: Ledger,
    pub render_queue: RenderQueue,
    /// Of the directory, where there is one.
    pub identity: Option<String>,
    /// What links are signed with.
    secret: String,
    cluster: SocketAddr,
}

pub(super) type SharedApp = Arc<App>;

impl App {
    pub fn new(
        options: SimulatorOptions,
        (state, ledger): (AccountState, Ledger),
        secret: String,
        identity: Option<String>,
        cluster: SocketAddr,
    ) -> Self {
        Self { options, state: Mutex::new(state), ledger, render_queue: RenderQueue::new(), identity, secret, cluster }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.options.clock.now()
    }

    pub fn state(&self) -> MutexGuard<'_, AccountState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An address at the cluster, under the host name by which the client reached us.
    pub fn cluster_url(&self, headers: &HeaderMap) -> Option<Url> {
        let named = headers.get(header::HOST).and_then(|host| host.to_str().ok()).and_then(|host| {
            let url = Url::parse(&format!("http://{host}/")).ok()?;
            (url.path() == "/" && url.username().is_empty() && url.password().is_none() && url.query().is_none())
                .then_some(url)
        });
        let mut url = match named {
            Some(url) => url,
            None => Url::parse(&format!("http://{}/", self.cluster)).ok()?,
        };
        url.set_port(Some(self.cluster.port())).ok()?;
        Some(url)
    }

    /// The signed link to a ticket's image.
    pub fn sample_url(&self, ticket: &Ticket, headers: &HeaderMap) -> Option<Url> {
        let ends = ends_text(ticket.link_ends(self.options.link_lifetime));
        let format = ticket.subject.format;
        let file = format!("{}.{}", ticket.id, format.extension());
        let mut url = self.cluster_url(headers)?;
        url.set_path(&format!("/delivery/{file}"));
        url.query_pairs_mut()
            .append_pair("se", &ends)
            .append_pair("sp", "r")
            .append_pair("sv", "2024-11-04")
            .append_pair("sr", "b")
            .append_pair("rsct", format.content_type())
            .append_pair("sig", &self.sign(&file, &ends));
        Some(url)
    }

    /// The signature of a link.
    pub fn sign(&self, file: &str, ends: &str) -> String {
        STANDARD.encode(Sha256::digest(format!("{}|{file}|{ends}", self.secret)))
    }
}

/// As links carry it.
fn ends_text(ends: DateTime<Utc>) -> String {
    ends.to_rfc3339_opts(SecondsFormat::Secs, true)
}
