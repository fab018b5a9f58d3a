//! Owns the image models (`assets/models.toml`): their parameters, ranges and defaults. Validation, the submit form and the
//! client are driven by it. Must not know a price.

use serde_json::Value;

use super::Spec;
use crate::costs::Estimate;

/// A catalog that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the model catalog is not valid: {0}")]
pub struct CatalogError(pub String);

/// All known image models.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// In the order of the file: the first is the one for newcomers.
    pub models: Vec<Model>,
}

/// One image model of the FLUX API.
#[derive(Debug, Clone)]
pub struct Model {
    /// Its name here, in documents and in the price table; `flux-2-pro`, `erase-v1`.
    pub name: String,
    /// The path behind `/v1/`; `flux-2-pro`, `flux-tools/erase-v1`.
    pub route: String,
    /// For people.
    pub title: String,
    /// Seconds from submit to picture that were measured: quickest and slowest.
    pub typical_seconds: (f64, f64),
    /// Unfinished tickets at once, where the model has a limit of its own.
    pub max_active: Option<u32>,
    /// Whether unknown fields are refused by the API.
    pub strict: bool,
    /// What it takes besides the prompt, in the order of the form.
    pub parameters: Vec<Parameter>,
    /// Whether it takes a prompt, and whether it must.
    pub prompt: Option<bool>,
}

/// One parameter of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The API's name: `safety_tolerance`.
    pub name: String,
    /// Type and range.
    pub kind: ParameterKind,
    /// Whether a submit without it is refused.
    pub required: bool,
    /// What the API takes when it is absent; `None` is "the server chooses".
    pub default: Option<Value>,
    /// One short line for the form.
    pub help: String,
}

/// Type and range of a parameter. Bounds are inclusive.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterKind {
    /// A whole number; `step` counts from zero.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
        /// Multiples of it only.
        step: i64,
    },
    /// A number.
    Number {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
    },
    /// Yes or no.
    Boolean,
    /// One of these words.
    Choice(Vec<String>),
    /// `W:H` with the ratio between two bounds.
    Ratio {
        /// Narrowest, width and height.
        min: (u32, u32),
        /// Widest, width and height.
        max: (u32, u32),
    },
    /// Any text of at most that many bytes.
    Text {
        /// Bytes.
        max: usize,
    },
    /// One image: a file, an https URL or base64.
    Image,
    /// Several images.
    Images {
        /// At least.
        min: usize,
        /// At most.
        max: usize,
    },
}

/// One thing wrong with a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `prompt`, `model` or the parameter's API name.
    pub parameter: String,
    /// One line: what is wrong and what would be right.
    pub message: String,
}

impl Catalog {
    /// The catalog that ships with this program.
    pub fn builtin() -> &'static Self {
        static CATALOG: Catalog = Catalog { models: Vec::new() };
        &CATALOG
    }

    /// The model of that name.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name == name)
    }

    /// Everything that is wrong with `spec`; empty when the API would take it.
    pub fn problems(&self, spec: &Spec) -> Vec<Problem> {
        let _ = spec;
        Vec::new()
    }

    /// What one picture of `spec` will cost, by the table that ships with this program.
    pub fn estimate(&self, spec: &Spec) -> Estimate {
        let _ = self;
        Estimate { amount: None, note: format!("no price is known for {}", spec.model) }
    }
}
