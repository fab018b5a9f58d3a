//! Decodes an image file and encodes it for the terminal, within limits: the file is untrusted and may be crafted to exhaust
//! memory. Slow: only the decoder thread calls this.

use std::io::Cursor;

use image::imageops::FilterType;
use image::{DynamicImage, GenericImageView, ImageReader, Limits};
use ratatui::layout::Size;
use ratatui_image::picker::{Picker, ProtocolType};
use ratatui_image::protocol::Protocol;
use ratatui_image::protocol::halfblocks::Halfblocks;
use ratatui_image::{FontSize, Resize};

use crate::text;
use crate::text::format;

/// Pixels on a side that are decoded. The FLUX API delivers 4 megapixels at most.
const MAX_SIDE: u32 = 8_192;
/// Bytes that one decode may take.
const MAX_ALLOCATION: u64 = 192 * 1024 * 1024;
/// Largest file that is decoded.
const MAX_FILE: usize = 64 * 1024 * 1024;
/// Pixels on a side that are kept of an image by itself: as many as a large terminal window shows.
pub const KEPT_SIDE: u32 = 2_560;

/// Decodes a file and keeps at most so many pixels on a side. Errors are one clean line.
pub fn decode(file: &[u8], kept_side: u32) -> Result<DynamicImage, String> {
    if file.len() > MAX_FILE {
        return Err(format!("the file is too large to show ({})", format::bytes(file.len() as u64)));
    }
    let mut reader = ImageReader::new(Cursor::new(file))
        .with_guessed_format()
        .map_err(|error| text::sanitize_line(&error.to_string(), 160))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_ALLOCATION);
    reader.limits(limits);
    let image = reader.decode().map_err(|error| text::sanitize_line(&error.to_string(), 160))?;
    if image.width().max(image.height()) > kept_side {
        return Ok(image.thumbnail(kept_side, kept_side));
    }
    Ok(image)
}

/// Makes what the terminal takes, at most `room` cells, the ratio of the sides kept. Errors are one clean line.
pub fn encode(image: &DynamicImage, picker: &Picker, room: Size) -> Result<Protocol, String> {
    let line = |error: ratatui_image::errors::Errors| text::sanitize_line(&error.to_string(), 160);
    let font = picker.font_size();
    if picker.protocol_type() == ProtocolType::Halfblocks {
        let cells = fit(image.dimensions(), font, room);
        let (width, height) = (u32::from(cells.width), u32::from(cells.height) * 2);
        let small = if image.width() > width && image.height() > height {
            image.thumbnail_exact(width, height)
        } else {
            image.resize_exact(width, height, FilterType::Triangle)
        };
        return Halfblocks::new(small, cells).map(Protocol::Halfblocks).map_err(line);
    }
    let (width, height) =
        (u32::from(room.width) * u32::from(font.width), u32::from(room.height) * u32::from(font.height));
    let fitted = if image.width() > width || image.height() > height {
        image.thumbnail(width.max(1), height.max(1))
    } else {
        image.clone()
    };
    picker.new_protocol(fitted, room, Resize::Fit(Some(FilterType::Triangle))).map_err(line)
}

/// The cells that an image of so many pixels fills within `room`, the ratio of its sides kept to half a cell.
fn fit((width, height): (u32, u32), font: FontSize, room: Size) -> Size {
    let (width, height) = (f64::from(width.max(1)), f64::from(height.max(1)));
    let (cell_width, cell_height) = (f64::from(font.width.max(1)), f64::from(font.height.max(1)));
    let scale = (f64::from(room.width) * cell_width / width).min(f64::from(room.height) * cell_height / height);
    let cells = |pixels: f64, cell: f64, most: u16| ((pixels * scale / cell).round() as u16).clamp(1, most.max(1));
    Size::new(cells(width, cell_width, room.width), cells(height, cell_height, room.height))
}

#[cfg(test)]
mod tests {
    use super::super::tests::png;
    use super::*;

    #[test]
    fn the_ratio_of_the_sides_is_kept() {
        let font = FontSize::new(10, 20);
        assert_eq!(fit((1024, 1024), font, Size::new(40, 40)), Size::new(40, 20));
        assert_eq!(fit((1024, 1024), font, Size::new(200, 20)), Size::new(40, 20));
        assert_eq!(fit((1600, 900), font, Size::new(64, 64)), Size::new(64, 18));
        assert_eq!(fit((1, 8000), font, Size::new(10, 10)), Size::new(1, 10));
    }

    #[test]
    fn an_image_that_is_no_image_is_one_line() {
        for file in [&b""[..], b"<html>", &png(20, 20)[..60], b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"] {
            let line = decode(file, KEPT_SIDE).unwrap_err();
            assert!(!line.is_empty() && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn a_bomb_is_refused_by_its_header() {
        let mut bomb = png(8, 8);
        // The header's width, with its checksum made right again, so that only the limit refuses it.
        bomb[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
        bomb[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
        let checksum = crc32(&bomb[12..29]);
        bomb[29..33].copy_from_slice(&checksum.to_be_bytes());
        let line = decode(&bomb, KEPT_SIDE).unwrap_err();
        assert!(line.to_lowercase().contains("limit") || line.to_lowercase().contains("dimension"), "{line}");
    }

    fn crc32(bytes: &[u8]) -> u32 {
        let step = |sum: u32, byte: &u8| {
            (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(sum & 1)))
        };
        !bytes.iter().fold(!0, step)
    }

    #[test]
    fn half_blocks_never_leave_the_room() {
        let image = decode(&png(64, 36), KEPT_SIDE).unwrap();
        for (width, height) in [(1, 1), (3, 40), (40, 3), (100, 50)] {
            let room = Size::new(width, height);
            let size = encode(&image, &Picker::halfblocks(), room).unwrap().size();
            assert!(size.width <= width && size.height <= height, "{size:?} in {room:?}");
        }
    }

    #[test]
    fn graphics_protocols_never_leave_the_room() {
        let image = decode(&png(300, 100), KEPT_SIDE).unwrap();
        for protocol in [ProtocolType::Kitty, ProtocolType::Sixel, ProtocolType::Iterm2] {
            let mut picker = Picker::halfblocks();
            picker.set_protocol_type(protocol);
            for (width, height) in [(1, 1), (7, 30), (60, 2)] {
                let size = encode(&image, &picker, Size::new(width, height)).unwrap().size();
                assert!(size.width <= width && size.height <= height, "{protocol:?} {size:?}");
            }
        }
    }
}
