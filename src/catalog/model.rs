//! One model and what follows from its parameters alone.

use std::collections::BTreeMap;

use super::{Parameter, ParameterKind};
use crate::costs::PricedRequest;
use crate::jobs::Spec;

/// Width and height of the input images by parameter, in the order of its list; `None` where a size is unknown, as of a URL.
pub type InputSizes = BTreeMap<String, Vec<Option<(u32, u32)>>>;

/// One image model of the FLUX API.
#[derive(Debug, Clone)]
pub struct Model {
    /// Its name here, in documents and in the price table; `flux-2-pro`, `erase-v1`.
    pub name: String,
    /// The path behind `/v1/`; `flux-2-pro`, `flux-tools/erase-v1`.
    pub route: String,
    /// For people.
    pub title: String,
    /// Seconds from submit to image that were measured: quickest and slowest.
    pub typical_seconds: (f64, f64),
    /// Unfinished tickets at once, where the model has a limit of its own.
    pub max_active: Option<u32>,
    /// Whether unknown fields are refused by the API.
    pub strict: bool,
    /// What it takes besides the prompt, in the order of the form.
    pub parameters: Vec<Parameter>,
    /// Whether it takes a prompt, and whether it must.
    pub prompt: Option<bool>,
    /// Names of which at least one must be given, `prompt` or parameters; empty where there is no such rule.
    pub needs_one_of: Vec<String>,
    /// Largest width x height in pixels, where the two are limited together.
    pub max_pixels: Option<u64>,
    /// Smallest side of an input image in pixels, where it is documented.
    pub min_image_side: Option<u32>,
    /// Largest width x height of an input image in pixels.
    pub max_image_pixels: u64,
    /// The input image whose size the output has, as of a tool that works on one image.
    pub output_like: Option<String>,
    /// Whether BFL has marked the model as deprecated.
    pub deprecated: bool,
}

/// Sides made from a ratio are multiples of this: it suits the steps of every model (16 and 32).
const SIDE: f64 = 64.0;

/// Pixels of an image made from a ratio: at most one megapixel on the bill.
const RATIO_PIXELS: f64 = 1_048_576.0;

impl Model {
    /// The parameter with that API name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// The parameters that are images.
    pub fn images(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters
            .iter()
            .filter(|parameter| matches!(parameter.kind, ParameterKind::Image | ParameterKind::Images { .. }))
    }

    /// Width and height for a ratio `W:H`, for models that take no ratio: about one megapixel, sides of whole 64 pixels.
    /// `16:9` is 1344x768, `1:1` 1024x1024, `9:16` 768x1344 (the data contract's own sizes). `None` where the model has no
    /// width and height, or the text is no ratio between 1:8 and 8:1.
    pub fn size_for_ratio(&self, ratio: &str) -> Option<(u32, u32)> {
        let (width, height) = super::parameter::parse_ratio(ratio)?;
        let quotient = f64::from(width) / f64::from(height);
        if !(0.125..=8.0).contains(&quotient) {
            return None;
        }
        let side = |name: &str, ideal: f64| {
            let ParameterKind::Integer { min, max, .. } = self.parameter(name)?.kind else { return None };
            u32::try_from((((ideal / SIDE).floor() * SIDE) as i64).clamp(min, max)).ok()
        };
        Some((side("width", (RATIO_PIXELS * quotient).sqrt())?, side("height", (RATIO_PIXELS / quotient).sqrt())?))
    }

    /// What the price of `spec` depends on. `sizes` are those of the input images that are known.
    pub(super) fn priced<'a>(&'a self, spec: &'a Spec, sizes: &InputSizes) -> PricedRequest<'a> {
        let value = |parameter: &'a Parameter| {
            let given = spec.parameters.get(&parameter.name).filter(|value| !value.is_null());
            given.or(parameter.default.as_ref())
        };
        let side = |name: &str| {
            let number = value(self.parameter(name)?)?.as_f64()?;
            (number >= 1.0).then_some(number as u32)
        };
        let like = self.output_like.as_ref().and_then(|name| *sizes.get(name)?.first()?);
        let output = match like {
            Some((width, height)) => (Some(width), Some(height)),
            None => (side("width"), side("height")),
        };
        let input_images = self
            .images()
            .filter_map(|parameter| Some((&parameter.name, value(parameter)?)))
            .flat_map(|(name, images)| {
                let count = images.as_array().map_or(1, Vec::len);
                let known = sizes.get(name).map(Vec::as_slice).unwrap_or_default();
                (0..count).map(|index| known.get(index).copied().flatten()).collect::<Vec<_>>()
            })
            .collect();
        let options = self
            .parameters
            .iter()
            .filter(|parameter| matches!(parameter.kind, ParameterKind::Choice(_)))
            .filter_map(|parameter| Some((parameter.name.as_str(), value(parameter)?.as_str()?.to_owned())))
            .collect();
        PricedRequest {
            model: &self.name,
            output,
            max_output_pixels: self.max_pixels,
            input_images,
            max_input_pixels: self.max_image_pixels,
            options,
        }
    }
}
