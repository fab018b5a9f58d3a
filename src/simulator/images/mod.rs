//! Simulated images, drawn from prompt and seed when they are delivered.

mod encode;
mod palette;
mod render_queue;
mod scene;

pub(super) use render_queue::RenderQueue;

use std::sync::Arc;

use crate::jobs::ImageFormat;

/// What an image is drawn from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Subject {
    /// The prompt.
    pub prompt: Arc<str>,
    /// The seed.
    pub seed: i64,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The file's format.
    pub format: ImageFormat,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub(super) enum ImageError {
    /// No image has such a size.
    #[error("an image of {0} x {1} pixels cannot be drawn")]
    Size(u32, u32),
    /// The encoder refused.
    #[error("the image could not be encoded: {0}")]
    Encode(#[from] image::ImageError),
    /// The program is ending.
    #[error("the image was not drawn: the simulator is ending")]
    Ending,
}

/// The file of this subject: the same bytes for the same subject. Keeps a processor busy: for a megapixel
/// as JPEG some 0.07 s, 0.5 s in an unoptimised build.
pub(super) fn image(subject: &Subject) -> Result<bytes::Bytes, ImageError> {
    let drawn = scene::draw(&subject.prompt, subject.seed, subject.width, subject.height)
        .ok_or(ImageError::Size(subject.width, subject.height))?;
    Ok(encode::encode(&drawn, subject.format)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(prompt: &str, seed: i64, size: u32, format: ImageFormat) -> Subject {
        Subject { prompt: prompt.into(), seed, width: size, height: size, format }
    }

    #[test]
    fn every_format_encodes() {
        for (format, expected) in [
            (ImageFormat::Png, image::ImageFormat::Png),
            (ImageFormat::Jpeg, image::ImageFormat::Jpeg),
            (ImageFormat::Webp, image::ImageFormat::WebP),
        ] {
            let bytes = image(&subject("a fox in the snow", 7, 64, format)).unwrap();
            assert_eq!(image::guess_format(&bytes).unwrap(), expected);
            let decoded = image::load_from_memory(&bytes).unwrap();
            assert_eq!((decoded.width(), decoded.height()), (64, 64));
        }
    }

    #[test]
    fn image_depends_on_prompt_and_seed() {
        let of = |prompt, seed| image(&subject(prompt, seed, 64, ImageFormat::Png)).unwrap();
        assert_eq!(of("fox", 1), of("fox", 1));
        assert_ne!(of("fox", 1), of("fox", 2));
        assert_ne!(of("fox", 1), of("wolf", 1));
    }

    #[test]
    fn odd_sizes_draw_impossible_sizes_fail() {
        for (width, height) in [(1, 1), (1, 2000), (2048, 3)] {
            let odd = Subject { width, height, ..subject("line", 3, 1, ImageFormat::Png) };
            let decoded = image::load_from_memory(&image(&odd).unwrap()).unwrap();
            assert_eq!((decoded.width(), decoded.height()), (width, height));
        }
        let none = Subject { height: 0, ..subject("none", 3, 64, ImageFormat::Png) };
        assert!(matches!(image(&none), Err(ImageError::Size(64, 0))));
    }
}
