//! The form's matrix: what every prompt with every model, size and seed would be, and what it would cost. Counted and priced
//! while typing; the requests themselves are built only when they are submitted.

use super::Draft;
use crate::catalog::{Catalog, InputSizes, Matrix, SpecError};
use crate::console::costs_view;
use crate::costs::{Estimate, Usd};
use crate::engine::NewJob;
use crate::jobs::Spec;
use crate::text::Template;
use crate::text::format;

/// Images of one form's matrix at most.
const MAX_IMAGES: u64 = 1_000;

/// What limits a submit beside the catalog: as last reported by the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Jobs that this process runs at the same time.
    pub slots: Option<usize>,
    /// What is left under each cap: `daily budget` and the amount.
    pub left: Vec<(&'static str, Usd)>,
    /// The most that storing one image costs, where it costs money.
    pub storage: Option<Usd>,
}

/// A matrix, counted and priced.
#[derive(Debug, Clone, Default)]
pub struct MatrixPlan {
    matrix: Matrix,
    /// The request of each model and size, without its final prompt and seed.
    bases: Vec<Spec>,
    prompts: u64,
    count: u64,
    /// The price of all images; `None` where that of one is not known.
    pub price: Option<Usd>,
    /// The most that they can cost, where an input image has no known size.
    pub at_most: Option<Usd>,
    /// The shortest line about a cap that the reservation exceeds.
    pub over_budget: Option<String>,
    /// Seconds of work, one after the other.
    seconds: f64,
    /// Seconds that the slowest image takes.
    longest: f64,
    /// What is wrong, by field.
    pub problems: Vec<SpecError>,
}

impl MatrixPlan {
    /// The plan of a draft; `count` is how many of each combination, `sizes` what is known of its input images.
    pub fn new(draft: &Draft, catalog: &Catalog, count: u32, limits: &Limits, sizes: &InputSizes) -> Self {
        let (matrix, problems) = Matrix::parse(catalog, &draft.models, &draft.sizes, &draft.seeds);
        let mut plan = Self { matrix, problems, count: u64::from(count), ..Self::default() };
        match Template::parse(&draft.prompt) {
            Ok(template) => plan.prompts = template.count(),
            Err(error) => plan.reject("prompt", error.to_string()),
        }
        let models = if plan.matrix.models.is_empty() { vec![draft.model.clone()] } else { plan.matrix.models.clone() };
        for model in models {
            let validated = Draft { model: model.clone(), ..draft.clone() }.validate(catalog);
            for problem in validated.problems {
                plan.reject(&problem.parameter, problem.message);
            }
            match plan.matrix.sized(catalog, &validated.spec) {
                Ok(specs) => plan.bases.extend(specs),
                Err(problem) => plan.reject("sizes", problem.message),
            }
        }
        for problem in plan.bases.iter().flat_map(|spec| catalog.validate(spec)).collect::<Vec<_>>() {
            plan.reject(&problem.parameter, problem.message);
        }
        plan.measure(catalog, limits, sizes);
        plan
    }

    /// The first problem of a field is the one that is shown.
    fn reject(&mut self, field: &str, message: String) {
        let has_sizes = !self.matrix.sizes.is_empty();
        let field = match field {
            "width" | "height" | "aspect_ratio" if has_sizes => "sizes",
            "seed" if !self.matrix.seeds.is_empty() => "seeds",
            field => field,
        };
        if !self.problems.iter().any(|known| known.parameter == field) {
            self.problems.push(SpecError { parameter: field.to_owned(), message });
        }
    }

    fn measure(&mut self, catalog: &Catalog, limits: &Limits, sizes: &InputSizes) {
        let images = self.images();
        if images > MAX_IMAGES {
            self.reject("matrix", format!("{images} images: at most {MAX_IMAGES} at once"));
        }
        let each = images.checked_div(self.bases.len() as u64).unwrap_or(0);
        let estimates: Vec<Estimate> = self.bases.iter().map(|spec| catalog.estimate_sized(spec, sizes)).collect();
        self.price = estimates.iter().map(|estimate| estimate.amount.map(|amount| amount * each)).sum();
        // Only where an input image is not measured: the other bounds are of sizes that the provider chooses.
        let is_unmeasured = |spec: &Spec| catalog.has_inputs(spec) && !catalog.has_sizes(spec, sizes);
        let is_bounded = self.bases.iter().any(is_unmeasured);
        let most = estimates.iter().map(|estimate| estimate.at_most.or(estimate.amount).map(|amount| amount * each));
        let most: Option<Usd> = most.sum();
        self.at_most = most.filter(|_| is_bounded);
        let models = self.bases.iter().filter_map(|spec| catalog.model(&spec.model));
        let usual = models.map(|model| f64::midpoint(model.typical_seconds.0, model.typical_seconds.1));
        (self.seconds, self.longest) =
            usual.fold((0.0, 0.0), |(sum, longest), seconds| (seconds.mul_add(each as f64, sum), seconds.max(longest)));
        // What the submits will set aside: the most that they and the storage of their images can cost.
        let reserved = most.map(|most| most + limits.storage.unwrap_or(Usd::ZERO) * images);
        let is_bound = reserved > self.price;
        for (budget, left) in &limits.left {
            if let Some(reserved) = reserved.filter(|reserved| reserved > left) {
                let [reserved, left] = costs_view::aligned([reserved, (*left).max(Usd::ZERO)]);
                let bound = if is_bound { "up to " } else { "" };
                self.reject("matrix", format!("{bound}{reserved} exceeds the {budget}: {left} left"));
                self.over_budget.get_or_insert(format!("{bound}{reserved} over budget: {left} left"));
            }
        }
    }

    fn seeds(&self) -> u64 {
        self.matrix.seeds.len().max(1) as u64
    }

    /// How many images there would be.
    pub fn images(&self) -> u64 {
        let factors = [self.bases.len() as u64, self.prompts, self.seeds(), self.count];
        factors.into_iter().fold(1, u64::saturating_mul)
    }

    /// `4 prompts × 2 models × 3 seeds = 24 images`; one of something is left out.
    pub fn line(&self) -> String {
        let models = self.matrix.models.len().max(1) as u64;
        let sizes = self.matrix.sizes.len().max(1) as u64;
        let factors = [
            (self.prompts, "prompt"),
            (models, "model"),
            (sizes, "size"),
            (self.seeds(), "seed"),
            (self.count, "copy"),
        ];
        let named = factors.iter().filter(|(number, _)| *number > 1).map(|(number, word)| match *word {
            "copy" => format!("{number} copies"),
            word => format!("{number} {word}s"),
        });
        let named: Vec<String> = named.collect();
        let images = format::count(usize::try_from(self.images()).unwrap_or(usize::MAX), "image");
        if named.is_empty() {
            format!("1 combination = {images}")
        } else {
            format!("{} = {images}", named.join(" × "))
        }
    }

    /// `about 40s with 24 slots`.
    pub fn time(&self, limits: &Limits) -> Option<String> {
        let slots = limits.slots.filter(|slots| *slots > 0)?;
        let parallel = (slots as u64).min(self.images().max(1));
        let seconds = (self.seconds / parallel as f64).max(self.longest).ceil().min(1e9) as i64;
        let time = format::age(chrono::Duration::seconds(seconds));
        Some(format!("about {time} with {}", format::count(slots, "slot")))
    }

    /// All requests: each model and size, then each prompt, then each seed. Errors: prompts that cannot be built, or one that the
    /// catalog rejects.
    pub fn jobs(&self, draft: &Draft, catalog: &Catalog, tags: &[String]) -> Result<Vec<NewJob>, SpecError> {
        let wrong = |message: String| SpecError { parameter: "prompt".to_owned(), message };
        let template = Template::parse(&draft.prompt).map_err(|error| wrong(error.to_string()))?;
        let prompts = template.expand(MAX_IMAGES).map_err(|error| wrong(error.to_string()))?;
        let mut jobs = Vec::new();
        for base in &self.bases {
            let takes_prompt = catalog.model(&base.model).is_some_and(|model| model.prompt.is_some());
            for prompt in &prompts {
                let prompt = if takes_prompt { prompt.clone() } else { String::new() };
                let spec = Spec { prompt, ..base.clone() };
                if let Some(problem) = catalog.validate(&spec).into_iter().next() {
                    return Err(problem);
                }
                for spec in self.matrix.seeded(&spec) {
                    let job = NewJob { spec, tags: tags.to_vec() };
                    jobs.extend(std::iter::repeat_n(job, usize::try_from(self.count).unwrap_or(1)));
                }
            }
        }
        Ok(jobs)
    }
}

/// How many prompts the braces of a text mean; `None` where it has no choice.
pub fn choices(prompt: &str) -> Option<u64> {
    // Most prompts have no brace: they need no parser.
    let template = prompt.contains('{').then(|| Template::parse(prompt).ok()).flatten()?;
    Some(template.count()).filter(|count| *count > 1)
}
