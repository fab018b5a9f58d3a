//! Whether bytes are a complete image. Pure and slow: run it on a blocking thread.

use std::io::Cursor;

use image::{ImageFormat as Codec, ImageReader, Limits};

use crate::jobs::ImageFormat;

/// Longest side in pixels that is decoded; the API's largest image has 4096 or so.
const MAX_SIDE: u32 = 16_384;

/// Most memory that one image may take while it is decoded, in bytes.
const MAX_MEMORY: u64 = 512 * 1024 * 1024;

/// Format and size of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ImageInfo {
    /// By its bytes, not by its name or header.
    pub(super) format: ImageFormat,
    /// Pixels.
    pub(super) width: u32,
    /// Pixels.
    pub(super) height: u32,
}

/// Decodes every pixel and checks that the file ends where its format ends. `Err` is one line.
///
/// The bytes decide what the image is. The `Content-Type` does not: it costs nothing to be wrong, and the image is paid for.
pub(super) fn verify_complete(bytes: &[u8]) -> Result<ImageInfo, String> {
    let info = header(bytes)?;
    let terminated = match info.format {
        ImageFormat::Jpeg => jpeg_is_terminated(bytes),
        ImageFormat::Png => png_is_terminated(bytes),
        ImageFormat::Webp => webp_is_terminated(bytes),
    };
    if terminated.is_none() {
        return Err(format!("the {} is truncated", info.format.as_str()));
    }
    let image = reader(bytes, info.format).decode().map_err(|error| broken(&error))?;
    if (image.width(), image.height()) != (info.width, info.height) {
        return Err("its size differs from its header".to_owned());
    }
    Ok(info)
}

/// Most pixels of an image that is decoded faster than another thread is woken for it.
const SMALL_PIXELS: u64 = 128 * 128;

/// Whether the image is decoded at once, by its header.
pub(super) fn is_small(bytes: &[u8]) -> bool {
    bytes.len() <= 64 * 1024
        && header(bytes).is_ok_and(|info| u64::from(info.width) * u64::from(info.height) <= SMALL_PIXELS)
}

/// Format and size, from the header alone.
pub(super) fn header(bytes: &[u8]) -> Result<ImageInfo, String> {
    let format = match image::guess_format(bytes) {
        Ok(Codec::Jpeg) => ImageFormat::Jpeg,
        Ok(Codec::Png) => ImageFormat::Png,
        Ok(Codec::WebP) => ImageFormat::Webp,
        _ => return Err("not a JPEG, PNG or WebP".to_owned()),
    };
    let (width, height) = reader(bytes, format).into_dimensions().map_err(|error| broken(&error))?;
    if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
        return Err(format!("its header says {width}x{height} pixels"));
    }
    Ok(ImageInfo { format, width, height })
}

fn reader(bytes: &[u8], format: ImageFormat) -> ImageReader<Cursor<&[u8]>> {
    let codec = match format {
        ImageFormat::Jpeg => Codec::Jpeg,
        ImageFormat::Png => Codec::Png,
        ImageFormat::Webp => Codec::WebP,
    };
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), codec);
    reader.limits(limits);
    reader
}

fn broken(error: &image::ImageError) -> String {
    crate::text::sanitize_line(&format!("it cannot be decoded: {error}"), 160)
}

/// Walks a JPEG to its end marker. Decoders fill what is missing of a cut JPEG with grey and call it an image.
fn jpeg_is_terminated(bytes: &[u8]) -> Option<()> {
    let mut at = 2;
    loop {
        // Within scan data a marker is 0xFF and anything but 0 (a stuffed byte), a restart (D0..D7) or fill (FF).
        while bytes.get(at..at + 2).map(|pair| pair[0] != 0xff || matches!(pair[1], 0 | 0xff | 0xd0..=0xd7))? {
            at += 1;
        }
        if bytes[at + 1] == 0xd9 {
            return Some(());
        }
        at += 2 + usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]));
    }
}

/// Walks the chunks of a PNG to its last one.
fn png_is_terminated(bytes: &[u8]) -> Option<()> {
    let mut at = 8;
    loop {
        let length = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
        let name = bytes.get(at + 4..at + 8)?;
        at = at.checked_add(12)?.checked_add(usize::try_from(length).ok()?)?;
        if at > bytes.len() {
            return None;
        }
        if name == b"IEND" {
            return Some(());
        }
    }
}

/// A WebP says its length in its first chunk.
fn webp_is_terminated(bytes: &[u8]) -> Option<()> {
    let length = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
    (bytes.len() as u64 >= u64::from(length) + 8).then_some(())
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, RgbImage};

    use super::*;

    fn encoded(codec: Codec) -> Vec<u8> {
        let noise = RgbImage::from_fn(48, 32, |x, y| {
            image::Rgb([((x * 37) ^ (y * 91)) as u8, (x * y) as u8, (x + y * 7) as u8])
        });
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::ImageRgb8(noise).write_to(&mut bytes, codec).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn complete_image_passes_in_every_format() {
        for (codec, format) in
            [(Codec::Jpeg, ImageFormat::Jpeg), (Codec::Png, ImageFormat::Png), (Codec::WebP, ImageFormat::Webp)]
        {
            let bytes = encoded(codec);
            assert_eq!(verify_complete(&bytes), Ok(ImageInfo { format, width: 48, height: 32 }));
        }
    }

    #[test]
    fn truncated_image_is_rejected() {
        for codec in [Codec::Jpeg, Codec::Png, Codec::WebP] {
            let bytes = encoded(codec);
            for cut in (0..bytes.len()).step_by(11).chain([bytes.len() - 1, bytes.len() - 2]) {
                assert!(verify_complete(&bytes[..cut]).is_err(), "{codec:?} of {cut} of {}", bytes.len());
            }
        }
    }

    #[test]
    fn corrupt_bytes_never_panic() {
        for codec in [Codec::Jpeg, Codec::Png, Codec::WebP] {
            let bytes = encoded(codec);
            let mut refused = 0;
            for place in (0..bytes.len()).step_by(7) {
                let mut damaged = bytes.clone();
                damaged[place] ^= 0xff;
                refused += u32::from(verify_complete(&damaged).is_err());
            }
            assert!(refused > 0, "{codec:?}");
        }
    }

    #[test]
    fn oversized_header_is_rejected_before_decoding() {
        let mut png = encoded(Codec::Png);
        png[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
        png[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
        assert!(verify_complete(&png).is_err());
        for bytes in [&b""[..], b"<html>", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP"] {
            assert!(verify_complete(bytes).is_err());
        }
    }
}
