//! The takeover of a store from another backend: what was found, what the backlog costs, what is dangerous, and the record that lets
//! darkroom write.
//!
//! Beside another backend every job would be paid twice, so nothing is written before an operator has confirmed the plan. Jobs that the
//! other backend has taken up are never submitted here: it may have paid for them.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};

use super::{RetryPrice, TemporalSurvey};
use crate::catalog::Catalog;
use crate::costs::{BudgetSettings, CostGrouping, CostReport};
use crate::jobs::Job;
use crate::store::{CostQuery, DefaultChoices, Ownership, Store, StoreError, StoreInspection, StoreSettings};
use crate::text::format;

/// Another backend that wrote within this time counts as running: a takeover is refused.
const RUNNING_WITHIN: TimeDelta = TimeDelta::minutes(5);

/// One that wrote within this time may be between two jobs: a warning.
const ACTIVE_WITHIN: TimeDelta = TimeDelta::minutes(15);

/// Jobs whose late results are expected that the record names at most.
const MAX_LEFT_IN_PROGRESS: usize = 1_000;

/// What a takeover would do.
#[derive(Debug, Clone)]
pub struct TakeoverPlan {
    /// What the store holds.
    pub inspection: StoreInspection,
    /// What the Temporal server reports, or one line why it was not read; `None` where no server is configured.
    pub temporal: Option<Result<TemporalSurvey, String>>,
    /// The real money of the last 30 days, of all programs, by service.
    pub spent: CostReport,
    /// The caps of the store.
    pub budget: BudgetSettings,
    /// The price of the waiting jobs.
    pub price: RetryPrice,
    /// When it was made.
    pub at: DateTime<Utc>,
}

impl TakeoverPlan {
    /// Reads what a plan needs; `None` for a store that no other program uses. Writes nothing.
    pub async fn make(
        store: &dyn Store,
        choices: &DefaultChoices,
        temporal: Option<Result<TemporalSurvey, String>>,
        at: DateTime<Utc>,
    ) -> Result<Option<Self>, StoreError> {
        let Some(inspection) = store.inspect(choices).await? else { return Ok(None) };
        let query = CostQuery { from: at - TimeDelta::days(30), to: at, simulated: false };
        let spent = store.costs(query).await?.report(CostGrouping::Service);
        let budget =
            store.budget_history(1).await?.into_iter().next().map(|record| record.settings).unwrap_or_default();
        let price = RetryPrice::of(&inspection.waiting, Catalog::builtin());
        Ok(Some(Self { inspection, temporal, spent, budget, price, at }))
    }

    /// The record of the owner, where darkroom owns the store already.
    pub fn owner(&self) -> Option<&Ownership> {
        self.inspection.settings.ownership.as_ref()
    }

    /// Waiting jobs that were not read: they are not in the price.
    pub fn unread(&self) -> u64 {
        let read = self.inspection.waiting.len() + self.inspection.unreadable.len();
        self.inspection.waiting_count.saturating_sub(read as u64)
    }

    /// `5 waiting jobs, at most $0.20`.
    pub fn backlog_line(&self) -> String {
        let waiting = self.inspection.waiting.len();
        if waiting == 0 {
            return "no waiting jobs".to_owned();
        }
        let unread = match self.unread() {
            0 => String::new(),
            unread => format!(", and {unread} more that were not read"),
        };
        let unpriced = match self.price.unpriced {
            0 => String::new(),
            unpriced => format!(", {unpriced} of unknown price"),
        };
        let at_most = self.price.at_most.display();
        format!("{}, at most {at_most}{unpriced}{unread}", format::count(waiting, "waiting job"))
    }

    /// What must be resolved first, as lines. A takeover needs to be forced otherwise.
    pub fn blockers(&self) -> Vec<String> {
        let mut blockers = Vec::new();
        match &self.temporal {
            None => {}
            // Whether the other backend still runs is not known.
            Some(Err(why)) => blockers.push(format!("Temporal was not inspected: {why}")),
            Some(Ok(survey)) => {
                let pollers = survey.other_pollers();
                blockers.extend(pollers.first().map(|first| {
                    format!(
                        "another backend still runs: {} on the task queue {} ({first}); stop its workers",
                        format::count(pollers.len(), "poller"),
                        survey.task_queue,
                    )
                }));
            }
        }
        let recent = self.last_writes(TimeDelta::MIN..RUNNING_WITHIN);
        blockers.extend(recent.map(|write| format!("{write}: stop it, and wait 5 minutes after its last write")));
        blockers
    }

    /// `another backend wrote a job 2m ago`, for each kind of write whose last one has that age.
    fn last_writes(&self, ages: Range<TimeDelta>) -> impl Iterator<Item = String> {
        let writes = [(self.inspection.last_write, "wrote a job"), (self.inspection.last_charge, "recorded a charge")];
        let now = self.at;
        writes.into_iter().filter_map(move |(at, what)| {
            let age = now - at?;
            ages.contains(&age).then(|| format!("another backend {what} {} ago", format::age(age)))
        })
    }

    /// What an operator should know before confirming, as lines.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let recent = self.last_writes(RUNNING_WITHIN..ACTIVE_WITHIN);
        warnings.extend(recent.map(|write| format!("{write}: make sure that it is stopped, or jobs are paid twice")));
        if !self.inspection.unreadable.is_empty() {
            let requests = format::count(self.inspection.unreadable.len(), "request");
            warnings.push(format!("{requests} cannot be read and will be rejected with a message"));
        }
        let former = &self.inspection.former_defaults;
        if let Some(name) =
            former.unknown_model.as_ref().filter(|_| self.inspection.next_settings.default_model.is_none())
        {
            let name = crate::text::sanitize_line(name, 60);
            warnings.push(format!("the former default model '{name}' is not known: choose one with --model"));
        }
        let open = match &self.temporal {
            Some(Ok(survey)) => survey.other_workflows.len(),
            _ => 0,
        };
        if open > 0 {
            let open = format::count(open, "open workflow");
            warnings.push(format!("{open} of another program may still change jobs: terminate each (listed below)"));
        }
        if self.budget.total.daily.is_none() && self.budget.total.monthly.is_none() {
            warnings
                .push("no cap is set: `darkroom budget set --daily 20` limits what the backlog may cost".to_owned());
        }
        warnings
    }

    /// What the takeover does and what is left to do, in order.
    pub fn steps(&self) -> Vec<String> {
        let mut steps = vec!["stop every worker of the other backend".to_owned()];
        if let Some(Ok(survey)) = &self.temporal {
            steps.extend(survey.other_workflows.iter().map(|workflow| workflow.terminate.clone()));
        }
        steps.push("write the record that darkroom owns the store".to_owned());
        let settings = &self.inspection.next_settings;
        let (model, output_format) = (&settings.default_model, &settings.default_output_format);
        if let Some(model) = model {
            steps.push(format!("requests without a model use {model} (DARKROOM_MODEL precedes)"));
        }
        if let Some(output_format) = output_format {
            steps.push(format!("images of other programs' requests are {output_format}"));
        }
        match self.inspection.in_progress.len() {
            0 => {}
            jobs => {
                let (are, they, their) =
                    if jobs == 1 { ("is", "it fails", "its") } else { ("are", "they fail", "their") };
                steps.push(format!(
                    "{} with the other backend {are} not submitted: without a result 15 minutes after {their} last change {they} as \
                     submit_unknown, and an operator decides",
                    format::count(jobs, "job")
                ));
            }
        }
        steps.push(format!("start a worker with --provider bfl: it submits the backlog ({})", self.backlog_line()));
        steps
    }

    /// Writes the record. Errors: `RecordConflict` where another process changed the settings since the plan was made.
    pub async fn carry_out(&self, store: &dyn Store, at: DateTime<Utc>, by: &str) -> Result<Ownership, StoreError> {
        let StoreInspection { next_settings, revision, in_progress, .. } = &self.inspection;
        let ownership = Ownership { at, by: by.to_owned(), how: Ownership::TAKEOVER.to_owned() };
        let mut settings = next_settings.clone();
        settings.ownership = Some(ownership.clone());
        let left = in_progress.iter().take(MAX_LEFT_IN_PROGRESS).map(|job: &Job| job.id.clone());
        settings.left_in_progress = left.collect();
        store.put_shared_record(settings.to_record(*revision, at, by)).await?;
        tracing::info!(
            by,
            waiting = self.inspection.waiting_count,
            in_progress = in_progress.len(),
            "store taken over"
        );
        Ok(ownership)
    }

    /// Whether the chosen defaults differ from the settings of the store.
    pub fn changes_defaults(&self) -> bool {
        self.inspection.next_settings != self.inspection.settings
    }

    /// Writes the chosen defaults into the settings of a store that darkroom owns. Errors: as for `carry_out`.
    pub async fn change_defaults(&self, store: &dyn Store, at: DateTime<Utc>, by: &str) -> Result<(), StoreError> {
        let StoreInspection { next_settings, revision, .. } = &self.inspection;
        store.put_shared_record(next_settings.to_record(*revision, at, by)).await?;
        let StoreSettings { default_model, default_output_format, .. } = next_settings;
        tracing::info!(by, ?default_model, ?default_output_format, "defaults of the store changed");
        Ok(())
    }
}
