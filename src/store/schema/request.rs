//! The requested image (`model`, `prompt`, `aspectRatio`, `steps`, …) as a spec, and a spec as those fields. Ranges are not checked
//! here: the catalog does, and the job then fails with a readable message.
//!
//! A field is read leniently where its meaning is certain, and is an error otherwise.

use serde_json::{Number, Value};

use super::Fields;
#[cfg(feature = "firestore")]
use super::diff::canonical;
use super::money::kind;
use crate::catalog::{Catalog, Model, ParameterKind};
use crate::jobs::Spec;
#[cfg(feature = "firestore")]
use crate::jobs::sha256_hex;
use crate::text::sanitize_line;

/// Defaults of the shared schema.
const STEPS: i64 = 28;
const GUIDANCE: f64 = 3.0;
const SEED: i64 = 42;
const TOLERANCE: i64 = 2;

/// A requested image. Absent fields have the schema's defaults.
#[derive(Debug, Clone, Copy, Default)]
struct ImageRequest<'a> {
    model: Option<&'a str>,
    prompt: Option<&'a str>,
    steps: Option<i64>,
    guidance: Option<f64>,
    seed: Option<i64>,
    tolerance: Option<i64>,
    upsampling: Option<bool>,
    ratio: Option<&'a str>,
}

/// What a request gets that it does not name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestDefaults<'a> {
    pub model: &'a str,
    /// Requests have no field for it. `None` is the model's own default.
    pub output_format: Option<&'a str>,
}

/// The fields in which an image is requested.
#[cfg(feature = "firestore")]
pub(crate) const REQUEST_FIELDS: [&str; 8] =
    ["model", "prompt", "aspectRatio", "steps", "guidance", "seed", "promptUpsampling", "safetyTolerance"];

/// A digest of the request, to notice that it was changed. 28 and 28.0 are the same request. Stored in documents: it must not change.
#[cfg(feature = "firestore")]
pub(crate) fn request_digest(fields: &Fields) -> String {
    let request: Vec<Value> =
        REQUEST_FIELDS.iter().map(|name| fields.get(*name).map_or(Value::Null, canonical)).collect();
    let mut digest = sha256_hex(Value::from(request).to_string().as_bytes());
    digest.truncate(32);
    digest
}

/// The spec that a document requests. Errors: one line.
pub(crate) fn parse_spec(fields: &Fields, defaults: RequestDefaults<'_>) -> Result<Spec, String> {
    let request = ImageRequest {
        model: string_field(fields, "model")?,
        prompt: string_field(fields, "prompt")?,
        steps: integer_field(fields, "steps")?,
        guidance: number_field(fields, "guidance")?,
        seed: integer_field(fields, "seed")?,
        tolerance: integer_field(fields, "safetyTolerance")?,
        upsampling: bool_field(fields, "promptUpsampling")?,
        ratio: string_field(fields, "aspectRatio")?,
    };
    request.spec(defaults)
}

impl ImageRequest<'_> {
    /// The spec of this request. Errors: one line.
    fn spec(self, defaults: RequestDefaults<'_>) -> Result<Spec, String> {
        let name = self.model.map(str::trim).filter(|name| !name.is_empty()).unwrap_or(defaults.model);
        let prompt = self.prompt.unwrap_or_default();
        let steps = self.steps.unwrap_or(STEPS);
        let guidance = self.guidance.unwrap_or(GUIDANCE);
        let seed = self.seed.unwrap_or(SEED);
        let tolerance = self.tolerance.unwrap_or(TOLERANCE);
        let ratio = self.ratio.map(str::trim).filter(|ratio| !ratio.is_empty());
        let model = catalog_model(name);
        let mut spec = Spec::new(model.map_or(name, |model| &model.name), prompt);
        spec.from_shared_store = true;
        // The parameters of an unknown model are not known; the job fails later with the known names.
        let Some(model) = model else { return Ok(spec) };
        for (name, value) in
            [("steps", Value::from(steps)), ("guidance", json_of(guidance)), ("seed", Value::from(seed))]
        {
            if model.parameter(name).is_some() {
                spec = spec.with(name, value);
            }
        }
        let requested = [("steps", self.steps.map(Value::from)), ("guidance", self.guidance.map(json_of))];
        for (name, value) in requested {
            if let Some(value) = value.filter(|_| model.parameter(name).is_none()) {
                spec.ignored.insert(name.to_owned(), value);
            }
        }
        if let Some(format) = defaults.output_format.filter(|format| takes(model, "output_format", format)) {
            spec = spec.with("output_format", format);
        }
        if let Some(parameter) = model.parameter("safety_tolerance") {
            // Models end their scale at different numbers; the contract's largest means the most tolerant of each.
            let value = match parameter.kind {
                ParameterKind::Integer { max, .. } if (max..=6).contains(&tolerance) => max,
                _ => tolerance,
            };
            spec = spec.with("safety_tolerance", value);
        }
        if let Some(upsampling) = self.upsampling {
            if model.parameter("prompt_upsampling").is_some() {
                spec = spec.with("prompt_upsampling", upsampling);
            } else if model.parameter("disable_pup").is_some() {
                spec = spec.with("disable_pup", !upsampling);
            }
        }
        let Some(ratio) = ratio else { return Ok(spec) };
        if model.parameter("aspect_ratio").is_some() {
            return Ok(spec.with("aspect_ratio", ratio));
        }
        if model.parameter("width").is_none() || model.parameter("height").is_none() {
            return Ok(spec);
        }
        let (width, height) = model
            .size_for_ratio(ratio)
            .ok_or_else(|| format!("aspectRatio '{}' is not a ratio (example: 16:9)", sanitize_line(ratio, 40)))?;
        Ok(spec.with("width", width).with("height", height))
    }
}

/// Whether the model has that parameter and accepts that choice.
fn takes(model: &Model, name: &str, choice: &str) -> bool {
    model.parameter(name).is_some_and(|parameter| parameter.parse(choice).is_ok())
}

/// The fields that a web page would have written to request this spec.
pub(super) fn request_fields(spec: &Spec) -> Fields {
    let mut fields = Fields::new();
    fields.insert("model".to_owned(), spec.model.as_str().into());
    fields.insert("prompt".to_owned(), spec.prompt.as_str().into());
    let given = |name: &str| spec.parameters.get(name);
    for (field, parameter) in [("steps", "steps"), ("seed", "seed"), ("safetyTolerance", "safety_tolerance")] {
        if let Some(number) = given(parameter).and_then(Value::as_i64) {
            fields.insert(field.to_owned(), number.into());
        }
    }
    if let Some(number) = given("guidance").and_then(Value::as_f64).and_then(Number::from_f64) {
        fields.insert("guidance".to_owned(), Value::Number(number));
    }
    let disabled = given("disable_pup").and_then(Value::as_bool);
    if let Some(yes) = given("prompt_upsampling").and_then(Value::as_bool).or(disabled.map(|disabled| !disabled)) {
        fields.insert("promptUpsampling".to_owned(), yes.into());
    }
    if let Some(ratio) = given("aspect_ratio").and_then(Value::as_str) {
        fields.insert("aspectRatio".to_owned(), ratio.into());
    }
    fields
}

/// The model of that name, also as older backends wrote it: `flux_dev`.
pub(crate) fn catalog_model(name: &str) -> Option<&'static Model> {
    let catalog = Catalog::builtin();
    catalog.model(name).or_else(|| catalog.model(&name.to_ascii_lowercase().replace('_', "-")))
}

fn json_of(number: f64) -> Value {
    if number.fract() == 0.0 { Value::from(number as i64) } else { Value::from(number) }
}

/// The field, where it is present and not null.
pub(super) fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

fn type_error(name: &str, found: &Value, expected: &str) -> String {
    match found {
        Value::String(text) => format!("{name} is '{}'; expected {expected}", sanitize_line(text, 40)),
        Value::Number(number) => format!("{name} is {number}; expected {expected}"),
        other => format!("{name} is {}; expected {expected}", kind(other)),
    }
}

pub(super) fn string_field<'a>(fields: &'a Fields, name: &str) -> Result<Option<&'a str>, String> {
    match field(fields, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(type_error(name, other, "text")),
    }
}

fn number_field(fields: &Fields, name: &str) -> Result<Option<f64>, String> {
    let Some(found) = field(fields, name) else { return Ok(None) };
    let number = match found {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let number = number.filter(|number: &f64| number.is_finite());
    number.map(Some).ok_or_else(|| type_error(name, found, "a number"))
}

pub(super) fn integer_field(fields: &Fields, name: &str) -> Result<Option<i64>, String> {
    let Some(found) = field(fields, name) else { return Ok(None) };
    // A form may send 42.5 where a whole number is meant: the nearest one is used.
    let rounded = |number: f64| (number.abs() < 9.1e15).then_some(number.round() as i64);
    let number = match found {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(rounded)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| text.parse().ok().and_then(rounded))
        }
        _ => None,
    };
    number.map(Some).ok_or_else(|| type_error(name, found, "a whole number"))
}

fn bool_field(fields: &Fields, name: &str) -> Result<Option<bool>, String> {
    match field(fields, name) {
        None => Ok(None),
        Some(Value::Bool(yes)) => Ok(Some(*yes)),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(other) => Err(type_error(name, other, "true or false")),
    }
}
