//! Turning a spec into a request: the catalog's body, with input images loaded, checked and measured. Sends nothing.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;

use super::image_check;
use crate::catalog::{Catalog, ImageSource, InputSizes, Model, SpecError};
use crate::jobs::{FailureCode, Spec};
use crate::provider::{PreparedRequest, SubmitError};

/// Largest input image in bytes (the API's limit: 20 MB).
const MAX_INPUT: u64 = 20_000_000;

/// Turns a spec into a request.
pub(super) async fn prepare(spec: &Spec) -> Result<PreparedRequest, SubmitError> {
    let catalog = Catalog::builtin();
    let mut body = catalog.request_body(spec).map_err(|problems| wrong(catalog.model(&spec.model), &problems))?;
    let Some(model) = catalog.model(&spec.model) else {
        return Err(SubmitError::Rejected { code: FailureCode::InvalidRequest, message: "unknown model".to_owned() });
    };
    let mut input_sizes = InputSizes::new();
    for parameter in model.images() {
        let name = &parameter.name;
        match body.get_mut(name) {
            Some(Value::Array(images)) => {
                for image in images {
                    let size = load(name, image, spec, model).await?;
                    input_sizes.entry(name.clone()).or_default().push(size);
                }
            }
            Some(image) => _ = input_sizes.insert(name.clone(), vec![load(name, image, spec, model).await?]),
            None => {}
        }
    }
    Ok(PreparedRequest { route: model.route.clone(), body: Value::Object(body), input_sizes })
}

/// All errors in one line. The code is that of the first one: an error of an input image has a code of its own.
fn wrong(model: Option<&Model>, problems: &[SpecError]) -> SubmitError {
    let about_image = problems
        .first()
        .is_some_and(|problem| model.is_some_and(|model| model.images().any(|image| image.name == problem.parameter)));
    let code = if about_image { FailureCode::InvalidInput } else { FailureCode::InvalidRequest };
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    SubmitError::Rejected { code, message: lines.join("; ") }
}

/// Replaces what names an image by what is sent for it: a URL unchanged, anything else as base64. Returns the size in pixels, which
/// is unknown for a URL.
async fn load(name: &str, image: &mut Value, spec: &Spec, model: &Model) -> Result<Option<(u32, u32)>, SubmitError> {
    let refused = |why: String| SubmitError::Rejected {
        code: FailureCode::InvalidInput,
        message: crate::text::sanitize_line(&format!("{name}: {why}"), 280),
    };
    let text = image.as_str().unwrap_or_default();
    let source = ImageSource::parse(text, spec.from_shared_store).map_err(|error| refused(error.0.to_owned()))?;
    let limits = (model.min_image_side, model.max_image_pixels);
    let (sent, size) = match source {
        ImageSource::Url(url) => (url, None),
        ImageSource::Base64(text) => blocking(move || checked_base64(text, limits)).await.map_err(refused)?,
        ImageSource::File(path) => {
            let bytes = read(&path).await.map_err(|why| refused(format!("{path}: {why}")))?;
            let checked =
                blocking(move || check(&bytes, limits).map(|size| (STANDARD.encode(&bytes), Some(size)))).await;
            checked.map_err(|why| refused(format!("{path}: {why}")))?
        }
    };
    *image = Value::String(sent);
    Ok(size)
}

/// Reads a regular file: a device or a pipe would never end.
async fn read(path: &str) -> Result<Vec<u8>, String> {
    let about = tokio::fs::metadata(path).await.map_err(|error| format!("cannot be read: {error}"))?;
    if !about.is_file() {
        return Err("is not a file".to_owned());
    }
    let file = tokio::fs::File::open(path).await.map_err(|error| format!("cannot be read: {error}"))?;
    let mut bytes = Vec::with_capacity(about.len().min(MAX_INPUT) as usize);
    let read = file.take(MAX_INPUT + 1).read_to_end(&mut bytes).await;
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_INPUT { Err("is larger than 20 MB".to_owned()) } else { Ok(bytes) }
}

fn checked_base64(text: String, limits: (Option<u32>, u64)) -> Result<(String, Option<(u32, u32)>), String> {
    let bytes = STANDARD.decode(&text).or_else(|_| STANDARD_NO_PAD.decode(&text));
    let bytes = bytes.map_err(|_| "is not valid base64".to_owned())?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err("is larger than 20 MB".to_owned());
    }
    check(&bytes, limits).map(|size| (text, Some(size)))
}

/// The image's size, if the API would accept it, judged by its header.
fn check(bytes: &[u8], (min_side, max_pixels): (Option<u32>, u64)) -> Result<(u32, u32), String> {
    let info = image_check::header(bytes)?;
    let size = format!("{}x{} pixels", info.width, info.height);
    if u64::from(info.width) * u64::from(info.height) > max_pixels {
        return Err(format!("{size} are more than {} million", max_pixels / 1_000_000));
    }
    match min_side {
        Some(min) if info.width < min || info.height < min => Err(format!("{size}; each side needs at least {min}")),
        _ => Ok((info.width, info.height)),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err("the decoder failed".to_owned()))
}
