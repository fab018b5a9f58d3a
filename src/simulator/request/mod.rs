//! A submit request: its body, validated by the catalog, with the size and the price that follow.
//!
//! Where the real API's reply is not documented, the comment states the choice.

mod images;
mod price;
mod rejection;
mod size;

use std::sync::Arc;

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::faults::FaultPlan;
use super::images::Subject;
use crate::catalog::{Catalog, Model};
use crate::jobs::{ImageFormat, Spec};
use images::{InputImages, megapixels};

/// A checked request.
#[derive(Debug)]
pub(super) struct ImageRequest {
    /// What to draw.
    pub subject: Subject,
    /// The seed, where the request named one.
    pub given_seed: Option<i64>,
    /// Credits.
    pub cost: Decimal,
    /// Megapixels of the input images, two decimals.
    pub input_mp: f64,
    /// Megapixels of the image, two decimals.
    pub output_mp: f64,
}

/// Why a body is no request: the status and the `detail` of the reply.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rejection {
    /// 400 or 422.
    pub status: u16,
    /// Text, or a list of what is wrong.
    pub detail: Value,
}

impl Rejection {
    /// One thing is wrong with that field.
    fn field(name: &str, message: &str, kind: &str) -> Self {
        Self { status: 422, detail: json!([{"loc": ["body", name], "msg": message, "type": kind}]) }
    }

    /// The body as a whole is wrong.
    fn body(message: &str, kind: &str) -> Self {
        Self { status: 422, detail: json!([{"loc": ["body"], "msg": message, "type": kind}]) }
    }
}

/// Fields that every model takes and that change nothing here.
const IGNORED: [&str; 1] = ["user"];

/// Fields that would make the simulator call another server.
const WEBHOOK: [&str; 2] = ["webhook_url", "webhook_secret"];

/// Reads the body of a submit. `random_seed` is taken where none is given.
pub(super) fn read(model: &Model, body: &[u8], random_seed: i64) -> Result<ImageRequest, Rejection> {
    let body: Value = serde_json::from_slice(body).map_err(|_| Rejection::body("JSON decode error", "json_invalid"))?;
    let Value::Object(mut body) = body else {
        return Err(Rejection::body("Input should be a valid dictionary or object", "model_attributes_type"));
    };
    body.retain(|name, value| !value.is_null() && !IGNORED.contains(&name.as_str()));
    if let Some(name) = WEBHOOK.iter().find(|name| body.contains_key(**name)) {
        return Err(Rejection::field(name, "the simulator sends no webhooks; poll instead", "value_error"));
    }
    if !model.strict {
        body.retain(|name, _| name == "prompt" || model.parameter(name).is_some());
    }
    let spec = spec(model, &body)?;
    let problems = Catalog::builtin().validate(&spec);
    let images = InputImages::read(model, &body)?;
    if !problems.is_empty() {
        return Err(Rejection {
            status: 422,
            detail: problems.iter().map(|problem| rejection::detail(model, &body, problem)).collect(),
        });
    }
    // A mistyped directive would let a test of a fault pass without the fault.
    if let Err(error) = FaultPlan::check_prompt(&spec.prompt) {
        return Err(Rejection::field("prompt", &error.to_string(), "value_error"));
    }
    let (width, height) = size::of_image(model, &spec, &images);
    let given_seed = spec.parameters.get("seed").and_then(Value::as_i64);
    Ok(ImageRequest {
        cost: price::credits(&spec, &images, (width, height)),
        input_mp: images.megapixels(),
        output_mp: megapixels(width, height),
        given_seed,
        subject: Subject {
            prompt: Arc::from(spec.prompt.as_str()),
            seed: given_seed.unwrap_or(random_seed),
            width,
            height,
            format: format(model, &spec),
        },
    })
}

/// The body as the catalog checks it.
fn spec(model: &Model, body: &Map<String, Value>) -> Result<Spec, Rejection> {
    let prompt = match body.get("prompt") {
        None => "",
        Some(Value::String(prompt)) => prompt,
        Some(_) => {
            return Err(Rejection::field("prompt", "Input should be a valid string", "string_type"));
        }
    };
    let mut spec = Spec::new(&model.name, prompt);
    spec.parameters =
        body.iter().filter(|(name, _)| *name != "prompt").map(|(name, value)| (name.clone(), value.clone())).collect();
    Ok(spec)
}

/// The requested format, or the model's own.
fn format(model: &Model, spec: &Spec) -> ImageFormat {
    let default = model.parameter("output_format").and_then(|parameter| parameter.default.as_ref());
    match spec.parameters.get("output_format").or(default).and_then(Value::as_str) {
        Some("png") => ImageFormat::Png,
        Some("webp") => ImageFormat::Webp,
        // FLUX 3 has no such field; what it delivers is not documented.
        _ => ImageFormat::Jpeg,
    }
}

#[cfg(test)]
mod tests;
