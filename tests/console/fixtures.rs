//! Jobs in every state, at a fixed time with fixed ids.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use darkroom::costs::{Basis, CostGrouping, CostReport, CostRow, CostTable, Credits, Outlook, TagRow, Usd};
use darkroom::engine::{ConnectionState, CostOverview, Dependency, Event, Intake, Outage, Progress};
use darkroom::jobs::{
    BillingStatus, Claim, Failure, FailureCode, Hold, ImageFormat, Job, JobId, ObjectName, Receipt, Spec, StepName,
    StoredImage, Ticket, WorkerId,
};
use darkroom::store::Counts;
use darkroom::telemetry::logging::LogRecord;

/// The present of every frame.
pub(crate) fn now() -> DateTime<Utc> {
    "2026-11-22T12:04:40Z".parse().unwrap()
}

pub(crate) fn ago(seconds: i64) -> DateTime<Utc> {
    now() - Duration::seconds(seconds)
}

pub(crate) fn id(number: u32) -> JobId {
    JobId::new(format!("job{number:04}Qx7Lm2VbT9Zk")).unwrap()
}

pub(crate) fn usd(amount: &str) -> Usd {
    amount.parse().unwrap()
}

fn queued(number: u32, model: &str, prompt: &str, seconds: i64) -> Job {
    let mut job = Job::new(id(number), Spec::new(model, prompt), true, ago(seconds));
    job.revision = 1;
    job
}

fn claim(until: DateTime<Utc>) -> Claim {
    Claim { worker: WorkerId::new("worker-1"), until }
}

fn submitting(number: u32, model: &str, prompt: &str, seconds: i64) -> Job {
    let mut job = queued(number, model, prompt, seconds);
    job.begin_submit(claim(ago(-60)), Some(usd("0.04")), ago(seconds - 1)).unwrap();
    job
}

fn receipt(number: u32, at: DateTime<Utc>) -> Receipt {
    Receipt {
        ticket: Ticket { id: format!("ticket-{number}"), polling_url: "https://api.bfl.ai/v1/get_result".into() },
        cost: Some(Credits::new(4.into())),
        input_megapixels: None,
        output_megapixels: None,
        accepted_at: at,
    }
}

fn generating(number: u32, model: &str, prompt: &str, seconds: i64) -> Job {
    let mut job = submitting(number, model, prompt, seconds);
    job.accept(receipt(number, ago(seconds - 2)), None, ago(seconds - 2)).unwrap();
    job
}

fn image(number: u32) -> StoredImage {
    let object = ObjectName::for_attempt(&id(number), 1, ImageFormat::Png);
    StoredImage {
        url: format!("https://storage.example/{object}"),
        object,
        format: ImageFormat::Png,
        width: 1024,
        height: 1024,
        bytes: 1_400_000,
        sha256: "0".repeat(64),
    }
}

fn done(number: u32, model: &str, prompt: &str, seconds: i64) -> Job {
    let mut job = generating(number, model, prompt, seconds);
    if let Some(attempt) = job.attempts.last_mut() {
        attempt.finish(StepName::Generate, ago(seconds - 9));
        attempt.begin(StepName::Download, ago(seconds - 9));
        attempt.finish(StepName::Download, ago(seconds - 10));
        attempt.begin(StepName::Store, ago(seconds - 10));
        attempt.finish(StepName::Store, ago(seconds - 11));
    }
    job.complete(image(number), Some(Credits::new(4.into())), None, ago(seconds - 11)).unwrap();
    job
}

fn failed(number: u32, prompt: &str, code: FailureCode, message: &str, billed: BillingStatus, seconds: i64) -> Job {
    let mut job = generating(number, "flux-dev", prompt, seconds);
    job.fail(Failure::new(code, message, billed, ago(seconds - 6)), None, ago(seconds - 6)).unwrap();
    job
}

/// About twenty jobs, one at least in every state.
pub(crate) fn jobs() -> Vec<Arc<Job>> {
    let mut jobs = vec![
        queued(1, "flux-2-pro", "origami whale over a paper sea", 8),
        queued(2, "flux-2-klein-4b", "a map of an island that does not exist, ink on old paper", 9),
        submitting(3, "flux-2-pro", "lemon still life, hard light", 3),
        generating(4, "flux-2-pro", "neon fox crossing a wet street at night", 12),
        generating(5, "flux-2-flex", "library inside a whale", 25),
        done(6, "flux-2-pro", "paper boat on a rain puddle", 62),
        done(7, "flux-2-pro", "tiny red house in a snow field, seen from far above", 95),
        failed(
            8,
            "glass frog on a wet leaf",
            FailureCode::ContentModerated,
            "the image was made and withheld",
            BillingStatus::Unknown,
            185,
        ),
        failed(9, "clock tower in fog", FailureCode::TimedOut, "no image within 5 minutes", BillingStatus::Yes, 700),
        done(10, "flux-kontext-pro", "the same cat, but as an astronaut", 1_300),
        done(11, "flux-2-max", "lighthouse on a cliff, storm, long exposure", 3_700),
    ];
    let mut held = queued(12, "flux-2-max", "lighthouse at dawn", 20);
    held.set_hold(Some(Hold::Budget { period: "day".into(), model: None, over: Some(usd("0.02")) }), None, ago(19))
        .unwrap();
    jobs.push(held);
    let mut waiting = submitting(13, "flux-2-pro", "a bridge made of books", 30);
    let reason = "503 from the provider, nothing was accepted".to_owned();
    waiting.requeue(Hold::RetryAt { reason }, ago(-7), ago(28)).unwrap();
    jobs.push(waiting);
    let mut approved = done(14, "flux-2-pro", "koi pond from above, ripples", 5_000);
    approved.approve(ago(4_000)).unwrap();
    jobs.push(approved);
    let mut cancelled = queued(15, "flux-2-pro", "wrong prompt, sorry", 7_300);
    cancelled.cancel(ago(7_200)).unwrap();
    jobs.push(cancelled);
    let mut lost = submitting(16, "flux-2-pro", "harbour in the morning", 9_000);
    lost.mark_submit_unknown("the worker ended while the order was being sent", ago(8_900)).unwrap();
    jobs.push(lost);
    let mut second =
        failed(17, "moth on a lamp", FailureCode::ProviderError, "the model failed", BillingStatus::No, 40);
    second.retry(ago(20)).unwrap();
    second.begin_submit(claim(ago(-60)), Some(usd("0.025")), ago(19)).unwrap();
    second.accept(receipt(17, ago(18)), None, ago(18)).unwrap();
    second.tags = vec!["insects".into()];
    jobs.push(second);
    for number in 18..24 {
        let prompt = format!("study {number}: a chair, seen from the {} side", ["left", "right"][number as usize % 2]);
        jobs.push(done(number, "flux-2-klein-4b", &prompt, i64::from(number) * 3_000));
    }
    jobs.into_iter().map(Arc::new).collect()
}

pub(crate) fn counts() -> Counts {
    let mut counts = Counts::default();
    for job in jobs() {
        *counts.by_stage.entry(job.stage_name()).or_insert(0) += 1;
    }
    counts
}

pub(crate) fn costs() -> CostOverview {
    let report = |grouping, rows: &[(&str, Basis, &str, u64)]| {
        let rows =
            rows.iter().map(|(key, basis, amount, count)| ((*key).to_owned(), *basis, Some(usd(amount)), *count));
        CostReport::from_rows((ago(86_400), now()), true, grouping, rows)
    };
    let today = [
        ("flux-2-pro", Basis::Settled, "0.04", 21),
        ("flux-2-max", Basis::Quoted, "0.07", 5),
        ("flux-dev", Basis::Unknown, "0.025", 1),
    ];
    let month = [
        ("flux-2-pro", Basis::Settled, "0.04", 400),
        ("flux-2-max", Basis::Quoted, "0.07", 60),
        ("flux-2-klein-4b", Basis::Settled, "0.014", 90),
        ("flux-dev", Basis::Unknown, "0.025", 4),
        ("flux-2-pro", Basis::Unconfirmed, "0.04", 1),
    ];
    let row = |(day, model, cause, basis, amount, count): (u32, &str, &str, Basis, &str, u64)| CostRow {
        day: NaiveDate::from_ymd_opt(2026, 11, day).unwrap(),
        model: model.into(),
        service: "bfl_api".into(),
        cause: cause.into(),
        basis,
        amount: Some(usd(amount)),
        count,
    };
    let rows = [
        (2, "flux-2-klein-4b", "picture", Basis::Settled, "0.014", 90),
        (20, "flux-2-max", "picture", Basis::Settled, "0.07", 55),
        (20, "flux-2-pro", "picture", Basis::Settled, "0.04", 60),
        (21, "flux-2-pro", "picture", Basis::Settled, "0.04", 307),
        (21, "flux-2-pro", "content_moderated", Basis::Settled, "0.04", 12),
        (21, "flux-2-pro", "submit_unknown", Basis::Unconfirmed, "0.04", 1),
        (22, "flux-2-pro", "picture", Basis::Settled, "0.04", 21),
        (22, "flux-2-max", "in_progress", Basis::Quoted, "0.07", 5),
        (22, "flux-dev", "request_moderated", Basis::Unknown, "0.025", 4),
    ];
    let tags =
        [(21, None, 30), (21, Some("cover"), 20), (22, None, 4), (22, Some("draft"), 4), (21, Some("draft"), 15)];
    let tags = tags.into_iter().map(|(day, tag, count)| TagRow {
        day: NaiveDate::from_ymd_opt(2026, 11, day).unwrap(),
        tag: tag.map(str::to_owned),
        basis: Basis::Settled,
        amount: Some(usd("0.04")),
        count,
    });
    let span = (now() - Duration::days(30), now() + Duration::days(1));
    let table = CostTable::new(span, true, rows.into_iter().map(row).collect()).with_tags(tags.collect());
    CostOverview {
        today: report(CostGrouping::Model, &today),
        week: report(CostGrouping::Model, &month[..2]),
        month: report(CostGrouping::Model, &month),
        calendar_month: report(CostGrouping::Model, &month),
        outlook: Outlook::of(&table, now()),
        account: None,
        table: table.into(),
        daily_cap: Some(usd("20")),
        monthly_cap: None,
        model_caps: BTreeMap::default(),
        soft_percent: None,
        credits: None,
        storage_bound: None,
        at: now(),
    }
}

/// The events of an engine in its first second.
pub(crate) fn events() -> Vec<Event> {
    let progress = |number, fraction, status: &str| {
        let attempt = if number == 17 { 2 } else { 1 };
        Event::Progress(Progress { id: id(number), attempt, step: StepName::Generate, fraction, status: status.into() })
    };
    vec![
        Event::Connection(ConnectionState::Connected),
        Event::Slots { used: 4, total: 24 },
        Event::Intake(Intake::Open),
        Event::Page { jobs: jobs(), next: None },
        Event::Counts(counts()),
        Event::Costs(Box::new(costs())),
        progress(4, Some(0.6), "Pending"),
        progress(5, None, "Reasoning"),
        progress(17, Some(0.25), "Generating"),
    ]
}

pub(crate) fn logs() -> Vec<LogRecord> {
    let record = |seconds, level, job: Option<u32>, message: &str| LogRecord {
        at: ago(seconds),
        level,
        job: job.map(|number| id(number).as_str().to_owned()),
        attempt: job.map(|_| 1),
        pid: None,
        message: message.into(),
    };
    vec![
        record(30, tracing::Level::INFO, None, "worker worker-1 started, 24 slots"),
        record(12, tracing::Level::INFO, Some(4), "submitted: ticket-4, 4 credits, attempt 1"),
        record(9, tracing::Level::INFO, Some(4), "still Pending, 30 %, next look in 1.5 s"),
        record(5, tracing::Level::WARN, Some(13), "not accepted: 503, again in 7 s"),
        record(3, tracing::Level::INFO, Some(4), "still Pending, 60 %, next look in 1.5 s"),
    ]
}

/// The intake is blocked because the account has no credits.
pub(crate) fn blocked(reason: &str) -> Event {
    Event::Intake(Intake::AccountBlocked(Outage {
        dependency: Dependency::Credits,
        since: ago(60),
        reason: reason.to_owned(),
    }))
}
