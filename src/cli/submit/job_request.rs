//! A prompt or a row of a file becomes a checked request for images. No job is created here.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::SubmitArgs;
use crate::catalog::{Catalog, ImageSource, Model, ParameterKind};
use crate::cli::error::CliError;
use crate::config::Config;
use crate::console::Preset;
use crate::costs::Estimate;
use crate::jobs::Spec;
use crate::text::sanitize_line;

/// The most images of one row, so that a zero too many stays affordable.
pub const MAX_COUNT: u32 = 10_000;

/// The parameter that some models take in place of width and height.
const RATIO: &str = "aspect_ratio";

/// A value as it was given.
#[derive(Debug, Clone, PartialEq)]
pub enum RawValue {
    /// Typed, or from a cell of a table: the parameter says how to read it.
    Text(String),
    /// From JSON, with its type.
    Json(Value),
}

/// One row of a file, or the command line's prompt.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InputRow {
    /// What the image shows.
    pub prompt: Option<String>,
    /// The image model.
    pub model: Option<String>,
    /// How many of it.
    pub count: Option<u32>,
    /// Free words.
    pub tags: Vec<String>,
    /// Parameters by API name.
    pub parameters: Vec<(String, RawValue)>,
}

/// Values for what a row leaves out.
#[derive(Debug)]
pub struct Defaults {
    model: String,
    count: u32,
    tags: Vec<String>,
    parameters: Vec<(String, String)>,
    base_dir: PathBuf,
}

/// A checked request.
#[derive(Debug, Clone)]
pub struct JobRequest {
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
    /// Those of the command line, of the preset and of the configuration, in this order. Errors: the catalog has no model at all.
    pub fn new(
        config: &Config,
        args: &SubmitArgs,
        given: &[(String, String)],
        preset: Preset,
        base_dir: PathBuf,
    ) -> Result<Self, CliError> {
        let first = Catalog::builtin().models.first().map(|model| model.name.clone());
        let model = args.model.clone().or(preset.model).or_else(|| config.model.clone()).or(first);
        let model = model.ok_or_else(|| CliError::Failed("no image model is known".to_owned()))?;
        let mut parameters = given.to_vec();
        parameters
            .extend(preset.parameters.into_iter().filter(|(name, _)| given.iter().all(|(known, _)| known != name)));
        let mut tags = preset.tags;
        tags.extend(args.tags.iter().filter(|tag| !tags.contains(tag)).cloned().collect::<Vec<_>>());
        let count = args.count.or(preset.count).unwrap_or(1);
        Ok(Self { model, count, tags, parameters, base_dir })
    }
}

impl JobRequest {
    /// The request that a row makes. Errors: everything that is wrong with it, in one line.
    pub fn new(row: &InputRow, defaults: &Defaults) -> Result<Self, String> {
        let catalog = Catalog::builtin();
        let name = row.model.as_ref().unwrap_or(&defaults.model);
        let mut spec = Spec::new(name, row.prompt.clone().unwrap_or_default());
        let mut problems: Vec<String> = Vec::new();
        // Without a known model nothing else can be judged.
        if let Some(model) = catalog.model(name) {
            for (name, given) in parameters(row, defaults) {
                match value_of(model, &name, given, &defaults.base_dir) {
                    Ok(value) => _ = spec.parameters.insert(name, value),
                    Err(problem) => problems.push(problem),
                }
            }
            size_from_ratio(model, &mut spec);
        }
        problems.extend(catalog.validate(&spec).iter().map(ToString::to_string));
        let count = row.count.unwrap_or(defaults.count);
        if !(1..=MAX_COUNT).contains(&count) {
            problems.push(format!("count: {count} is out of range; 1..{MAX_COUNT}"));
        }
        if !problems.is_empty() {
            return Err(problems.join("; "));
        }
        // `--tag "$UNSET"` is no tag.
        let tags = defaults.tags.iter().chain(&row.tags).map(|tag| sanitize_line(tag, 100));
        let tags = tags.filter(|tag| !tag.trim().is_empty()).collect();
        let estimate = catalog.estimate_sized(&spec, &catalog.measure_inputs(&spec));
        Ok(Self { spec, tags, count, estimate })
    }
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

/// The row's own parameters, and the flags for those that it leaves out.
fn parameters(row: &InputRow, defaults: &Defaults) -> Vec<(String, RawValue)> {
    let own = |name: &str| row.parameters.iter().any(|(known, _)| known == name);
    let flags = defaults.parameters.iter().filter(|(name, _)| !own(name));
    let flags = flags.map(|(name, text)| (name.clone(), RawValue::Text(text.clone())));
    row.parameters.iter().cloned().chain(flags).collect()
}

/// The value as the document keeps it. What the model does not know is kept as it is: the catalog names it as a problem.
fn value_of(model: &Model, name: &str, given: RawValue, base_dir: &Path) -> Result<Value, String> {
    let parameter = model.parameter(name);
    let mut value = match (given, parameter) {
        (RawValue::Json(value), _) => value,
        (RawValue::Text(text), Some(parameter)) => parameter.parse(&text).map_err(|problem| problem.to_string())?,
        (RawValue::Text(text), None) => Value::from(text),
    };
    let is_image = |kind: &ParameterKind| matches!(kind, ParameterKind::Image | ParameterKind::Images { .. });
    if parameter.is_some_and(|parameter| is_image(&parameter.kind)) {
        match &mut value {
            Value::Array(images) => images.iter_mut().try_for_each(|image| absolutize(name, image, base_dir))?,
            image => absolutize(name, image, base_dir)?,
        }
    }
    Ok(value)
}

/// Makes the path of an image absolute: a worker may run in another directory. Errors: no such file, or not an image.
fn absolutize(name: &str, image: &mut Value, base_dir: &Path) -> Result<(), String> {
    let Some(Ok(ImageSource::File(path))) = image.as_str().map(|text| ImageSource::parse(text, false)) else {
        return Ok(());
    };
    let absolute = base_dir.join(&path);
    if !absolute.is_file() {
        return Err(format!("{name}: no such file: {}", sanitize_line(&path, 200)));
    }
    if !has_image_magic(&absolute) {
        return Err(format!("{name}: {} is not a JPEG, PNG or WebP file", sanitize_line(&path, 200)));
    }
    let text = absolute
        .to_str()
        .ok_or_else(|| format!("{name}: the path {} is not valid UTF-8", sanitize_line(&path, 200)))?;
    *image = Value::from(text);
    Ok(())
}

/// Reports a file that is not an image before a worker meets it. The provider checks whether the image is complete.
fn has_image_magic(path: &Path) -> bool {
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
            base_dir: std::env::current_dir().unwrap(),
        }
    }

    fn request(row: &InputRow, defaults: &Defaults) -> Result<JobRequest, String> {
        JobRequest::new(row, defaults)
    }

    fn row(prompt: &str, parameters: &[(&str, RawValue)]) -> InputRow {
        let parameters = parameters.iter().map(|(name, given)| ((*name).to_owned(), given.clone())).collect();
        InputRow { prompt: Some(prompt.to_owned()), parameters, ..InputRow::default() }
    }

    #[test]
    fn row_precedes_flag() {
        let own = row("a fox", &[("seed", RawValue::Json(Value::from(7)))]);
        let request = request(&own, &defaults(&[("seed", "1"), ("width", "512"), ("height", "512")])).unwrap();
        assert_eq!(request.spec.parameters["seed"], 7);
        assert_eq!(request.spec.parameters["width"], 512);
        assert_eq!(request.tags, ["all"]);
        assert!(request.estimate.amount.is_some());
    }

    #[test]
    fn empty_tag_is_no_tag() {
        let own = InputRow { tags: vec![String::new(), "\u{1b} ".to_owned(), "cover".to_owned()], ..row("a fox", &[]) };
        assert_eq!(request(&own, &defaults(&[])).unwrap().tags, ["all", "cover"]);
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let bad =
            row("", &[("width", RawValue::Text("wide".to_owned())), ("colour", RawValue::Text("red".to_owned()))]);
        let why = request(&bad, &defaults(&[])).unwrap_err();
        for part in ["width: 'wide' is not a number", "colour: flux-2-pro has no such parameter", "prompt: is empty"] {
            assert!(why.contains(part), "{why}");
        }
        let unknown = InputRow { model: Some("flux-2-por".to_owned()), ..row("a fox", &[]) };
        assert!(request(&unknown, &defaults(&[])).unwrap_err().contains("did you mean flux-2-pro"));
    }

    #[test]
    fn ratio_becomes_size_where_model_takes_sizes() {
        let wide = |model: &str, more: &[(&str, RawValue)]| {
            let mut own = row("a fox", more);
            own.parameters.push(("aspect_ratio".to_owned(), RawValue::Text("16:9".to_owned())));
            request(&InputRow { model: Some(model.to_owned()), ..own }, &defaults(&[]))
        };
        let spec = wide("flux-2-pro", &[]).unwrap().spec;
        assert_eq!((&spec.parameters["width"], &spec.parameters["height"]), (&1344.into(), &768.into()));
        assert!(!spec.parameters.contains_key("aspect_ratio"));
        assert_eq!(wide("flux-pro-1.1-ultra", &[]).unwrap().spec.parameters["aspect_ratio"], "16:9");
        let both = wide("flux-2-pro", &[("width", RawValue::Text("512".to_owned()))]).unwrap_err();
        assert!(both.contains("aspect_ratio: flux-2-pro has no such parameter"), "{both}");
    }

    #[test]
    fn image_path_becomes_absolute_and_must_exist() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("in.png"), b"\x89PNG\r\n\x1a\n\0\0\0\0").unwrap();
        std::fs::write(folder.path().join("passwd"), "root:x:0:0:root:/root:/bin/sh").unwrap();
        let defaults = Defaults { base_dir: folder.path().to_owned(), ..defaults(&[]) };
        let good = row("a fox", &[("input_image", RawValue::Text("in.png".to_owned()))]);
        let spec = request(&good, &defaults).unwrap().spec;
        assert_eq!(spec.parameters["input_image"], folder.path().join("in.png").to_str().unwrap());
        let missing = row("a fox", &[("input_image", RawValue::Text("out.png".to_owned()))]);
        assert!(request(&missing, &defaults).unwrap_err().contains("no such file: out.png"));
        let text = row("a fox", &[("input_image", RawValue::Text("passwd".to_owned()))]);
        assert!(request(&text, &defaults).unwrap_err().contains("passwd is not a JPEG, PNG or WebP file"));
        let url = row("a fox", &[("input_image", RawValue::Text("https://example.org/a.png".to_owned()))]);
        assert!(request(&url, &defaults).is_ok());
    }
}
