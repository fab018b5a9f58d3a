//! Owns how a prompt or a line of a file becomes a checked order. Must not create a job.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::SubmitArgs;
use crate::catalog::{Catalog, ImageSource, Model, ParameterKind};
use crate::cli::error::CliError;
use crate::config::Config;
use crate::costs::Estimate;
use crate::jobs::Spec;
use crate::text::sanitize_line;

/// The most images of one line: what is typed with a zero too many stays affordable.
pub const MOST: u32 = 10_000;

/// The parameter that some models take in place of width and height.
const RATIO: &str = "aspect_ratio";

/// A value as it came.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// Typed, or from a cell of a table: the parameter says how to read it.
    Text(String),
    /// From JSON, with its type.
    Json(Value),
}

/// One line of a file, or the command line's prompt.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Line {
    /// What the image shows.
    pub prompt: Option<String>,
    /// The image model.
    pub model: Option<String>,
    /// How many of it.
    pub count: Option<u32>,
    /// Free words.
    pub tags: Vec<String>,
    /// Parameters by API name.
    pub parameters: Vec<(String, Given)>,
}

/// What stands for what a line does not say.
#[derive(Debug)]
pub struct Defaults {
    model: String,
    count: u32,
    tags: Vec<String>,
    parameters: Vec<(String, String)>,
    here: PathBuf,
}

/// A checked order.
#[derive(Debug, Clone)]
pub struct Order {
    /// What to generate.
    pub spec: Spec,
    /// Free words.
    pub tags: Vec<String>,
    /// How many of it.
    pub count: u32,
    /// What one of it will cost.
    pub estimate: Estimate,
}

impl Defaults {
    /// Those of the command line and of the configuration. Errors: the catalog has no model at all.
    pub fn new(
        config: &Config,
        args: &SubmitArgs,
        given: &[(String, String)],
        here: PathBuf,
    ) -> Result<Self, CliError> {
        let first = Catalog::builtin().models.first().map(|model| model.name.clone());
        let model = args.model.clone().or_else(|| config.model.clone()).or(first);
        let model = model.ok_or_else(|| CliError::Failed("no image model is known".to_owned()))?;
        Ok(Self { model, count: args.count, tags: args.tags.clone(), parameters: given.to_vec(), here })
    }
}

/// The order that `line` means. Errors: everything that is wrong with it, in one line.
pub fn order(line: &Line, defaults: &Defaults) -> Result<Order, String> {
    let catalog = Catalog::builtin();
    let name = line.model.as_ref().unwrap_or(&defaults.model);
    let mut spec = Spec::new(name, line.prompt.clone().unwrap_or_default());
    let mut problems: Vec<String> = Vec::new();
    // Without a known model nothing else can be judged.
    if let Some(model) = catalog.model(name) {
        for (name, given) in parameters(line, defaults) {
            match value_of(model, &name, given, &defaults.here) {
                Ok(value) => _ = spec.parameters.insert(name, value),
                Err(problem) => problems.push(problem),
            }
        }
        size_from_ratio(model, &mut spec);
    }
    problems.extend(catalog.validate(&spec).iter().map(ToString::to_string));
    let count = line.count.unwrap_or(defaults.count);
    if !(1..=MOST).contains(&count) {
        problems.push(format!("count: {count} is out of range; 1..{MOST}"));
    }
    if !problems.is_empty() {
        return Err(problems.join("; "));
    }
    let tags = defaults.tags.iter().chain(&line.tags).map(|tag| sanitize_line(tag, 100)).collect();
    let estimate = catalog.estimate(&spec);
    Ok(Order { spec, tags, count, estimate })
}

/// A ratio for a model that takes none but a size: the size of that ratio, unless one was given.
fn size_from_ratio(model: &Model, spec: &mut Spec) {
    let sized = ["width", "height"].iter().any(|side| spec.parameters.contains_key(*side));
    if sized || model.parameter(RATIO).is_some() {
        return;
    }
    let ratio = spec.parameters.get(RATIO).and_then(Value::as_str);
    if let Some((width, height)) = ratio.and_then(|ratio| model.size_for_ratio(ratio)) {
        spec.parameters.remove(RATIO);
        spec.parameters.insert("width".to_owned(), width.into());
        spec.parameters.insert("height".to_owned(), height.into());
    }
}

/// The line's own parameters, and the flags that it does not speak of.
fn parameters(line: &Line, defaults: &Defaults) -> Vec<(String, Given)> {
    let own = |name: &str| line.parameters.iter().any(|(known, _)| known == name);
    let flags = defaults.parameters.iter().filter(|(name, _)| !own(name));
    let flags = flags.map(|(name, text)| (name.clone(), Given::Text(text.clone())));
    line.parameters.iter().cloned().chain(flags).collect()
}

/// The value as the document keeps it. What the model does not know is kept as it is: the catalog names it as a problem.
fn value_of(model: &Model, name: &str, given: Given, here: &Path) -> Result<Value, String> {
    let parameter = model.parameter(name);
    let mut value = match (given, parameter) {
        (Given::Json(value), _) => value,
        (Given::Text(text), Some(parameter)) => parameter.parse(&text).map_err(|problem| problem.to_string())?,
        (Given::Text(text), None) => Value::from(text),
    };
    let is_image = |kind: &ParameterKind| matches!(kind, ParameterKind::Image | ParameterKind::Images { .. });
    if parameter.is_some_and(|parameter| is_image(&parameter.kind)) {
        match &mut value {
            Value::Array(images) => images.iter_mut().try_for_each(|image| anchor(name, image, here))?,
            image => anchor(name, image, here)?,
        }
    }
    Ok(value)
}

/// Makes the path of an image absolute: whoever works on the job may stand elsewhere. Errors: there is no such file.
fn anchor(name: &str, image: &mut Value, here: &Path) -> Result<(), String> {
    let Some(Ok(ImageSource::File(path))) = image.as_str().map(|text| ImageSource::parse(text, false)) else {
        return Ok(());
    };
    let absolute = here.join(&path);
    if !absolute.is_file() {
        return Err(format!("{name}: there is no file {}", sanitize_line(&path, 200)));
    }
    if !begins_as_an_image(&absolute) {
        return Err(format!("{name}: {} is no JPEG, PNG or WebP", sanitize_line(&path, 200)));
    }
    let text =
        absolute.to_str().ok_or_else(|| format!("{name}: the path of {} is not text", sanitize_line(&path, 200)))?;
    *image = Value::from(text);
    Ok(())
}

/// What is no image is told now, not when a worker meets it. Whether it is a whole one is the provider's to check.
fn begins_as_an_image(path: &Path) -> bool {
    let mut start = [0; 12];
    if File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_err() {
        return false;
    }
    start.starts_with(b"\x89PNG\r\n\x1a\n")
        || start.starts_with(b"\xff\xd8\xff")
        || (start.starts_with(b"RIFF") && start.ends_with(b"WEBP"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults(parameters: &[(&str, &str)]) -> Defaults {
        Defaults {
            model: "flux-2-pro".to_owned(),
            count: 1,
            tags: vec!["all".to_owned()],
            parameters: parameters.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
            here: std::env::current_dir().unwrap(),
        }
    }

    fn line(prompt: &str, parameters: &[(&str, Given)]) -> Line {
        let parameters = parameters.iter().map(|(name, given)| ((*name).to_owned(), given.clone())).collect();
        Line { prompt: Some(prompt.to_owned()), parameters, ..Line::default() }
    }

    #[test]
    fn a_line_wins_over_a_flag() {
        let own = line("a fox", &[("seed", Given::Json(Value::from(7)))]);
        let order = order(&own, &defaults(&[("seed", "1"), ("width", "512"), ("height", "512")])).unwrap();
        assert_eq!(order.spec.parameters["seed"], 7);
        assert_eq!(order.spec.parameters["width"], 512);
        assert_eq!(order.tags, ["all"]);
        assert!(order.estimate.amount.is_some());
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let bad = line("", &[("width", Given::Text("wide".to_owned())), ("colour", Given::Text("red".to_owned()))]);
        let why = order(&bad, &defaults(&[])).unwrap_err();
        for part in ["width: 'wide' is not a number", "colour: flux-2-pro has no such parameter", "prompt: is empty"] {
            assert!(why.contains(part), "{why}");
        }
        let unknown = Line { model: Some("flux-2-por".to_owned()), ..line("a fox", &[]) };
        assert!(order(&unknown, &defaults(&[])).unwrap_err().contains("did you mean flux-2-pro"));
    }

    #[test]
    fn a_ratio_becomes_a_size_where_the_model_takes_only_sizes() {
        let wide = |model: &str, more: &[(&str, Given)]| {
            let mut own = line("a fox", more);
            own.parameters.push(("aspect_ratio".to_owned(), Given::Text("16:9".to_owned())));
            order(&Line { model: Some(model.to_owned()), ..own }, &defaults(&[]))
        };
        let spec = wide("flux-2-pro", &[]).unwrap().spec;
        assert_eq!((&spec.parameters["width"], &spec.parameters["height"]), (&1344.into(), &768.into()));
        assert!(!spec.parameters.contains_key("aspect_ratio"));
        assert_eq!(wide("flux-pro-1.1-ultra", &[]).unwrap().spec.parameters["aspect_ratio"], "16:9");
        let both = wide("flux-2-pro", &[("width", Given::Text("512".to_owned()))]).unwrap_err();
        assert!(both.contains("aspect_ratio: flux-2-pro has no such parameter"), "{both}");
    }

    #[test]
    fn an_image_on_disk_gets_an_absolute_path_and_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("in.png"), b"\x89PNG\r\n\x1a\n\0\0\0\0").unwrap();
        std::fs::write(folder.path().join("passwd"), "root:x:0:0:root:/root:/bin/sh").unwrap();
        let defaults = Defaults { here: folder.path().to_owned(), ..defaults(&[]) };
        let good = line("a fox", &[("input_image", Given::Text("in.png".to_owned()))]);
        let spec = order(&good, &defaults).unwrap().spec;
        assert_eq!(spec.parameters["input_image"], folder.path().join("in.png").to_str().unwrap());
        let missing = line("a fox", &[("input_image", Given::Text("out.png".to_owned()))]);
        assert!(order(&missing, &defaults).unwrap_err().contains("there is no file out.png"));
        let text = line("a fox", &[("input_image", Given::Text("passwd".to_owned()))]);
        assert!(order(&text, &defaults).unwrap_err().contains("passwd is no JPEG, PNG or WebP"));
        let url = line("a fox", &[("input_image", Given::Text("https://example.org/a.png".to_owned()))]);
        assert!(order(&url, &defaults).is_ok());
    }
}
