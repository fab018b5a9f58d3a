//! Owns the price table (`assets/prices.toml`) and the estimate before a submit. Must not guess: what the table does not
//! name is unknown, never zero.

use super::Usd;

/// A price table that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the price table is not valid: {0}")]
pub struct PriceError(pub String);

/// What a price depends on, without knowing what a job is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PricedRequest<'a> {
    /// Model name as in the price table.
    pub model: &'a str,
    /// Output size in pixels, where it is known before the submit.
    pub output: Option<(u32, u32)>,
    /// How many reference images go along.
    pub input_images: u32,
    /// Named options that a price may hang on, such as `resolution` or `mode`.
    pub options: Vec<(&'a str, String)>,
}

/// What a submit will cost, as far as the table knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estimate {
    /// Dollars; `None` is "unknown", never zero.
    pub amount: Option<Usd>,
    /// One line for a person: how it was reckoned, or why it is unknown.
    pub note: String,
}

/// All known prices.
#[derive(Debug, Clone)]
pub struct PriceTable {}

impl PriceTable {
    /// The table that ships with this program.
    pub fn builtin() -> &'static Self {
        static TABLE: PriceTable = PriceTable {};
        &TABLE
    }

    /// What `request` will cost.
    pub fn estimate(&self, request: &PricedRequest<'_>) -> Estimate {
        Estimate { amount: None, note: format!("no price is known for {}", request.model) }
    }
}
