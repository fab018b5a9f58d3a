//! What a screen of the console requests from the store or the bucket: loaded beside the dispatcher, published as one event.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

use super::{Command, Event, Ports};
use crate::engine::{AuditEntry, BulkPlan, FleetUsage, UncertainCharges};
use crate::jobs::{JobId, WorkerId};
use crate::store::{CostJobsQuery, PageQuery, SortedQuery};
use crate::text;

/// How many of the newest commands are searched for those on one job.
const AUDIT_ENTRIES: usize = 200;

/// Loads what the command requests; returns a command that requests nothing. `own` is this worker and its start.
pub(super) async fn load(
    ports: &Ports,
    events: &mpsc::Sender<Event>,
    simulated: bool,
    own: (&WorkerId, DateTime<Utc>),
    command: Command,
) -> Option<Command> {
    match command {
        Command::LoadCostJobs { span: (from, to), only, limit } => {
            let query = CostJobsQuery { from, to, simulated, only: only.clone(), limit };
            let jobs = ports.store.cost_jobs(query).await;
            let jobs = jobs.map_err(|error| text::sanitize_line(&error.to_string(), 200));
            emit(events, Event::CostJobs { only, jobs }).await;
        }
        Command::LoadUsage => match FleetUsage::load(ports.store.as_ref(), Some(own), ports.clock.now()).await {
            Ok(usage) => emit(events, Event::StoreUsage(usage.map(Box::new))).await,
            Err(error) => tracing::warn!(%error, "usage of the store not read"),
        },
        Command::LoadAudit(id) => {
            let entries = AuditEntry::newest(ports.store.as_ref(), AUDIT_ENTRIES, Some(&id)).await;
            let entries = entries.map_err(|error| text::sanitize_line(&error.to_string(), 200));
            emit(events, Event::Audit(id, entries)).await;
        }
        Command::LoadUncertain => {
            let charges = UncertainCharges::load(ports.store.as_ref(), simulated).await;
            let charges = charges.map_err(|error| text::sanitize_line(&error.to_string(), 200));
            emit(events, Event::Uncertain(charges)).await;
        }
        Command::LoadImage(id) => {
            emit(events, load_image(ports, id).await).await;
        }
        Command::LoadPage { filter, after, order, limit } => {
            let query = PageQuery { after, filter, order, limit, ..PageQuery::default() };
            load_page(ports, events, query).await;
        }
        Command::LoadSorted { filter, sort, backwards, after, limit } => {
            let limit = limit.clamp(1, 1_000);
            load_sorted(ports, events, SortedQuery { filter, sort, backwards, after, limit }).await;
        }
        Command::CountMatching(filter) => {
            let counts = ports.store.count_matching(&filter).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "matching jobs not counted");
                None
            });
            emit(events, Event::Matching { filter, counts }).await;
        }
        Command::PlanBulk(action, target) => {
            let plan = BulkPlan::make(ports.store.as_ref(), action, target).await;
            let plan = plan.map(Box::new).map_err(|error| text::sanitize_line(&error.to_string(), 200));
            emit(events, Event::BulkPlanned(plan)).await;
        }
        other => return Some(other),
    }
    None
}

async fn load_image(ports: &Ports, id: JobId) -> Event {
    let job = match ports.store.get(&id).await {
        Ok(Some(job)) => job,
        Ok(None) => return Event::Image { id, attempt: 0, bytes: Err("job not found".to_owned()) },
        Err(error) => return Event::Image { id, attempt: 0, bytes: Err(error.to_string()) },
    };
    let Some((attempt, image)) = job.images().last() else {
        return Event::Image { id, attempt: job.attempt_number(), bytes: Err("the job has no image".to_owned()) };
    };
    let bytes = ports.bucket.get(&image.object).await.map_err(|error| text::sanitize_line(&error.to_string(), 200));
    Event::Image { id, attempt, bytes }
}

async fn load_page(ports: &Ports, events: &mpsc::Sender<Event>, query: PageQuery) {
    let limit = query.limit.clamp(1, 1_000);
    match ports.store.list(PageQuery { limit, ..query }).await {
        Ok(page) => {
            for (id, reason) in page.unreadable {
                emit(events, Event::Unreadable { id, reason }).await;
            }
            let jobs = page.jobs.into_iter().map(Arc::new).collect();
            emit(events, Event::Page { jobs, next: page.next }).await;
        }
        Err(error) => emit(events, Event::PageFailed { reason: text::sanitize_line(&error.to_string(), 200) }).await,
    }
}

async fn load_sorted(ports: &Ports, events: &mpsc::Sender<Event>, query: SortedQuery) {
    match ports.store.list_sorted(query).await {
        Ok(page) => {
            for (id, reason) in page.unreadable {
                emit(events, Event::Unreadable { id, reason }).await;
            }
            let jobs = page.jobs.into_iter().map(Arc::new).collect();
            emit(events, Event::SortedPage { jobs, next: page.next, read_back_to: page.read_back_to }).await;
        }
        Err(error) => emit(events, Event::PageFailed { reason: text::sanitize_line(&error.to_string(), 200) }).await,
    }
}

pub(super) async fn emit(events: &mpsc::Sender<Event>, event: Event) {
    // If the reader is gone, no reply is needed.
    let _ = events.send(event).await;
}
