//! What a worker waits for: the provider, the image host and the bucket, as the requests of jobs show them. A healthy worker sends
//! nothing for it, and one that has nothing to do learns nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Ports;
use crate::bucket::{Bucket, BucketError, Stored};
use crate::costs::{Credits, Usd};
use crate::jobs::{FailureCode, ImageFormat, ObjectName, Receipt, Spec, Ticket};
use crate::provider::{
    CheckError, CreditsError, DownloadedImage, FetchError, PreparedRequest, Provider, ResultLink, SubmitError,
    TicketStatus,
};
use crate::text::sanitize_line;
use crate::time::Clock;

/// Consecutive failed requests that make an outage. Many jobs may fail in one instant, so these must also take a while.
const FAILURE_LIMIT: u32 = 3;
const SHORTEST_OUTAGE: Duration = Duration::from_secs(3);

/// After this time without any request no job waits for the dependency: the longest pause between two tries is 5 minutes.
const LONGEST_SILENCE: Duration = Duration::from_mins(10);

/// What a worker needs. The serialized names are a contract: `/health`, `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dependency {
    /// The job documents.
    Store,
    /// Where images are kept.
    Bucket,
    /// The FLUX API.
    Provider,
    /// The server that finished images are downloaded from.
    ImageHost,
    /// The Temporal server.
    Temporal,
    /// The balance of the provider's account.
    Credits,
    /// The key of the provider's account.
    Key,
    /// The provider's account, as another worker reported it.
    Account,
    /// The journal of submits on this machine.
    Journal,
}

impl Dependency {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Store,
        Self::Bucket,
        Self::Provider,
        Self::ImageHost,
        Self::Temporal,
        Self::Credits,
        Self::Key,
        Self::Account,
        Self::Journal,
    ];

    /// Its serialized name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Bucket => "bucket",
            Self::Provider => "provider",
            Self::ImageHost => "image_host",
            Self::Temporal => "temporal",
            Self::Credits => "credits",
            Self::Key => "key",
            Self::Account => "account",
            Self::Journal => "journal",
        }
    }

    /// Its name in a sentence.
    pub fn label(self) -> &'static str {
        match self {
            Self::ImageHost => "image host",
            Self::Temporal => "Temporal",
            other => other.as_str(),
        }
    }

    /// What an account that cannot submit lacks.
    pub(super) fn of_account(code: FailureCode) -> Self {
        match code {
            FailureCode::OutOfCredits => Self::Credits,
            FailureCode::KeyRejected => Self::Key,
            _ => Self::Provider,
        }
    }
}

/// A dependency that does not work: jobs wait for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outage {
    /// Which.
    pub dependency: Dependency,
    /// Since when.
    pub since: DateTime<Utc>,
    /// One sanitized line why.
    pub reason: String,
}

impl Outage {
    /// `bucket unreachable: no connection`.
    pub fn line(&self) -> String {
        format!("{} unreachable: {}", self.dependency.label(), self.reason)
    }
}

/// Consecutive failures.
struct Failures {
    outage: Outage,
    count: u32,
    began: Instant,
    /// When they count no longer, unless another request fails.
    until: Instant,
}

impl Failures {
    fn is_outage(&self, last: Instant) -> bool {
        self.count >= FAILURE_LIMIT && last - self.began >= SHORTEST_OUTAGE
    }
}

/// The addresses at which the provider answered, with the time of the last answer.
#[derive(Default)]
struct AnsweringAddresses(Mutex<BTreeMap<String, Instant>>);

/// Addresses that are remembered, those that answered last: the provider has a few regions.
const MAX_ADDRESSES: usize = 64;

impl AnsweringAddresses {
    fn answered(&self, address: String, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_ADDRESSES && !known.contains_key(&address) {
            let oldest = known.iter().min_by_key(|(_, at)| **at).map(|(address, _)| address.clone());
            oldest.and_then(|address| known.remove(&address));
        }
        known.insert(address, now);
    }

    /// Whether that address never answered while another one does: an old task may be at an address that no longer exists, which
    /// says nothing of the provider.
    fn is_dead(&self, address: &str, now: Instant) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !known.contains_key(address) && known.values().any(|at| now.saturating_duration_since(*at) < LONGEST_SILENCE)
    }
}

/// Host and port of a ticket's address.
fn address_of(ticket: &Ticket) -> String {
    let url = url::Url::parse(&ticket.polling_url).ok();
    let place = url.and_then(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default()?)));
    place.map(|(host, port)| format!("{host}:{port}")).unwrap_or_default()
}

/// Follows the outcomes of requests.
pub(super) struct OutageMonitor {
    clock: Arc<dyn Clock>,
    addresses: AnsweringAddresses,
    failures: Mutex<BTreeMap<Dependency, Failures>>,
    outages: watch::Sender<Vec<Outage>>,
}

impl OutageMonitor {
    /// A monitor of these ports, and the ports through which it sees every request.
    pub(super) fn of(ports: Ports) -> (Arc<Self>, Ports) {
        let monitor = Self {
            clock: ports.clock.clone(),
            addresses: AnsweringAddresses::default(),
            failures: Mutex::default(),
            outages: watch::Sender::default(),
        };
        let monitor = Arc::new(monitor);
        let provider = Arc::new(MonitoredProvider { provider: ports.provider, monitor: monitor.clone() });
        let bucket = Arc::new(MonitoredBucket { bucket: ports.bucket, monitor: monitor.clone() });
        (monitor, Ports { provider, bucket, ..ports })
    }

    /// The outages now and whenever they change.
    pub(super) fn subscribe(&self) -> watch::Receiver<Vec<Outage>> {
        self.outages.subscribe()
    }

    /// Whether it does not work now.
    #[cfg(any(test, feature = "temporal"))]
    pub(super) fn is_down(&self, dependency: Dependency) -> bool {
        self.outages.borrow().iter().any(|outage| outage.dependency == dependency)
    }

    /// Forgets failures that no request has confirmed for a long time: the jobs that waited are gone. The bucket is checked instead.
    pub(super) fn expire(&self, now: Instant) {
        let mut failures = self.lock();
        let count = failures.len();
        failures.retain(|dependency, failures| *dependency == Dependency::Bucket || failures.until > now);
        if failures.len() != count {
            self.publish(&failures, now);
        }
    }

    fn succeeded(&self, dependency: Dependency) {
        let mut failures = self.lock();
        if failures.remove(&dependency).is_some_and(|failures| failures.count >= FAILURE_LIMIT) {
            self.publish(&failures, Instant::now());
        }
    }

    fn failed(&self, dependency: Dependency, reason: &str, retry_after: Option<Duration>) {
        self.failed_at(Instant::now(), dependency, reason, retry_after);
    }

    fn failed_at(&self, now: Instant, dependency: Dependency, reason: &str, retry_after: Option<Duration>) {
        let reason = sanitize_line(reason, 160);
        let mut failures = self.lock();
        let failure = failures.entry(dependency).or_insert_with(|| Failures {
            outage: Outage { dependency, since: self.clock.now(), reason: String::new() },
            count: 0,
            began: now,
            until: now,
        });
        failure.count += 1;
        failure.outage.reason = reason;
        failure.until = now + LONGEST_SILENCE + retry_after.unwrap_or_default();
        if failure.is_outage(now) {
            self.publish(&failures, now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Dependency, Failures>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, failures: &BTreeMap<Dependency, Failures>, now: Instant) {
        let known = self.outages.borrow().clone();
        // An outage that was reported lasts until a request succeeds.
        let lasts = |failures: &&Failures| {
            failures.is_outage(now) || known.iter().any(|outage| outage.dependency == failures.outage.dependency)
        };
        let outages: Vec<Outage> = failures.values().filter(lasts).map(|failures| failures.outage.clone()).collect();
        self.outages.send_if_modified(|published| {
            let is_new = *published != outages;
            *published = outages;
            is_new
        });
    }
}

struct MonitoredProvider {
    provider: Arc<dyn Provider>,
    monitor: Arc<OutageMonitor>,
}

#[async_trait]
impl Provider for MonitoredProvider {
    /// Input images come from anywhere: their hosts say nothing of the provider.
    async fn prepare(&self, spec: &Spec) -> Result<PreparedRequest, SubmitError> {
        self.provider.prepare(spec).await
    }

    async fn submit(&self, request: PreparedRequest) -> Result<Receipt, SubmitError> {
        let reply = self.provider.submit(request).await;
        match &reply {
            Err(SubmitError::NotAccepted { reason, retry_after, full: false }) => {
                self.monitor.failed(Dependency::Provider, reason, *retry_after);
            }
            Err(SubmitError::Unknown { reason }) => self.monitor.failed(Dependency::Provider, reason, None),
            // Also a refusal is a reply.
            _ => {
                if let Ok(receipt) = &reply {
                    self.monitor.addresses.answered(address_of(&receipt.ticket), Instant::now());
                }
                self.monitor.succeeded(Dependency::Provider);
            }
        }
        reply
    }

    async fn check(&self, ticket: &Ticket) -> Result<TicketStatus, CheckError> {
        let reply = self.provider.check(ticket).await;
        match &reply {
            Ok(_) | Err(CheckError::Account { .. }) => {
                self.monitor.addresses.answered(address_of(ticket), Instant::now());
                self.monitor.succeeded(Dependency::Provider);
            }
            Err(CheckError::Retryable { not_found: false, .. })
                if self.monitor.addresses.is_dead(&address_of(ticket), Instant::now()) => {}
            Err(CheckError::Retryable { reason, retry_after, not_found: false }) => {
                self.monitor.failed(Dependency::Provider, reason, *retry_after);
            }
            Err(CheckError::Retryable { .. } | CheckError::UntrustedHost { .. }) => {}
        }
        reply
    }

    async fn fetch(&self, sample: &ResultLink) -> Result<DownloadedImage, FetchError> {
        let reply = self.provider.fetch(sample).await;
        match &reply {
            Ok(_) | Err(FetchError::Expired { .. } | FetchError::Corrupt { .. }) => {
                self.monitor.succeeded(Dependency::ImageHost);
            }
            Err(FetchError::Retryable { reason }) => self.monitor.failed(Dependency::ImageHost, reason, None),
            Err(FetchError::UntrustedHost { .. }) => {}
        }
        reply
    }

    /// Not every server that speaks the API reports a balance.
    async fn credits(&self) -> Result<Credits, CreditsError> {
        self.provider.credits().await
    }
}

struct MonitoredBucket {
    bucket: Arc<dyn Bucket>,
    monitor: Arc<OutageMonitor>,
}

impl MonitoredBucket {
    fn note<T>(&self, reply: Result<T, BucketError>) -> Result<T, BucketError> {
        match &reply {
            Ok(_) => self.monitor.succeeded(Dependency::Bucket),
            Err(BucketError::Unavailable(reason)) => self.monitor.failed(Dependency::Bucket, reason, None),
            // A bucket that refuses pauses the intake by itself.
            Err(BucketError::Refused(_) | BucketError::NotFound(_)) => {}
        }
        reply
    }
}

#[async_trait]
impl Bucket for MonitoredBucket {
    async fn put(&self, name: &ObjectName, bytes: Bytes, format: ImageFormat) -> Result<Stored, BucketError> {
        self.note(self.bucket.put(name, bytes, format).await)
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, BucketError> {
        self.bucket.get(name).await
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), BucketError> {
        self.bucket.delete(name).await
    }

    fn cost(&self, bytes: u64) -> Option<Usd> {
        self.bucket.cost(bytes)
    }

    async fn check(&self) -> Result<(), BucketError> {
        self.note(self.bucket.check().await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SystemClock;

    fn monitor() -> OutageMonitor {
        let clock = Arc::new(SystemClock);
        let addresses = AnsweringAddresses::default();
        OutageMonitor { clock, addresses, failures: Mutex::default(), outages: watch::Sender::default() }
    }

    #[test]
    fn dead_task_address_is_not_an_outage() {
        let ticket = |url: &str| Ticket { id: "1".to_owned(), polling_url: url.to_owned() };
        let (old, live) = (ticket("http://127.0.0.1/v1/get_result?id=1"), ticket("http://127.0.0.1:20001/?id=2"));
        assert_eq!(address_of(&old), "127.0.0.1:80");
        let (addresses, now) = (AnsweringAddresses::default(), Instant::now());
        assert!(!addresses.is_dead(&address_of(&old), now), "nothing answered yet: the provider may be down");
        addresses.answered(address_of(&live), now);
        assert!(addresses.is_dead(&address_of(&old), now) && !addresses.is_dead(&address_of(&live), now));
        assert!(!addresses.is_dead(&address_of(&old), now + LONGEST_SILENCE), "nothing answers any more");
    }

    #[test]
    fn oldest_address_is_forgotten_first() {
        let (addresses, start) = (AnsweringAddresses::default(), Instant::now());
        let at = |number: usize| start + Duration::from_secs(number as u64);
        for number in 0..=MAX_ADDRESSES {
            addresses.answered(format!("region-{number}:443"), at(number));
        }
        addresses.answered("region-1:443".to_owned(), at(MAX_ADDRESSES + 1));
        addresses.answered("new:443".to_owned(), at(MAX_ADDRESSES + 2));
        let now = at(MAX_ADDRESSES + 2);
        let is_known = |address: &str| !addresses.is_dead(address, now);
        assert!(is_known("new:443") && is_known("region-1:443") && is_known("region-64:443"));
        assert!(!is_known("region-0:443") && !is_known("region-2:443"), "these answered longest ago");
    }

    #[test]
    fn outage_begins_after_failures_that_last() {
        let monitor = monitor();
        let outages = monitor.subscribe();
        let start = Instant::now();
        for _ in 0..24 {
            monitor.failed_at(start, Dependency::Provider, "no connection", None);
        }
        assert!(outages.borrow().is_empty(), "all slots at once are one failure");
        let later = start + SHORTEST_OUTAGE;
        monitor.failed_at(later, Dependency::Provider, "no\nconnection", None);
        monitor.failed_at(later, Dependency::Bucket, "no route", None);
        let found = outages.borrow().clone();
        assert_eq!((found.len(), found[0].line().as_str()), (1, "provider unreachable: no connection"));
        assert!(monitor.is_down(Dependency::Provider) && !monitor.is_down(Dependency::Bucket));
        let since = found[0].since;
        let later = later + LONGEST_SILENCE / 2;
        monitor.failed_at(later, Dependency::Provider, "no answer", None);
        monitor.expire(later);
        let found = outages.borrow().clone();
        assert_eq!((found[0].since, found[0].reason.as_str()), (since, "no answer"), "the start of the outage is kept");
        monitor.succeeded(Dependency::Bucket);
        assert!(monitor.is_down(Dependency::Provider));
        monitor.succeeded(Dependency::Provider);
        assert!(outages.borrow().is_empty());
    }

    #[test]
    fn outage_that_no_job_meets_expires() {
        let monitor = monitor();
        let mut now = Instant::now();
        for _ in 0..FAILURE_LIMIT {
            now += SHORTEST_OUTAGE;
            for dependency in [Dependency::ImageHost, Dependency::Bucket] {
                monitor.failed_at(now, dependency, "no route", None);
            }
        }
        monitor.expire(now);
        assert!(monitor.is_down(Dependency::ImageHost) && monitor.is_down(Dependency::Bucket));
        monitor.expire(now + LONGEST_SILENCE);
        assert!(!monitor.is_down(Dependency::ImageHost), "no job waits for it");
        assert!(monitor.is_down(Dependency::Bucket), "the dispatcher checks it");
        for dependency in Dependency::ALL {
            assert_eq!(serde_json::to_value(dependency).unwrap(), dependency.as_str());
        }
    }
}
