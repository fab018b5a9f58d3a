//! Equal charges of a day: what a cost table is made of.

use chrono::NaiveDate;

use super::{Basis, Usd};

/// Equal charges of one UTC day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostRow {
    /// The day.
    pub day: NaiveDate,
    /// The model; empty where the charge names none.
    pub model: String,
    /// Whose bill it is on.
    pub service: String,
    /// What became of the money.
    pub cause: String,
    /// How certain the amount is.
    pub basis: Basis,
    /// The amount of one charge; `None` where no price is known.
    pub amount: Option<Usd>,
    /// How many such charges.
    pub count: u64,
}

/// Equal charges of one UTC day with one tag. A charge with several tags is in a row of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagRow {
    /// The day.
    pub day: NaiveDate,
    /// The tag; `None` for charges with any tag, each once.
    pub tag: Option<String>,
    /// How certain the amount is.
    pub basis: Basis,
    /// The amount of one charge; `None` where no price is known.
    pub amount: Option<Usd>,
    /// How many such charges.
    pub count: u64,
}
