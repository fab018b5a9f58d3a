//! Owns how the wish of a file's document (`model`, `prompt`, `aspectRatio`, `steps`, …) becomes a spec, and a spec such a wish.
//! Defaults and leniency are the data contract's. Must not judge ranges: the catalog does.

use serde_json::{Number, Value};

use super::Fields;
use super::amount::kind;
use crate::catalog::{Catalog, Model, ParameterKind};
use crate::jobs::Spec;
use crate::text::sanitize_line;

/// Steps, guidance, seed and tolerance of a document that names none (data contract).
const STEPS: i64 = 28;
const GUIDANCE: f64 = 3.0;
const SEED: i64 = 42;
const TOLERANCE: i64 = 2;

/// What a document asks for, read by whoever knows the document's form; what it does not say has the contract's default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish<'a> {
    /// `model`.
    pub model: Option<&'a str>,
    /// `prompt`.
    pub prompt: Option<&'a str>,
    /// `steps`.
    pub steps: Option<i64>,
    /// `guidance`.
    pub guidance: Option<f64>,
    /// `seed`.
    pub seed: Option<i64>,
    /// `safetyTolerance`.
    pub tolerance: Option<i64>,
    /// `promptUpsampling`.
    pub upsampling: Option<bool>,
    /// `aspectRatio`.
    pub ratio: Option<&'a str>,
}

/// The spec that a file's document asks for. Errors: one line.
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

impl Wish<'_> {
    /// The spec that is asked for. Errors: one clean line.
    pub fn spec(self, default_model: &str) -> Result<Spec, String> {
        let name = self.model.map(str::trim).filter(|name| !name.is_empty()).unwrap_or(default_model);
        let prompt = self.prompt.unwrap_or_default();
        let steps = self.steps.unwrap_or(STEPS);
        let guidance = self.guidance.unwrap_or(GUIDANCE);
        let seed = self.seed.unwrap_or(SEED);
        let tolerance = self.tolerance.unwrap_or(TOLERANCE);
        let ratio = self.ratio.map(str::trim).filter(|ratio| !ratio.is_empty());
        let model = model_of(name);
        let mut spec = Spec::new(model.map_or(name, |model| &model.name), prompt);
        spec.from_shared_store = true;
        // Of an unknown model nobody knows the parameters; the job fails with the names that are known.
        let Some(model) = model else { return Ok(spec) };
        for (name, value) in
            [("steps", Value::from(steps)), ("guidance", json_of(guidance)), ("seed", Value::from(seed))]
        {
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
            .ok_or_else(|| format!("aspectRatio '{}' is not a ratio such as 16:9", sanitize_line(ratio, 40)))?;
        Ok(spec.with("width", width).with("height", height))
    }
}

/// The wish as a web page would have written it, for a spec that was made here.
pub fn wish_of(spec: &Spec) -> Fields {
    let mut wish = Fields::new();
    wish.insert("model".to_owned(), spec.model.as_str().into());
    wish.insert("prompt".to_owned(), spec.prompt.as_str().into());
    let given = |name: &str| spec.parameters.get(name);
    for (field, parameter) in [("steps", "steps"), ("seed", "seed"), ("safetyTolerance", "safety_tolerance")] {
        if let Some(number) = given(parameter).and_then(Value::as_i64) {
            wish.insert(field.to_owned(), number.into());
        }
    }
    if let Some(number) = given("guidance").and_then(Value::as_f64).and_then(Number::from_f64) {
        wish.insert("guidance".to_owned(), Value::Number(number));
    }
    let disabled = given("disable_pup").and_then(Value::as_bool);
    if let Some(yes) = given("prompt_upsampling").and_then(Value::as_bool).or(disabled.map(|disabled| !disabled)) {
        wish.insert("promptUpsampling".to_owned(), yes.into());
    }
    if let Some(ratio) = given("aspect_ratio").and_then(Value::as_str) {
        wish.insert("aspectRatio".to_owned(), ratio.into());
    }
    wish
}

/// The model of that name, also as older backends wrote it: `flux_dev`.
fn model_of(name: &str) -> Option<&'static Model> {
    let catalog = Catalog::builtin();
    catalog.model(name).or_else(|| catalog.model(&name.to_ascii_lowercase().replace('_', "-")))
}

fn json_of(number: f64) -> Value {
    if number.fract() == 0.0 { Value::from(number as i64) } else { Value::from(number) }
}

/// The field, where it says anything.
fn told<'a>(fields: &'a Fields, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

fn wrong(name: &str, found: &Value, right: &str) -> String {
    match found {
        Value::String(text) => format!("{name} is '{}'; it must be {right}", sanitize_line(text, 40)),
        Value::Number(number) => format!("{name} is {number}; it must be {right}"),
        other => format!("{name} is {}; it must be {right}", kind(other)),
    }
}

pub(super) fn word<'a>(fields: &'a Fields, name: &str) -> Result<Option<&'a str>, String> {
    match told(fields, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(wrong(name, other, "text")),
    }
}

fn number(fields: &Fields, name: &str) -> Result<Option<f64>, String> {
    let Some(found) = told(fields, name) else { return Ok(None) };
    let number = match found {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let number = number.filter(|number: &f64| number.is_finite());
    number.map(Some).ok_or_else(|| wrong(name, found, "a number"))
}

pub(super) fn whole(fields: &Fields, name: &str) -> Result<Option<i64>, String> {
    let Some(found) = told(fields, name) else { return Ok(None) };
    let integral = |number: f64| (number.fract() == 0.0 && number.abs() < 9.1e15).then_some(number as i64);
    let number = match found {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(integral)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| text.parse().ok().and_then(integral))
        }
        _ => None,
    };
    number.map(Some).ok_or_else(|| wrong(name, found, "a whole number"))
}

fn yes_or_no(fields: &Fields, name: &str) -> Result<Option<bool>, String> {
    match told(fields, name) {
        None => Ok(None),
        Some(Value::Bool(yes)) => Ok(Some(*yes)),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(other) => Err(wrong(name, other, "true or false")),
    }
}
