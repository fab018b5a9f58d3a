//! A matrix of requests: every prompt with every model, size and seed. What one combination costs is known before any is built.

use super::{Catalog, Model, SpecError};
use crate::jobs::Spec;
use crate::text::sanitize_line;

/// Combinations of one matrix at most.
pub const MAX_COMBINATIONS: u64 = 10_000;

/// Seeds of one range at most.
const MAX_SEEDS: i64 = 1_000;

/// The parameter of models that take a ratio in place of a size.
const RATIO: &str = "aspect_ratio";

/// A size as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MatrixSize {
    /// Width and height in pixels.
    Pixels(u32, u32),
    /// `16:9`.
    Ratio(String),
}

/// The axes beside the prompt; an empty one leaves the request as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matrix {
    /// Models by name.
    pub models: Vec<String>,
    /// Sizes.
    pub sizes: Vec<MatrixSize>,
    /// Seeds.
    pub seeds: Vec<i64>,
}

impl Matrix {
    /// Reads the axes: lists apart by spaces or commas, seeds also as ranges such as `1..4`. Errors: everything that is wrong, by
    /// axis: `models`, `sizes`, `seeds`.
    pub fn parse(catalog: &Catalog, models: &str, sizes: &str, seeds: &str) -> (Self, Vec<SpecError>) {
        let mut problems = Vec::new();
        let mut matrix = Self::default();
        for name in words(models) {
            match catalog.model(name) {
                Some(model) => matrix.models.push(model.name.clone()),
                None => problems.push(SpecError::new("models", catalog.unknown_model(name).message)),
            }
        }
        for word in words(sizes) {
            if let Some(size) = MatrixSize::parse(word) {
                matrix.sizes.push(size);
            } else {
                let word = sanitize_line(word, 40);
                problems.push(SpecError::new("sizes", format!("'{word}' is not a size such as 1024x768 or 16:9")));
            }
        }
        for word in words(seeds) {
            match seed_range(word) {
                Ok(seeds) => matrix.seeds.extend(seeds),
                Err(why) => problems.push(SpecError::new("seeds", why)),
            }
        }
        (matrix, problems)
    }

    /// The size in `base`, for every size of the matrix. Errors: a size that the model does not take.
    pub fn sized(&self, catalog: &Catalog, base: &Spec) -> Result<Vec<Spec>, SpecError> {
        let Some(model) = catalog.model(&base.model).filter(|_| !self.sizes.is_empty()) else {
            return Ok(vec![base.clone()]);
        };
        self.sizes.iter().map(|size| size.in_spec(model, base)).collect()
    }

    /// The seeds in `base`, for every seed of the matrix.
    pub fn seeded(&self, base: &Spec) -> Vec<Spec> {
        if self.seeds.is_empty() {
            return vec![base.clone()];
        }
        self.seeds.iter().map(|seed| base.clone().with("seed", *seed)).collect()
    }
}

impl MatrixSize {
    fn parse(word: &str) -> Option<Self> {
        if super::parameter::parse_ratio(word).is_some() {
            return Some(Self::Ratio(word.to_owned()));
        }
        let (width, height) = word.split_once(['x', 'X', '×'])?;
        let side = |text: &str| text.parse::<u32>().ok().filter(|side| *side > 0);
        Some(Self::Pixels(side(width)?, side(height)?))
    }

    fn in_spec(&self, model: &Model, base: &Spec) -> Result<Spec, SpecError> {
        let mut spec = base.clone();
        let takes_pixels = model.parameter("width").is_some() && model.parameter("height").is_some();
        let pixels = match self {
            Self::Ratio(ratio) if model.parameter(RATIO).is_some() => {
                spec.parameters.insert(RATIO.to_owned(), ratio.as_str().into());
                return Ok(spec);
            }
            Self::Ratio(ratio) => model.size_for_ratio(ratio),
            Self::Pixels(width, height) => takes_pixels.then_some((*width, *height)),
        };
        let Some((width, height)) = pixels else {
            let takes =
                if model.parameter(RATIO).is_some() { "use a ratio such as 16:9" } else { "leave out its size" };
            return Err(SpecError::new("sizes", format!("{} takes no size {self}: {takes}", model.name)));
        };
        Ok(spec.with("width", width).with("height", height))
    }
}

impl std::fmt::Display for MatrixSize {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pixels(width, height) => write!(formatter, "{width}x{height}"),
            Self::Ratio(ratio) => formatter.write_str(ratio),
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty())
}

/// `7`, or `1..4` with both ends.
fn seed_range(word: &str) -> Result<Vec<i64>, String> {
    let wrong = || format!("'{}' is not a seed such as 7, or a range such as 1..4", sanitize_line(word, 40));
    let seed = |text: &str| text.parse::<i64>().ok().filter(|seed| *seed >= 0).ok_or_else(wrong);
    let Some((first, last)) = word.split_once("..") else { return Ok(vec![seed(word)?]) };
    let (first, last) = (seed(first)?, seed(last)?);
    if first > last {
        return Err(wrong());
    }
    if last - first >= MAX_SEEDS {
        return Err(format!("'{}' has more than {MAX_SEEDS} seeds", sanitize_line(word, 40)));
    }
    Ok((first..=last).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(models: &str, sizes: &str, seeds: &str) -> (Matrix, Vec<SpecError>) {
        Matrix::parse(Catalog::builtin(), models, sizes, seeds)
    }

    #[test]
    fn sizes_suit_the_model() {
        let (matrix, problems) = parse("flux-2-pro, flux-pro-1.1-ultra", "16:9", "1..3 9");
        assert_eq!((problems, matrix.models.len()), (Vec::new(), 2));
        assert_eq!(matrix.seeds, [1, 2, 3, 9]);
        let pixels = matrix.sized(Catalog::builtin(), &Spec::new("flux-2-pro", "x")).unwrap();
        assert_eq!(pixels, [Spec::new("flux-2-pro", "x").with("width", 1344).with("height", 768)]);
        let ratio = matrix.sized(Catalog::builtin(), &Spec::new("flux-pro-1.1-ultra", "x")).unwrap();
        assert_eq!(ratio, [Spec::new("flux-pro-1.1-ultra", "x").with("aspect_ratio", "16:9")]);
        let (matrix, _) = parse("", "1024x768", "");
        let error = matrix.sized(Catalog::builtin(), &Spec::new("flux-pro-1.1-ultra", "x")).unwrap_err();
        assert_eq!(error.message, "flux-pro-1.1-ultra takes no size 1024x768: use a ratio such as 16:9");
        assert_eq!(matrix.seeded(&Spec::new("flux-2-pro", "x")).len(), 1, "an empty axis changes nothing");
    }

    #[test]
    fn wrong_values_are_named_by_axis() {
        let (_, problems) = parse("flux-2-por", "big 0x5", "4..1 -2 0..5000");
        let axes: Vec<&str> = problems.iter().map(|problem| problem.parameter.as_str()).collect();
        assert_eq!(axes, ["models", "sizes", "sizes", "seeds", "seeds", "seeds"]);
        assert!(problems[0].message.contains("did you mean flux-2-pro"), "{}", problems[0]);
        assert!(problems[5].message.contains("more than 1000 seeds"), "{}", problems[5]);
    }
}
