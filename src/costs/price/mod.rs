//! Owns the price table (`assets/prices.toml`) and the estimate before a submit. Must not guess: what the table does not
//! name is unknown, never zero.

mod storage;
mod table;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use rust_decimal::Decimal;

use super::{Credits, Usd};
pub use storage::StoragePrice;
use table::{Form, Price, References};

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

/// All known prices, by model.
#[derive(Debug, Clone, Default)]
pub struct PriceTable {
    models: BTreeMap<String, Price>,
    storage: Option<StoragePrice>,
}

/// Pixels of one megapixel on the bill: 1024 x 1024, not a million (recorded charges: 1920x1080 is 1.98 MP).
const MEGAPIXEL: u64 = 1_048_576;

/// What a server makes that may choose the size itself (a table of the FLUX.2 documentation).
const ASSUMED_OUTPUT: (u32, u32) = (1024, 1024);

impl PriceTable {
    /// The table that ships with this program.
    pub fn builtin() -> &'static Self {
        // A test reads the same text; were it broken, every price would be unknown, which holds jobs back but spends nothing.
        static TABLE: LazyLock<PriceTable> =
            LazyLock::new(|| PriceTable::parse(include_str!("../../../assets/prices.toml")).unwrap_or_default());
        &TABLE
    }

    /// Reads a table.
    pub fn parse(text: &str) -> Result<Self, PriceError> {
        table::read(text).map(|(models, storage)| Self { models, storage })
    }

    /// The models that the table names.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }

    /// What keeping an image in a bucket costs, where the table names it.
    pub fn storage(&self) -> Option<&StoragePrice> {
        self.storage.as_ref()
    }

    /// What `request` will cost.
    pub fn estimate(&self, request: &PricedRequest<'_>) -> Estimate {
        let Some(price) = self.models.get(request.model) else {
            return unknown(format!("no price is known for {}", request.model));
        };
        let (amount, how) = match price.form.reckon(request) {
            Ok(reckoned) => reckoned,
            Err(why) => return unknown(format!("{why} ({}, {})", price.source, price.date)),
        };
        let note = price.note.as_ref().map(|note| format!("; {note}")).unwrap_or_default();
        Estimate {
            amount: Some(amount.to_usd()),
            note: format!("{how}: {amount} credits{note} ({}, {})", price.source, price.date),
        }
    }
}

fn unknown(note: String) -> Estimate {
    Estimate { amount: None, note }
}

impl Form {
    /// Credits and their calculation, or why they are unknown.
    fn reckon(&self, request: &PricedRequest<'_>) -> Result<(Credits, String), String> {
        match self {
            Self::Flat { credits } => Ok((*credits, "one image".to_owned())),
            Self::Observed { observed } => {
                Err(format!("no price is published; {observed} was seen, other sizes cost otherwise"))
            }
            Self::Option { option, prices, references } => {
                if request.input_images > 0 && *references == References::Unknown {
                    return Err("the price of reference images is not published".to_owned());
                }
                let value = request.options.iter().find(|(name, _)| name == option).map(|(_, value)| value.as_str());
                let Some(value) = value else { return Err(format!("the price hangs on {option}, which is not known")) };
                let price = prices.get(value).ok_or_else(|| format!("no price is published for {option} {value}"))?;
                Ok((*price, format!("{option} {value}")))
            }
            Self::Megapixel { first, more, input } => {
                let (width, height) = request.output.unwrap_or(ASSUMED_OUTPUT);
                let megapixels = megapixels(width, height);
                let total = first.decimal()
                    + more.decimal().saturating_mul(Decimal::from(megapixels - 1))
                    + input.decimal().saturating_mul(Decimal::from(request.input_images));
                let size = if request.output.is_some() { "" } else { "the server chooses the size, about " };
                let images = match request.input_images {
                    0 => String::new(),
                    1 => " and 1 reference image of about 1 MP".to_owned(),
                    count => format!(" and {count} reference images of about 1 MP each"),
                };
                Ok((Credits::new(total), format!("{size}{width}x{height} is {megapixels} MP{images}")))
            }
        }
    }
}

/// Megapixels on the bill: whole ones, rounded up, at least 1.
fn megapixels(width: u32, height: u32) -> u64 {
    (u64::from(width) * u64::from(height)).div_ceil(MEGAPIXEL).max(1)
}

#[cfg(test)]
mod tests;
