//! Owns the metrics' names, units and words, in the text form that everybody scrapes. Must not count.

use chrono::{DateTime, Utc};
use prometheus::{CounterVec, GaugeVec, Opts, Registry, TextEncoder};
use rust_decimal::prelude::ToPrimitive;

use super::figures::Figures;
use crate::costs::{CostReport, Usd};
use crate::engine::{ConnectionState, CostOverview, Intake};
use crate::jobs::StageName;

/// The page. Errors: a name or label that Prometheus does not take.
pub(super) fn text(figures: &Figures) -> prometheus::Result<String> {
    let page = Page(Registry::new());
    let version = env!("CARGO_PKG_VERSION");
    page.gauge("darkroom_build_info", "Which darkroom this is.", &["version"], [(vec![version], 1.0)])?;
    page.one("darkroom_simulated", "1 where jobs and money are simulated.", yes(figures.simulated))?;
    page.one("darkroom_start_timestamp_seconds", "When this worker started.", seconds(figures.started))?;
    page.jobs(figures)?;
    if let Some((used, total)) = figures.slots {
        page.one("darkroom_slots", "Tickets that may be open at once in this worker.", total as f64)?;
        page.one("darkroom_slots_in_use", "Jobs that this worker works on now.", used as f64)?;
    }
    page.one("darkroom_posts_in_flight", "Orders whose answer is not saved yet.", figures.posts as f64)?;
    page.counter(
        "darkroom_submits_total",
        "Orders that this worker has sent to the provider.",
        &[],
        [(vec![], figures.submits as f64)],
    )?;
    if let Some(intake) = &figures.intake {
        page.one("darkroom_intake_open", "1 while new jobs are started.", yes(*intake == Intake::Open))?;
    }
    if let Some((link, since)) = &figures.link {
        page.one(
            "darkroom_store_link_up",
            "1 while the store's changes are heard.",
            yes(*link == ConnectionState::Connected),
        )?;
        let help = "Since when the link to the store is as it is.";
        page.one("darkroom_store_link_changed_timestamp_seconds", help, seconds(*since))?;
    }
    if let Some(fleet) = &figures.fleet {
        let help = "1 while the server that gives out the work answers.";
        page.one("darkroom_fleet_link_up", help, yes(fleet.server == ConnectionState::Connected))?;
        page.one(
            "darkroom_fleet_workers",
            "Worker processes of the task queue, on all machines.",
            fleet.workers as f64,
        )?;
        page.one("darkroom_fleet_backlog", "Tasks that wait for one of them.", fleet.backlog as f64)?;
    }
    if let Some(costs) = &figures.costs {
        page.money(costs)?;
    }
    TextEncoder::new().encode_to_string(&page.0.gather())
}

struct Page(Registry);

impl Page {
    fn jobs(&self, figures: &Figures) -> prometheus::Result<()> {
        if let Some(counts) = &figures.counts {
            let stages = StageName::ALL.into_iter().map(|stage| (vec![stage.as_str()], counts.of(stage) as f64));
            self.gauge("darkroom_jobs", "Visible jobs of the whole store by stage.", &["stage"], stages)?;
            self.one("darkroom_jobs_hidden", "Hidden jobs of the whole store.", counts.hidden as f64)?;
        }
        let ended = figures.ended.iter().map(|(ended, count)| {
            let code = ended.code.map_or("", |code| code.as_str());
            (vec![ended.stage.as_str(), code], *count as f64)
        });
        let help = "Jobs that ended in this worker, with the code of a failure.";
        self.counter("darkroom_jobs_ended_total", help, &["outcome", "code"], ended)
    }

    fn money(&self, costs: &CostOverview) -> prometheus::Result<()> {
        let periods = [("today", &costs.today), ("30d", &costs.month)];
        let kinds = |report: &CostReport| {
            [("booked", report.total_usd), ("unknown", report.unknown_usd), ("unconfirmed", report.unconfirmed_usd)]
        };
        let spent = periods.iter().flat_map(|(period, report)| {
            kinds(report).into_iter().map(|(kind, amount)| (vec![*period, kind], dollars(amount)))
        });
        let help = "Spent by all workers since midnight UTC (today), or then and in the 29 days before (30d). Unknown and \
                    unconfirmed money stands beside what is booked, never in it.";
        self.gauge("darkroom_cost_dollars", help, &["period", "kind"], spent)?;
        let charges = periods.iter().map(|(period, report)| (vec![*period], report.count as f64));
        self.gauge("darkroom_charges", "How many charges that is.", &["period"], charges)?;
        let unpriced = periods.iter().map(|(period, report)| (vec![*period], report.unpriced_count as f64));
        let help = "How many of them have no known price; they are in no sum.";
        self.gauge("darkroom_charges_unpriced", help, &["period"], unpriced)?;
        let caps = [("day", costs.daily_cap), ("month", costs.monthly_cap)];
        let caps = caps.into_iter().filter_map(|(period, cap)| Some((vec![period], dollars(cap?))));
        let help = "Hard caps on spending in a UTC day and a calendar month.";
        self.gauge("darkroom_budget_cap_dollars", help, &["period"], caps)?;
        if let Some(credits) = costs.credits {
            self.one("darkroom_account_credits_dollars", "What is left on the provider's account.", dollars(credits))?;
        }
        let help = "When jobs and money were added up for this page.";
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

fn yes(is_so: bool) -> f64 {
    if is_so { 1.0 } else { 0.0 }
}

fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1_000.0
}

/// Prometheus knows floats only; the books keep the decimal.
fn dollars(amount: Usd) -> f64 {
    amount.decimal().to_f64().unwrap_or(f64::NAN)
}
