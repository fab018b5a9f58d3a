//! Owns the orders that take time: each is an errand beside the dispatcher, so that a slow store delays no other job. Must not
//! decide what runs.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::feed::Feed;
use super::{Command, Event, Ports, Runner};
use crate::engine::{CommandOutcome, Notice, NoticeLevel, OperatorCommands};
use crate::jobs::{BillingStatus, Failure, FailureCode, Hold, Job, JobId, StageName};
use crate::store::{PageQuery, Save, SortOrder, StoreError};
use crate::text;

/// What an errand came to.
pub(super) enum Errand {
    /// It is done, and has said so.
    Done,
    /// Everything is ready for jobs.
    Ready,
    /// Images cannot be stored: one clean line.
    NotReady(String),
    /// The runner has finished what had to be finished.
    Closed,
}

/// Orders that are being carried out.
pub(super) struct Orders {
    ports: Ports,
    desk: OperatorCommands,
    feed: Feed,
    facts: mpsc::Sender<Event>,
    errands: JoinSet<Errand>,
    preparing: usize,
    simulated: bool,
}

impl Orders {
    pub(super) fn new(
        ports: Ports,
        desk: OperatorCommands,
        feed: Feed,
        facts: mpsc::Sender<Event>,
        simulated: bool,
    ) -> Self {
        Self { ports, desk, feed, facts, errands: JoinSet::new(), preparing: 0, simulated }
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.errands.is_empty()
    }

    /// Whether it is not yet known that jobs can be run.
    pub(super) fn is_preparing(&self) -> bool {
        self.preparing > 0
    }

    /// The next errand that ended.
    pub(super) async fn next(&mut self) -> Option<Errand> {
        let ended = self.errands.join_next().await?;
        let errand = ended.unwrap_or_else(|panic| {
            tracing::error!("an order broke: {panic}");
            Errand::Done
        });
        if matches!(errand, Errand::Ready | Errand::NotReady(_)) {
            self.preparing = self.preparing.saturating_sub(1);
        }
        Some(errand)
    }

    /// Checks that images can be stored before the first job spends money, and lets go of jobs that a budget or the account
    /// held: both may have changed. Jobs of another provider get a word that says so.
    pub(super) fn prepare(&mut self) {
        let (ports, desk, simulated) = (self.ports.clone(), self.desk.clone(), self.simulated);
        self.preparing += 1;
        self.errands.spawn(async move {
            if let Err(error) = ports.bucket.check().await {
                return Errand::NotReady(text::sanitize_line(&error.to_string(), 200));
            }
            if let Err(error) = release(&ports, &desk, simulated).await {
                tracing::warn!("held jobs were not looked at: {error}");
            }
            Errand::Ready
        });
    }

    /// Lets the runner finish; `idle` where nothing is left in the store.
    pub(super) fn close(&mut self, runner: Arc<dyn Runner>, idle: bool) {
        self.errands.spawn(async move {
            if idle {
                runner.settle().await;
            }
            runner.close().await;
            Errand::Closed
        });
    }

    /// Carries out an order on jobs, or fetches something for a screen.
    pub(super) fn take(&mut self, command: Command) {
        let (ports, desk, feed, facts) = (self.ports.clone(), self.desk.clone(), self.feed.clone(), self.facts.clone());
        self.errands.spawn(async move {
            let acted = match command {
                Command::Submit(orders) => desk.submit(orders).await,
                Command::Retry(ids) => desk.retry(ids).await,
                Command::Cancel(ids) => desk.cancel(ids).await,
                Command::Approve(ids) => desk.approve(ids).await,
                Command::Hide(ids) => desk.hide(ids).await,
                Command::Unhide(ids) => desk.unhide(ids).await,
                Command::Undo(action, before) => desk.undo(action, before).await,
                Command::LoadImage(id) => {
                    say(&facts, image(&ports, id).await).await;
                    return Errand::Done;
                }
                Command::LoadPage { before, limit, search, hidden } => {
                    older(&ports, &facts, before, limit, search, hidden).await;
                    return Errand::Done;
                }
                Command::RefreshCosts => {
                    feed.refresh_costs();
                    return Errand::Done;
                }
                // The dispatcher's own.
                Command::PauseIntake | Command::ResumeIntake | Command::SetSlots(_) | Command::Stop => {
                    return Errand::Done;
                }
            };
            tell(&facts, acted).await;
            Errand::Done
        });
    }

    /// A job's task broke: the job must not stay as if somebody worked on it.
    pub(super) fn record_panic(&mut self, id: JobId) {
        let ports = self.ports.clone();
        self.errands.spawn(async move {
            if let Err(error) = record(&ports, &id).await {
                tracing::error!(job = %id, "could not be marked as broken: {error}");
            }
            Errand::Done
        });
    }
}

/// Marks a job whose task broke, so that it does not stay as if somebody worked on it.
pub(in crate::engine) async fn record(ports: &Ports, id: &JobId) -> Result<(), StoreError> {
    let Some(mut job) = ports.store.get(id).await? else { return Ok(()) };
    let now = ports.clock.now();
    let message = "this program made a mistake; the log tells more";
    let failure = Failure::new(FailureCode::Internal, message, BillingStatus::Unknown, now);
    let moved = match job.stage_name() {
        StageName::Queued => job.reject(failure, now),
        StageName::Submitting => job.mark_submit_unknown(message, now),
        StageName::Generating => job.fail(failure, None, now),
        _ => return Ok(()),
    };
    match moved {
        Ok(()) => ports.store.save(Save::new(&job)).await.map(|_| ()),
        Err(_) => Ok(()),
    }
}

async fn release(ports: &Ports, desk: &OperatorCommands, simulated: bool) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let query = PageQuery {
            stages: vec![StageName::Queued],
            after: after.take(),
            order: SortOrder::OldestFirst,
            limit: 500,
            ..PageQuery::default()
        };
        let looked = ports.store.list(query).await?;
        let page = looked.jobs;
        let ids = |wanted: &dyn Fn(&Job) -> bool| -> Vec<JobId> {
            page.iter().filter(|job| wanted(job)).map(|job| job.id.clone()).collect()
        };
        let held =
            |job: &Job| matches!(job.hold(), Some(Hold::Budget { .. } | Hold::Account { .. } | Hold::OtherProvider));
        desk.set_hold(ids(&|job| job.simulated == simulated && held(job)), None).await?;
        // Nobody here will ever run these; without a word they would seem to be forgotten.
        let strangers = ids(&|job| job.simulated != simulated && job.hold() != Some(&Hold::OtherProvider));
        desk.set_hold(strangers, Some(Hold::OtherProvider)).await?;
        after = looked.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn image(ports: &Ports, id: JobId) -> Event {
    let job = match ports.store.get(&id).await {
        Ok(Some(job)) => job,
        Ok(None) => return Event::Image { id, attempt: 0, bytes: Err("there is no such job".to_owned()) },
        Err(error) => return Event::Image { id, attempt: 0, bytes: Err(error.to_string()) },
    };
    let Some((attempt, image)) = job.images().last() else {
        return Event::Image { id, attempt: job.attempt_number(), bytes: Err("it has no image".to_owned()) };
    };
    let bytes = ports.bucket.get(&image.object).await.map_err(|error| text::sanitize_line(&error.to_string(), 200));
    Event::Image { id, attempt, bytes }
}

async fn older(
    ports: &Ports,
    facts: &mpsc::Sender<Event>,
    before: Option<(chrono::DateTime<chrono::Utc>, JobId)>,
    limit: usize,
    search: Option<String>,
    hidden: bool,
) {
    let limit = limit.clamp(1, 1_000);
    let query = PageQuery { after: before, limit, search, hidden, ..PageQuery::default() };
    match ports.store.list(query).await {
        Ok(page) => {
            for (id, reason) in page.unreadable {
                say(facts, Event::Unreadable { id, reason }).await;
            }
            let jobs = page.jobs.into_iter().map(Arc::new).collect();
            say(facts, Event::Page { jobs, next: page.next }).await;
        }
        Err(error) => say(facts, notice(NoticeLevel::Error, format!("Older jobs cannot be read: {error}"))).await,
    }
}

async fn tell(facts: &mpsc::Sender<Event>, acted: Result<CommandOutcome, StoreError>) {
    let event = match acted {
        Ok(acted) => Event::CommandCompleted(acted),
        Err(error) => {
            tracing::error!("an order was not carried out: {error}");
            notice(NoticeLevel::Error, format!("Not done: {error}"))
        }
    };
    say(facts, event).await;
}

fn notice(level: NoticeLevel, text: String) -> Event {
    Event::Notice(Notice { level, text })
}

async fn say(facts: &mpsc::Sender<Event>, event: Event) {
    // A reader that is gone needs no answer.
    let _ = facts.send(event).await;
}
