//! The input images of a submit: how many, and the sizes of those sent as base64. Fetches nothing.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value, json};

use super::Rejection;
use crate::catalog::{ImageSource, Model};

/// Largest input image (BFL: 20 MB each).
const MAX_BYTES: usize = 20 << 20;

/// Largest input image of FLUX 3 in pixels: above it the API answers 400.
const FLUX_3_PIXELS: u64 = 16 << 20;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The input images, by the names of their fields. A size is `None` where the image is a URL, which is not fetched.
#[derive(Debug, Default)]
pub(super) struct InputImages(Vec<(String, Option<(u32, u32)>)>);

impl InputImages {
    /// Reads what looks like an image; the catalog reports a wrong type.
    pub fn read(model: &Model, body: &Map<String, Value>) -> Result<Self, Rejection> {
        let mut images = Vec::new();
        for parameter in model.images() {
            let values = match body.get(&parameter.name) {
                Some(Value::Array(values)) => values.as_slice(),
                Some(value) => std::slice::from_ref(value),
                None => continue,
            };
            for value in values {
                let Some(text) = value.as_str() else { continue };
                let size = size_of(text).map_err(|message| {
                    Rejection::field(&parameter.name, &format!("Value error, {message}"), "value_error")
                })?;
                check_size(model, &parameter.name, size)?;
                images.push((parameter.name.clone(), size));
            }
        }
        let images = Self(images);
        // "Same size, size is verified" (documentation of fill).
        if let (Some(image), Some(mask)) = (images.size("image"), images.size("mask"))
            && image != mask
        {
            let message = "Value error, Image and mask must have the same size";
            return Err(Rejection::field("mask", message, "value_error"));
        }
        Ok(images)
    }

    /// The size of the image in that field, where it is known.
    pub fn size(&self, name: &str) -> Option<(u32, u32)> {
        self.0.iter().find(|(other, _)| other == name).and_then(|(_, size)| *size)
    }

    /// The size of each, in the order of the fields.
    pub fn sizes(&self) -> impl Iterator<Item = Option<(u32, u32)>> {
        self.0.iter().map(|(_, size)| *size)
    }

    /// All of them together, two decimals; one that is not known counts as one.
    pub fn megapixels(&self) -> f64 {
        let sum: f64 =
            self.0.iter().map(|(_, size)| size.map_or(1.0, |(width, height)| megapixels(width, height))).sum();
        (sum * 100.0).round() / 100.0
    }
}

/// Megapixels of 1024 x 1024 with two decimals, as the API reports them.
pub(super) fn megapixels(width: u32, height: u32) -> f64 {
    (f64::from(width) * f64::from(height) / 1_048_576.0 * 100.0).round() / 100.0
}

/// The size of an image that came along as base64; `None` for a URL.
fn size_of(text: &str) -> Result<Option<(u32, u32)>, String> {
    let encoded = match ImageSource::parse(text, false) {
        Ok(ImageSource::Url(_)) => return Ok(None),
        Ok(ImageSource::Base64(encoded)) => encoded,
        Ok(ImageSource::File(_)) => return Err("neither a URL nor base64 of an image".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    let bytes = BASE64.decode(encoded).map_err(|error| format!("base64: {error}"))?;
    if bytes.len() > MAX_BYTES {
        return Err("the image is larger than 20 MB".to_owned());
    }
    let reader =
        image::ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| error.to_string())?;
    reader.into_dimensions().map(Some).map_err(|_| "the image cannot be read".to_owned())
}

fn check_size(model: &Model, name: &str, size: Option<(u32, u32)>) -> Result<(), Rejection> {
    let Some((width, height)) = size else { return Ok(()) };
    let pixels = u64::from(width) * u64::from(height);
    if model.name == "flux-3-image" && pixels > FLUX_3_PIXELS {
        return Err(Rejection { status: 400, detail: json!("Reference image is larger than 16 megapixels") });
    }
    match model.min_image_side {
        Some(least) if width < least || height < least => {
            let message =
                format!("Value error, the image is {width}x{height}; each side must be at least {least} pixels");
            Err(Rejection::field(name, &message, "value_error"))
        }
        _ => Ok(()),
    }
}
