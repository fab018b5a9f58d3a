//! The whole job in `darkroom.job`: deflated JSON, so that a web page that reads all documents does not transfer it three times as
//! large. Documents of earlier versions have the JSON as text.

use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde_json::Value;

use super::json::BYTES;
use crate::store::schema::Fields;

/// A job that inflates to more is not darkroom's: its document would not have fitted before.
const MAX_INFLATED: u64 = 16 << 20;

pub(super) fn deflate(text: &str) -> io::Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

fn inflate(bytes: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut decoder = DeflateDecoder::new(bytes).take(MAX_INFLATED + 1);
    decoder.read_to_string(&mut text).ok().filter(|_| text.len() as u64 <= MAX_INFLATED)?;
    Some(text)
}

/// Replaces deflated bytes in `darkroom.job` by their text. Others stay, and are then not a job.
pub(super) fn unpack_job(fields: &mut Fields) {
    let Some(Value::Object(native)) = fields.get_mut("darkroom") else { return };
    let bytes =
        native.get("job").and_then(|job| job.get(BYTES)?.as_str()).and_then(|bytes| STANDARD.decode(bytes).ok());
    if let Some(text) = bytes.and_then(|bytes| inflate(&bytes)) {
        native.insert("job".to_owned(), text.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deflated_text_round_trips() {
        for text in ["", "{}", &"\u{1F98A} fox ".repeat(1_000)] {
            assert_eq!(inflate(&deflate(text).unwrap()).as_deref(), Some(text));
        }
        assert_eq!(inflate(b"\xff\xff\xff"), None);
    }

    #[test]
    fn inflation_is_limited() {
        let bomb = deflate(&" ".repeat(20 << 20)).unwrap();
        assert!(bomb.len() < 100_000);
        assert_eq!(inflate(&bomb), None);
    }
}
