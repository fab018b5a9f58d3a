//! The image models (`assets/models.toml`): their parameters, ranges and defaults. Validation, the submit form and the client
//! are driven by it. Prices are in `costs`.

mod errors;
mod file;
mod image_source;
mod input_size;
mod matrix;
mod model;
mod parameter;
mod validate;

use std::sync::LazyLock;

pub use errors::SpecError;
pub use image_source::{ImageSource, ImageSourceError};
pub use matrix::{MAX_COMBINATIONS, Matrix, MatrixSize};
pub use model::{InputSizes, Model};
pub use parameter::{Parameter, ParameterKind};

use crate::costs::{Estimate, PriceTable, Usd};
use crate::jobs::{Job, Spec};

/// A catalog that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the model catalog is not valid: {0}")]
pub struct CatalogError(pub String);

/// All known image models.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// In the order of the file: the first is the one for newcomers.
    pub models: Vec<Model>,
}

impl Catalog {
    /// The catalog that ships with this program.
    pub fn builtin() -> &'static Self {
        // A test reads the same text; if it were invalid, every model would be unknown and nothing could be submitted.
        static CATALOG: LazyLock<Catalog> =
            LazyLock::new(|| Catalog::parse(include_str!("../../assets/models.toml")).unwrap_or_default());
        &CATALOG
    }

    /// Reads a catalog.
    pub fn parse(text: &str) -> Result<Self, CatalogError> {
        file::read(text).map(|models| Self { models })
    }

    /// The model of that name.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name == name)
    }

    /// The model behind `/v1/{route}`.
    pub fn model_by_route(&self, route: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.route == route)
    }

    /// What one image of `spec` will cost, by the table that ships with this program. An invalid spec may be priced wrongly:
    /// validate it first.
    pub fn estimate(&self, spec: &Spec) -> Estimate {
        self.estimate_sized(spec, &InputSizes::new())
    }

    /// What a submit of the job reserves: the most that it can cost, with the storage of its image where a worker has found what that
    /// costs. `None` where that is unknown, or depends on input images.
    pub fn reservation(&self, job: &Job) -> Option<Usd> {
        let estimate = self.estimate(&job.spec);
        let submit = estimate.at_most.or(estimate.amount).filter(|_| !self.has_inputs(&job.spec))?;
        let storage = job.attempt().and_then(|attempt| attempt.storage_reserved);
        Some(submit + storage.unwrap_or(Usd::ZERO))
    }

    /// The same with the known sizes of the input images.
    pub fn estimate_sized(&self, spec: &Spec, sizes: &InputSizes) -> Estimate {
        match self.model(&spec.model) {
            Some(model) => PriceTable::builtin().estimate(&model.priced(spec, sizes)),
            None => Estimate::unknown(format!("no price is known for {}", crate::text::sanitize_line(&spec.model, 60))),
        }
    }
}

#[cfg(test)]
mod tests;
