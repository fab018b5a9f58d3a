//! Downloads: only complete images pass. The bytes decide the format, not the `Content-Type`.

use std::io::Cursor;

use darkroom::jobs::ImageFormat;
use darkroom::provider::{DownloadedImage, FetchError, Provider as _, ResultLink};
use image::{DynamicImage, ImageFormat as Codec, RgbImage};

use super::server::{Answer, Server};
use super::{client, hasty_client};

fn image(codec: Codec) -> Vec<u8> {
    let pixels = RgbImage::from_fn(80, 60, |x, y| image::Rgb([(x * 3) as u8, (y * 4) as u8, (x ^ y) as u8]));
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(pixels).write_to(&mut bytes, codec).unwrap();
    bytes.into_inner()
}

/// A small PNG whose header, with a right checksum, promises that many pixels.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let mut png = image(Codec::Png);
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    let checksum = png[12..29].iter().fold(u32::MAX, |mut sum, byte| {
        sum ^= u32::from(*byte);
        (0..8).for_each(|_| sum = if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 });
        sum
    });
    png[29..33].copy_from_slice(&(!checksum).to_be_bytes());
    png
}

fn sample(server: &Server) -> ResultLink {
    ResultLink::new(format!("{}/a?se=1&sig=hidden", server.base))
}

fn word(result: &Result<DownloadedImage, FetchError>) -> &'static str {
    match result {
        Ok(_) => "whole",
        Err(FetchError::Retryable { .. }) => "later",
        Err(FetchError::Expired { .. }) => "expired",
        Err(FetchError::Corrupt { .. }) => "broken",
        Err(FetchError::UntrustedHost { .. }) => "foreign",
    }
}

#[tokio::test]
async fn complete_image_is_returned_unchanged() {
    for (codec, content_type, format) in [
        (Codec::Png, "image/png", ImageFormat::Png),
        (Codec::Jpeg, "image/jpeg", ImageFormat::Jpeg),
        (Codec::Jpeg, "Image/JPG; charset=binary", ImageFormat::Jpeg),
        (Codec::WebP, "image/webp", ImageFormat::Webp),
        (Codec::WebP, "application/octet-stream", ImageFormat::Webp),
        (Codec::Jpeg, "image/png", ImageFormat::Jpeg),
        (Codec::Png, "image/gif", ImageFormat::Png),
        (Codec::Png, "text/html", ImageFormat::Png),
    ] {
        let bytes = image(codec);
        let server = Server::start(Answer::http(200, &format!("Content-Type: {content_type}\r\n"), &bytes)).await;
        let image = client(&server.base).fetch(&sample(&server)).await.unwrap();
        assert_eq!((image.format, image.width, image.height), (format, 80, 60));
        assert_eq!(image.bytes, bytes);
    }
}

#[tokio::test]
async fn hostile_downloads_are_interpreted() {
    let png = || image(Codec::Png);
    let typed =
        |content_type: &str, bytes: &[u8]| Answer::http(200, &format!("Content-Type: {content_type}\r\n"), bytes);
    let half = |codec| {
        let bytes = image(codec);
        bytes[..bytes.len() / 2].to_vec()
    };
    let mut flipped = png();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    let endless: Vec<u8> = "HTTP/1.1 200 OK\r\n\r\n".bytes().chain(std::iter::repeat_n(0, 65 * 1024 * 1024)).collect();
    let cases = [
        ("a cut PNG", typed("image/png", &half(Codec::Png)), "broken"),
        ("a cut JPEG", typed("image/jpeg", &half(Codec::Jpeg)), "broken"),
        ("a cut WebP", typed("image/webp", &half(Codec::WebP)), "broken"),
        ("a PNG without its last chunk", typed("image/png", &png()[..png().len() - 12]), "broken"),
        ("a damaged PNG", typed("image/png", &flipped), "broken"),
        ("HTML as a PNG", typed("image/png", b"<html>not found</html>"), "broken"),
        ("HTML", typed("text/html", b"<html>not found</html>"), "broken"),
        ("a GIF", typed("image/gif", b"GIF89a\x01\0\x01\0\0\0\0;"), "broken"),
        ("SVG", typed("image/svg+xml", b"<svg/>"), "broken"),
        ("nothing", typed("image/png", b""), "broken"),
        ("60000 x 60000 pixels", typed("image/png", &bomb(60_000, 60_000)), "broken"),
        ("16384 x 16384 pixels of a small file", typed("image/png", &bomb(16_384, 16_384)), "broken"),
        ("no pixels at all", typed("image/png", &bomb(0, 60)), "broken"),
        ("other dimensions than its data", typed("image/png", &bomb(80, 61)), "broken"),
        (
            "a length too short",
            Answer::with_length(200, "Content-Type: image/png\r\n", png(), png().len() - 9),
            "broken",
        ),
        ("a length too long", Answer::with_length(200, "Content-Type: image/png\r\n", png(), png().len() + 9), "later"),
        ("announced 65 MiB", Answer::with_length(200, "", b"x", 65 * 1024 * 1024), "broken"),
        ("65 MiB without an announcement", Answer::raw(endless), "broken"),
        (
            "a connection closed in the middle",
            Answer::with_length(200, "Content-Type: image/png\r\n", half(Codec::Png), png().len()),
            "later",
        ),
        ("a 204", Answer::raw("HTTP/1.1 204 X\r\nConnection: close\r\n\r\n"), "broken"),
        ("a 403", Answer::http(403, "", b"<Error>AuthenticationFailed</Error>"), "expired"),
        ("a 404", Answer::http(404, "", b""), "expired"),
        ("a 410", Answer::http(410, "", b""), "expired"),
        ("a 403 with an image", Answer::http(403, "Content-Type: image/png\r\n", png()), "expired"),
        ("a 429", Answer::http(429, "", b""), "later"),
        ("a 500", Answer::http(500, "", b""), "later"),
        ("a 503", Answer::http(503, "", b""), "later"),
        ("no answer", Answer::raw(""), "later"),
        ("no HTTP", Answer::raw("hello"), "later"),
    ];
    let server = Server::start_all(cases.iter().map(|case| case.1.clone()).collect()).await;
    let client = client(&server.base);
    for (name, _, expected) in cases {
        let result = client.fetch(&sample(&server)).await;
        assert_eq!(word(&result), expected, "{name}: {:?}", result.err());
        let line = result.unwrap_err().to_string();
        assert!(!line.contains("hidden") && line.chars().count() < 300, "{name}: {line}");
    }
}

#[tokio::test]
async fn stalled_download_is_retryable() {
    for answer in [
        Answer::raw("").hold(),
        Answer::raw("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 500\r\n\r\n\u{1}").hold(),
    ] {
        let server = Server::start(answer).await;
        let result = hasty_client(&server.base).fetch(&sample(&server)).await;
        assert_eq!(word(&result), "later", "{:?}", result.err());
    }
}
