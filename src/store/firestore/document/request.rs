//! Owns how the wish of a web page (`model`, `prompt`, `aspectRatio`, `steps`, …) is read out of a document, and written into one.
//!
//! A field is read leniently where its meaning is certain, and is an error otherwise. What a wish means is the contract's matter.
//! Must not judge ranges: the catalog does, and the job then fails with a line that a person understands.

use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use serde_json::Value as Json;

use super::super::super::schema::{self, Wish};
use super::super::value::{self, Fields, content, kind};
use crate::jobs::{Spec, sha256_hex};
use crate::text;

/// The fields in which somebody asks for an image.
pub(in super::super) const WISH: [&str; 8] =
    ["model", "prompt", "aspectRatio", "steps", "guidance", "seed", "promptUpsampling", "safetyTolerance"];

/// A digest of the wish, to notice that somebody changed it. 28 and 28.0 are the same wish.
pub(in super::super) fn fingerprint(fields: &Fields) -> String {
    let wish: Vec<Json> = WISH.iter().map(|name| fields.get(*name).map_or(Json::Null, value::to_json)).collect();
    let mut digest = sha256_hex(Json::from(wish).to_string().as_bytes());
    digest.truncate(32);
    digest
}

/// The spec that a document asks for. Errors: one clean line.
pub(super) fn spec_of(fields: &Fields, default_model: &str) -> Result<Spec, String> {
    let wish = Wish {
        model: word(fields, "model")?,
        prompt: word(fields, "prompt")?,
        steps: whole(fields, "steps")?,
        guidance: number(fields, "guidance")?,
        seed: whole(fields, "seed")?,
        tolerance: whole(fields, "safetyTolerance")?,
        upsampling: yes_or_no(fields, "promptUpsampling")?,
        ratio: word(fields, "aspectRatio")?,
    };
    wish.spec(default_model)
}

/// The wish as a web page would have written it, for a spec that was made here.
pub(super) fn wish_of(spec: &Spec) -> Fields {
    let stored = |said: &Json| match said {
        Json::String(said) => Some(value::text(said)),
        Json::Bool(said) => Some(value::boolean(*said)),
        said => said.as_i64().map(value::integer).or_else(|| said.as_f64().map(value::double)),
    };
    let wish = schema::wish_of(spec);
    wish.iter().filter_map(|(name, said)| Some((name.clone(), stored(said)?))).collect()
}

fn wrong(name: &str, found: &ValueType, right: &str) -> String {
    match found {
        ValueType::StringValue(found) => format!("{name} is '{}'; it must be {right}", text::sanitize_line(found, 40)),
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
