//! `darkroom costs uncertain` and `darkroom costs resolve`: charges that may or may not be billed, and what the bill says.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use serde::Serialize;

use crate::cli::budget::parse_usd;
use crate::cli::error::CliError;
use crate::cli::job_json::JobDetails;
use crate::cli::operator::{operator, operator_here};
use crate::cli::{Session, output, resolve_id, start_logging, table};
use crate::costs::{BalanceReading, Basis, Usd};
use crate::engine::{OperatorCommands, UncertainCharges, UncertainItem};
use crate::jobs::{BillingAnswer, Job, Resolution, ResolveError};
use crate::telemetry::logging::ExtraSink;
use crate::text::sanitize_line;
use crate::time::SystemClock;
use crate::wiring;

/// List charges that may or may not be billed, newest first
#[derive(Debug, Args)]
pub struct UncertainArgs {
    /// List real charges although the simulator generates the images
    #[arg(long)]
    pub real: bool,
}

/// Replace an uncertain charge by what the bill says; the answer is recorded with your name
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("answer").required(true))]
pub struct ResolveArgs {
    /// Job id, or an unambiguous prefix of it
    #[arg(value_name = "JOB")]
    pub job: String,
    /// The attempt, where several have an uncertain charge
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: Option<u32>,
    /// It was billed: count it, with this amount or with the recorded one
    #[arg(long, value_name = "USD", num_args = 0..=1, group = "answer", value_parser = parse_usd)]
    #[expect(clippy::option_option, reason = "the flag, and its optional value")]
    pub billed: Option<Option<Usd>>,
    /// It was not billed: remove the charge
    #[arg(long, group = "answer")]
    pub not_billed: bool,
    /// Correct an answer that was wrong: this one counts, and both stay recorded
    #[arg(long)]
    pub correct: bool,
    /// Book or remove the charge without confirmation
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// The answer of `costs uncertain`.
#[derive(Debug, Serialize)]
struct View<'a> {
    simulated: bool,
    unknown_usd: Usd,
    unconfirmed_usd: Usd,
    unpriced_count: usize,
    /// Whether the store has more than are listed.
    has_more: bool,
    charges: Vec<ChargeView<'a>>,
}

#[derive(Debug, Serialize)]
struct ChargeView<'a> {
    at: DateTime<Utc>,
    job: &'a str,
    attempt: Option<u32>,
    usd: Option<Usd>,
    basis: Basis,
    model: &'a str,
    why: &'a str,
    can_resolve: bool,
    /// The account's balance at the last reading before the charge, and at the first one after it.
    balance_before: Option<BalanceReading>,
    balance_after: Option<BalanceReading>,
}

/// Lists the uncertain charges.
pub async fn list(session: &Session, args: &UncertainArgs) -> Result<(), CliError> {
    let simulated = session.config.is_simulated() && !args.real;
    let store = wiring::open_store(&session.config).await?;
    let charges = UncertainCharges::load(store.as_ref(), simulated).await?;
    let view = View::new(&charges, simulated);
    session.output.answer(&view, || view.text(&charges.items))
}

impl<'a> View<'a> {
    fn new(charges: &'a UncertainCharges, simulated: bool) -> Self {
        let sum = |basis: Basis| {
            charges.items.iter().filter(|item| item.basis == basis).filter_map(|item| item.amount).sum::<Usd>()
        };
        Self {
            simulated,
            unknown_usd: sum(Basis::Unknown),
            unconfirmed_usd: sum(Basis::Unconfirmed),
            unpriced_count: charges.items.iter().filter(|item| item.amount.is_none()).count(),
            has_more: charges.has_more,
            charges: charges.items.iter().map(ChargeView::new).collect(),
        }
    }

    fn text(&self, items: &[UncertainItem]) -> String {
        if items.is_empty() {
            return "No uncertain charges".to_owned();
        }
        let rows = items.iter().map(|item| {
            vec![
                time(item.at),
                sanitize_line(&item.job_id, 40),
                item.attempt.map_or("-".to_owned(), |number| number.to_string()),
                item.amount.map_or("unknown".to_owned(), Usd::display),
                item.basis.as_str().to_owned(),
                sanitize_line(&item.model, 30),
                item.balance_line().unwrap_or_default(),
                sanitize_line(&item.why, 100),
            ]
        });
        let heading = ["TIME", "JOB", "ATTEMPT", "USD", "BASIS", "MODEL", "BALANCE", "WHY"];
        let mut text = table::plain(&heading, &[2, 3], rows);
        if self.has_more {
            text.push_str("\n\nmore exist: resolve some to see the others");
        }
        text.push_str("\n\ncompare with the provider's usage page, then: darkroom costs resolve JOB --billed [USD] | --not-billed");
        if self.simulated {
            text.push('\n');
            text.push_str(table::SIMULATED);
        }
        text
    }
}

impl<'a> ChargeView<'a> {
    fn new(item: &'a UncertainItem) -> Self {
        Self {
            at: item.at,
            job: &item.job_id,
            attempt: item.attempt,
            usd: item.amount,
            basis: item.basis,
            model: &item.model,
            why: &item.why,
            can_resolve: item.can_resolve,
            balance_before: item.balance_before,
            balance_after: item.balance_after,
        }
    }
}

/// Resolves one charge.
pub async fn resolve(session: &Session, args: &ResolveArgs) -> Result<(), CliError> {
    let store = wiring::open_store_for_changes(&session.config).await?;
    let id = resolve_id::job(store.as_ref(), &args.job).await?;
    let answer = args.billed.map_or(BillingAnswer::NotBilled, BillingAnswer::Billed);
    let by = operator();
    let job = store.get(&id).await?.ok_or_else(|| CliError::Failed(format!("job {id} does not exist")))?;
    // What cannot be resolved is reported without a question.
    let mut resolved = job.clone();
    let resolve = if args.correct { Job::correct_answer } else { Job::resolve_charge };
    let number = resolve(&mut resolved, args.attempt, answer, &by, Utc::now());
    let number =
        number.map_err(|error| CliError::Failed(format!("nothing was changed: {}", with_next_step(&error))))?;
    if !args.yes {
        confirm(&job, &resolved, number, answer)?;
    }
    let (_logging, _) = start_logging(&session.config, ExtraSink::None);
    let commands = OperatorCommands::new(store.clone(), Arc::new(SystemClock), session.config.is_simulated())
        .recorded_as(Some(operator_here()));
    let replaced = answer_of(&job, number).filter(|_| args.correct);
    let outcome = match replaced {
        Some(replaced) => commands.correct_answer(id.clone(), number, replaced, answer, &by).await?,
        None => commands.resolve_charge(id.clone(), Some(number), answer, &by).await?,
    };
    if let Some((_, why)) = outcome.rejected.first() {
        return Err(CliError::Failed(format!("nothing was changed: {why}")));
    }
    let job = store.get(&id).await?.ok_or_else(|| CliError::Failed(format!("job {id} does not exist")))?;
    session.output.answer(&JobDetails::new(&job, Utc::now()), || {
        let attempt = job.attempt_numbered(number);
        let amount = attempt.and_then(|attempt| attempt.charge.as_ref()?.amount).map_or(Usd::ZERO, |amount| amount);
        let line = answer_of(&job, number).map(|resolution| resolution.summary(time));
        format!("job {id}, attempt {number}: {}, {}", amount.display(), line.unwrap_or_default())
    })
}

/// States what is recorded and what the answer does, and asks. Errors: not confirmed.
fn confirm(job: &Job, resolved: &Job, number: u32, answer: BillingAnswer) -> Result<(), CliError> {
    let id = &job.id;
    let (what, question) = match answer {
        BillingAnswer::NotBilled => {
            let what = format!("removes {} of attempt {number} of job {id}", amount_of(job, number));
            (what, "it was certainly not billed?")
        }
        BillingAnswer::Billed(_) => {
            let amount = amount_of(resolved, number);
            (format!("books {amount} for attempt {number} of job {id}"), "is this the amount on the bill?")
        }
    };
    let attempt = job.attempt_numbered(number);
    let basis = attempt.and_then(|attempt| attempt.charge.as_ref()).map_or("uncertain", |charge| charge.basis.as_str());
    let prices = attempt.and_then(|attempt| attempt.price_line(job.spec_of(attempt).size()));
    let prices = prices.map(|line| format!("; {line}")).unwrap_or_default();
    let answered = answer_of(job, number).map(|resolution| format!(", {}", resolution.summary(time)));
    let recorded = match attempt.and_then(|attempt| attempt.charge.as_ref()) {
        Some(_) => format!("recorded: {} ({basis}){prices}", amount_of(job, number)),
        None => "recorded: no charge".to_owned(),
    };
    let recorded = format!("{recorded}{}", answered.unwrap_or_default());
    if !output::can_ask() {
        return Err(CliError::Usage(format!("this {what} ({recorded}); pass --yes to confirm")));
    }
    output::eprint_line(&recorded);
    output::eprint_line("Only --correct replaces the answer; a price that the provider reports later counts instead.");
    if output::confirm(&format!("This {what}: {question}")) {
        Ok(())
    } else {
        Err(CliError::Failed("nothing was changed".to_owned()))
    }
}

/// An answer that stands is final unless it is corrected: the error says what replaces it.
fn with_next_step(error: &ResolveError) -> String {
    match error {
        ResolveError::AlreadyResolved { .. } => format!(
            "{error}; an answer is final unless --correct replaces it or the provider reports a price; `darkroom jobs show` shows who \
             answered when"
        ),
        other => other.to_string(),
    }
}

fn answer_of(job: &Job, number: u32) -> Option<&Resolution> {
    job.attempt_numbered(number)?.resolution.as_ref()
}

fn amount_of(job: &Job, number: u32) -> String {
    let attempt = job.attempt_numbered(number);
    let amount = attempt.and_then(|attempt| attempt.charge.as_ref()?.amount);
    amount.map_or("the charge of unknown amount".to_owned(), Usd::display)
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
