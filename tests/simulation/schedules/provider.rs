//! A model of the provider: accepts, bills, quotes, moderates, lets links expire and forgets tasks, by the seed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use darkroom::catalog::{Catalog, InputSizes};
use darkroom::costs::{Credits, Usd};
use darkroom::jobs::{BillingStatus, FailureCode, ImageFormat, JobId, Receipt, Spec, Ticket};
use darkroom::provider::{
    CheckError, CreditsError, DownloadedImage, FetchError, PreparedRequest, Provider, ResultLink, SubmitError,
    TicketFailure, TicketStatus,
};
use rust_decimal::Decimal;

use super::books::{BillLine, Record, Reply};
use super::plan::SECOND;
use super::rng::Rng;
use super::world::{Call, Fault, Process, State, Violation};

/// How long a link lasts, in microseconds.
const LINK_LIFETIME: i64 = 600 * SECOND;

/// What becomes of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Ready,
    Moderated,
    Error,
    /// The provider forgets it.
    Forgotten,
    /// It stays pending.
    Stuck,
}

#[derive(Debug, Clone)]
struct Task {
    fate: Fate,
    /// From then on it is not pending.
    final_at: i64,
    /// The link of its image is valid until then.
    link_until: i64,
    /// The cost that its final reply names.
    cost: Option<Credits>,
    /// Polls that do not find it yet.
    not_found: u32,
    /// The last poll.
    polled_at: i64,
    /// Whether a poll has shown that it is final.
    is_seen: bool,
}

/// All tickets of the provider.
#[derive(Default)]
pub struct Tickets {
    tasks: BTreeMap<String, Task>,
    submits: BTreeMap<JobId, u64>,
}

/// The provider as one process reaches it.
pub struct ModelProvider(pub Arc<Process>);

/// How a submit ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Accepted,
    Untrusted,
    ReplyLost,
    Unavailable,
    Full,
    Rejected,
    Account,
}

impl ModelProvider {
    /// The effect of a submit: what the provider does, and its reply.
    fn accept(&self, request: &PreparedRequest, call: &mut Call) -> Result<Receipt, SubmitError> {
        let process = &self.0;
        let world = &process.world;
        let Some(id) = request.body["job"].as_str().and_then(|id| JobId::new(id).ok()) else {
            return Err(SubmitError::Rejected { code: FailureCode::InvalidRequest, message: "no job".to_owned() });
        };
        let reply = world.change(|state| {
            let record = state.books.on_submit(&process.worker, &id)?;
            check_old_task(state, &id, &record)?;
            let (attempt, day) = (record.attempt, record.at);
            if call.fails() {
                let is_unsent = call.rng.chance(500);
                state.books.on_reply(&id, attempt, if is_unsent { Reply::Declined } else { Reply::Binding });
                return Ok(Err(if is_unsent { not_accepted(false, call) } else { unanswered() }));
            }
            let submits = state.tickets.submits.entry(id.clone()).or_default();
            *submits += 1;
            let number = *submits;
            let mut rng = Rng::of(&[world.plan.seed, 3, job_number(&id), number]);
            let outcome = rng.pick(&[
                (80, Outcome::Accepted),
                (2, Outcome::Untrusted),
                (4, Outcome::ReplyLost),
                (5, Outcome::Unavailable),
                (3, Outcome::Full),
                (3, Outcome::Rejected),
                (2, Outcome::Account),
            ]);
            let outcome = if world.is_calm() { Outcome::Accepted } else { outcome };
            if let Some(declined) = declined(outcome, call) {
                // Only a process that receives the reply knows that nothing was accepted.
                let is_received = !call.is_reply_lost() && call.fault != Some(Fault::CrashAfter);
                let reply = if is_received { Reply::Declined } else { Reply::Binding };
                state.books.on_reply(&id, attempt, reply);
                return Ok(Err(declined));
            }
            state.books.on_reply(&id, attempt, Reply::Binding);
            let (line, task) = bill(request, format!("{id}-ticket-{number}"), day, world.timeline.now(), &mut rng);
            let receipt = Receipt {
                ticket: Ticket { id: line.ticket.clone(), polling_url: format!("https://api.test/{}", line.ticket) },
                cost: line.quoted,
                input_megapixels: None,
                output_megapixels: None,
                accepted_at: process.now(),
            };
            state.tickets.tasks.insert(line.ticket.clone(), task);
            state.books.on_billed(&id, attempt, line)?;
            Ok(match outcome {
                Outcome::ReplyLost => Err(unanswered()),
                Outcome::Untrusted => Err(SubmitError::AcceptedUntrusted {
                    receipt: Box::new(receipt),
                    code: FailureCode::UntrustedHost,
                    message: "the ticket is at another host".to_owned(),
                }),
                _ => Ok(receipt),
            })
        });
        reply.unwrap_or_else(|| Err(unanswered()))
    }

    fn look(&self, ticket: &Ticket, call: &mut Call) -> Result<TicketStatus, CheckError> {
        let world = &self.0.world;
        let now = world.timeline.now();
        let not_found = || CheckError::Retryable { reason: "not found".to_owned(), retry_after: None, not_found: true };
        if !world.is_calm() && call.rng.chance(5) {
            return Err(CheckError::Account { message: "the key is rejected".to_owned() });
        }
        let mut state = world.state.lock().unwrap();
        let Some(task) = state.tickets.tasks.get_mut(&ticket.id) else { return Err(not_found()) };
        task.polled_at = now;
        if task.not_found > 0 {
            task.not_found -= 1;
            return Err(not_found());
        }
        if now < task.final_at || task.fate == Fate::Stuck {
            let retry_after = call.rng.chance(50).then(|| Duration::from_secs(call.rng.below(40)));
            return Ok(TicketStatus::Pending { status: "Pending".to_owned(), progress: None, retry_after });
        }
        task.is_seen = task.fate != Fate::Forgotten;
        let failed = |code| TicketStatus::Failed {
            failure: TicketFailure { code, message: "no image".to_owned(), billed: BillingStatus::Unknown },
            cost: task.cost,
        };
        match task.fate {
            Fate::Moderated => Ok(failed(FailureCode::ContentModerated)),
            Fate::Error => Ok(failed(FailureCode::ProviderError)),
            Fate::Forgotten => Err(not_found()),
            Fate::Ready | Fate::Stuck => {
                let until = world.date() + TimeDelta::microseconds(task.link_until - now);
                let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
                let url = format!("https://delivery.test/{}?se={until}", ticket.id);
                Ok(TicketStatus::Ready { sample: ResultLink::new(url), cost: task.cost })
            }
        }
    }

    fn download(&self, link: &ResultLink, call: &mut Call) -> Result<DownloadedImage, FetchError> {
        let world = &self.0.world;
        let name = link.url.rsplit('/').next().and_then(|rest| rest.split('?').next()).unwrap_or_default();
        let task = world.state.lock().unwrap().tickets.tasks.get(name).cloned();
        let reason = "HTTP 403".to_owned();
        let Some(task) = task.filter(|task| world.timeline.now() < task.link_until) else {
            return Err(FetchError::Expired { reason });
        };
        if !world.is_calm() {
            match call.rng.below(100) {
                0 => return Err(FetchError::Expired { reason }),
                1..=3 => return Err(FetchError::Corrupt { reason: "cut short".to_owned() }),
                4 if task.not_found == 0 => {
                    return Err(FetchError::UntrustedHost { reason: "another host".to_owned() });
                }
                _ => {}
            }
        }
        let bytes = Bytes::from(name.to_owned());
        Ok(DownloadedImage { bytes, format: ImageFormat::Png, width: 64, height: 64 })
    }
}

fn unanswered() -> SubmitError {
    SubmitError::Unknown { reason: "the connection was lost".to_owned() }
}

/// The reply of a provider that does not accept.
fn declined(outcome: Outcome, call: &mut Call) -> Option<SubmitError> {
    match outcome {
        Outcome::Accepted | Outcome::Untrusted | Outcome::ReplyLost => None,
        Outcome::Unavailable => Some(not_accepted(false, call)),
        Outcome::Full => Some(not_accepted(true, call)),
        Outcome::Rejected => {
            let message = "moderated".to_owned();
            Some(SubmitError::Rejected { code: FailureCode::RequestModerated, message })
        }
        Outcome::Account => {
            Some(SubmitError::Account { code: FailureCode::OutOfCredits, message: "no credits".to_owned() })
        }
    }
}

/// Nothing is paid while the task of the attempt before may still have the image.
fn check_old_task(state: &State, id: &JobId, record: &Record) -> Result<(), Violation> {
    let Some((ticket, ended)) = &record.old_ticket else { return Ok(()) };
    let task = state.tickets.tasks.get(ticket);
    if task.is_none_or(|task| task.is_seen || task.polled_at >= *ended) {
        return Ok(());
    }
    let details = format!("attempt {} of {id} is submitted, {ticket} was not polled", record.attempt);
    Err(Violation { rule: "an old task is polled before a new submit", details })
}

/// What the provider bills for a request, and what becomes of its task.
fn bill(request: &PreparedRequest, ticket: String, day: DateTime<Utc>, now: i64, rng: &mut Rng) -> (BillLine, Task) {
    let mut spec = Spec::new(request.body["model"].as_str().unwrap_or_default(), "x");
    if request.body["sized"] == true {
        spec = spec.with("width", 64).with("height", 64);
    }
    let estimate = Catalog::builtin().estimate(&spec);
    let credits = |amount: Option<Usd>| amount.unwrap_or_default().decimal() * Decimal::from(100);
    let (likely, bound) = (credits(estimate.amount), credits(estimate.at_most));
    let price = Credits::new(if rng.chance(700) { likely } else { bound });
    let quoted = rng.chance(800).then_some(price);
    // A few tickets cost less in the end.
    let settled = if rng.chance(100) { Credits::new(likely / Decimal::TWO) } else { price };
    let (fate, time) = task_of(rng);
    let task = Task {
        fate,
        final_at: now + time,
        link_until: now + time + LINK_LIFETIME,
        cost: rng.chance(700).then_some(settled),
        not_found: rng.pick(&[(8, 0), (1, 1), (1, 3)]),
        polled_at: -1,
        is_seen: false,
    };
    (BillLine { ticket, quoted, settled, estimate: estimate.at_most.or(estimate.amount), day }, task)
}

fn task_of(rng: &mut Rng) -> (Fate, i64) {
    let fate =
        rng.pick(&[(83, Fate::Ready), (6, Fate::Moderated), (4, Fate::Error), (3, Fate::Forgotten), (4, Fate::Stuck)]);
    let (low, high) = rng.pick(&[(8, (1, 8)), (1, (30, 300)), (1, (300, 1_500))]);
    (fate, rng.between(low * SECOND, high * SECOND))
}

fn not_accepted(full: bool, call: &mut Call) -> SubmitError {
    let retry_after = call.rng.chance(300).then(|| Duration::from_secs(call.rng.below(60)));
    SubmitError::NotAccepted { reason: "not accepted".to_owned(), retry_after, full }
}

fn job_number(id: &JobId) -> u64 {
    id.as_str().rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[async_trait]
impl Provider for ModelProvider {
    async fn prepare(&self, spec: &Spec) -> Result<PreparedRequest, SubmitError> {
        let mut call = self.0.enter("prepare").await;
        let result = if call.fails() {
            Err(not_accepted(false, &mut call))
        } else {
            let id = spec.prompt.split(' ').next().unwrap_or_default();
            let is_sized = spec.parameters.contains_key("width");
            let body = serde_json::json!({ "job": id, "model": spec.model, "sized": is_sized });
            Ok(PreparedRequest { route: spec.model.clone(), body, input_sizes: InputSizes::new() })
        };
        self.0.leave(&mut call).await;
        result
    }

    async fn submit(&self, request: PreparedRequest) -> Result<Receipt, SubmitError> {
        let mut call = self.0.enter("submit").await;
        let reply = self.accept(&request, &mut call);
        self.0.world.note(|| {
            let ticket = reply.as_ref().map(|receipt| receipt.ticket.id.clone()).map_err(ToString::to_string);
            format!("{:?} submit of {}: {ticket:?}", self.0, request.body["job"])
        });
        self.0.leave(&mut call).await;
        match reply {
            _ if call.is_reply_lost() => Err(SubmitError::Unknown { reason: "the reply was lost".to_owned() }),
            Ok(receipt) => Ok(Receipt { accepted_at: self.0.now(), ..receipt }),
            reply => reply,
        }
    }

    async fn check(&self, ticket: &Ticket) -> Result<TicketStatus, CheckError> {
        let mut call = self.0.enter("check").await;
        let status = self.look(ticket, &mut call);
        self.0.leave(&mut call).await;
        if call.fails() || call.is_reply_lost() {
            let retry_after = call.rng.chance(200).then(|| Duration::from_secs(call.rng.below(30)));
            return Err(CheckError::Retryable { reason: "no reply".to_owned(), retry_after, not_found: false });
        }
        status
    }

    async fn fetch(&self, sample: &ResultLink) -> Result<DownloadedImage, FetchError> {
        let mut call = self.0.enter("fetch").await;
        let image = self.download(sample, &mut call);
        self.0.leave(&mut call).await;
        if call.fails() || call.is_reply_lost() {
            return Err(FetchError::Retryable { reason: "no reply".to_owned() });
        }
        image
    }

    async fn credits(&self) -> Result<Credits, CreditsError> {
        Err(CreditsError::Unavailable("not simulated".to_owned()))
    }
}
