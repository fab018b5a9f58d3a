//! What a submit would do: its requests, its price, and the rejected rows.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::job_request::JobRequest;
use crate::catalog::Catalog;
use crate::cli::{output, table};
use crate::costs::Usd;
use crate::engine::NewJob;
use crate::jobs::Spec;
use crate::text::format;
use crate::text::sanitize_line;
use crate::transfer::records::RejectedRow;

/// The column of the parameters.
const PARAMETERS: usize = 4;

/// Rejected rows that are reported one by one.
const MAX_REPORTED_ROWS: usize = 20;

/// What a submit would do.
#[derive(Debug)]
pub struct Plan {
    /// The valid requests.
    pub requests: Vec<JobRequest>,
    /// The rows that are not.
    pub rejected: Vec<RejectedRow>,
    /// The cap that the requests do not fit under, and what follows from that: one line.
    pub budget_note: Option<String>,
    simulated: bool,
    /// Jobs that run at the same time.
    slots: usize,
}

impl Plan {
    /// A plan of these requests.
    pub fn new(requests: Vec<JobRequest>, rejected: Vec<RejectedRow>, simulated: bool, slots: usize) -> Self {
        Self { requests, rejected, budget_note: None, simulated, slots }
    }

    /// Seconds until all images are likely to be done, with nothing else to do: never less than the slowest of them takes.
    fn seconds(&self) -> f64 {
        let (mut sum, mut longest) = (0.0, 0.0_f64);
        for request in &self.requests {
            let Some(model) = Catalog::builtin().model(&request.spec.model) else { continue };
            let (quickest, slowest) = model.typical_seconds;
            let each = f64::midpoint(quickest, slowest);
            sum += each * f64::from(request.count);
            longest = longest.max(each);
        }
        let parallel = u64::try_from(self.slots).unwrap_or(1).min(self.count()).max(1);
        (sum / parallel as f64).max(longest).ceil()
    }

    /// Number of images.
    pub fn count(&self) -> u64 {
        self.requests.iter().map(|request| u64::from(request.count)).sum()
    }

    /// The known price, and the number of images without one.
    fn price(&self) -> (Usd, u64) {
        let mut total = Usd::ZERO;
        let mut unpriced = 0;
        for request in &self.requests {
            match request.estimate.amount {
                Some(amount) => total += amount * u64::from(request.count),
                None => unpriced += u64::from(request.count),
            }
        }
        (total, unpriced)
    }

    fn price_text(&self) -> String {
        match self.price() {
            (total, 0) => format!("about {}", total.display()),
            (total, _) if total == Usd::ZERO => "an unknown price".to_owned(),
            (total, unpriced) => format!("about {} and {unpriced} of unknown price", total.display()),
        }
    }

    /// The question before real money is spent; `others` are other jobs that would run.
    pub fn question(&self, others: Option<&str>) -> String {
        let images = images(self.count());
        let others = others.map_or(String::new(), |others| format!(" ({others})"));
        format!("Submit {images} for real money, {}{others}?", self.price_text())
    }

    /// The error in place of the question where no person can answer it.
    pub fn needs_yes(&self) -> String {
        format!("this spends real money ({}); pass --yes to confirm", self.price_text())
    }

    /// Reports the rejected rows on standard error.
    pub fn report_rejected(&self) {
        for row in self.rejected.iter().take(MAX_REPORTED_ROWS) {
            output::eprint_line(&format!("{}: {}", row.location(), row.reason));
        }
        if self.rejected.len() > MAX_REPORTED_ROWS {
            let more = format::count(self.rejected.len() - MAX_REPORTED_ROWS, "more line");
            output::eprint_line(&format!("and {more}"));
        }
    }

    /// The plan for people.
    pub fn text(&self, columns: Option<usize>) -> String {
        let room = columns.map_or(100, |columns| columns.saturating_sub(60).max(20));
        let varying = self.varying();
        let rows = self.requests.iter().map(|request| {
            let amount = |amount: Option<Usd>| amount.map_or("unknown".to_owned(), Usd::display);
            let parameters = varying.iter().filter_map(|name| parameter(&request.spec, name)).collect::<Vec<_>>();
            let mut row = vec![
                request.count.to_string(),
                amount(request.estimate.amount),
                amount(request.estimate.amount.map(|amount| amount * u64::from(request.count))),
                sanitize_line(&request.spec.model, 28),
                sanitize_line(&parameters.join(" "), 60),
                format::cut(&sanitize_line(&request.spec.prompt, 2_000), room),
            ];
            if varying.is_empty() {
                row.remove(PARAMETERS);
            }
            row
        });
        let mut heading = vec!["COUNT", "EACH", "TOTAL", "MODEL", "PARAMETERS", "PROMPT"];
        if varying.is_empty() {
            heading.remove(PARAMETERS);
        }
        let mut text = table::plain(&heading, &[0, 1, 2], rows);
        if self.requests.is_empty() {
            "no valid request".clone_into(&mut text);
        }
        let time = format::age(chrono::Duration::seconds(self.seconds() as i64));
        let slots = format::count(self.slots, "slot");
        let (images, price) = (images(self.count()), self.price_text());
        if self.requests.is_empty() {
            text.push_str("; dry run, nothing was created");
        } else {
            let _ = write!(text, "\n\n{images} for {price}, about {time} with {slots}; dry run, nothing was created");
        }
        if let Some(note) = &self.budget_note {
            text.push('\n');
            text.push_str(note);
        }
        if self.simulated {
            text.push('\n');
            text.push_str(table::SIMULATED);
        }
        text
    }

    /// The parameters in which the requests differ: without them, the rows of a matrix would look the same.
    fn varying(&self) -> Vec<&str> {
        let names: BTreeSet<&str> =
            self.requests.iter().flat_map(|request| request.spec.parameters.keys()).map(String::as_str).collect();
        let differs = |name: &&str| {
            let mut values = self.requests.iter().map(|request| request.spec.parameters.get(*name));
            let first = values.next();
            values.any(|value| Some(value) != first)
        };
        names.into_iter().filter(differs).collect()
    }

    /// The jobs to create.
    pub fn into_new_jobs(self) -> Vec<NewJob> {
        let jobs = self.requests.into_iter().flat_map(|request| {
            let job = NewJob { spec: request.spec, tags: request.tags };
            std::iter::repeat_n(job, usize::try_from(request.count).unwrap_or(usize::MAX))
        });
        jobs.collect()
    }
}

/// `seed=7`; `None` where the request has no such parameter.
fn parameter(spec: &Spec, name: &str) -> Option<String> {
    let value = spec.parameters.get(name)?;
    let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Some(format!("{name}={}", format::cut(&sanitize_line(&shown, 200), 30)))
}

fn images(count: u64) -> String {
    if count == 1 { "1 image".to_owned() } else { format!("{count} images") }
}

/// The JSON of `--dry-run`.
impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (total, unpriced) = self.price();
        let mut plan = serializer.serialize_struct("Plan", 8)?;
        plan.serialize_field("simulated", &self.simulated)?;
        plan.serialize_field("count", &self.count())?;
        plan.serialize_field("total_usd", &total)?;
        plan.serialize_field("unpriced_count", &unpriced)?;
        plan.serialize_field("expected_seconds", &self.seconds())?;
        plan.serialize_field("jobs", &self.requests.iter().map(RequestView::new).collect::<Vec<_>>())?;
        plan.serialize_field("refused", &self.rejected)?;
        plan.serialize_field("budget_note", &self.budget_note)?;
        plan.end()
    }
}

#[derive(Debug, Serialize)]
struct RequestView<'a> {
    model: &'a str,
    prompt: &'a str,
    parameters: &'a std::collections::BTreeMap<String, serde_json::Value>,
    tags: &'a [String],
    count: u32,
    /// One image; null where no price is known.
    each_usd: Option<Usd>,
    /// All images.
    usd: Option<Usd>,
    note: &'a str,
}

impl<'a> RequestView<'a> {
    fn new(request: &'a JobRequest) -> Self {
        Self {
            model: &request.spec.model,
            prompt: &request.spec.prompt,
            parameters: &request.spec.parameters,
            tags: &request.tags,
            count: request.count,
            each_usd: request.estimate.amount,
            usd: request.estimate.amount.map(|amount| amount * u64::from(request.count)),
            note: &request.estimate.note,
        }
    }
}
