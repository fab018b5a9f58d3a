//! What the simulator charges: rules of its own, so that a wrong estimate of the client shows on the bill.

use rust_decimal::Decimal;
use serde_json::Value;

use super::images::InputImages;
use crate::jobs::Spec;

/// Pixels of one megapixel on the bill.
const MEGAPIXEL: u64 = 1_048_576;

/// Megapixels that an input image counts which came as a URL and is not fetched.
const URL_MEGAPIXELS: u64 = 4;

/// Credits for this request, whose image has that size.
///
/// Where BFL publishes no price, the amount is invented: deblur 3, outpainting 4.5 (fast) and 20 (high), FLUX 3 at 1.5k 7 and 1
/// for each of its reference images, 5 for anything else.
pub(super) fn credits(spec: &Spec, images: &InputImages, (width, height): (u32, u32)) -> Decimal {
    let output = megapixels(width, height);
    let inputs: u64 = images.sizes().map(|size| size.map_or(URL_MEGAPIXELS, |(w, h)| megapixels(w, h))).sum();
    // Hundredths of a credit: first megapixel, each further one, each one of input.
    let (first, more, input) = match spec.model.as_str() {
        "flux-2-pro" | "flux-2-pro-preview" => (300, 150, 150),
        "flux-2-max" => (700, 300, 300),
        "flux-2-flex" => (500, 500, 500),
        "flux-2-klein-9b" | "flux-2-klein-9b-preview" => (150, 20, 20),
        "flux-2-klein-4b" => (140, 10, 10),
        "erase-v1" => (300, 40, 0),
        "vto-v1" | "vto-v2" => (375, 50, 50),
        model => return Decimal::new(flat(model, spec, images), 2).normalize(),
    };
    let total = first + more * (output - 1) + input * inputs;
    Decimal::new(i64::try_from(total).unwrap_or(i64::MAX), 2).normalize()
}

/// Hundredths of a credit for one image of any size.
fn flat(model: &str, spec: &Spec, images: &InputImages) -> i64 {
    let text = |name: &str| spec.parameters.get(name).and_then(Value::as_str);
    match model {
        "flux-dev" => 250,
        "deblur-v1" => 300,
        "flux-kontext-pro" | "flux-pro-1.1" => 400,
        "flux-pro-1.1-ultra" | "flux-pro-1.0-fill-finetuned" => 600,
        "flux-pro-1.1-ultra-finetuned" => 700,
        "flux-kontext-max" => 800,
        "outpainting-v1" if text("mode") == Some("fast") => 450,
        "outpainting-v1" => 2_000,
        "flux-3-image" => {
            let image = match text("resolution") {
                Some("768sq") => 410,
                Some("1.5k") => 700,
                Some("2k") => 1_000,
                Some("4k") => 6_070,
                _ => 480,
            };
            image + 100 * i64::try_from(images.sizes().count()).unwrap_or(0)
        }
        _ => 500,
    }
}

fn megapixels(width: u32, height: u32) -> u64 {
    (u64::from(width) * u64::from(height)).div_ceil(MEGAPIXEL).max(1)
}
