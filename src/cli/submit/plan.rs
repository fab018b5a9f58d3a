//! Owns what a submit would do: its orders, its price, the refused lines. Must not do it.

use std::fmt::Write as _;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::file::Refused;
use super::orders::Order;
use crate::cli::{output, table};
use crate::costs::Usd;
use crate::engine::NewJob;
use crate::text::format;
use crate::text::sanitize_line;

/// How many refused lines are said one by one.
const SAID: usize = 20;

/// What a submit would do.
#[derive(Debug)]
pub struct Plan {
    /// What is ordered.
    pub orders: Vec<Order>,
    /// The lines that are no order.
    pub refused: Vec<Refused>,
    simulated: bool,
}

impl Plan {
    /// A plan of these.
    pub fn new(orders: Vec<Order>, refused: Vec<Refused>, simulated: bool) -> Self {
        Self { orders, refused, simulated }
    }

    /// How many images.
    pub fn count(&self) -> u64 {
        self.orders.iter().map(|order| u64::from(order.count)).sum()
    }

    /// What is known of the price, and how many images have none that is known.
    fn price(&self) -> (Usd, u64) {
        let mut total = Usd::ZERO;
        let mut unpriced = 0;
        for order in &self.orders {
            match order.estimate.amount {
                Some(amount) => total += amount * u64::from(order.count),
                None => unpriced += u64::from(order.count),
            }
        }
        (total, unpriced)
    }

    fn price_in_words(&self) -> String {
        match self.price() {
            (total, 0) => format!("about {}", total.display()),
            (total, _) if total == Usd::ZERO => "a price that is not known".to_owned(),
            (total, unpriced) => format!("about {} and {unpriced} of unknown price", total.display()),
        }
    }

    /// The question before real money is spent; `others` is what is worked on beside these.
    pub fn question(&self, others: Option<&str>) -> String {
        let images = if self.count() == 1 { "1 image".to_owned() } else { format!("{} images", self.count()) };
        let others = others.map_or(String::new(), |others| format!(" ({others})"));
        format!("Order {images} for real money, {}{others}?", self.price_in_words())
    }

    /// What is said in place of the question where nobody can answer it.
    pub fn needs_yes(&self) -> String {
        format!("real money, {}: say --yes", self.price_in_words())
    }

    /// Says the refused lines on standard error.
    pub fn say_refused(&self) {
        for refused in self.refused.iter().take(SAID) {
            output::eprint_line(&format!("line {}: {}", refused.line, refused.reason));
        }
        if self.refused.len() > SAID {
            output::eprint_line(&format!("and {} more lines", self.refused.len() - SAID));
        }
    }

    /// The plan for people.
    pub fn text(&self, columns: Option<usize>) -> String {
        let room = columns.map_or(100, |columns| columns.saturating_sub(60).max(20));
        let rows = self.orders.iter().map(|order| {
            let amount = |amount: Option<Usd>| amount.map_or("unknown".to_owned(), Usd::display);
            vec![
                order.count.to_string(),
                amount(order.estimate.amount),
                amount(order.estimate.amount.map(|amount| amount * u64::from(order.count))),
                sanitize_line(&order.spec.model, 28),
                format::cut(&sanitize_line(&order.spec.prompt, 2_000), room),
            ]
        });
        let mut text = table::plain(&["COUNT", "EACH", "TOGETHER", "MODEL", "PROMPT"], &[0, 1, 2], rows);
        let _ = write!(text, "\n\n{} to make for {}; nothing was created", self.count(), self.price_in_words());
        if self.simulated {
            text.push('\n');
            text.push_str(table::SIMULATED);
        }
        text
    }

    /// The jobs to make.
    pub fn into_new_jobs(self) -> Vec<NewJob> {
        let jobs = self.orders.into_iter().flat_map(|order| {
            let job = NewJob { spec: order.spec, tags: order.tags };
            std::iter::repeat_n(job, usize::try_from(order.count).unwrap_or(usize::MAX))
        });
        jobs.collect()
    }
}

/// The JSON of `--dry-run`.
impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (total, unpriced) = self.price();
        let mut plan = serializer.serialize_struct("Plan", 6)?;
        plan.serialize_field("simulated", &self.simulated)?;
        plan.serialize_field("count", &self.count())?;
        plan.serialize_field("total_usd", &total)?;
        plan.serialize_field("unpriced_count", &unpriced)?;
        plan.serialize_field("jobs", &self.orders.iter().map(OrderView::new).collect::<Vec<_>>())?;
        plan.serialize_field("refused", &self.refused)?;
        plan.end()
    }
}

#[derive(Debug, Serialize)]
struct OrderView<'a> {
    model: &'a str,
    prompt: &'a str,
    parameters: &'a std::collections::BTreeMap<String, serde_json::Value>,
    tags: &'a [String],
    count: u32,
    /// One of it; null where no price is known.
    each_usd: Option<Usd>,
    /// All of them.
    usd: Option<Usd>,
    note: &'a str,
}

impl<'a> OrderView<'a> {
    fn new(order: &'a Order) -> Self {
        Self {
            model: &order.spec.model,
            prompt: &order.spec.prompt,
            parameters: &order.spec.parameters,
            tags: &order.tags,
            count: order.count,
            each_usd: order.estimate.amount,
            usd: order.estimate.amount.map(|amount| amount * u64::from(order.count)),
            note: &order.estimate.note,
        }
    }
}
