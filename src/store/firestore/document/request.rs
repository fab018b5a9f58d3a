//! Owns how the wish of a web page (`model`, `prompt`, `aspectRatio`, `steps`, …) becomes a spec, and a spec such a wish.
//!
//! A field is read leniently where its meaning is certain, and is an error otherwise. What the contract gives a default for has
//! that default. Must not judge ranges: the catalog does, and the job then fails with a line that a person understands.

use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use serde_json::Value as Json;

use super::super::value::{self, Fields, content, kind};
use crate::jobs::{Catalog, Model, ParameterKind, Spec, sha256_hex, text};

/// The fields in which somebody asks for a picture.
pub(in super::super) const WISH: [&str; 8] =
    ["model", "prompt", "aspectRatio", "steps", "guidance", "seed", "promptUpsampling", "safetyTolerance"];

/// Steps, guidance, seed and tolerance of a document that names none (data contract).
const STEPS: i64 = 28;
const GUIDANCE: f64 = 3.0;
const SEED: i64 = 42;
const TOLERANCE: i64 = 2;

/// A digest of the wish, to notice that somebody changed it. 28 and 28.0 are the same wish.
pub(in super::super) fn fingerprint(fields: &Fields) -> String {
    let wish: Vec<Json> = WISH.iter().map(|name| fields.get(*name).map_or(Json::Null, value::to_json)).collect();
    let mut digest = sha256_hex(Json::from(wish).to_string().as_bytes());
    digest.truncate(32);
    digest
}

/// The spec that a document asks for. Errors: one clean line.
pub(super) fn spec_of(fields: &Fields, default_model: &str) -> Result<Spec, String> {
    let name = word(fields, "model")?.map_or(default_model, str::trim);
    let name = if name.is_empty() { default_model } else { name };
    let prompt = word(fields, "prompt")?.unwrap_or_default();
    let steps = whole(fields, "steps")?.unwrap_or(STEPS);
    let guidance = number(fields, "guidance")?.unwrap_or(GUIDANCE);
    let seed = whole(fields, "seed")?.unwrap_or(SEED);
    let tolerance = whole(fields, "safetyTolerance")?.unwrap_or(TOLERANCE);
    let upsampling = yes_or_no(fields, "promptUpsampling")?;
    let ratio = word(fields, "aspectRatio")?.map(str::trim).filter(|ratio| !ratio.is_empty());
    let model = model_of(name);
    let mut spec = Spec::new(model.map_or(name, |model| &model.name), prompt);
    spec.from_shared_store = true;
    // Of an unknown model nobody knows the parameters; the job fails with the names that are known.
    let Some(model) = model else { return Ok(spec) };
    for (name, value) in [("steps", Json::from(steps)), ("guidance", json_of(guidance)), ("seed", Json::from(seed))] {
        if model.parameter(name).is_some() {
            spec = spec.with(name, value);
        }
    }
    if let Some(parameter) = model.parameter("safety_tolerance") {
        // Models end their scale at different numbers; the contract's largest means the most tolerant of each.
        let value = match parameter.kind {
            ParameterKind::Integer { max, .. } if (max..=6).contains(&tolerance) => max,
            _ => tolerance,
        };
        spec = spec.with("safety_tolerance", value);
    }
    if let Some(upsampling) = upsampling {
        if model.parameter("prompt_upsampling").is_some() {
            spec = spec.with("prompt_upsampling", upsampling);
        } else if model.parameter("disable_pup").is_some() {
            spec = spec.with("disable_pup", !upsampling);
        }
    }
    match ratio {
        Some(ratio) => with_ratio(spec, model, ratio),
        None => Ok(spec),
    }
}

/// The wish as a web page would have written it, for a spec that was made here.
pub(super) fn wish_of(spec: &Spec) -> Fields {
    let mut wish = Fields::from([
        ("model".to_owned(), value::text(&spec.model)),
        ("prompt".to_owned(), value::text(&spec.prompt)),
    ]);
    let given = |name: &str| spec.parameters.get(name);
    for (field, parameter) in [("steps", "steps"), ("seed", "seed"), ("safetyTolerance", "safety_tolerance")] {
        if let Some(number) = given(parameter).and_then(Json::as_i64) {
            wish.insert(field.to_owned(), value::integer(number));
        }
    }
    if let Some(number) = given("guidance").and_then(Json::as_f64) {
        wish.insert("guidance".to_owned(), value::double(number));
    }
    let upsampling = given("prompt_upsampling")
        .and_then(Json::as_bool)
        .or_else(|| given("disable_pup").and_then(Json::as_bool).map(|disabled| !disabled));
    if let Some(yes) = upsampling {
        wish.insert("promptUpsampling".to_owned(), value::boolean(yes));
    }
    if let Some(ratio) = given("aspect_ratio").and_then(Json::as_str) {
        wish.insert("aspectRatio".to_owned(), value::text(ratio));
    }
    wish
}

/// The model of that name, also as older backends wrote it: `flux_dev`.
fn model_of(name: &str) -> Option<&'static Model> {
    let catalog = Catalog::builtin();
    catalog.model(name).or_else(|| catalog.model(&name.to_ascii_lowercase().replace('_', "-")))
}

fn with_ratio(spec: Spec, model: &Model, ratio: &str) -> Result<Spec, String> {
    if model.parameter("aspect_ratio").is_some() {
        return Ok(spec.with("aspect_ratio", ratio));
    }
    if model.parameter("width").is_none() || model.parameter("height").is_none() {
        return Ok(spec);
    }
    let (width, height) = model
        .size_for_ratio(ratio)
        .ok_or_else(|| format!("aspectRatio '{}' is not a ratio such as 16:9", text::clean_line(ratio, 40)))?;
    Ok(spec.with("width", width).with("height", height))
}

fn json_of(number: f64) -> Json {
    if number.fract() == 0.0 { Json::from(number as i64) } else { Json::from(number) }
}

fn wrong(name: &str, found: &ValueType, right: &str) -> String {
    match found {
        ValueType::StringValue(found) => format!("{name} is '{}'; it must be {right}", text::clean_line(found, 40)),
        ValueType::DoubleValue(found) => format!("{name} is {found}; it must be {right}"),
        other => format!("{name} is {}; it must be {right}", kind(other)),
    }
}

fn word<'a>(fields: &'a Fields, name: &str) -> Result<Option<&'a str>, String> {
    match content(fields, name) {
        None => Ok(None),
        Some(ValueType::StringValue(text)) => Ok(Some(text)),
        Some(other) => Err(wrong(name, other, "text")),
    }
}

fn number(fields: &Fields, name: &str) -> Result<Option<f64>, String> {
    let Some(found) = content(fields, name) else { return Ok(None) };
    let number = match found {
        ValueType::IntegerValue(number) => Some(*number as f64),
        ValueType::DoubleValue(number) => Some(*number),
        ValueType::StringValue(text) => text.trim().parse().ok(),
        _ => None,
    };
    match number.filter(|number| number.is_finite()) {
        Some(number) => Ok(Some(number)),
        None => Err(wrong(name, found, "a number")),
    }
}

fn whole(fields: &Fields, name: &str) -> Result<Option<i64>, String> {
    let Some(found) = content(fields, name) else { return Ok(None) };
    let integral = |number: f64| (number.fract() == 0.0 && number.abs() < 9.1e15).then_some(number as i64);
    let number = match found {
        ValueType::IntegerValue(number) => Some(*number),
        ValueType::DoubleValue(number) => integral(*number),
        ValueType::StringValue(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| text.parse().ok().and_then(integral))
        }
        _ => None,
    };
    number.map(Some).ok_or_else(|| wrong(name, found, "a whole number"))
}

fn yes_or_no(fields: &Fields, name: &str) -> Result<Option<bool>, String> {
    match content(fields, name) {
        None => Ok(None),
        Some(ValueType::BooleanValue(yes)) => Ok(Some(*yes)),
        Some(ValueType::StringValue(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(ValueType::StringValue(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(other) => Err(wrong(name, other, "true or false")),
    }
}
