//! The metrics in the Prometheus text format: names, units and help texts.

use chrono::{DateTime, Utc};
use prometheus::{CounterVec, GaugeVec, Opts, Registry, TextEncoder};
use rust_decimal::prelude::ToPrimitive;

use super::health::waits;
use super::state::MetricsState;
use crate::costs::{CostReport, Usd};
use crate::engine::{ConnectionState, CostOverview, Dependency, Intake};
use crate::jobs::StageName;

/// Renders the page. Errors: a name or label that Prometheus rejects.
pub(super) fn text(state: &MetricsState) -> prometheus::Result<String> {
    let page = Page(Registry::new());
    let version = env!("CARGO_PKG_VERSION");
    page.gauge("darkroom_build_info", "Build version.", &["version"], [(vec![version], 1.0)])?;
    page.one("darkroom_simulated", "1 if jobs and money are simulated.", gauge_of(state.simulated))?;
    page.one("darkroom_start_timestamp_seconds", "Start time of this worker.", seconds(state.started))?;
    page.jobs(state)?;
    if let Some((used, total)) = state.slots {
        page.one("darkroom_slots", "Jobs that this worker runs at the same time at most.", total as f64)?;
        page.one("darkroom_slots_in_use", "Jobs that this worker is running.", used as f64)?;
    }
    page.one("darkroom_posts_in_flight", "Submit requests whose outcome is not saved yet.", state.in_flight as f64)?;
    page.counter(
        "darkroom_submits_total",
        "Submit requests that this worker sent to the provider.",
        &[],
        [(vec![], state.submits as f64)],
    )?;
    if let Some(intake) = &state.intake {
        page.one(
            "darkroom_intake_open",
            "1 while new jobs may start.",
            gauge_of(*intake == Intake::Open && state.pause.is_none()),
        )?;
    }
    if let Some((connection, since)) = &state.store {
        page.one(
            "darkroom_store_link_up",
            "1 while the change stream of the store is connected.",
            gauge_of(*connection == ConnectionState::Connected),
        )?;
        let help = "Time of the last change of the store connection.";
        page.one("darkroom_store_link_changed_timestamp_seconds", help, seconds(*since))?;
    }
    if let Some(temporal) = &state.temporal {
        let help = "1 while the Temporal server is connected.";
        page.one("darkroom_fleet_link_up", help, gauge_of(temporal.server == ConnectionState::Connected))?;
        page.one(
            "darkroom_fleet_workers",
            "Worker processes of the task queue on all machines.",
            temporal.workers as f64,
        )?;
        page.one("darkroom_fleet_backlog", "Tasks that wait for a worker.", temporal.backlog as f64)?;
    }
    page.waits(state)?;
    if let Some(costs) = &state.costs {
        page.money(costs)?;
    }
    TextEncoder::new().encode_to_string(&page.0.gather())
}

struct Page(Registry);

impl Page {
    fn jobs(&self, state: &MetricsState) -> prometheus::Result<()> {
        if let Some(counts) = &state.counts {
            let stages = StageName::ALL.into_iter().map(|stage| (vec![stage.as_str()], counts.of(stage) as f64));
            self.gauge("darkroom_jobs", "Visible jobs in the store by stage.", &["stage"], stages)?;
            self.one("darkroom_jobs_hidden", "Hidden jobs in the store.", counts.hidden as f64)?;
        }
        let finished = state.finished.iter().map(|(job, count)| {
            let code = job.code.map_or("", |code| code.as_str());
            (vec![job.stage.as_str(), code], *count as f64)
        });
        let help = "Jobs that finished in this worker, with the failure code.";
        self.counter("darkroom_jobs_ended_total", help, &["outcome", "code"], finished)
    }

    /// What `/health` lists, and the alarm.
    fn waits(&self, state: &MetricsState) -> prometheus::Result<()> {
        let waits = waits(state);
        let is_waiting = |dependency| waits.iter().any(|(_, outage)| outage.dependency == dependency);
        let all = Dependency::ALL.into_iter().map(|each| (vec![each.as_str()], gauge_of(is_waiting(each))));
        self.gauge("darkroom_waiting", "1 while jobs wait for this dependency.", &["dependency"], all)?;
        let since = waits.iter().map(|(_, outage)| (vec![outage.dependency.as_str()], seconds(outage.since)));
        let help = "Since when jobs wait for this dependency.";
        self.gauge("darkroom_waiting_since_timestamp_seconds", help, &["dependency"], since)?;
        let help = "1 while another backend works on the store.";
        self.one("darkroom_store_alarm", help, gauge_of(state.alarm.is_some()))
    }

    fn money(&self, costs: &CostOverview) -> prometheus::Result<()> {
        let periods = [("today", &costs.today), ("30d", &costs.month)];
        let kinds = |report: &CostReport| {
            [("booked", report.total_usd), ("unknown", report.unknown_usd), ("unconfirmed", report.unconfirmed_usd)]
        };
        let spent = periods.iter().flat_map(|(period, report)| {
            kinds(report).into_iter().map(|(kind, amount)| (vec![*period, kind], dollars(amount)))
        });
        let help = "Spending of all workers since midnight UTC (today) or in the last 30 UTC days including today (30d). Unknown \
                    and unconfirmed amounts are reported separately from booked ones.";
        self.gauge("darkroom_cost_dollars", help, &["period", "kind"], spent)?;
        let charges = periods.iter().map(|(period, report)| (vec![*period], report.count as f64));
        self.gauge("darkroom_charges", "Number of charges.", &["period"], charges)?;
        let unpriced = periods.iter().map(|(period, report)| (vec![*period], report.unpriced_count as f64));
        let help = "Number of charges without a known price; they are not in any sum.";
        self.gauge("darkroom_charges_unpriced", help, &["period"], unpriced)?;
        let caps = [("day", costs.daily_cap), ("month", costs.monthly_cap)];
        let caps = caps.into_iter().filter_map(|(period, cap)| Some((vec![period], dollars(cap?))));
        let help = "Hard caps on spending in a UTC day and a calendar month.";
        self.gauge("darkroom_budget_cap_dollars", help, &["period"], caps)?;
        if let Some(credits) = costs.credits {
            self.one("darkroom_account_credits_dollars", "Balance of the provider account.", dollars(credits))?;
        }
        let help = "Time of the last calculation of job and cost sums.";
        self.one("darkroom_sums_timestamp_seconds", help, seconds(costs.at))
    }

    fn one(&self, name: &str, help: &str, value: f64) -> prometheus::Result<()> {
        self.gauge(name, help, &[], [(vec![], value)])
    }

    fn gauge<'a>(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        values: impl IntoIterator<Item = (Vec<&'a str>, f64)>,
    ) -> prometheus::Result<()> {
        let family = GaugeVec::new(Opts::new(name, help), labels)?;
        for (label, value) in values {
            family.get_metric_with_label_values(&label)?.set(value);
        }
        self.0.register(Box::new(family))
    }

    fn counter<'a>(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        values: impl IntoIterator<Item = (Vec<&'a str>, f64)>,
    ) -> prometheus::Result<()> {
        let family = CounterVec::new(Opts::new(name, help), labels)?;
        for (label, value) in values {
            family.get_metric_with_label_values(&label)?.inc_by(value);
        }
        self.0.register(Box::new(family))
    }
}

fn gauge_of(flag: bool) -> f64 {
    if flag { 1.0 } else { 0.0 }
}

fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1_000.0
}

/// Prometheus values are floats; the ledger keeps decimals.
fn dollars(amount: Usd) -> f64 {
    amount.decimal().to_f64().unwrap_or(f64::NAN)
}
