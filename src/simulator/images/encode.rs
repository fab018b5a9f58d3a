//! Encodes simulated images as PNG, JPEG and WebP.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageResult};
use tiny_skia::Pixmap;

use crate::jobs::ImageFormat;

/// The image as a file. The alpha channel, which is opaque everywhere, is left out.
pub(super) fn encode(pixmap: &Pixmap, format: ImageFormat) -> ImageResult<Vec<u8>> {
    let (width, height) = (pixmap.width(), pixmap.height());
    let pixels = opaque(pixmap.data());
    let mut file = Vec::with_capacity(pixels.len() / 8 + 1024);
    let color = ExtendedColorType::Rgb8;
    match format {
        ImageFormat::Png => PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Adaptive)
            .write_image(&pixels, width, height, color)?,
        ImageFormat::Jpeg => JpegEncoder::new_with_quality(&mut file, 88).write_image(&pixels, width, height, color)?,
        ImageFormat::Webp => WebPEncoder::new_lossless(&mut file).write_image(&pixels, width, height, color)?,
    }
    Ok(file)
}

/// Red, green and blue of every pixel. Indices, not iterators: unoptimised builds go through a million of them.
fn opaque(pixels: &[u8]) -> Vec<u8> {
    let (pixels, _) = pixels.as_chunks::<4>();
    let mut rgb = vec![[0; 3]; pixels.len()];
    for index in 0..pixels.len() {
        let [red, green, blue, _] = pixels[index];
        rgb[index] = [red, green, blue];
    }
    rgb.into_flattened()
}
