//! The sizes of input images before a submit, for its price: what can be known without the network.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Seek};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::ImageReader;
use serde_json::Value;

use super::{Catalog, ImageSource, InputSizes, Model, Parameter, SpecError};
use crate::jobs::Spec;
use crate::text;

/// Bytes of a base64 image that are decoded for its header; a multiple of 4.
const MAX_HEADER_BASE64: usize = 256 * 1024;

impl Catalog {
    /// Whether the spec has input images, so that its price depends on their sizes.
    pub fn has_inputs(&self, spec: &Spec) -> bool {
        let model = self.model(&spec.model);
        model.is_some_and(|model| model.images().any(|image| spec.parameters.contains_key(&image.name)))
    }

    /// Whether these are the sizes of all input images of the spec.
    pub fn has_sizes(&self, spec: &Spec, sizes: &InputSizes) -> bool {
        let mut images = self.model(&spec.model).into_iter().flat_map(Model::images);
        images.all(|image| {
            let known = |known: &Vec<Option<(u32, u32)>>| known.iter().all(Option::is_some);
            !spec.parameters.contains_key(&image.name) || sizes.get(&image.name).is_some_and(known)
        })
    }

    /// The sizes of the spec's input images, as far as their headers show them: of files and of images in the spec itself. Reads files:
    /// run it where blocking is allowed.
    pub fn measure_inputs(&self, spec: &Spec) -> InputSizes {
        let Some(model) = self.model(&spec.model) else { return InputSizes::new() };
        let sizes = model.images().filter_map(|parameter| {
            let value = spec.parameters.get(&parameter.name)?;
            let images = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            let size = |image: &Value| size_of(ImageSource::parse(image.as_str()?, spec.from_shared_store).ok()?);
            Some((parameter.name.clone(), images.iter().map(size).collect()))
        });
        sizes.collect()
    }

    /// The spec with absolute paths of its input files: a worker may run in another directory than the one in which they were typed.
    #[must_use]
    pub fn with_absolute_inputs(&self, mut spec: Spec, base_dir: &Path) -> Spec {
        let Some(model) = self.model(&spec.model) else { return spec };
        for parameter in model.images() {
            if let Some(value) = spec.parameters.get_mut(&parameter.name) {
                make_absolute(value, base_dir, spec.from_shared_store);
            }
        }
        spec
    }

    /// What was typed for an input image, with an absolute path where it names a file; any other text as it is.
    pub fn absolute_input(&self, parameter: &str, typed: &str, base_dir: &Path) -> String {
        let is_meant = |image: &&Parameter| image.name == parameter;
        let image = self.models.iter().flat_map(Model::images).find(is_meant);
        let Some(Ok(mut value)) = image.map(|image| image.parse(typed)) else { return typed.to_owned() };
        make_absolute(&mut value, base_dir, false);
        match value {
            Value::String(text) => text,
            Value::Array(parts) => parts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"),
            _ => typed.to_owned(),
        }
    }

    /// The spec's input files that are not on this machine, or are no files, by parameter. Reads the file system: run it where blocking
    /// is allowed.
    pub fn unreadable_inputs(&self, spec: &Spec) -> Vec<SpecError> {
        let Some(model) = self.model(&spec.model) else { return Vec::new() };
        let problems = model.images().filter_map(|parameter| {
            let value = spec.parameters.get(&parameter.name)?;
            let mut images = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice).iter();
            let message = images.find_map(|image| {
                let Ok(ImageSource::File(path)) = ImageSource::parse(image.as_str()?, spec.from_shared_store) else {
                    return None;
                };
                unreadable(&path).map(|why| format!("{why}: {}", text::sanitize_line(&path, 200)))
            })?;
            Some(SpecError { parameter: parameter.name.clone(), message })
        });
        problems.collect()
    }
}

fn make_absolute(value: &mut Value, base_dir: &Path, from_shared_store: bool) {
    let parts = match value {
        Value::Array(parts) => parts.as_mut_slice(),
        one => std::slice::from_mut(one),
    };
    for part in parts {
        let absolute = part.as_str().and_then(|text| ImageSource::absolute(text, base_dir, from_shared_store));
        if let Some(absolute) = absolute {
            *part = Value::from(absolute);
        }
    }
}

fn unreadable(path: &str) -> Option<String> {
    match std::fs::metadata(path) {
        Ok(about) if about.is_file() => None,
        Ok(_) => Some("not a file".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some("no such file".to_owned()),
        Err(error) => Some(format!("cannot be read ({error})")),
    }
}

fn size_of(source: ImageSource) -> Option<(u32, u32)> {
    match source {
        ImageSource::Url(_) => None,
        ImageSource::Base64(text) => {
            let begin = text.get(..MAX_HEADER_BASE64.min(text.len() / 4 * 4))?;
            header_size(Cursor::new(STANDARD.decode(begin).ok()?))
        }
        ImageSource::File(path) => {
            // A device or a pipe would never end.
            if !std::fs::metadata(&path).ok()?.is_file() {
                return None;
            }
            header_size(BufReader::new(File::open(path).ok()?))
        }
    }
}

fn header_size(reader: impl BufRead + Seek) -> Option<(u32, u32)> {
    ImageReader::new(reader).with_guessed_format().ok()?.into_dimensions().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_input_files_are_named_by_parameter() {
        let folder = tempfile::tempdir().unwrap();
        let (path, missing) = (folder.path().join("in.png"), folder.path().join("missing.png"));
        std::fs::write(&path, b"x").unwrap();
        let spec = Spec::new("flux-2-pro", "x")
            .with("input_image", path.to_str().unwrap())
            .with("input_image_2", missing.to_str().unwrap())
            .with("input_image_3", "https://example.com/a.png")
            .with("input_image_4", folder.path().to_str().unwrap());
        let problems = Catalog::builtin().unreadable_inputs(&spec);
        let found: Vec<(&str, bool)> = problems
            .iter()
            .map(|problem| (problem.parameter.as_str(), problem.message.starts_with("no such file: /")))
            .collect();
        assert_eq!(found, [("input_image_2", true), ("input_image_4", false)]);
    }

    #[test]
    fn local_images_are_measured_by_their_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in.png");
        image::RgbImage::new(1500, 1025).save(&path).unwrap();
        let base64 = STANDARD.encode(std::fs::read(&path).unwrap());
        let spec = Spec::new("flux-2-pro", "x")
            .with("input_image", path.to_str().unwrap())
            .with("input_image_2", base64)
            .with("input_image_3", "https://example.com/a.png")
            .with("input_image_4", folder.path().join("missing.png").to_str().unwrap());
        let sizes = Catalog::builtin().measure_inputs(&spec);
        let expected = [Some((1500, 1025)), Some((1500, 1025)), None, None];
        for (index, size) in expected.into_iter().enumerate() {
            let name = if index == 0 { "input_image".to_owned() } else { format!("input_image_{}", index + 1) };
            assert_eq!(sizes[&name], [size], "{name}");
        }
        // The price is the same as that of the worker, which decodes the whole image.
        let spec = Spec::new("flux-2-pro", "x").with("width", 1024).with("height", 1024);
        let spec = spec.with("input_image", path.to_str().unwrap());
        let estimate = Catalog::builtin().estimate_sized(&spec, &Catalog::builtin().measure_inputs(&spec));
        assert_eq!(estimate.amount.map(|usd| usd.to_string()).as_deref(), Some("0.06"), "2 MP of references");
    }
}
