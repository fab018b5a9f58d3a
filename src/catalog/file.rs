//! The format of `assets/models.toml`: definitions, groups and models become a flat list of models.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::{CatalogError, Model, Parameter, ParameterKind};

/// 20 MP: what FLUX.1 and FLUX.2 take (checks in two official clients).
const MAX_IMAGE_PIXELS: u64 = 20_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    parameters: BTreeMap<String, Definition>,
    groups: BTreeMap<String, Vec<Entry>>,
    models: Vec<RawModel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModel {
    name: String,
    route: Option<String>,
    title: String,
    typical_seconds: (f64, f64),
    max_active: Option<u32>,
    strict: bool,
    prompt: Prompt,
    #[serde(default)]
    needs_one_of: Vec<String>,
    max_pixels: Option<u64>,
    min_image_side: Option<u32>,
    max_image_pixels: Option<u64>,
    output_like: Option<String>,
    #[serde(default)]
    deprecated: bool,
    parameters: Vec<Entry>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Prompt {
    Required,
    Optional,
    None,
}

/// One entry of a list of parameters.
#[derive(Deserialize, Clone)]
#[serde(untagged)]
enum Entry {
    /// A definition, or `@group`.
    Name(String),
    /// A definition with parts replaced, or one of its own.
    Inline(Box<Definition>),
}

/// A parameter as it is written; whatever is absent comes from the definition that it uses.
#[derive(Deserialize, Clone, Default)]
#[serde(deny_unknown_fields)]
struct Definition {
    #[serde(rename = "use")]
    base: Option<String>,
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    min: Option<Value>,
    max: Option<Value>,
    step: Option<i64>,
    automatic: Option<i64>,
    choices: Option<Vec<String>>,
    required: Option<bool>,
    default: Option<Value>,
    help: Option<String>,
}

/// Reads the file and refuses what no server would accept: unknown definitions, defaults out of range, duplicate names.
pub(super) fn read(text: &str) -> Result<Vec<Model>, CatalogError> {
    let file: File = toml::from_str(text).map_err(|error| CatalogError(error.to_string()))?;
    let mut names = BTreeSet::new();
    let mut models = Vec::new();
    for raw in &file.models {
        let model = file.model(raw).map_err(|why| CatalogError(format!("{}: {why}", raw.name)))?;
        if !names.insert(model.name.clone()) {
            return Err(CatalogError(format!("{} is defined twice", model.name)));
        }
        models.push(model);
    }
    if models.is_empty() { Err(CatalogError("no model is defined".to_owned())) } else { Ok(models) }
}

impl File {
    fn model(&self, raw: &RawModel) -> Result<Model, String> {
        let mut definitions = Vec::new();
        self.expand(&raw.parameters, 0, &mut definitions)?;
        let parameters: Vec<Parameter> =
            definitions.iter().map(Definition::parameter).collect::<Result<_, String>>()?;
        let mut names = BTreeSet::from(["prompt"]);
        for parameter in &parameters {
            if !names.insert(&parameter.name) {
                return Err(format!("{} is defined twice", parameter.name));
            }
            if let Some(default) = &parameter.default {
                parameter.check(default, false).map_err(|problem| format!("the default is invalid: {problem}"))?;
            }
        }
        let required = raw.needs_one_of.iter().chain(&raw.output_like);
        if let Some(unknown) = required.into_iter().find(|name| !names.contains(name.as_str())) {
            return Err(format!("no parameter {unknown}"));
        }
        let (quickest, slowest) = raw.typical_seconds;
        if !(quickest > 0.0 && slowest >= quickest && slowest.is_finite()) {
            return Err("typical_seconds must be the shortest and the longest time, above zero".to_owned());
        }
        Ok(Model {
            name: raw.name.clone(),
            route: raw.route.clone().unwrap_or_else(|| raw.name.clone()),
            title: raw.title.clone(),
            typical_seconds: raw.typical_seconds,
            max_active: raw.max_active,
            strict: raw.strict,
            parameters,
            prompt: match raw.prompt {
                Prompt::Required => Some(true),
                Prompt::Optional => Some(false),
                Prompt::None => None,
            },
            needs_one_of: raw.needs_one_of.clone(),
            max_pixels: raw.max_pixels,
            min_image_side: raw.min_image_side,
            max_image_pixels: raw.max_image_pixels.unwrap_or(MAX_IMAGE_PIXELS),
            output_like: raw.output_like.clone(),
            deprecated: raw.deprecated,
        })
    }

    /// Expands groups within groups, at most eight deep, so that a cycle is an error.
    fn expand(&self, entries: &[Entry], depth: u32, into: &mut Vec<Definition>) -> Result<(), String> {
        if depth > 8 {
            return Err("groups form a cycle".to_owned());
        }
        for entry in entries {
            match entry {
                Entry::Name(name) => match name.strip_prefix('@') {
                    Some(group) => {
                        let entries = self.groups.get(group).ok_or_else(|| format!("no group {name}"))?;
                        self.expand(entries, depth + 1, into)?;
                    }
                    None => into.push(self.definition(name)?),
                },
                Entry::Inline(inline) => match &inline.base {
                    Some(base) => into.push(inline.over(self.definition(base)?)),
                    None => into.push(inline.as_ref().clone()),
                },
            }
        }
        Ok(())
    }

    fn definition(&self, name: &str) -> Result<Definition, String> {
        let mut definition = self.parameters.get(name).cloned().ok_or_else(|| format!("no parameter {name}"))?;
        definition.name.get_or_insert_with(|| name.to_owned());
        Ok(definition)
    }
}

impl Definition {
    fn over(&self, base: Self) -> Self {
        let own = self.clone();
        Self {
            base: None,
            name: own.name.or(base.name),
            kind: own.kind.or(base.kind),
            min: own.min.or(base.min),
            max: own.max.or(base.max),
            step: own.step.or(base.step),
            automatic: own.automatic.or(base.automatic),
            choices: own.choices.or(base.choices),
            required: own.required.or(base.required),
            default: own.default.or(base.default),
            help: own.help.or(base.help),
        }
    }

    fn parameter(&self) -> Result<Parameter, String> {
        let name = self.name.clone().ok_or("a parameter without a name")?;
        let kind = self.kind().map_err(|why| format!("{name}: {why}"))?;
        let help = self.help.clone().ok_or_else(|| format!("{name}: no help"))?;
        Ok(Parameter {
            name,
            kind,
            required: self.required.unwrap_or(false),
            default: self.default.clone(),
            automatic: self.automatic,
            help,
        })
    }

    fn kind(&self) -> Result<ParameterKind, String> {
        let bounds = || self.min.as_ref().zip(self.max.as_ref()).ok_or("no min and max".to_owned());
        match self.kind.as_deref() {
            Some("integer") => {
                let (min, max) = bounds()?;
                let (min, max) = min.as_i64().zip(max.as_i64()).ok_or("bounds are whole numbers")?;
                let step = self.step.unwrap_or(1);
                if min > max || step < 1 {
                    Err("empty range".to_owned())
                } else {
                    Ok(ParameterKind::Integer { min, max, step })
                }
            }
            Some("number") => {
                let (min, max) = bounds()?;
                let (min, max) = min.as_f64().zip(max.as_f64()).ok_or("bounds are numbers")?;
                if min > max { Err("empty range".to_owned()) } else { Ok(ParameterKind::Number { min, max }) }
            }
            Some("boolean") => Ok(ParameterKind::Boolean),
            Some("choice") => match &self.choices {
                Some(choices) if !choices.is_empty() => Ok(ParameterKind::Choice(choices.clone())),
                _ => Err("no choices".to_owned()),
            },
            Some("ratio") => {
                let (min, max) = bounds()?;
                let ratio = |value: &Value| value.as_str().and_then(super::parameter::parse_ratio);
                let (min, max) = ratio(min).zip(ratio(max)).ok_or("bounds are ratios such as 9:21")?;
                Ok(ParameterKind::Ratio { min, max })
            }
            Some("text") => {
                let max = self.max.as_ref().and_then(Value::as_u64).ok_or("no max")?;
                Ok(ParameterKind::Text { max: usize::try_from(max).unwrap_or(usize::MAX) })
            }
            Some("image") => Ok(ParameterKind::Image),
            Some("images") => {
                let (min, max) = bounds()?;
                let (min, max) = min.as_u64().zip(max.as_u64()).ok_or("bounds are counts")?;
                Ok(ParameterKind::Images { min: min as usize, max: max as usize })
            }
            other => Err(format!("no such type: {}", other.unwrap_or("none"))),
        }
    }
}
