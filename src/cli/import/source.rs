//! Owns the bytes of a file: one after the other, with the line that each is on, and in pieces of bounded length. Must not know
//! what they mean.

use std::io::{self, BufRead};

/// Longer lines and values are passed over without being held: no document may be that long.
pub const LONGEST: usize = 4 << 20;

/// What is left of a file.
pub struct Source<R> {
    reader: R,
    /// Counts from 1.
    pub line: u64,
    /// Bytes that were read.
    pub position: u64,
}

/// One line, value or row.
#[derive(Debug, PartialEq, Eq)]
pub struct Text {
    /// The line on which it begins.
    pub line: u64,
    /// Its bytes; `None` where there were more than are held.
    pub bytes: Option<Vec<u8>>,
}

/// Bytes up to a bound.
pub struct Held {
    bytes: Vec<u8>,
    over: bool,
}

impl Held {
    /// None yet.
    pub fn new() -> Self {
        Self { bytes: Vec::new(), over: false }
    }

    /// One more; beyond the bound it is only noted that there were more.
    pub fn push(&mut self, byte: u8) {
        self.extend(&[byte]);
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.over || self.bytes.len() + bytes.len() > LONGEST {
            self.over = true;
            self.bytes = Vec::new();
            return;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether there was nothing yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && !self.over
    }

    /// Whether the bound was passed.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// What was held; `None` beyond the bound.
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        (!self.over).then_some(self.bytes)
    }
}

impl<R: BufRead> Source<R> {
    /// The whole of it, without the mark that some editors put before a text.
    pub fn new(mut reader: R) -> io::Result<Self> {
        let mut position = 0;
        if reader.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
            reader.consume(3);
            position = 3;
        }
        Ok(Self { reader, line: 1, position })
    }

    /// What comes first, without taking it: at most what is at hand.
    pub fn ahead(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    /// The next byte, without taking it.
    pub fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.reader.fill_buf()?.first().copied())
    }

    /// The next byte.
    pub fn next(&mut self) -> io::Result<Option<u8>> {
        let byte = self.peek()?;
        if let Some(byte) = byte {
            self.reader.consume(1);
            self.position += 1;
            self.line += u64::from(byte == b'\n');
        }
        Ok(byte)
    }

    /// Takes what JSON calls white space.
    pub fn skip_space(&mut self) -> io::Result<()> {
        while self.peek()?.is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
            self.next()?;
        }
        Ok(())
    }

    /// The rest of the line, without its end. `None` at the end of the file.
    pub fn rest_of_line(&mut self) -> io::Result<Option<Text>> {
        if self.peek()?.is_none() {
            return Ok(None);
        }
        let line = self.line;
        let mut held = Held::new();
        loop {
            let ahead = self.reader.fill_buf()?;
            let end = ahead.iter().position(|byte| *byte == b'\n');
            let (taken, length) = (end.map_or(ahead, |end| &ahead[..end]), end.map_or(ahead.len(), |end| end + 1));
            held.extend(taken);
            self.reader.consume(length);
            self.position += length as u64;
            self.line += u64::from(end.is_some());
            if end.is_some() || length == 0 {
                return Ok(Some(Text { line, bytes: held.into_bytes() }));
            }
        }
    }

    /// The next row of a CSV file, empty lines passed over: quoted cells may hold ends of lines. `None` at the end of the file.
    pub fn row(&mut self) -> io::Result<Option<Text>> {
        while self.peek()?.is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
            self.end_of_line()?;
        }
        if self.peek()?.is_none() {
            return Ok(None);
        }
        let line = self.line;
        let mut held = Held::new();
        let mut quoted = false;
        loop {
            match self.peek()? {
                None => break,
                Some(b'\r' | b'\n') if !quoted => {
                    self.end_of_line()?;
                    break;
                }
                // Most likely a quote that was never closed: the next line is another row.
                Some(b'\n') if held.is_over() => {
                    self.next()?;
                    break;
                }
                Some(byte) => {
                    quoted ^= byte == b'"';
                    held.push(byte);
                    self.next()?;
                }
            }
        }
        Ok(Some(Text { line, bytes: held.into_bytes() }))
    }

    /// One end of a line, of whatever system.
    fn end_of_line(&mut self) -> io::Result<()> {
        let first = self.next()?;
        if first == Some(b'\r') {
            if self.peek()? == Some(b'\n') {
                self.next()?;
            } else {
                self.line += 1;
            }
        }
        Ok(())
    }
}
