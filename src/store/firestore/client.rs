//! Owns the connection and the single requests: deadlines, and what they cost. Must not know what a document means.
//!
//! The crate `firestore` brings the channel and Google's credentials; requests are made with the generated client under it, because
//! preconditions, masks and increments of several documents in one commit, and the raw messages of a listener, are the whole matter
//! here. The channel is opened in the background and again and again, so that a console starts without its server.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::firestore_client::FirestoreClient;
use firestore::gcloud_sdk::google::firestore::v1::structured_aggregation_query::{Aggregation, aggregation};
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

use super::super::StoreError;
use super::emulator::EmulatorCredentials;
use super::value;
use super::{FirestoreOptions, errors};
use crate::time::Backoff;

/// Google's own service.
const GOOGLE: &str = "https://firestore.googleapis.com";

/// One request and its whole answer must not take longer.
const DEADLINE: Duration = Duration::from_secs(20);

/// How long a request waits for a connection that is still being made.
const CONNECTING: Duration = Duration::from_secs(3);

/// One try to connect must not take longer: behind a dead line it would take as long as the system tries.
const OPENING: Duration = Duration::from_secs(10);

/// Pauses between two tries to connect.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2));

type Api = FirestoreClient<GoogleAuthMiddleware>;

/// What was read and written, as Google bills it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Documents read: those of queries and listeners included, at least one for each query.
    pub reads: u64,
    /// Documents written or deleted.
    pub writes: u64,
}

/// The state of the connection.
#[derive(Clone)]
enum Link {
    /// Why there is none yet.
    Down(String),
    Up(Box<FirestoreDb>),
}

/// What became of a commit.
pub(super) enum Committed {
    /// It is durable; update times in the order of the writes.
    Done(Vec<Timestamp>),
    /// The server's own answer: nothing of it was written.
    Refused(Status),
    /// No answer came: it may be done, or may still be.
    Unknown(StoreError),
}

/// The requests.
pub(super) struct Client {
    link: watch::Receiver<Link>,
    silent: Arc<Notify>,
    database: String,
    reads: AtomicU64,
    writes: AtomicU64,
}

impl Client {
    /// Begins to connect and returns at once. Must be called within a tokio runtime.
    pub(super) fn start(options: &FirestoreOptions) -> Arc<Self> {
        let (sender, link) = watch::channel(Link::Down("the connection is being made".to_owned()));
        let database = format!("projects/{}/databases/{}", options.project, options.database);
        let silent = Arc::new(Notify::new());
        tokio::spawn(connect(options.clone(), sender, Arc::clone(&silent)));
        Arc::new(Self { link, silent, database, reads: AtomicU64::new(0), writes: AtomicU64::new(0) })
    }

    /// The full name of a document.
    pub(super) fn name(&self, collection: &str, id: &str) -> String {
        format!("{}/documents/{collection}/{id}", self.database)
    }

    pub(super) fn parent(&self) -> String {
        format!("{}/documents", self.database)
    }

    pub(super) fn usage(&self) -> Usage {
        Usage { reads: self.reads.load(Ordering::Relaxed), writes: self.writes.load(Ordering::Relaxed) }
    }

    pub(super) fn count_reads(&self, reads: usize) {
        self.reads.fetch_add(reads as u64, Ordering::Relaxed);
    }

    async fn api(&self) -> Result<Api, StoreError> {
        let mut link = self.link.clone();
        let up = tokio::time::timeout(CONNECTING, link.wait_for(|link| matches!(link, Link::Up(_)))).await;
        if let Ok(Ok(link)) = up
            && let Link::Up(db) = &*link
        {
            return Ok(db.client().get());
        }
        let reason = match &*self.link.borrow() {
            Link::Down(reason) => reason.clone(),
            Link::Up(_) => "the connection was closed".to_owned(),
        };
        Err(StoreError::Unavailable(reason))
    }

    /// The documents of those names that there are, in no promised order.
    pub(super) async fn get(&self, names: Vec<String>) -> Result<Vec<Document>, StoreError> {
        self.count_reads(names.len());
        let mut api = self.api().await?;
        let request =
            BatchGetDocumentsRequest { database: self.database.clone(), documents: names, ..Default::default() };
        self.in_time(async {
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

    /// What time it is at the server, by the answer to a question for a document that there may not be.
    pub(super) async fn server_time(&self, name: String) -> Result<Option<Timestamp>, StoreError> {
        self.count_reads(1);
        let mut api = self.api().await?;
        let request =
            BatchGetDocumentsRequest { database: self.database.clone(), documents: vec![name], ..Default::default() };
        self.in_time(async {
            let mut answers = api.batch_get_documents(request).await?.into_inner();
            Ok(answers.next().await.transpose()?.and_then(|answer| answer.read_time))
        })
        .await?
        .map_err(|status: Status| errors::of_status(&status))
    }

    /// The answer to a query.
    pub(super) async fn query(&self, query: StructuredQuery) -> Result<Vec<Document>, StoreError> {
        let asked = query.clone();
        let mut api = self.api().await?;
        let request = RunQueryRequest {
            parent: self.parent(),
            query_type: Some(run_query_request::QueryType::StructuredQuery(query)),
            ..Default::default()
        };
        let found = self
            .in_time(async {
                let mut answers = api.run_query(request).await?.into_inner();
                let mut found = Vec::new();
                while let Some(answer) = answers.next().await {
                    found.extend(answer?.document);
                }
                Ok(found)
            })
            .await?
            .map_err(|status| errors::of_query(&status, &asked, &self.database))?;
        // A query that finds nothing is billed as one read.
        self.count_reads(found.len().max(1));
        Ok(found)
    }

    /// How many documents a query would find.
    pub(super) async fn count(&self, query: StructuredQuery) -> Result<u64, StoreError> {
        let mut api = self.api().await?;
        let counting = Aggregation {
            alias: "n".to_owned(),
            operator: Some(aggregation::Operator::Count(aggregation::Count { up_to: None })),
        };
        let request = RunAggregationQueryRequest {
            parent: self.parent(),
            query_type: Some(run_aggregation_query_request::QueryType::StructuredAggregationQuery(
                StructuredAggregationQuery {
                    aggregations: vec![counting],
                    query_type: Some(structured_aggregation_query::QueryType::StructuredQuery(query)),
                },
            )),
            ..Default::default()
        };
        let count = self
            .in_time(async {
                let mut answers = api.run_aggregation_query(request).await?.into_inner();
                let mut count = 0;
                while let Some(answer) = answers.next().await {
                    if let Some(result) = answer?.result {
                        count = value::integer_of(&result.aggregate_fields, "n").unwrap_or(count);
                    }
                }
                Ok(u64::try_from(count).unwrap_or(0))
            })
            .await?
            .map_err(|status: Status| errors::of_status(&status))?;
        // One read for each thousand index entries that were counted.
        self.count_reads(usize::try_from(count.div_ceil(1_000).max(1)).unwrap_or(usize::MAX));
        Ok(count)
    }

    /// Commits all writes or none. The inner result is the server's own answer: update times in the order of the writes, or a
    /// status; an outer error means that nobody knows whether it was done, or that it never left.
    pub(super) async fn commit(&self, writes: Vec<Write>) -> Result<Result<Vec<Timestamp>, Status>, StoreError> {
        match self.send(writes).await? {
            Committed::Done(times) => Ok(Ok(times)),
            Committed::Refused(status) => Ok(Err(status)),
            Committed::Unknown(error) => Err(error),
        }
    }

    /// Commits all writes or none, and tells apart what is known of it. Errors: it was not sent.
    pub(super) async fn send(&self, writes: Vec<Write>) -> Result<Committed, StoreError> {
        let mut api = self.api().await?;
        let count = writes.len() as u64;
        let request = CommitRequest { database: self.database.clone(), writes, ..Default::default() };
        let answer = match self.in_time(api.commit(request)).await {
            Ok(answer) => answer,
            Err(error) => return Ok(Committed::Unknown(error)),
        };
        match answer {
            Ok(answer) => {
                self.writes.fetch_add(count, Ordering::Relaxed);
                let answer = answer.into_inner();
                let committed = answer.commit_time.unwrap_or_default();
                let times = answer.write_results.into_iter().map(|result| result.update_time.unwrap_or(committed));
                Ok(Committed::Done(times.collect()))
            }
            Err(status) if errors::was_not_sent(&status) => Err(errors::of_status(&status)),
            Err(status) if errors::is_no_answer(&status) => Ok(Committed::Unknown(errors::of_status(&status))),
            Err(status) => Ok(Committed::Refused(status)),
        }
    }

    /// Opens a stream of changes for these requests; it stays open as long as both sides want.
    pub(super) async fn listen(&self, requests: Vec<ListenRequest>) -> Result<Streaming<ListenResponse>, StoreError> {
        let mut api = self.api().await?;
        let requests = futures::stream::iter(requests).chain(futures::stream::pending());
        self.in_time(api.listen(requests)).await?.map(Response::into_inner).map_err(|status| errors::of_status(&status))
    }

    pub(super) fn database(&self) -> String {
        self.database.clone()
    }

    /// The connection does not answer: another is made. A line can be cut without a word, and would be believed in for minutes.
    pub(super) fn renew(&self) {
        self.silent.notify_one();
    }

    async fn in_time<T>(&self, request: impl Future<Output = T>) -> Result<T, StoreError> {
        tokio::time::timeout(DEADLINE, request).await.map_err(|_| {
            self.renew();
            StoreError::Unavailable(format!("no answer from Firestore within {} seconds", DEADLINE.as_secs()))
        })
    }
}

/// Connects until nobody needs it any more. A channel that breaks connects again by itself; one that was given up for silent is
/// replaced, and serves until then.
async fn connect(options: FirestoreOptions, link: watch::Sender<Link>, silent: Arc<Notify>) {
    let mut pauses = PAUSES;
    loop {
        let connected = tokio::select! {
            connected = tokio::time::timeout(OPENING, connect_once(&options)) => connected,
            () = link.closed() => return,
        };
        match connected {
            Ok(Ok(db)) => {
                link.send_replace(Link::Up(Box::new(db)));
                pauses.reset();
                tokio::select! {
                    () = silent.notified() => tracing::debug!("Firestore is silent: another connection is made"),
                    () = link.closed() => return,
                }
                continue;
            }
            Err(_) => tracing::debug!("no connection to Firestore within {} seconds", OPENING.as_secs()),
            Ok(Err(error)) => {
                let place = options
                    .emulator_host
                    .as_deref()
                    .map_or(GOOGLE.to_owned(), |host| format!("the Firestore emulator at {host}"));
                let reason = errors::of_connection(&error, &place);
                tracing::debug!("no connection to Firestore yet: {reason}");
                // What was up once may come back by itself.
                link.send_if_modified(|link| {
                    let news = matches!(link, Link::Down(_));
                    if news {
                        *link = Link::Down(reason);
                    }
                    news
                });
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pauses.next_delay()) => {}
            () = link.closed() => return,
        }
    }
}

async fn connect_once(options: &FirestoreOptions) -> Result<FirestoreDb, firestore::errors::FirestoreError> {
    let named = FirestoreDbOptions::new(options.project.clone()).with_database_id(options.database.clone());
    // The address is always said, so that the crate does not read the environment once more: there an empty variable is not set.
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
