//! JSON lines: one object per line.

use std::io::{self, BufRead};

use super::{Content, FileRecord, MAX_RECORD_BYTES, ReadEnd, RecordSink, RejectedRow, json_object};

/// Reads all lines; a damaged one costs no other.
pub fn read(mut input: impl BufRead, sink: &mut dyn RecordSink) -> io::Result<ReadEnd> {
    let mut number = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        let Some(is_too_long) = read_line(&mut input, &mut line)? else { return Ok(ReadEnd::Complete) };
        number += 1;
        if !is_too_long && line.trim_ascii().is_empty() {
            continue;
        }
        let fields = if is_too_long { Err(super::json::too_long()) } else { parse(&line) };
        let content = fields
            .map(|fields| Content::Object { collection: None, key: None, fields })
            .map_err(|reason| RejectedRow::new(number, reason));
        if !sink.record(FileRecord { line: number, content }) {
            return Ok(ReadEnd::Partial);
        }
    }
}

fn parse(line: &[u8]) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    let text = std::str::from_utf8(line).map_err(|_| super::NOT_TEXT.to_owned())?;
    json_object::parse(text).map_err(|reason| match text.trim_ascii_end().strip_suffix(',') {
        Some(object) if json_object::parse(object).is_ok() => json_object::comma_behind(object.chars().count() + 1),
        _ => reason,
    })
}

/// The next line without its end, and whether it has more bytes than are held. `None` at the end of the file.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    let (mut is_too_long, mut has_begun) = (false, false);
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            return Ok(has_begun.then_some(is_too_long));
        }
        has_begun = true;
        let end = available.iter().position(|byte| *byte == b'\n');
        let part = end.map_or(available, |end| &available[..end]);
        is_too_long |= line.len() + part.len() > MAX_RECORD_BYTES;
        if is_too_long {
            line.clear();
        } else {
            line.extend_from_slice(part);
        }
        let read = part.len() + usize::from(end.is_some());
        input.consume(read);
        if end.is_some() {
            return Ok(Some(is_too_long));
        }
    }
}
