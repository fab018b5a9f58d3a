//! JSON documents: lists of records, databases with a list or map of records per collection, and objects over several lines. Records
//! are read one at a time, so that the length of the file does not count.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, BufRead, Read};

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Deserializer, Map, Value};

use super::{Content, FileRecord, MAX_RECORD_BYTES, ReadEnd, RecordSink, RejectedRow, json_object};
use crate::text::sanitize_line;

/// Ignored keys that are reported.
const MAX_IGNORED_KEYS: usize = 20;

/// Bytes that are kept to describe an error.
const RECENT_BYTES: usize = 512;

/// The message that ends the parsing where the sink stops.
const STOPPED: &str = "stopped";

/// Reads all documents of the file.
pub fn read(
    input: impl BufRead,
    collections: &'static [&'static str],
    sink: &mut dyn RecordSink,
) -> io::Result<ReadEnd> {
    let position = Position::default();
    let mut input = CountingReader { input, position: &position };
    let output = Output { collections, position: &position, sink: RefCell::new(sink), is_stopped: Cell::new(false) };
    while input.skip_space()? {
        position.begin_record();
        let begin = (position.line.get(), position.column.get());
        let Err(error) = Document(&output).deserialize(&mut Deserializer::from_reader(&mut input)) else { continue };
        if output.is_stopped.get() {
            return Ok(ReadEnd::Partial);
        }
        if let Some(kind) = error.io_error_kind() {
            if kind != io::ErrorKind::FileTooLarge {
                return Err(error.into());
            }
            output.reject(position.record_line.get(), &format!("{}; nothing after it was read", too_long()));
            return Ok(ReadEnd::Partial);
        }
        let (line, reason) = explain(&error, begin, &mut input)?;
        output.reject(line, &format!("{reason}; nothing after it was read"));
        return Ok(ReadEnd::Partial);
    }
    Ok(ReadEnd::Complete)
}

pub fn too_long() -> String {
    format!("longer than {} MB, the limit for one record", MAX_RECORD_BYTES >> 20)
}

/// The line of an error, and what is wrong there. `begin` is where the parser began: the line, and the bytes before on it.
fn explain<R: BufRead>(
    error: &serde_json::Error,
    begin: (u64, usize),
    input: &mut CountingReader<'_, R>,
) -> io::Result<(u64, String)> {
    let position = input.position;
    let message = json_object::message_of(error);
    if error.is_eof() {
        return Ok(match position.record_line.get() {
            0 => (position.line.get(), "the file ends before the list or object is closed".to_owned()),
            line => (line, "the file ends inside this document".to_owned()),
        });
    }
    if error.is_data() {
        return Ok((position.record_line.get(), message));
    }
    let line = begin.0 + error.line() as u64 - 1;
    let column = if error.line() == 1 { begin.1 + error.column() } else { error.column() };
    // An end of line where none may be: the parser stands before the next line.
    let Some(offset) = column.checked_sub(1) else {
        return Ok((line - 1, format!("invalid JSON at the end of the line: {}", sanitize_line(&message, 120))));
    };
    // The parser may have read on behind the error.
    let mut window: Vec<u8> = position.recent.borrow().iter().copied().collect();
    let read = window.len();
    window.extend(input.input.fill_buf()?.iter().take(16));
    let line_ends: Vec<usize> = (0..read).filter(|index| window[*index] == b'\n').collect();
    let lines_behind = usize::try_from(position.line.get() - line).unwrap_or(usize::MAX);
    let before = line_ends.len().checked_sub(lines_behind + 1).map(|index| line_ends[index] + 1);
    let (text, skipped) = match before {
        Some(start) => (&window[start..], 0),
        // The window begins inside the line.
        None if lines_behind == 0 => (&window[..], position.column.get().saturating_sub(read)),
        None => (&window[..0], 0),
    };
    let text = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if begin == (line, offset) && text.get(offset.saturating_sub(skipped)) == Some(&b',') {
        return Ok((line, json_object::comma_behind(column)));
    }
    Ok((line, json_object::syntax_error(&message, text, offset.saturating_sub(skipped), skipped)))
}

/// Where the parser is.
struct Position {
    /// Counts from 1.
    line: Cell<u64>,
    /// Bytes of the line so far.
    column: Cell<usize>,
    /// The last bytes.
    recent: RefCell<VecDeque<u8>>,
    /// The line of the first byte of the current record; 0 before it.
    record_line: Cell<u64>,
    record_bytes: Cell<usize>,
    /// Whether the record is held in memory.
    is_held: Cell<bool>,
}

impl Default for Position {
    fn default() -> Self {
        Self {
            line: Cell::new(1),
            column: Cell::new(0),
            recent: RefCell::new(VecDeque::with_capacity(RECENT_BYTES)),
            record_line: Cell::new(0),
            record_bytes: Cell::new(0),
            is_held: Cell::new(true),
        }
    }
}

impl Position {
    fn begin_record(&self) {
        self.record_line.set(0);
        self.record_bytes.set(0);
        self.is_held.set(true);
    }

    fn advance(&self, byte: u8) {
        if self.record_line.get() == 0 && !byte.is_ascii_whitespace() && byte != b',' {
            self.record_line.set(self.line.get());
        }
        let mut recent = self.recent.borrow_mut();
        if recent.len() == RECENT_BYTES {
            recent.pop_front();
        }
        recent.push_back(byte);
        if byte == b'\n' {
            self.line.set(self.line.get() + 1);
            self.column.set(0);
        } else {
            self.column.set(self.column.get() + 1);
        }
    }
}

/// Counts lines, and stops within a record that is too long to be held.
struct CountingReader<'a, R> {
    input: R,
    position: &'a Position,
}

impl<R: BufRead> CountingReader<'_, R> {
    /// Reads white space. Returns whether anything follows.
    fn skip_space(&mut self) -> io::Result<bool> {
        loop {
            let Some(byte) = self.input.fill_buf()?.first().copied() else { return Ok(false) };
            if !byte.is_ascii_whitespace() {
                return Ok(true);
            }
            self.position.advance(byte);
            self.input.consume(1);
        }
    }
}

impl<R: BufRead> Read for CountingReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.input.fill_buf()?;
        let read = available.len().min(buffer.len());
        buffer[..read].copy_from_slice(&available[..read]);
        self.input.consume(read);
        buffer[..read].iter().for_each(|byte| self.position.advance(*byte));
        let bytes = self.position.record_bytes.get() + read;
        self.position.record_bytes.set(bytes);
        // A little more than a record may have: its separators count, too.
        if bytes > MAX_RECORD_BYTES + (1 << 10) && self.position.is_held.get() {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "record too long"));
        }
        Ok(read)
    }
}

/// What the visitors share.
struct Output<'a> {
    collections: &'static [&'static str],
    position: &'a Position,
    sink: RefCell<&'a mut dyn RecordSink>,
    is_stopped: Cell<bool>,
}

impl Output<'_> {
    fn reject(&self, line: u64, reason: &str) {
        let content = Err(RejectedRow::new(line, sanitize_line(reason, 300)));
        self.send(FileRecord { line, content });
    }

    fn send(&self, record: FileRecord) -> bool {
        let goes_on = self.sink.borrow_mut().record(record);
        self.is_stopped.set(self.is_stopped.get() || !goes_on);
        goes_on
    }

    /// Hands over a record. Errors: the sink takes no more.
    fn record<E: Error>(
        &self,
        line: u64,
        collection: Option<&'static str>,
        key: Option<String>,
        fields: Result<Map<String, Value>, String>,
    ) -> Result<(), E> {
        let content = fields
            .map(|fields| Content::Object { collection, key, fields })
            .map_err(|reason| RejectedRow::new(line, reason));
        if self.send(FileRecord { line, content }) { Ok(()) } else { Err(E::custom(STOPPED)) }
    }
}

/// A document at the top of the file.
struct Document<'a>(&'a Output<'a>);

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object or a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<(), A::Error> {
        Records { output: self.0, collection: None }.visit_seq(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self(output) = self;
        let begin = output.position.record_line.get();
        let mut fields: Vec<(u64, String, Box<RawValue>)> = Vec::new();
        let mut ignored: Vec<String> = Vec::new();
        let (mut bytes, mut is_database) = (0, false);
        loop {
            output.position.begin_record();
            let Some(name) = entries.next_key::<String>()? else { break };
            let line = output.position.record_line.get();
            if let Some(collection) = output.collections.iter().find(|known| **known == name) {
                match entries.next_value_seed(Records { output, collection: Some(collection) })? {
                    None => is_database = true,
                    Some(scalar) => fields.push((line, name, scalar)),
                }
                continue;
            }
            if is_database {
                output.position.is_held.set(false);
                entries.next_value::<IgnoredAny>()?;
                if ignored.len() < MAX_IGNORED_KEYS {
                    ignored.push(name);
                }
                continue;
            }
            let value = entries.next_value::<Box<RawValue>>()?;
            bytes += name.len() + value.get().len();
            if bytes > MAX_RECORD_BYTES {
                return Err(A::Error::custom(too_long()));
            }
            fields.push((line, name, value));
        }
        if !is_database {
            return output.record(begin, None, None, object_of(fields));
        }
        for (line, name, _) in fields {
            if output.collections.contains(&name.as_str()) {
                output.reject(line, &format!("{name} is neither a list nor a map of documents"));
            } else {
                ignored.push(name);
            }
        }
        for name in ignored.iter().take(MAX_IGNORED_KEYS) {
            output.sink.borrow_mut().ignored_key(name);
        }
        Ok(())
    }
}

/// The object with these fields.
fn object_of(fields: Vec<(u64, String, Box<RawValue>)>) -> Result<Map<String, Value>, String> {
    let mut object = Map::new();
    for (_, name, raw) in fields {
        let value = json_object::parse_field(&name, &raw)?;
        if object.contains_key(&name) {
            return Err(json_object::duplicate_key(&name));
        }
        object.insert(name, value);
    }
    Ok(object)
}

/// A list or a map of records. Its value is what stands there in their place.
struct Records<'a> {
    output: &'a Output<'a>,
    collection: Option<&'static str>,
}

impl<'de> DeserializeSeed<'de> for Records<'_> {
    type Value = Option<Box<RawValue>>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(ListOrMap(self))
    }
}

impl Records<'_> {
    fn visit_seq<'de, A: SeqAccess<'de>>(&self, mut items: A) -> Result<(), A::Error> {
        loop {
            self.output.position.begin_record();
            let Some(raw) = items.next_element::<Box<RawValue>>()? else { return Ok(()) };
            let line = self.output.position.record_line.get();
            self.output.record(line, self.collection, None, json_object::parse(raw.get()))?;
        }
    }
}

struct ListOrMap<'a>(Records<'a>);

/// A value that is neither: only that it is one counts.
fn scalar<E: Error>(text: &str) -> Result<Option<Box<RawValue>>, E> {
    RawValue::from_string(text.to_owned()).map(Some).map_err(E::custom)
}

impl<'de> Visitor<'de> for ListOrMap<'_> {
    type Value = Option<Box<RawValue>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list or a map of documents")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        self.0.visit_seq(items).map(|()| None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let Records { output, collection } = self.0;
        loop {
            output.position.begin_record();
            let Some((key, raw)) = entries.next_entry::<String, Box<RawValue>>()? else { return Ok(None) };
            let line = output.position.record_line.get();
            output.record(line, collection, Some(key), json_object::parse(raw.get()))?;
        }
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        scalar("null")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        scalar(if value { "true" } else { "false" })
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        scalar(&value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        scalar(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        scalar(&value.to_string())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        scalar(&Value::from(value).to_string())
    }
}
