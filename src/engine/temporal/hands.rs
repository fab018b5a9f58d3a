//! Owns what each activity does: the same effects as everywhere, each begun by a look at the document. Must not do anything for a
//! job whose document does not ask for it.
//!
//! What a second try of any of them does is decided by the document: an order is sent only where it says queued, waiting and
//! storing can be repeated, and every save is a compare-and-set. A try that lost a race looks again and tells what it sees.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, Utc};
use futures::FutureExt;
use temporalio_sdk::ApplicationFailure;
use temporalio_sdk::activities::ActivityError;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::payloads::{Next, Pickup, Report, Task};
use super::policy;
use crate::engine::scheduler::{Hint, WorkerLock, record};
use crate::engine::workflow::{JobWorkflow, Looks, Observer, Ran, Waited, WorkflowError};
use crate::engine::{OperatorCommands, Ports, Settings};
use crate::jobs::{IllegalTransition, Job, JobId, StageName};
use crate::provider::ResultLink;
use crate::store::StoreError;

/// How many changes wait for an activity that is slow to hear.
const HINTS: usize = 64;

/// The hands of one worker process.
pub(super) struct Hands {
    effects: JobWorkflow,
    ports: Ports,
    desk: OperatorCommands,
    simulated: bool,
    /// The mark of the store; see [`Task::store`].
    store: String,
    presence: Arc<WorkerLock>,
    /// Orders that are being sent, or whose answer is being saved.
    orders: AtomicUsize,
    moved: broadcast::Sender<Arc<Job>>,
    /// Waits end, and no order is begun, once the current one is cancelled; a new worker of this process gets a new one.
    leaving: watch::Sender<CancellationToken>,
}

/// Why an activity came to nothing. All but the last are tried again, here or elsewhere.
#[derive(Debug, thiserror::Error)]
pub(super) enum Again {
    #[error("this worker leaves; another goes on")]
    Leaving,
    #[error("the order is on its way under the claim of {0}; it is not sent again")]
    Busy(String),
    #[error("this worker is for {0} only; another takes it")]
    Stranger(&'static str),
    #[error("this worker works on another store; is it meant to share this namespace?")]
    OtherStore,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the document contradicts itself: {0}")]
    Illegal(IllegalTransition),
}

impl Again {
    /// In Temporal's words.
    pub(super) fn told(self) -> ActivityError {
        let (name, delay) = match &self {
            Self::Leaving => ("leaving", Some(policy::HANDOVER)),
            Self::Busy(_) => ("busy", Some(policy::BUSY)),
            Self::Stranger(_) => ("other_provider", Some(policy::STRANGER)),
            Self::OtherStore => ("other_store", Some(policy::STRANGER)),
            Self::Store(_) => ("store", None),
            Self::Illegal(_) => ("illegal", None),
        };
        let never = matches!(self, Self::Illegal(_));
        let failure = ApplicationFailure::builder(self).type_name(name.to_owned()).non_retryable(never);
        ActivityError::application(failure.maybe_next_retry_delay(delay).build())
    }
}

impl Hands {
    pub(super) fn new(
        ports: Ports,
        settings: Settings,
        presence: Arc<WorkerLock>,
        observer: Arc<dyn Observer>,
        store: String,
    ) -> Self {
        let simulated = settings.simulated;
        Self {
            desk: OperatorCommands::new(ports.store.clone(), ports.clock.clone(), simulated),
            effects: JobWorkflow::of_a_fleet(ports.clone(), settings, presence.worker().clone(), observer),
            ports,
            simulated,
            store,
            presence,
            orders: AtomicUsize::new(0),
            moved: broadcast::Sender::new(HINTS),
            leaving: watch::Sender::default(),
        }
    }

    /// Jobs that changed: whoever waits for one of them looks at it again.
    pub(super) fn heard(&self, hint: &Hint) {
        for job in hint {
            // Nobody may wait for any.
            let _ = self.moved.send(job.clone());
        }
    }

    /// Lets go of everything that another worker can go on with.
    pub(super) fn leave(&self) {
        self.leaving.borrow().cancel();
    }

    /// Whether an order is on its way, or its answer is not saved yet: then this process must not be left.
    pub(super) fn is_ordering(&self) -> bool {
        self.orders.load(Ordering::SeqCst) > 0
    }

    /// Takes up work again after `leave`.
    pub(super) fn come_back(&self) {
        self.leaving.send_replace(CancellationToken::new());
    }

    fn now(&self) -> DateTime<Utc> {
        self.ports.clock.now()
    }

    /// Does the work on a job of that store. A fault of this program marks the job as broken, as it does in the local engine: tried
    /// again, it would break again.
    pub(super) async fn guarded(
        &self,
        job: &JobId,
        store: &str,
        work: impl Future<Output = Result<Report, Again>>,
    ) -> Result<Report, Again> {
        if !store.is_empty() && !self.store.is_empty() && store != self.store {
            return Err(Again::OtherStore);
        }
        if let Ok(report) = AssertUnwindSafe(work).catch_unwind().await {
            return report;
        }
        tracing::error!(job = %job, "the job's activity broke");
        record(&self.ports, job).await?;
        self.look(job).await
    }

    /// The document, where this worker may touch it.
    async fn read(&self, id: &JobId) -> Result<Result<Job, Report>, Again> {
        let job = match self.ports.store.get(id).await {
            Ok(Some(job)) => job,
            Ok(None) => return Ok(Err(Report::gone(id))),
            Err(StoreError::Unreadable { reason, .. }) => return Ok(Err(Report::unreadable(&reason))),
            Err(error) => return Err(error.into()),
        };
        if job.simulated != self.simulated {
            return Err(Again::Stranger(if self.simulated { "simulated jobs" } else { "jobs for real money" }));
        }
        Ok(Ok(job))
    }

    /// What the document says now.
    async fn look(&self, id: &JobId) -> Result<Report, Again> {
        Ok(match self.read(id).await? {
            Ok(job) => Report::of(&job, self.now()),
            Err(gone) => gone,
        })
    }

    /// What an effect came to: whoever lost a race tells what is there now.
    async fn told(&self, job: &Job, result: Result<(), WorkflowError>) -> Result<Report, Again> {
        match result {
            Ok(()) => Ok(Report::of(job, self.now())),
            Err(WorkflowError::Lost) => self.look(&job.id).await,
            Err(WorkflowError::Store(error)) => Err(Again::Store(error)),
            Err(WorkflowError::Illegal(illegal)) => Err(Again::Illegal(illegal)),
        }
    }

    /// Submitting, by somebody: whether that somebody can still answer.
    fn is_on_its_way(&self, job: &Job) -> Option<Again> {
        let claim = job.claim.as_ref().filter(|claim| claim.holds(self.now()))?;
        let gone = self.presence.gone().contains(&claim.worker);
        (!gone).then(|| Again::Busy(claim.worker.to_string()))
    }

    /// A queued job is ordered; of any other it is told what follows.
    pub(super) async fn order(&self, task: &Task) -> Result<Report, Again> {
        let mut job = match self.read(&task.job).await? {
            Ok(job) => job,
            Err(gone) => return Ok(gone),
        };
        match (job.stage_name(), &Report::of(&job, self.now()).next) {
            (StageName::Queued, Next::Submit) => {
                let leaving = self.leaving.borrow().clone();
                if leaving.is_cancelled() {
                    return Err(Again::Leaving);
                }
                let _ordering = OnItsWay::begin(&self.orders);
                let ordered = self.effects.begin_and_submit(&mut job, &leaving).await;
                self.told(&job, ordered).await
            }
            (StageName::Submitting, _) => {
                if let Some(busy) = self.is_on_its_way(&job) {
                    return Err(busy);
                }
                let given_up = self.effects.give_up_submit(&mut job).await;
                self.told(&job, given_up).await
            }
            _ => Ok(Report::of(&job, self.now())),
        }
    }

    /// Looks at the ticket until it is finished.
    pub(super) async fn wait_for(
        &self,
        task: &Task,
        looks: &watch::Sender<Looks>,
        ticket: &watch::Sender<String>,
    ) -> Result<Report, Again> {
        let moved = self.moved.subscribe();
        let mut job = match self.read(&task.job).await? {
            Ok(job) => job,
            Err(gone) => return Ok(gone),
        };
        let report = Report::of(&job, self.now());
        if report.next != Next::Wait {
            return Ok(report);
        }
        ticket.send_replace(report.ticket.clone().unwrap_or_default());
        let leaving = self.leaving.borrow().clone();
        let number = job.attempt_number();
        let waited = tokio::select! {
            waited = self.effects.wait(&mut job, looks, &leaving) => waited,
            // Whatever was about to be saved loses against what was saved by whoever moved it.
            () = self.is_moved(moved, &task.job, number) => return self.look(&task.job).await,
        };
        match waited {
            Ok(Waited::Ready(sample, charged)) => {
                let next = Next::Store { sample: sample.url, charged };
                Ok(Report { next, ..Report::of(&job, self.now()) })
            }
            Ok(Waited::Finished | Waited::PutOff) => Ok(Report::of(&job, self.now())),
            Ok(Waited::Stopped) => Err(Again::Leaving),
            Err(error) => self.told(&job, Err(error)).await,
        }
    }

    /// Waits until somebody has taken the attempt away.
    async fn is_moved(&self, mut moved: broadcast::Receiver<Arc<Job>>, id: &JobId, number: u32) {
        let is_other = |job: &Job| !job.stage_name().is_active() || job.attempt_number() != number;
        loop {
            match moved.recv().await {
                Ok(job) if &job.id == id && is_other(&job) => return,
                Ok(_) => {}
                // Too slow to hear them all: this one may have been among them.
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    if self.ports.store.get(id).await.is_ok_and(|job| job.as_ref().is_none_or(is_other)) {
                        return;
                    }
                }
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// Fetches the image and keeps it.
    pub(super) async fn keep(&self, pickup: &Pickup) -> Result<Report, Again> {
        let mut job = match self.read(&pickup.job).await? {
            Ok(job) => job,
            Err(gone) => return Ok(gone),
        };
        // An image of an attempt that somebody gave up is nobody's wish any more.
        if job.stage_name() != StageName::Generating || job.attempt_number() != pickup.attempt {
            return Ok(Report::of(&job, self.now()));
        }
        let leaving = self.leaving.borrow().clone();
        let sample = ResultLink { url: pickup.sample.clone() };
        match self.effects.collect(&mut job, sample, pickup.charged, &leaving).await {
            Ok(Ran::Stopped) => Err(Again::Leaving),
            Ok(_) => Ok(Report::of(&job, self.now())),
            Err(error) => self.told(&job, Err(error)).await,
        }
    }

    /// Cancels the job where it can still be cancelled.
    pub(super) async fn call_off(&self, task: &Task) -> Result<Report, Again> {
        let mut job = match self.read(&task.job).await? {
            Ok(job) => job,
            Err(gone) => return Ok(gone),
        };
        if job.stage_name() == StageName::Submitting {
            if let Some(busy) = self.is_on_its_way(&job) {
                return Err(busy);
            }
            let given_up = self.effects.give_up_submit(&mut job).await;
            return self.told(&job, given_up).await;
        }
        self.desk.cancel(vec![task.job.clone()]).await.map_err(Again::from)?;
        self.look(&task.job).await
    }
}

/// An order on its way, counted until it is dropped.
struct OnItsWay<'a>(&'a AtomicUsize);

impl<'a> OnItsWay<'a> {
    fn begin(orders: &'a AtomicUsize) -> Self {
        orders.fetch_add(1, Ordering::SeqCst);
        Self(orders)
    }
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
