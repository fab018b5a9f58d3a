//! The encoding of a file: UTF-8 with or without a byte order mark, and UTF-16, which spreadsheets write as "Unicode text".

use std::io::{self, BufRead, Chain, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::advance;

/// No byte of UTF-8: stands for a character that cannot be decoded, so that its record is rejected.
const INVALID: u8 = 0xff;

/// A reader of UTF-8, whatever the encoding of the file.
pub struct Decoder<R> {
    input: Chain<Cursor<Vec<u8>>, R>,
    utf16: Option<Utf16>,
    position: Arc<AtomicU64>,
}

/// Text that is decoded, and what is left of a character whose second half has not come yet.
struct Utf16 {
    big_endian: bool,
    decoded: Vec<u8>,
    consumed: usize,
    half_unit: Option<u8>,
    high_surrogate: Option<u16>,
}

impl<R: BufRead> Decoder<R> {
    /// Recognises the encoding by the first bytes. Errors: an encoding that is not supported.
    pub fn new(mut input: R, position: Arc<AtomicU64>) -> io::Result<Self> {
        let mut start = Vec::new();
        input.by_ref().take(4).read_to_end(&mut start)?;
        let (big_endian, mark) = match *start {
            [0xff, 0xfe, 0, 0] | [0, 0, 0xfe, 0xff] => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it is UTF-32; save it as UTF-8"));
            }
            [0xef, 0xbb, 0xbf, ..] => (None, 3),
            [0xff, 0xfe, ..] => (Some(false), 2),
            [0xfe, 0xff, ..] => (Some(true), 2),
            // Without a mark: ASCII characters with a zero byte each.
            [1..0x80, 0, 1..0x80, 0] => (Some(false), 0),
            [0, 1..0x80, 0, 1..0x80] => (Some(true), 0),
            _ => (None, 0),
        };
        start.drain(..mark);
        advance(&position, mark);
        let utf16 = big_endian.map(|big_endian| Utf16 {
            big_endian,
            decoded: Vec::new(),
            consumed: 0,
            half_unit: None,
            high_surrogate: None,
        });
        Ok(Self { input: Cursor::new(start).chain(input), utf16, position })
    }
}

impl<R: BufRead> BufRead for Decoder<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let Some(utf16) = &mut self.utf16 else { return self.input.fill_buf() };
        while utf16.consumed == utf16.decoded.len() {
            utf16.decoded.clear();
            utf16.consumed = 0;
            let bytes = self.input.fill_buf()?;
            if bytes.is_empty() {
                utf16.finish();
                break;
            }
            for byte in bytes {
                utf16.push(*byte);
            }
            let read = bytes.len();
            self.input.consume(read);
            advance(&self.position, read);
        }
        Ok(&utf16.decoded[utf16.consumed..])
    }

    fn consume(&mut self, amount: usize) {
        if let Some(utf16) = &mut self.utf16 {
            utf16.consumed += amount;
        } else {
            self.input.consume(amount);
            advance(&self.position, amount);
        }
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl Utf16 {
    fn push(&mut self, byte: u8) {
        let Some(first) = self.half_unit.take() else {
            self.half_unit = Some(byte);
            return;
        };
        let unit = if self.big_endian { [first, byte] } else { [byte, first] };
        let unit = u16::from_be_bytes(unit);
        if let Some(high) = self.high_surrogate.take() {
            if let Some(Ok(character)) = char::decode_utf16([high, unit]).next() {
                return self.put(character);
            }
            self.decoded.push(INVALID);
        }
        match char::decode_utf16([unit]).next() {
            Some(Ok(character)) => self.put(character),
            _ if (0xd800..0xdc00).contains(&unit) => self.high_surrogate = Some(unit),
            _ => self.decoded.push(INVALID),
        }
    }

    fn put(&mut self, character: char) {
        self.decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn finish(&mut self) {
        if self.half_unit.take().is_some() || self.high_surrogate.take().is_some() {
            self.decoded.push(INVALID);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    fn decoded(bytes: &[u8], capacity: usize) -> Vec<u8> {
        let mut text = Vec::new();
        let input = BufReader::with_capacity(capacity, bytes);
        Decoder::new(input, Arc::default()).unwrap().read_to_end(&mut text).unwrap();
        text
    }

    fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
        let bytes = |unit: u16| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn utf16_without_mark_is_recognised() {
        for big_endian in [false, true] {
            assert_eq!(decoded(&utf16("{\"prompt\": \"ö\"}", big_endian), 5), "{\"prompt\": \"ö\"}".as_bytes());
        }
    }

    #[test]
    fn lone_surrogate_is_never_replaced() {
        let mut bytes = utf16("\u{feff}ab", false);
        bytes.extend([0x3d, 0xd8, b'c', 0, 0x00, 0xdc, b'd', 0, 7]);
        assert_eq!(decoded(&bytes, 4), b"ab\xffc\xffd\xff");
    }

    #[test]
    fn utf32_is_named() {
        let error = Decoder::new(&b"\xff\xfe\0\0a\0\0\0"[..], Arc::default()).err().unwrap();
        assert!(error.to_string().contains("UTF-32"), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_is_decoded_in_any_chunks(text in any::<String>(), big_endian: bool, capacity in 1..9_usize) {
            let marked = format!("\u{feff}{text}");
            // A NUL behind the mark would be the mark of UTF-32.
            prop_assume!(!text.starts_with('\0'));
            prop_assert_eq!(decoded(&utf16(&marked, big_endian), capacity), text.as_bytes());
            prop_assert_eq!(decoded(marked.as_bytes(), capacity), text.as_bytes());
        }
    }
}
