//! `submit --matrix`: every prompt with every model, size and seed.

use super::SubmitArgs;
use super::job_request::{Defaults, InputRow, JobRequest, MAX_COUNT};
use crate::catalog::{Catalog, MAX_COMBINATIONS, Matrix};
use crate::cli::error::CliError;
use crate::jobs::Spec;
use crate::text::Template;

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
