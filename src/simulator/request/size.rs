//! The size of a simulated image: as requested, by ratio and resolution, or like its input image.

use serde_json::Value;

use super::images::InputImages;
use crate::catalog::Model;
use crate::jobs::Spec;

/// What the server makes where the request leaves it open (a table of the FLUX.2 documentation).
const USUAL: u32 = 1024;

/// Sides that follow from a ratio are multiples of this.
const STEP: f64 = 32.0;

/// Longest side: an input image may be larger.
const LONGEST: u32 = 4096;

/// Width and height in pixels.
pub(super) fn of_image(model: &Model, spec: &Spec, images: &InputImages) -> (u32, u32) {
    let value = |name: &str| {
        let default = model.parameter(name).and_then(|parameter| parameter.default.as_ref());
        spec.parameters.get(name).or(default)
    };
    let number =
        |name: &str| value(name).and_then(Value::as_f64).filter(|number| *number >= 1.0).map(|number| number as u32);
    if model.parameter("width").is_some() {
        return (number("width").unwrap_or(USUAL), number("height").unwrap_or(USUAL));
    }
    let ratio = value("aspect_ratio").and_then(Value::as_str).and_then(ratio);
    if model.parameter("aspect_ratio").is_some() {
        let area = area(model, value("resolution").and_then(Value::as_str));
        // Kontext keeps the ratio of the image that it edits.
        let of_image = images.size("input_image").map(|(width, height)| f64::from(width) / f64::from(height));
        return sides(area, ratio.or(of_image).unwrap_or(1.0));
    }
    let source = ["image", "input_image", "person"].iter().find_map(|name| images.size(name));
    let (width, height) = source.unwrap_or((USUAL, USUAL));
    let grown = |side: u32, before: &str, after: &str| {
        side.saturating_add(number(before).unwrap_or(0)).saturating_add(number(after).unwrap_or(0)).clamp(1, LONGEST)
    };
    (grown(width, "left", "right"), grown(height, "top", "bottom"))
}

/// Pixels of an image whose size is named by a word, or by nothing.
fn area(model: &Model, resolution: Option<&str>) -> f64 {
    let side: f64 = match resolution {
        Some("768sq") => 768.0,
        Some("1.5k") => 1536.0,
        Some("2k") => 2048.0,
        Some("4k") => 4096.0,
        // "Up to 4 megapixels" (BFL's page of the model).
        _ if model.name.ends_with("-ultra") => 2048.0,
        _ => 1024.0,
    };
    side * side
}

fn sides(area: f64, ratio: f64) -> (u32, u32) {
    let whole = |side: f64| ((side / STEP).floor() * STEP).max(STEP) as u32;
    (whole((area * ratio).sqrt()), whole((area / ratio).sqrt()))
}

/// `16:9` as a quotient; `auto` is none.
fn ratio(text: &str) -> Option<f64> {
    let (width, height) = text.split_once(':')?;
    let (width, height): (f64, f64) = (width.trim().parse().ok()?, height.trim().parse().ok()?);
    (width > 0.0 && height > 0.0).then(|| width / height)
}
