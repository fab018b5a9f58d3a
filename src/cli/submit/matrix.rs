//! `submit --matrix`: every prompt with every model, size and seed.

use super::SubmitArgs;
use super::job_request::{Defaults, InputRow, JobRequest, MAX_COUNT};
use crate::catalog::{Catalog, MAX_COMBINATIONS, Matrix};
use crate::cli::error::CliError;
use crate::costs::{BudgetSettings, CostGrouping, CostReport, PriceTable, Usd};
use crate::jobs::Spec;
use crate::store::{CostQuery, Store};
use crate::text::Template;
use crate::time::{Clock, SystemClock, day_of, month_of};

/// All requests: each model and size, then each prompt, then each seed. Errors: everything that is wrong, as a usage error.
pub fn requests(prompt: &str, args: &SubmitArgs, defaults: &Defaults) -> Result<Vec<JobRequest>, CliError> {
    let catalog = Catalog::builtin();
    let list = |list: &Option<String>| list.clone().unwrap_or_default();
    let (matrix, problems) = Matrix::parse(catalog, &list(&args.models), &list(&args.sizes), &list(&args.seeds));
    if !problems.is_empty() {
        let problems: Vec<String> = problems.iter().map(|problem| format!("--{problem}")).collect();
        return Err(CliError::Usage(problems.join("; ")));
    }
    let template = Template::parse(prompt).and_then(|template| template.expand(MAX_COMBINATIONS));
    let prompts = template.map_err(|error| CliError::Usage(format!("prompt: {error}")))?;
    let models: Vec<Option<String>> =
        if matrix.models.is_empty() { vec![None] } else { matrix.models.iter().cloned().map(Some).collect() };
    let mut requests = Vec::new();
    for model in models {
        let row = InputRow { prompt: prompts.first().cloned(), model, ..InputRow::default() };
        let base = JobRequest::new(&row, defaults).map_err(CliError::Usage)?;
        let inputs = catalog.measure_inputs(&base.spec);
        for sized in matrix.sized(catalog, &base.spec).map_err(|problem| CliError::Usage(format!("--{problem}")))? {
            let estimate = catalog.estimate_sized(&sized, &inputs);
            let combinations = prompts.len().saturating_mul(matrix.seeds.len().max(1));
            let images = (requests.len() + combinations) as u64 * u64::from(base.count);
            if images > MAX_COMBINATIONS {
                let line =
                    format!("the matrix has more than {MAX_COUNT} images: leave out models, sizes, seeds or choices");
                return Err(CliError::Usage(line));
            }
            for prompt in &prompts {
                let spec = Spec { prompt: prompt.clone(), ..sized.clone() };
                for spec in matrix.seeded(&spec) {
                    if let Some(problem) = catalog.validate(&spec).first() {
                        return Err(CliError::Usage(problem.to_string()));
                    }
                    requests.push(JobRequest { spec, estimate: estimate.clone(), ..base.clone() });
                }
            }
        }
    }
    Ok(requests)
}

/// Refuses a matrix that its caps would hold: nothing of it is queued. Errors: the cap and what is left of it.
pub async fn check_budget(
    requests: &[JobRequest],
    store: &dyn Store,
    process: crate::costs::Budget,
    simulated: bool,
) -> Result<(), CliError> {
    let now = SystemClock.now();
    let record = store.budget_history(1).await?.into_iter().next();
    let settings = record.map_or_else(BudgetSettings::default, |record| record.settings);
    let (from, to) = month_of(now);
    let table = store.costs(CostQuery { from, to, simulated }).await?;
    let price = |model: Option<&str>| -> Option<Usd> {
        let counted = requests.iter().filter(|request| model.is_none_or(|model| request.spec.model == model));
        counted.map(|request| request.estimate.amount.map(|amount| amount * u64::from(request.count))).sum()
    };
    for model in requests.iter().map(|request| request.spec.model.as_str()).collect::<std::collections::BTreeSet<_>>() {
        for period in settings.periods(process, model, now) {
            let from = if period.name == "day" { day_of(now).0 } else { from };
            let spent = committed(&table.report_from(from, CostGrouping::Model), period.model.as_deref());
            let wanted = price(period.model.as_deref());
            if let Err(exceeded) = period.check(spent, wanted) {
                let left = (period.cap - spent).max(Usd::ZERO).display();
                let what = wanted.map_or("an unknown price".to_owned(), Usd::display);
                return Err(CliError::Failed(format!(
                    "budget exceeded: {} has {left} left, the matrix needs {what}; nothing was submitted; raise the cap with \
                     'darkroom budget set', or submit less",
                    exceeded.name()
                )));
            }
        }
    }
    Ok(())
}

/// What counts against a cap.
fn committed(report: &CostReport, model: Option<&str>) -> Usd {
    if let Some(model) = model {
        return report.by.iter().filter(|line| line.key == model).map(|line| line.usd).sum();
    }
    let unpriced = PriceTable::builtin().highest() * report.unpriced_count;
    report.total_usd + report.unknown_usd + report.unconfirmed_usd + unpriced
}
