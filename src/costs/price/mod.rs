//! The price table (`assets/prices.toml`) and the estimate before a submit. What the table does not name is unknown, never zero.

mod database;
mod storage;
mod table;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use rust_decimal::Decimal;

use super::{Credits, Usd};
pub use database::DatabasePrice;
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
    /// Width and height of the output in pixels; `None` where the server chooses.
    pub output: (Option<u32>, Option<u32>),
    /// Largest output in pixels, where the model has a limit for both sides together.
    pub max_output_pixels: Option<u64>,
    /// Sizes of the reference images; `None` where the size is unknown before the submit, as of a URL.
    pub input_images: Vec<Option<(u32, u32)>>,
    /// Largest reference image in pixels.
    pub max_input_pixels: u64,
    /// Named options that a price may depend on, such as `resolution` or `mode`.
    pub options: Vec<(&'a str, String)>,
}

/// What a submit will cost, as far as the table knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estimate {
    /// The likely price in dollars; `None` is "unknown", never zero.
    pub amount: Option<Usd>,
    /// The most that it can cost, which a cap must have room for; above `amount` where the server chooses a size or the price is
    /// assumed. `None` is "no bound is known".
    pub at_most: Option<Usd>,
    /// One line for a person: how it was computed, or why it is unknown.
    pub note: String,
}

impl Estimate {
    /// No price is known.
    pub fn unknown(note: impl Into<String>) -> Self {
        Self { amount: None, at_most: None, note: note.into() }
    }
}

/// All known prices, by model.
#[derive(Debug, Clone, Default)]
pub struct PriceTable {
    models: BTreeMap<String, Price>,
    storage: Option<StoragePrice>,
    database: Option<DatabasePrice>,
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
        table::read(text)
    }

    /// The models that the table names.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }

    /// The name of that model in this table, also where an older backend wrote it as `flux_dev`; any other name as it is.
    pub fn canonical<'a>(&'a self, model: &'a str) -> &'a str {
        if self.models.contains_key(model) {
            return model;
        }
        let spelled = model.to_ascii_lowercase().replace('_', "-");
        self.models.get_key_value(&spelled).map_or(model, |(name, _)| name)
    }

    /// What keeping an image in a bucket costs, where the table names it.
    pub fn storage(&self) -> Option<&StoragePrice> {
        self.storage.as_ref()
    }

    /// What documents of a shared store cost, where the table names it.
    pub fn database(&self) -> Option<&DatabasePrice> {
        self.database.as_ref()
    }

    /// The highest published price of one image. A cap counts an accepted charge of unknown price as this much: zero would let
    /// a hard cap be exceeded.
    pub fn highest(&self) -> Usd {
        let prices = self.models.values().flat_map(|price| price.form.image_prices());
        prices.map(Credits::to_usd).max().unwrap_or(Usd::ZERO)
    }

    /// What `request` will cost.
    pub fn estimate(&self, request: &PricedRequest<'_>) -> Estimate {
        let Some(price) = self.models.get(request.model) else {
            return Estimate::unknown(format!("no price is known for {}", request.model));
        };
        let (amount, how) = match price.form.compute(request, Bound::Likely) {
            Ok(computed) => computed,
            Err(why) => return Estimate::unknown(format!("{why} ({}, {})", price.source, price.date)),
        };
        let bounding = price.at_most_as.as_ref().and_then(|model| self.models.get(model)).unwrap_or(price);
        let at_most = bounding.form.compute(request, Bound::Highest).ok().map(|(credits, _)| credits.to_usd());
        let amount_usd = amount.to_usd();
        let at_most = at_most.map(|bound| bound.max(amount_usd));
        let reserved = match at_most {
            Some(bound) if bound > amount_usd => format!("; a cap reserves up to {}", bound.display()),
            _ => String::new(),
        };
        let note = price.note.as_ref().map(|note| format!("; {note}")).unwrap_or_default();
        Estimate {
            amount: Some(amount_usd),
            at_most,
            note: format!("{how}: {amount} credits{note}{reserved} ({}, {})", price.source, price.date),
        }
    }
}

/// Which of the possible prices is meant where the request leaves one open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    /// The documented default.
    Likely,
    /// The largest that the model allows.
    Highest,
}

impl Form {
    /// Credits and how they were computed, or why the price is unknown.
    fn compute(&self, request: &PricedRequest<'_>, bound: Bound) -> Result<(Credits, String), String> {
        match self {
            Self::Flat { credits } => Ok((*credits, "one image".to_owned())),
            Self::Observed { observed } => {
                Err(format!("no price is published; {observed} was observed, other sizes cost more or less"))
            }
            Self::Option { option, prices, references } => {
                if !request.input_images.is_empty() && *references == References::Unknown {
                    return Err("the price of reference images is not published".to_owned());
                }
                let value = request.options.iter().find(|(name, _)| name == option).map(|(_, value)| value.as_str());
                let Some(value) = value else { return Err(format!("the price depends on {option}, which is unknown")) };
                let price = prices.get(value).ok_or_else(|| format!("no price is published for {option} {value}"))?;
                Ok((*price, format!("{option} {value}")))
            }
            Self::Megapixel { first, more, input } => {
                let (output, size) = request.output_megapixels(bound);
                let (inputs, images) = request.input_megapixels(bound);
                let total = first.decimal()
                    + more.decimal().saturating_mul(Decimal::from(output - 1))
                    + input.map_or(Decimal::ZERO, |input| input.decimal().saturating_mul(Decimal::from(inputs)));
                let images = if input.is_some() { images } else { String::new() };
                Ok((Credits::new(total), format!("{size} is {output} MP{images}")))
            }
        }
    }
}

impl PricedRequest<'_> {
    fn output_megapixels(&self, bound: Bound) -> (u64, String) {
        let (likely_width, likely_height) = ASSUMED_OUTPUT;
        match (self.output, bound, self.max_output_pixels) {
            ((Some(width), Some(height)), _, _) => (megapixels(width, height), format!("{width}x{height}")),
            (_, Bound::Highest, Some(pixels)) => (pixels.div_ceil(MEGAPIXEL).max(1), "the largest output".to_owned()),
            ((None, None), _, _) => (
                megapixels(likely_width, likely_height),
                format!("the server chooses the size, about {likely_width}x{likely_height}"),
            ),
            ((width, height), _, _) => {
                let (width, height) = (width.unwrap_or(likely_width), height.unwrap_or(likely_height));
                (megapixels(width, height), format!("the server chooses one side, about {width}x{height}"))
            }
        }
    }

    /// Rounded up for each image (BFL's rule is not published; other vendors of these models count so).
    fn input_megapixels(&self, bound: Bound) -> (u64, String) {
        let unknown = match bound {
            Bound::Likely => 1,
            Bound::Highest => self.max_input_pixels.div_ceil(MEGAPIXEL).max(1),
        };
        let of = |size: &Option<(u32, u32)>| size.map_or(unknown, |(width, height)| megapixels(width, height));
        let total = self.input_images.iter().map(of).sum();
        let guessed = if self.input_images.iter().any(Option::is_none) { "about " } else { "" };
        let images = match self.input_images.len() {
            0 => String::new(),
            1 => format!(" and 1 reference image of {guessed}{total} MP"),
            count => format!(" and {count} reference images of {guessed}{total} MP together"),
        };
        (total, images)
    }
}

/// Megapixels on the bill: whole ones, rounded up, at least 1.
fn megapixels(width: u32, height: u32) -> u64 {
    (u64::from(width) * u64::from(height)).div_ceil(MEGAPIXEL).max(1)
}

#[cfg(test)]
mod tests;
