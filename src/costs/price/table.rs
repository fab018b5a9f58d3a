//! The format of `assets/prices.toml`.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Deserialize;

use super::{DatabasePrice, PriceError, PriceTable, StoragePrice};
use crate::costs::Credits;

/// The published price of one model.
#[derive(Debug, Clone)]
pub(super) struct Price {
    /// How it is computed.
    pub(super) form: Form,
    /// The model whose price is the upper bound, where this price is assumed.
    pub(super) at_most_as: Option<String>,
    /// A caveat that is shown with every estimate.
    pub(super) note: Option<String>,
    /// Who published it.
    pub(super) source: String,
    /// When: `2026-09-25`, or `2026-01` where the day is not known.
    pub(super) date: String,
}

/// How a price is computed.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case")]
pub(super) enum Form {
    /// By the megapixel.
    Megapixel {
        /// The first megapixel of output.
        first: Credits,
        /// Each one more.
        more: Credits,
        /// Each megapixel of reference images; absent where they cost nothing.
        input: Option<Credits>,
    },
    /// The same for every image.
    Flat {
        /// Each.
        credits: Credits,
    },
    /// By the value of one parameter.
    Option {
        /// The parameter.
        option: String,
        /// Its values that have a price.
        prices: BTreeMap<String, Credits>,
        /// Whether reference images change the price.
        #[serde(default)]
        references: References,
    },
    /// Only single charges are known.
    Observed {
        /// What was observed.
        observed: String,
    },
}

/// Whether reference images change a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum References {
    /// They do not.
    #[default]
    Free,
    /// It is not published.
    Unknown,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    models: BTreeMap<String, toml::Table>,
    storage: Option<StoragePrice>,
    database: Option<DatabasePrice>,
}

/// Reads the table and refuses a price without source or date, or one that is not above zero.
pub(super) fn read(text: &str) -> Result<PriceTable, PriceError> {
    let file: File = toml::from_str(text).map_err(|error| PriceError(error.to_string()))?;
    if let Some(storage) = &file.storage {
        if storage.source.is_empty() || storage.date.is_empty() {
            return Err(PriceError("storage: no source or no date".to_owned()));
        }
        if [storage.operation, storage.gigabyte_month].iter().any(|amount| amount.decimal() <= Decimal::ZERO) {
            return Err(PriceError("storage: a price is above zero; leave out what is not known".to_owned()));
        }
    }
    if let Some(database) = &file.database {
        if database.source.is_empty() || database.date.is_empty() {
            return Err(PriceError("database: no source or no date".to_owned()));
        }
        if [database.reads, database.writes].iter().any(|amount| amount.decimal() <= Decimal::ZERO) {
            return Err(PriceError("database: a price is above zero; leave out what is not known".to_owned()));
        }
    }
    let models = file
        .models
        .into_iter()
        .map(|(name, mut entry)| {
            let wrong = |why: String| PriceError(format!("{name}: {why}"));
            let text = |entry: &mut toml::Table, key: &str| match entry.remove(key) {
                Some(toml::Value::String(text)) if !text.is_empty() => Some(text),
                _ => None,
            };
            let note = text(&mut entry, "note");
            let at_most_as = text(&mut entry, "at_most_as");
            let source = text(&mut entry, "source").ok_or_else(|| wrong("no source".to_owned()))?;
            let date = text(&mut entry, "date").ok_or_else(|| wrong("no date".to_owned()))?;
            let form: Form = entry.try_into().map_err(|error| wrong(format!("{error}")))?;
            if form.amounts().iter().any(|amount| amount.decimal() <= Decimal::ZERO) {
                return Err(wrong("a price is above zero; leave out what is not known".to_owned()));
            }
            Ok((name.clone(), Price { form, at_most_as, note, source, date }))
        })
        .collect::<Result<_, _>>()?;
    let models: BTreeMap<String, Price> = models;
    let bounds = models.iter().filter_map(|(name, price)| Some((name, price.at_most_as.as_ref()?)));
    if let Some((name, bound)) = bounds.into_iter().find(|(_, bound)| !models.contains_key(*bound)) {
        return Err(PriceError(format!("{name}: at_most_as names {bound}, which has no price")));
    }
    Ok(PriceTable { models, storage: file.storage, database: file.database })
}

impl Form {
    /// Prices of one image, without what further megapixels cost.
    pub(super) fn image_prices(&self) -> Vec<Credits> {
        match self {
            Self::Megapixel { first, .. } => vec![*first],
            other => other.amounts(),
        }
    }

    fn amounts(&self) -> Vec<Credits> {
        match self {
            Self::Megapixel { first, more, input } => [*first, *more].into_iter().chain(*input).collect(),
            Self::Flat { credits } => vec![*credits],
            Self::Option { prices, .. } => prices.values().copied().collect(),
            Self::Observed { .. } => Vec::new(),
        }
    }
}
