//! Owns the cutting of a JSON document (a list, or lists and maps of documents under `jobs` and `costs`) into its documents, one at a
//! time: a broken one spoils as little as possible behind it, and none is held that is too long. Must not read a document.

use std::collections::VecDeque;
use std::io::{self, BufRead};

use super::source::{Held, LONGEST, Source, Text};
use crate::store::schema::Collection;
use crate::text::sanitize_line;

/// Names that are said to be left out.
const SAID: usize = 20;

/// One document, not yet read.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// The line on which it begins.
    pub line: u64,
    /// Where the file says that it belongs.
    pub collection: Option<Collection>,
    /// The name under which it stands in a map.
    pub key: Option<String>,
    /// Its bytes, or why there are none.
    pub content: Result<Vec<u8>, String>,
}

impl Piece {
    /// A text that says nothing about itself.
    pub fn of(text: Text) -> Self {
        let content = text.bytes.ok_or_else(too_long);
        Self { line: text.line, collection: None, key: None, content }
    }
}

fn too_long() -> String {
    format!("it is longer than the {} MB that are read of one document", LONGEST >> 20)
}

/// Where in the file the next document is.
enum Place {
    Begin,
    /// Between `jobs` and `costs`.
    Root,
    List(Option<Collection>),
    Map(Collection),
    End,
}

/// The documents of a JSON document.
pub struct Pieces<R> {
    source: Source<R>,
    place: Place,
    nested: bool,
    /// Whether `jobs` or `costs` was met.
    met: bool,
    /// The first names beside `jobs` and `costs` that were passed over.
    pub left_out: VecDeque<String>,
}

impl<R: BufRead> Pieces<R> {
    /// Nothing is read yet.
    pub fn new(source: Source<R>) -> Self {
        Self { source, place: Place::Begin, nested: false, met: false, left_out: VecDeque::new() }
    }

    /// Bytes that were read.
    pub fn position(&self) -> u64 {
        self.source.position
    }

    /// The next document; `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<Piece>> {
        loop {
            self.source.skip_space()?;
            let line = self.source.line;
            let Some(byte) = self.source.peek()? else {
                let whole = matches!(std::mem::replace(&mut self.place, Place::End), Place::Begin | Place::End);
                return Ok((!whole).then(|| wrong(line, "the file ends before what it begins")));
            };
            match (&self.place, byte) {
                (Place::End, _) => {
                    while self.source.next()?.is_some() {}
                    return Ok(Some(wrong(line, "there is more behind the end of the document")));
                }
                (_, b',') => _ = self.source.next()?,
                (Place::Begin, b'[') => self.enter(Place::List(None))?,
                (Place::Begin, b'{') => self.enter(Place::Root)?,
                (Place::List(_), b']') | (Place::Map(_), b'}') => {
                    self.enter(if self.nested { Place::Root } else { Place::End })?;
                    self.nested = false;
                }
                (Place::Root, b'}') => {
                    self.enter(Place::End)?;
                    if !self.met {
                        return Ok(Some(wrong(line, "there is neither jobs nor costs in it")));
                    }
                }
                (Place::List(collection), _) => {
                    let collection = *collection;
                    let content = self.value()?;
                    return Ok(Some(Piece { line, collection, key: None, content }));
                }
                (Place::Map(collection), b'"') => {
                    let collection = Some(*collection);
                    let key = self.key()?;
                    let content = self.value()?;
                    return Ok(Some(match key {
                        Ok(key) => Piece { line, collection, key: Some(key), content },
                        Err(why) => wrong(line, &why),
                    }));
                }
                (Place::Root, b'"') => {
                    if let Some(piece) = self.collection(line)? {
                        return Ok(Some(piece));
                    }
                }
                (Place::Begin | Place::Root | Place::Map(_), _) => {
                    // Nothing that could stand here: the line says which, and the search goes on behind it.
                    self.value()?.ok();
                    return Ok(Some(wrong(line, "is not JSON")));
                }
            }
        }
    }

    fn enter(&mut self, place: Place) -> io::Result<()> {
        self.source.next()?;
        self.place = place;
        Ok(())
    }

    /// Goes into what stands under a name of the root.
    fn collection(&mut self, line: u64) -> io::Result<Option<Piece>> {
        let name = match self.key()? {
            Ok(name) => name,
            Err(why) => return Ok(Some(wrong(line, &why))),
        };
        let known = [Collection::Jobs, Collection::Costs].into_iter().find(|known| known.as_str() == name);
        self.met |= known.is_some();
        self.source.skip_space()?;
        match (known, self.source.peek()?) {
            (Some(collection), Some(b'[')) => {
                self.nested = true;
                self.enter(Place::List(Some(collection)))?;
            }
            (Some(collection), Some(b'{')) => {
                self.nested = true;
                self.enter(Place::Map(collection))?;
            }
            (Some(_), _) => {
                self.value()?.ok();
                return Ok(Some(wrong(line, &format!("{name} is neither a list nor a map of documents"))));
            }
            (None, _) => {
                self.value()?.ok();
                if self.left_out.len() < SAID {
                    self.left_out.push_back(name);
                }
            }
        }
        Ok(None)
    }

    /// A name with the colon behind it.
    fn key(&mut self) -> io::Result<Result<String, String>> {
        let bytes = self.value()?;
        self.source.skip_space()?;
        if self.source.peek()? == Some(b':') {
            self.source.next()?;
        }
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|why| sanitize_line(&why.to_string(), 120))))
    }

    /// The bytes of one value, whatever they are.
    fn value(&mut self) -> io::Result<Result<Vec<u8>, String>> {
        self.source.skip_space()?;
        let mut held = Held::new();
        let (mut depth, mut in_text, mut escaped) = (0_u64, false, false);
        while let Some(byte) = self.source.peek()? {
            if !in_text && depth == 0 && !held.is_empty() && matches!(byte, b',' | b':' | b']' | b'}') {
                break;
            }
            self.source.next()?;
            held.push(byte);
            match byte {
                // No text of JSON goes over the end of a line: the quote that should have ended it is missing.
                b'\n' if in_text => (in_text, escaped) = (false, false),
                _ if escaped => escaped = false,
                b'\\' if in_text => escaped = true,
                b'"' => in_text = !in_text,
                _ if in_text => {}
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => continue,
            }
            if depth == 0 && !in_text && matches!(byte, b'"' | b'}' | b']') {
                return Ok(held.into_bytes().ok_or_else(too_long));
            }
        }
        if self.source.peek()?.is_none() && (depth > 0 || in_text) {
            self.place = Place::End;
            return Ok(Err("the file ends in the middle of it".to_owned()));
        }
        Ok(held.into_bytes().ok_or_else(too_long))
    }
}

fn wrong(line: u64, why: &str) -> Piece {
    Piece { line, collection: None, key: None, content: Err(why.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Told = (u64, Option<&'static str>, Option<String>, Result<String, String>);

    fn pieces(text: &str) -> Vec<Told> {
        let mut pieces = Pieces::new(Source::new(text.as_bytes()).unwrap());
        let mut all = Vec::new();
        while let Some(piece) = pieces.next().unwrap() {
            let content = piece.content.map(|bytes| String::from_utf8(bytes).unwrap());
            all.push((piece.line, piece.collection.map(Collection::as_str), piece.key, content));
            assert!(all.len() < 100, "it goes on for ever: {text}");
        }
        all
    }

    #[test]
    fn a_list_and_a_database_are_cut_into_their_documents() {
        let list = pieces("[\n {\"a\": \"}\\\"]\"},\n\n {\"b\": [1, {\"c\": 2}]}, 7\n]\n");
        let told: Vec<_> = list.iter().map(|(line, _, _, content)| (*line, content.clone().unwrap())).collect();
        assert_eq!(
            told,
            [(2, "{\"a\": \"}\\\"]\"}".to_owned()), (4, "{\"b\": [1, {\"c\": 2}]}".to_owned()), (4, "7\n".to_owned()),]
        );
        let database = pieces(
            "{\"version\": {\"jobs\": [1]}, \"jobs\": {\"x\": {\"a\": 1}, \"y\": {}},\n\"costs\": [{\"id\": 1}]}",
        );
        let told: Vec<_> =
            database.into_iter().map(|(line, of, key, content)| (line, of, key, content.unwrap())).collect();
        assert_eq!(
            told,
            [
                (1, Some("jobs"), Some("x".to_owned()), "{\"a\": 1}".to_owned()),
                (1, Some("jobs"), Some("y".to_owned()), "{}".to_owned()),
                (2, Some("costs"), None, "{\"id\": 1}".to_owned()),
            ]
        );
    }

    #[test]
    fn a_broken_document_spoils_no_other_and_a_cut_file_says_so() {
        let told = |text: &str| {
            pieces(text).into_iter().map(|(line, _, _, content)| (line, content.is_ok())).collect::<Vec<_>>()
        };
        assert_eq!(told("[{\"a\": \"never ends},\n{\"b\": 1}]").len(), 2, "the second is found again");
        assert_eq!(told("[{\"a\": 1}"), [(1, true), (1, false)]);
        assert_eq!(told("[{\"a\": 1"), [(1, false)]);
        assert_eq!(told("[{}] {}"), [(1, true), (1, false)]);
        assert_eq!(told("{\"jobs\": 7, \"costs\": [{}]}"), [(1, false), (1, true)]);
        assert_eq!(told(""), []);
        assert_eq!(
            told("{\"service\": \"bfl_api\",\n\"cost_usd\": 1}"),
            [(2, false)],
            "one document alone is JSON lines"
        );
        for text in [
            "]",
            "}",
            ":",
            "[:",
            "[}",
            "{]",
            "{\"jobs\": {7}}",
            "{\"jobs\"",
            "{\"jobs\":",
            "{\"",
            "[\"\\",
            "nonsense",
            "\u{0}",
        ] {
            assert!(told(text).iter().any(|(_, good)| !good) || !told(text).is_empty(), "{text}");
        }
    }
}
