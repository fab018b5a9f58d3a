//! The connection and the single requests: deadlines, and what they cost.
//!
//! The crate `firestore` brings the channel and Google's credentials; requests use the generated client under it, because
//! preconditions, masks and increments of several documents in one commit, and the raw messages of a listener, are what this store
//! consists of. The channel is opened in the background and again after every failure, so that a console starts without its server.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::firestore_client::FirestoreClient;
use firestore::gcloud_sdk::google::firestore::v1::structured_aggregation_query::{Aggregation, aggregation};
use firestore::gcloud_sdk::google::firestore::v1::structured_query::FieldReference;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::{
    BatchGetDocumentsRequest, CommitRequest, Document, ListenRequest, ListenResponse, RunAggregationQueryRequest,
    RunQueryRequest, StructuredAggregationQuery, StructuredQuery, Write, batch_get_documents_response,
    run_aggregation_query_request, run_query_request, structured_aggregation_query,
};
use firestore::gcloud_sdk::tonic::{Response, Status, Streaming};
use firestore::gcloud_sdk::{GoogleAuthHeaders, GoogleAuthMiddleware, prost_types::Timestamp};
use firestore::{FirestoreDb, FirestoreDbOptions};
use futures::StreamExt;
use tokio::sync::{Notify, watch};

use crate::store::StoreError;
use crate::store::firestore::FirestoreOptions;
use crate::store::firestore::connection::emulator::EmulatorCredentials;
use crate::store::firestore::connection::errors;
use crate::store::firestore::documents::value::{self, Fields};
use crate::time::Backoff;

/// Google's own service.
const GOOGLE: &str = "https://firestore.googleapis.com";

/// Limit for one request and its whole reply.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a request waits for a connection in progress.
const CONNECT_WAIT: Duration = Duration::from_secs(3);

/// Limit for one attempt to connect: on a dead network the system would try for minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Delays between attempts to connect.
const RECONNECT_DELAYS: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2));

type Api = FirestoreClient<GoogleAuthMiddleware>;

/// Reads and writes, as Google bills them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Documents read: those of queries and listeners included, at least one for each query.
    pub reads: u64,
    /// Documents written or deleted.
    pub writes: u64,
}

/// The state of the connection.
#[derive(Clone)]
enum ConnectionState {
    /// Why there is no connection yet.
    Down(String),
    Up(Box<FirestoreDb>),
}

/// What the server counted and added up.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Totals {
    pub count: i64,
    pub sum: f64,
    /// The server's time of the reading in nanoseconds; 0 where these are no reading.
    pub read_at: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, count: i64, sum: f64) {
        self.count = self.count.saturating_add(count);
        self.sum += sum;
    }

    /// Whether both are equal but for the rounding of sums of doubles.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        let tolerance = 1e-9 * (self.count.unsigned_abs() as f64 + 1.0);
        let equal = (self.sum - other.sum).abs() <= tolerance || (self.sum.is_nan() && other.sum.is_nan());
        self.count == other.count && equal
    }

    /// Whether these lie between two readings of something that grows.
    pub(crate) fn is_between(&self, before: &Self, after: &Self) -> bool {
        let tolerance = 1e-9 * (self.count.unsigned_abs() as f64 + 1.0);
        (before.count..=after.count).contains(&self.count)
            && (before.sum - tolerance..=after.sum + tolerance).contains(&self.sum)
    }
}

/// The outcome of a commit.
pub(crate) enum CommitOutcome {
    /// Durable; update times in the sequence of the writes.
    Committed(Vec<Timestamp>),
    /// The server rejected it: nothing of it was written.
    Rejected(Status),
    /// Not acknowledged: it may be committed, or may still become so.
    Unknown(StoreError),
}

/// The requests.
pub(crate) struct Client {
    state: watch::Receiver<ConnectionState>,
    stalled: Arc<Notify>,
    database: String,
    reads: AtomicU64,
    writes: AtomicU64,
    /// Whether darkroom owns the store. Once it is true it stays so: the receipt of a submit must always reach the store.
    may_write: AtomicBool,
}

impl Client {
    /// Starts to connect and returns at once. Must be called within a tokio runtime.
    pub(crate) fn start(options: &FirestoreOptions) -> Arc<Self> {
        let (sender, state) = watch::channel(ConnectionState::Down("connecting".to_owned()));
        let database = format!("projects/{}/databases/{}", options.project, options.database);
        let stalled = Arc::new(Notify::new());
        tokio::spawn(connect(options.clone(), sender, Arc::clone(&stalled)));
        let (reads, writes, may_write) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(!options.gated));
        Arc::new(Self { state, stalled, database, reads, writes, may_write })
    }

    pub(crate) fn may_write(&self) -> bool {
        self.may_write.load(Ordering::Acquire)
    }

    /// Lets commits pass from now on.
    pub(crate) fn allow_writes(&self) {
        self.may_write.store(true, Ordering::Release);
    }

    /// The full name of a document.
    pub(crate) fn name(&self, collection: &str, id: &str) -> String {
        format!("{}/documents/{collection}/{id}", self.database)
    }

    pub(crate) fn parent(&self) -> String {
        format!("{}/documents", self.database)
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage { reads: self.reads.load(Ordering::Relaxed), writes: self.writes.load(Ordering::Relaxed) }
    }

    pub(crate) fn count_reads(&self, reads: usize) {
        self.reads.fetch_add(reads as u64, Ordering::Relaxed);
    }

    async fn api(&self) -> Result<Api, StoreError> {
        let mut state = self.state.clone();
        let up =
            tokio::time::timeout(CONNECT_WAIT, state.wait_for(|state| matches!(state, ConnectionState::Up(_)))).await;
        if let Ok(Ok(state)) = up
            && let ConnectionState::Up(db) = &*state
        {
            return Ok(db.client().get());
        }
        let reason = match &*self.state.borrow() {
            ConnectionState::Down(reason) => reason.clone(),
            ConnectionState::Up(_) => "the connection was closed".to_owned(),
        };
        Err(StoreError::Unavailable(reason))
    }

    /// The existing documents of those names, in no particular sequence.
    pub(crate) async fn get(&self, names: Vec<String>) -> Result<Vec<Document>, StoreError> {
        self.count_reads(names.len());
        let mut api = self.api().await?;
        let request =
            BatchGetDocumentsRequest { database: self.database.clone(), documents: names, ..Default::default() };
        self.with_timeout(async {
            let mut answers = api.batch_get_documents(request).await?.into_inner();
            let mut found = Vec::new();
            while let Some(answer) = answers.next().await {
                if let Some(batch_get_documents_response::Result::Found(document)) = answer?.result {
                    found.push(document);
                }
            }
            Ok(found)
        })
        .await?
        .map_err(|status| errors::of_status(&status))
    }

    /// The server's time, from the reply to a read of a document that may not exist.
    pub(crate) async fn server_time(&self, name: String) -> Result<Option<Timestamp>, StoreError> {
        self.count_reads(1);
        let mut api = self.api().await?;
        let request =
            BatchGetDocumentsRequest { database: self.database.clone(), documents: vec![name], ..Default::default() };
        self.with_timeout(async {
            let mut answers = api.batch_get_documents(request).await?.into_inner();
            Ok(answers.next().await.transpose()?.and_then(|answer| answer.read_time))
        })
        .await?
        .map_err(|status: Status| errors::of_status(&status))
    }

    /// The documents of a query.
    pub(crate) async fn query(&self, query: StructuredQuery) -> Result<Vec<Document>, StoreError> {
        self.query_at(query).await.map(|(documents, _)| documents)
    }

    /// The documents of a query, and the server's time of which they are.
    pub(crate) async fn query_at(
        &self,
        query: StructuredQuery,
    ) -> Result<(Vec<Document>, Option<Timestamp>), StoreError> {
        let sent = query.clone();
        let mut api = self.api().await?;
        let request = RunQueryRequest {
            parent: self.parent(),
            query_type: Some(run_query_request::QueryType::StructuredQuery(query)),
            ..Default::default()
        };
        let found = self
            .with_timeout(async {
                let mut answers = api.run_query(request).await?.into_inner();
                let (mut found, mut read_at) = (Vec::new(), None);
                while let Some(answer) = answers.next().await {
                    let answer = answer?;
                    read_at = read_at.or(answer.read_time);
                    found.extend(answer.document);
                }
                Ok((found, read_at))
            })
            .await?
            .map_err(|status| errors::of_query(&status, &sent, &self.database))?;
        // A query without results is billed as one read.
        self.count_reads(found.0.len().max(1));
        Ok(found)
    }

    /// The number of documents of a query.
    pub(crate) async fn count(&self, query: StructuredQuery) -> Result<u64, StoreError> {
        let counting = aggregation::Operator::Count(aggregation::Count { up_to: None });
        let (results, _) = self.aggregate(query, [("count", counting)]).await?;
        let count = value::integer_of(&results, "count").unwrap_or(0);
        self.count_aggregated(count);
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn aggregate<const N: usize>(
        &self,
        query: StructuredQuery,
        operators: [(&str, aggregation::Operator); N],
    ) -> Result<(Fields, Option<Timestamp>), StoreError> {
        let mut api = self.api().await?;
        let aggregations = operators
            .into_iter()
            .map(|(alias, operator)| Aggregation { alias: alias.to_owned(), operator: Some(operator) })
            .collect();
        let request = RunAggregationQueryRequest {
            parent: self.parent(),
            query_type: Some(run_aggregation_query_request::QueryType::StructuredAggregationQuery(
                StructuredAggregationQuery {
                    aggregations,
                    query_type: Some(structured_aggregation_query::QueryType::StructuredQuery(query)),
                },
            )),
            ..Default::default()
        };
        self.with_timeout(async {
            let mut answers = api.run_aggregation_query(request).await?.into_inner();
            let (mut results, mut read_at) = (Fields::new(), None);
            while let Some(answer) = answers.next().await {
                let answer = answer?;
                read_at = read_at.or(answer.read_time);
                results.extend(answer.result.into_iter().flat_map(|result| result.aggregate_fields));
            }
            Ok((results, read_at))
        })
        .await?
        .map_err(|status: Status| errors::of_status(&status))
    }

    /// One read for each thousand index entries that were aggregated.
    fn count_aggregated(&self, count: i64) {
        let count = usize::try_from(count).unwrap_or(0);
        self.count_reads(count.div_ceil(1_000).max(1));
    }

    /// The number of documents of a query, and the sum of that field over those in which it is a number.
    pub(crate) async fn totals(&self, query: StructuredQuery, field_path: &str) -> Result<Totals, StoreError> {
        let counting = aggregation::Operator::Count(aggregation::Count { up_to: None });
        let field = Some(FieldReference { field_path: field_path.to_owned() });
        let adding = aggregation::Operator::Sum(aggregation::Sum { field });
        let (results, read_at) = self.aggregate(query, [("count", counting), ("sum", adding)]).await?;
        let sum = match value::content(&results, "sum") {
            Some(ValueType::IntegerValue(sum)) => *sum as f64,
            Some(ValueType::DoubleValue(sum)) => *sum,
            _ => 0.0,
        };
        let read_at = read_at.as_ref().map_or(0, value::nanoseconds);
        let totals = Totals { count: value::integer_of(&results, "count").unwrap_or(0), sum, read_at };
        self.count_aggregated(totals.count);
        Ok(totals)
    }

    /// Commits all writes or none. The inner result is the server's reply: update times in the sequence of the writes, or a status; an
    /// outer error means that the commit was not acknowledged, or was not sent.
    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<Result<Vec<Timestamp>, Status>, StoreError> {
        match self.commit_once(writes).await? {
            CommitOutcome::Committed(times) => Ok(Ok(times)),
            CommitOutcome::Rejected(status) => Ok(Err(status)),
            CommitOutcome::Unknown(error) => Err(error),
        }
    }

    /// Commits all writes or none. Errors: the commit was not sent; `NotOwned` where darkroom does not own the store.
    pub(crate) async fn commit_once(&self, writes: Vec<Write>) -> Result<CommitOutcome, StoreError> {
        if !self.may_write() {
            return Err(StoreError::NotOwned);
        }
        self.commit_to_any_store(writes).await
    }

    /// The same in a store that darkroom may not own: for the record of ownership, and for commits that must fail.
    pub(crate) async fn commit_to_any_store(&self, writes: Vec<Write>) -> Result<CommitOutcome, StoreError> {
        let mut api = self.api().await?;
        let count = writes.len() as u64;
        let request = CommitRequest { database: self.database.clone(), writes, ..Default::default() };
        let answer = match self.with_timeout(api.commit(request)).await {
            Ok(answer) => answer,
            Err(error) => return Ok(CommitOutcome::Unknown(error)),
        };
        match answer {
            Ok(answer) => {
                self.writes.fetch_add(count, Ordering::Relaxed);
                let answer = answer.into_inner();
                let committed = answer.commit_time.unwrap_or_default();
                let times = answer.write_results.into_iter().map(|result| result.update_time.unwrap_or(committed));
                Ok(CommitOutcome::Committed(times.collect()))
            }
            Err(status) if errors::was_not_sent(&status) => Err(errors::of_status(&status)),
            Err(status) if errors::is_no_answer(&status) => Ok(CommitOutcome::Unknown(errors::of_status(&status))),
            Err(status) => Ok(CommitOutcome::Rejected(status)),
        }
    }

    /// Opens a stream of changes for these requests.
    pub(crate) async fn listen(&self, requests: Vec<ListenRequest>) -> Result<Streaming<ListenResponse>, StoreError> {
        let mut api = self.api().await?;
        let requests = futures::stream::iter(requests).chain(futures::stream::pending());
        self.with_timeout(api.listen(requests))
            .await?
            .map(Response::into_inner)
            .map_err(|status| errors::of_status(&status))
    }

    pub(crate) fn database(&self) -> String {
        self.database.clone()
    }

    /// Replaces a connection that does not reply: one that is cut without notice would otherwise be used for minutes.
    pub(crate) fn reconnect(&self) {
        self.stalled.notify_one();
    }

    async fn with_timeout<T>(&self, request: impl Future<Output = T>) -> Result<T, StoreError> {
        tokio::time::timeout(REQUEST_TIMEOUT, request).await.map_err(|_| {
            self.reconnect();
            StoreError::Unavailable(format!("no reply from Firestore within {} seconds", REQUEST_TIMEOUT.as_secs()))
        })
    }
}

/// Connects for as long as the client exists. A broken channel reconnects by itself; a stalled one is replaced, and serves until
/// then.
async fn connect(options: FirestoreOptions, state: watch::Sender<ConnectionState>, stalled: Arc<Notify>) {
    let mut delays = RECONNECT_DELAYS;
    loop {
        let connected = tokio::select! {
            connected = tokio::time::timeout(CONNECT_TIMEOUT, connect_once(&options)) => connected,
            () = state.closed() => return,
        };
        match connected {
            Ok(Ok(db)) => {
                state.send_replace(ConnectionState::Up(Box::new(db)));
                delays.reset();
                tokio::select! {
                    () = stalled.notified() => tracing::debug!("connection stalled, reconnecting"),
                    () = state.closed() => return,
                }
                continue;
            }
            Err(_) => tracing::debug!(timeout = ?CONNECT_TIMEOUT, "connecting timed out"),
            Ok(Err(error)) => {
                let place = options
                    .emulator_host
                    .as_deref()
                    .map_or(GOOGLE.to_owned(), |host| format!("the Firestore emulator at {host}"));
                let reason = errors::of_connection(&error, &place);
                tracing::debug!(reason, "not connected");
                // A connection that existed once may recover by itself.
                state.send_if_modified(|state| {
                    let changed = matches!(state, ConnectionState::Down(_));
                    if changed {
                        *state = ConnectionState::Down(reason);
                    }
                    changed
                });
            }
        }
        tokio::select! {
            () = tokio::time::sleep(delays.next_delay()) => {}
            () = state.closed() => return,
        }
    }
}

async fn connect_once(options: &FirestoreOptions) -> Result<FirestoreDb, firestore::errors::FirestoreError> {
    let named = FirestoreDbOptions::new(options.project.clone()).with_database_id(options.database.clone());
    // The address is always given, so that the crate does not read the environment: there an empty variable counts as set.
    let url = match &options.emulator_host {
        Some(host) if host.contains("://") => host.clone(),
        Some(host) => format!("http://{host}"),
        None => GOOGLE.to_owned(),
    };
    let named = named.with_firebase_api_url(url);
    match (&options.emulator_host, &options.key_file) {
        (Some(_), _) => FirestoreDb::with_options_auth(named, EmulatorCredentials::auth()).await,
        (None, Some(path)) => FirestoreDb::with_options_service_account_key_file(named, path.clone()).await,
        (None, None) => FirestoreDb::with_options_auth(named, GoogleAuthHeaders::from_adc().await?).await,
    }
}
