//! Images of the kitty protocol as PNG. The image library sends raw pixels, four bytes each: ten times as much, which takes
//! minutes on a slow line.

use std::fmt::Write;
use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::png::PngEncoder;
use image::{DynamicImage, ImageEncoder, RgbaImage};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;
use ratatui_image::Image;
use ratatui_image::protocol::Protocol;

/// The character in whose cells kitty draws.
const PLACEHOLDER: char = '\u{10eeee}';
/// Most bytes of one chunk, as the protocol demands.
const CHUNK: usize = 4_096;

/// What transmits the image as PNG; `None` for other protocols, and where the image was transmitted already. From here on
/// `protocol` draws the placeholders only.
pub fn take_transmission(protocol: &Protocol) -> Option<String> {
    if !matches!(protocol, Protocol::Kitty(_)) {
        return None;
    }
    let size = protocol.size();
    let area = Rect::new(0, 0, size.width, size.height);
    let mut buffer = Buffer::empty(area);
    Image::new(protocol).render(area, &mut buffer);
    let (transmission, _) = buffer.cell((0, 0))?.symbol().split_once(PLACEHOLDER)?;
    // Raw pixels are slow, but right.
    as_png(transmission).or_else(|| (!transmission.is_empty()).then(|| transmission.to_owned()))
}

/// The number that a transmission gives its image.
pub fn number(transmission: &str) -> Option<u32> {
    let (control, _) = transmission.split_once("_G")?.1.split_once(';')?;
    control.split(',').find_map(|field| field.strip_prefix("i=")?.parse().ok())
}

/// The same transmission with a PNG in it.
fn as_png(transmission: &str) -> Option<String> {
    let is_tmux = transmission.starts_with("\x1bPtmux;");
    let mut chunks = transmission.split("_G").skip(1).filter_map(|chunk| chunk.split_once(';')).peekable();
    let (header, _) = *chunks.peek()?;
    let field = |name: &str| header.split(',').find_map(|field| field.strip_prefix(name)?.parse::<u32>().ok());
    let (id, width, height) = (field("i=")?, field("s=")?, field("v=")?);
    let mut pixels = Vec::new();
    for (_, data) in chunks {
        STANDARD.decode_vec(data.split('\x1b').next()?, &mut pixels).ok()?;
    }
    let image = DynamicImage::ImageRgba8(RgbaImage::from_raw(width, height, pixels)?);
    let file = STANDARD.encode(encode(&image)?);
    let (start, escape, end) = if is_tmux { ("\x1bPtmux;", "\x1b\x1b", "\x1b\\") } else { ("", "\x1b", "") };
    let mut result = String::with_capacity(file.len() + file.len() / 64);
    let pieces = file.as_bytes().chunks(CHUNK);
    let last = pieces.len().saturating_sub(1);
    for (index, piece) in pieces.enumerate() {
        let control = if index == 0 { format!("i={id},a=T,U=1,f=100,t=d,") } else { String::new() };
        let more = u8::from(index < last);
        let piece = std::str::from_utf8(piece).ok()?;
        write!(result, "{start}{escape}_Gq=2,{control}m={more};{piece}{escape}\\{end}").ok()?;
    }
    Some(result)
}

/// A PNG file, without an alpha channel that says nothing.
fn encode(image: &DynamicImage) -> Option<Vec<u8>> {
    let is_opaque = image.as_rgba8()?.pixels().all(|pixel| pixel.0[3] == u8::MAX);
    let mut file = Cursor::new(Vec::new());
    let encoder = PngEncoder::new(&mut file);
    let (width, height) = (image.width(), image.height());
    if is_opaque {
        encoder.write_image(image.to_rgb8().as_raw(), width, height, image::ExtendedColorType::Rgb8).ok()?;
    } else {
        encoder.write_image(image.as_bytes(), width, height, image::ExtendedColorType::Rgba8).ok()?;
    }
    Some(file.into_inner())
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Size;
    use ratatui_image::picker::{Picker, ProtocolType};

    use super::super::decode;
    use super::super::tests::png;
    use super::*;

    #[test]
    fn kitty_image_is_sent_as_png_once() {
        let mut picker = Picker::halfblocks();
        picker.set_protocol_type(ProtocolType::Kitty);
        let image = decode::decode(&png(400, 300), decode::KEPT_SIDE).unwrap();
        let protocol = decode::encode(&image, &picker, Size::new(40, 20)).unwrap();
        let sent = take_transmission(&protocol).unwrap();
        assert!(sent.starts_with("\x1b_Gq=2,i=") && sent.contains("f=100") && sent.ends_with("\x1b\\"), "{sent:?}");
        assert!(sent.len() < 400 * 300, "{} bytes", sent.len());
        let mut file = Vec::new();
        for chunk in sent.split("_G").skip(1) {
            let (_, data) = chunk.split_once(';').unwrap();
            let data = data.trim_end_matches('\x1b').trim_end_matches("\x1b\\");
            STANDARD.decode_vec(data, &mut file).unwrap();
        }
        let shown = decode::decode(&file, decode::KEPT_SIDE).unwrap();
        assert_eq!(shown.width() * 3, shown.height() * 4, "the ratio of the sides is kept");
        assert_eq!(take_transmission(&protocol), None, "transmitted once");
        assert_eq!(number("\x1bPtmux;\x1b\x1b_Gq=2,i=77,a=T,m=0;AAAA"), Some(77));
        assert!(number(&sent).is_some());
    }

    #[test]
    fn other_protocols_transmit_nothing_apart() {
        let image = decode::decode(&png(40, 30), decode::KEPT_SIDE).unwrap();
        let protocol = decode::encode(&image, &Picker::halfblocks(), Size::new(10, 10)).unwrap();
        assert_eq!(take_transmission(&protocol), None);
    }
}
