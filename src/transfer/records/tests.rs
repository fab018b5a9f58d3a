//! Every byte of a file is accounted for, whatever is damaged in it.

use std::fmt::Write as _;
use std::io::{BufReader, Cursor};

use proptest::prelude::*;

use super::*;

/// What a sink saw: the names of the heading, and for each record its line with its cells or fields, or why it was rejected.
#[derive(Debug, Default)]
struct Seen {
    heading: Vec<String>,
    separator: Option<char>,
    records: Vec<(u64, Result<String, String>)>,
    rows: u64,
    ignored: Vec<String>,
    is_complete: bool,
}

impl RecordSink for Seen {
    fn heading(&mut self, heading: &Heading) -> Result<(), String> {
        self.heading.clone_from(&heading.names);
        self.separator = Some(heading.separator);
        if heading.names.is_empty() { Err("no names".to_owned()) } else { Ok(()) }
    }

    fn record(&mut self, record: FileRecord) -> bool {
        self.rows += record.content.as_ref().map_or_else(RejectedRow::rows, |_| 1);
        let shown = |content: Content| match content {
            Content::Cells(cells) => cells.join("|"),
            Content::Object { collection, key, fields } => {
                let place: Vec<&str> = collection.into_iter().chain(key.as_deref()).collect();
                format!("{}{}", place.join("."), Value::Object(fields))
            }
        };
        let content = record.content.map(shown).map_err(|row| format!("{}: {}", row.location(), row.reason));
        self.records.push((record.line, content));
        true
    }

    fn ignored_key(&mut self, key: &str) {
        self.ignored.push(key.to_owned());
    }
}

impl Seen {
    fn lines(&self) -> Vec<(u64, bool)> {
        self.records.iter().map(|(line, content)| (*line, content.is_ok())).collect()
    }

    fn good(&self) -> Vec<&str> {
        self.records.iter().filter_map(|(_, content)| content.as_deref().ok()).collect()
    }

    fn reason(&self, index: usize) -> &str {
        self.records[index].1.as_ref().unwrap_err()
    }
}

fn read(name: &str, bytes: impl AsRef<[u8]>) -> Seen {
    read_chunked(name, bytes.as_ref(), 1 << 16)
}

fn read_chunked(name: &str, bytes: &[u8], capacity: usize) -> Seen {
    let mut seen = Seen::default();
    let reader = BufReader::with_capacity(capacity, Cursor::new(bytes.to_vec()));
    let input = Input::new(Box::new(reader), Path::new(name));
    seen.is_complete = input.read(&["jobs", "costs"], &mut seen).unwrap() == ReadEnd::Complete;
    seen
}

#[test]
fn quote_inside_unquoted_cell_is_literal() {
    let seen = read("a.csv", "a,b\n24\" wide,1\nx,2\n");
    assert_eq!(seen.good(), ["24\" wide|1", "x|2"]);
}

#[test]
fn quoted_cell_holds_separators_quotes_and_lines() {
    for end in ["\n", "\r\n", "\r"] {
        let text = ["a,b", "\"x, \"\"y\"\"\r\nz\",1", "", "\"\",2", "3,\"last\""].join(end);
        let seen = read("a.csv", &text);
        assert_eq!(seen.good(), ["x, \"y\"\r\nz|1", "|2", "3|last"], "{end:?}");
        assert_eq!(seen.lines(), [(2, true), (5, true), (6, true)], "{end:?}");
        assert!(seen.is_complete);
    }
}

#[test]
fn text_after_closing_quote_rejects_its_row_only() {
    let seen = read("a.csv", "a,b\n\"x\" 5\" y,1\n\"ok\" ,2\nc,\"z\"z\nd,4\n");
    assert_eq!(seen.lines(), [(2, false), (3, true), (4, false), (5, true)]);
    assert!(seen.reason(0).starts_with("line 2: text after the closing quote of cell 1"), "{}", seen.reason(0));
    assert!(seen.reason(2).contains("cell 2"));
    assert_eq!(seen.good(), ["ok|2", "d|4"]);
}

#[test]
fn unclosed_quote_names_every_line_it_takes() {
    let seen = read("a.csv", "prompt\nfirst\n\"a red fox\na blue whale\na boat\n\n");
    assert_eq!(seen.lines(), [(2, true), (3, false)]);
    assert_eq!(seen.reason(1), "lines 3 to 5: the quote opened on line 3 is never closed; nothing after it was read");
    assert_eq!((seen.rows, seen.is_complete), (4, false));
}

#[test]
fn endless_quote_is_an_error_in_bounded_memory() {
    let mut text = b"a,b\n1,\"".to_vec();
    text.resize(text.len() + 2 * MAX_RECORD_BYTES, b'x');
    text.extend_from_slice(b"\n2,3\n");
    let seen = read("a.csv", text);
    assert_eq!(seen.lines(), [(2, false), (3, true)]);
    assert!(seen.reason(0).contains("opened on line 2 is not closed within 4 MB"), "{}", seen.reason(0));
}

#[test]
fn separator_is_recognised() {
    for (text, separator, good) in [
        ("a;b\n1,5;2\n", ';', "1,5|2"),
        ("a\tb\n1\t2\n", '\t', "1|2"),
        ("a|b\n1|2\n", '|', "1|2"),
        ("sep=;\na;b\n1;2\n", ';', "1|2"),
        ("\"sep=;\"\r\na;b\r\n1;2\r\n", ';', "1|2"),
        ("sep=,\na,b;c\n1,2\n", ',', "1|2"),
        ("SEP=\t\na\n1\n", '\t', "1"),
        ("\n\n\"a;b;c\",d\n1,2\n", ',', "1|2"),
        ("a\n1;2\n", ',', "1;2"),
    ] {
        let seen = read("a.csv", text);
        assert_eq!((seen.separator, seen.good()), (Some(separator), vec![good]), "{text:?}");
    }
    assert!(read("a.csv", "sep=ab\na;b\n").reason(0).contains("'sep=ab' does not name a separator"));
}

#[test]
fn blank_rows_and_columns_are_ignored() {
    let seen = read("a.csv", " a , b ,,\r\n1,2,,\r\n,,,\r\n  ,\t, , \r\n\"\",\r\n3,4,,,,,\r\n5,6\r\n");
    assert_eq!(seen.heading, ["a", "b"]);
    assert_eq!(seen.good(), ["1|2", "3|4", "5|6"]);
    let seen = read("a.csv", "a,,b\n1,,2\n1,x,2\n1,2\n1,,2,x\n");
    assert_eq!(seen.good(), ["1|2"]);
    assert!(seen.reason(1).contains("cell 2 has no heading"));
    assert!(seen.reason(2).contains("2 cells separated by ','; the heading has 3"), "{}", seen.reason(2));
    assert!(seen.reason(3).contains("4 cells"));
}

#[test]
fn json_forms_mean_the_same() {
    let pretty = "{\n  \"a\": 1\n}\n{\n  \"a\": 2\n}\n";
    for (name, text, lines) in [
        ("a.jsonl", "{\"a\":1}\n{\"a\":2}\n", [1, 2]),
        ("a.jsonl", "\u{feff}{\"a\":1}\r\n\r\n{\"a\":2}", [1, 3]),
        ("a.jsonl", pretty, [1, 4]),
        ("a", pretty, [1, 4]),
        ("a.jsonl", "[\n {\"a\": 1},\n\n {\"a\": 2}\n]\n", [2, 4]),
        ("a.json", "[{\"a\":1},{\"a\":2}]", [1, 1]),
        ("a.json", "{\"a\":1} {\"a\":2}\n[]", [1, 1]),
    ] {
        let seen = read(name, text);
        // Two objects on a line are no JSON lines: the first line is not one object.
        assert_eq!(seen.good(), ["{\"a\":1}", "{\"a\":2}"], "{text}");
        assert_eq!(seen.lines(), lines.map(|line| (line, true)), "{text}");
        assert!(seen.is_complete, "{text}");
    }
}

#[test]
fn database_lists_and_maps_are_read() {
    let text = "{\"version\": {\"jobs\": [1]}, \"jobs\": {\"x\": {\"a\": 1},\n\"y\": {}},\n\"costs\": [{\"id\": 1}], \"n\": 2}";
    let seen = read("db.json", text);
    assert_eq!(seen.good(), ["jobs.x{\"a\":1}", "jobs.y{}", "costs{\"id\":1}"]);
    assert_eq!(seen.lines(), [(1, true), (2, true), (3, true)]);
    assert_eq!(seen.ignored, ["n", "version"]);
    let seen = read("db.json", "{\"jobs\": 7,\n \"costs\": [{}, 7, null]}");
    assert_eq!(seen.lines(), [(2, true), (2, false), (2, false), (1, false)]);
    assert!(seen.reason(3).contains("jobs is neither a list nor a map"));
}

#[test]
fn damaged_json_names_its_line_and_the_unread() {
    for (text, lines, reason) in [
        ("[{\"a\": 1},\n{\"a\": 2}", vec![(1, true), (2, true), (2, false)], "the file ends before the list"),
        ("[{\"a\": 1},\n{\"a\": ", vec![(1, true), (2, false)], "the file ends inside this document"),
        ("[{\"a\": \"never ends},\n{\"b\": 1}]", vec![(1, false)], "control character"),
        ("[{\"a\": 1},\n\n {\"a\": NaN}]", vec![(1, true), (3, false)], "column 8: NaN is not a JSON number"),
        ("{\n\"ö\": -Infinity}", vec![(2, false)], "column 6: -Infinity is not a JSON number"),
        ("[\n{\"a\": nan}]", vec![(2, false)], "column 7: nan is not a JSON number"),
        ("[{}] tail", vec![(1, true), (1, false)], "invalid JSON at column"),
        ("[{}, {\"a\": \"\\x\"}]", vec![(1, true), (1, false)], "invalid escape"),
        ("{\"a\": 1,\n\"b\": 2},\n{\"a\": 1}", vec![(1, true), (2, false)], "column 8: a comma between documents"),
        ("7", vec![(1, false)], "expected an object or a list of objects"),
        ("{\"jobs\": [{}], \"costs\"}", vec![(1, true), (1, false)], "invalid JSON"),
    ] {
        let seen = read("a.json", text);
        assert_eq!(seen.lines(), lines, "{text}: {:?}", seen.records);
        let last = seen.reason(seen.records.len() - 1);
        assert!(last.contains(reason) && last.contains("nothing after it was read"), "{text}: {last}");
        assert!(!seen.is_complete);
    }
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
        let seen = read("a.json", text);
        assert!(seen.good().is_empty() && seen.records.len() == 1, "{text}: {:?}", seen.records);
    }
    assert!(read("a.json", "").records.is_empty());
}

#[test]
fn bad_element_costs_no_other() {
    let seen = read("a.json", "[{\"a\": 1, \"a\": 2},\n7, {\"a\": 1e400}, [[1]],\n{\"ok\": true}]");
    assert_eq!(seen.lines(), [(1, false), (2, false), (2, false), (2, false), (3, true)]);
    assert!(seen.is_complete);
    let deep = format!("[{}1{},\n{{}}]", "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(read("a.json", deep).lines(), [(1, false), (2, true)]);
}

#[test]
fn long_record_is_never_held() {
    let long = "x".repeat(MAX_RECORD_BYTES + 1);
    let seen = read("a.jsonl", format!("{{\"a\": 1}}\n{{\"b\": \"{long}\"}}\n{{\"c\": 1}}"));
    assert_eq!(seen.lines(), [(1, true), (2, false), (3, true)]);
    let seen = read("a.json", format!("[{{\"a\": 1}},\n{{\"b\": \"{long}{long}\"}}, {{}}]"));
    assert_eq!(seen.lines(), [(1, true), (2, false)]);
    assert!(seen.reason(1).contains("longer than 4 MB") && seen.reason(1).contains("nothing after it"));
    let seen = read("db.json", format!("{{\"costs\": [{{}}], \"log\": [\"{long}\", \"{long}\"], \"jobs\": [{{}}]}}"));
    assert_eq!((seen.good().len(), seen.ignored.as_slice()), (2, &["log".to_owned()][..]));
    // Many records are more than one record may be.
    let many = format!("[{}]", vec!["{\"a\": \"0123456789\"}"; 400_000].join(", "));
    assert_eq!(read("a.json", many).good().len(), 400_000);
}

#[test]
fn utf16_is_read_like_utf8() {
    for (name, text) in
        [("a.csv", "\u{feff}a\tb\r\nö\t😀\r\n"), ("a.jsonl", "\u{feff}{\"a\": \"ö😀\"}\r\n{\"a\": 1}\r\n")]
    {
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let (utf8, utf16) = (read(name, text), read(name, bytes));
        assert_eq!(utf16.records, utf8.records);
        assert!(utf8.records.iter().all(|(_, content)| content.is_ok()));
    }
    let seen = read("a.csv", b"a,b\nx,\xff\ny,1\n");
    assert_eq!(seen.lines(), [(2, false), (3, true)]);
    assert!(seen.reason(0).contains("cell 2: not valid UTF-8"));
}

/// A table of cells that need no escape.
fn tables() -> impl Strategy<Value = Vec<Vec<String>>> {
    let cell = prop_oneof!["[a-z0-9 ]{0,6}", "[a-z\",;\\r\\n\t ]{0,8}", "\\PC{0,4}"];
    (1..4_usize).prop_flat_map(move |columns| {
        let row = prop::collection::vec(cell.clone(), columns);
        prop::collection::vec(row, 0..8)
    })
}

fn written(table: &[Vec<String>], separator: u8) -> String {
    let mut writer = csv_crate(separator);
    let columns = table.first().map_or(1, Vec::len);
    writer.write_record((0..columns).map(|index| format!("column{index}"))).unwrap();
    for row in table {
        writer.write_record(row).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

fn csv_crate(separator: u8) -> ::csv::Writer<Vec<u8>> {
    ::csv::WriterBuilder::new().delimiter(separator).quote_style(::csv::QuoteStyle::Always).from_writer(Vec::new())
}

fn line_ends(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count() - 1
}

fn is_blank(row: &[String]) -> bool {
    row.iter().all(|cell| cell.trim_ascii().is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn csv_of_another_writer_is_read_as_written(table in tables(), separator in prop::sample::select(b",;\t|".to_vec()), capacity in 1..64_usize) {
        let text = written(&table, separator);
        let seen = read_chunked("a.csv", text.as_bytes(), capacity);
        let expected: Vec<String> = table.iter().filter(|row| !is_blank(row)).map(|row| row.join("|")).collect();
        prop_assert_eq!(seen.good(), expected);
        prop_assert!(seen.is_complete);
    }

    /// One byte of a simple table is changed: each row is read or rejected, and every row before the damage is as it was.
    #[test]
    fn damaged_csv_loses_no_row(rows in 1..12_usize, at in any::<prop::sample::Index>(), with in prop::sample::select(b"\"',;x\\".to_vec())) {
        let mut text = String::from("first,second\n");
        for row in 0..rows {
            let _ = writeln!(text, "r{row},\"q{row}\"");
        }
        let mut bytes = text.into_bytes();
        let begin = b"first,second\n".len();
        let place = begin + at.index(bytes.len() - begin);
        let is_line_end = bytes[place] == b'\n';
        bytes.insert(place, with);
        let seen = read("a.csv", &bytes);
        prop_assert_eq!(seen.rows, rows as u64, "{:?}: {:?}", String::from_utf8_lossy(&bytes), seen);
        let damaged = line_ends(&bytes[..place]);
        for (index, (line, content)) in seen.records.iter().take(damaged - 1).enumerate() {
            prop_assert_eq!((*line, content.clone()), (index as u64 + 2, Ok(format!("r{index}|q{index}"))));
        }
        // The first rejected row is the damaged one, or the one whose quote it opened again.
        if let Some((line, _)) = seen.records.iter().find(|(_, content)| content.is_err()) {
            prop_assert_eq!(*line, damaged as u64 + 1, "{}", is_line_end);
        }
    }

    /// One byte of JSON lines is changed: no line but its own is touched.
    #[test]
    fn damaged_json_line_costs_no_other(rows in 1..12_usize, at in any::<prop::sample::Index>(), with in any::<u8>()) {
        prop_assume!(with != b'\n');
        let mut bytes: Vec<u8> = (0..rows).flat_map(|row| format!("{{\"row\": {row}, \"text\": \"q\"}}\n").into_bytes()).collect();
        let place = at.index(bytes.len());
        prop_assume!(bytes[place] != b'\n');
        let damaged = line_ends(&bytes[..place]);
        bytes[place] = with;
        // A damaged first line may look like another format; with a second line it never does.
        prop_assume!(rows > 1);
        let seen = read("a.jsonl", &bytes);
        prop_assume!(damaged > 0 || bytes.trim_ascii_start().first() == Some(&b'{'));
        prop_assert_eq!(seen.rows, rows as u64, "{:?}: {:?}", String::from_utf8_lossy(&bytes), seen);
        for (index, (line, content)) in seen.records.iter().enumerate() {
            prop_assert_eq!(*line, index as u64 + 1);
            prop_assert!(content.is_ok() || index == damaged, "{line}: {content:?}");
        }
    }

    /// One byte of a list is changed: whatever precedes the damage is read, and the rest is read or the last rejection says that it is not.
    #[test]
    fn damaged_json_list_says_what_is_unread(rows in 1..12_usize, at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let list: Vec<String> = (0..rows).map(|row| format!("{{\"row\": {row}, \"text\": \"q\"}}")).collect();
        let mut bytes = format!("[\n{}\n]\n", list.join(",\n")).into_bytes();
        let place = 1 + at.index(bytes.len() - 1);
        let damaged = line_ends(&bytes[..place]);
        bytes[place] = with;
        let seen = read("a.json", &bytes);
        for (index, (line, content)) in seen.records.iter().take(damaged.saturating_sub(1)).enumerate() {
            prop_assert_eq!((*line, content.is_ok()), (index as u64 + 2, true));
        }
        prop_assert!(seen.rows == rows as u64 || !seen.is_complete, "{:?}: {:?}", String::from_utf8_lossy(&bytes), seen);
        if !seen.is_complete {
            let last = seen.records.last().unwrap().1.as_ref().unwrap_err();
            prop_assert!(last.contains("nothing after it was read"), "{last}");
        }
    }

    #[test]
    fn any_bytes_in_any_chunks_give_the_same(bytes in prop::collection::vec(any::<u8>(), 0..200), capacity in 1..9_usize, name in prop::sample::select(vec!["a", "a.csv", "a.json", "a.jsonl"])) {
        // UTF-32 is an error of the whole file.
        prop_assume!(!bytes.starts_with(&[0xff, 0xfe, 0, 0]) && !bytes.starts_with(&[0, 0, 0xfe, 0xff]));
        let (whole, chunked) = (read(name, &bytes), read_chunked(name, &bytes, capacity));
        prop_assert_eq!(whole.records, chunked.records);
        prop_assert_eq!(whole.is_complete, chunked.is_complete);
    }

    #[test]
    fn any_syntax_is_read_or_rejected(text in "[\\[\\]{}\":,a1 \\n\\r;]{0,60}", name in prop::sample::select(vec!["a", "a.csv", "a.json", "a.jsonl"])) {
        let seen = read(name, &text);
        prop_assert!(seen.is_complete || seen.records.last().is_some_and(|(_, content)| content.is_err()));
        prop_assert!(seen.records.iter().all(|(line, _)| (1..=62).contains(line)), "{:?}", seen.records);
    }
}

#[test]
fn line_with_a_comma_behind_it_is_explained() {
    let seen = read("a.jsonl", "{\"a\": 1}\n{\"ö\": 2}, \n{\"a\": 3},x\n{\"a\": 4}\n");
    assert_eq!(seen.lines(), vec![(1, true), (2, false), (3, false), (4, true)]);
    assert!(seen.reason(1).contains("column 9: a comma between documents: remove it"), "{}", seen.reason(1));
    assert!(!seen.reason(2).contains("comma between"), "{}", seen.reason(2));
}

#[test]
fn text_of_another_encoding_names_the_remedy() {
    let seen = read("a.csv", b"a;b\nf\xfcchs;1\n");
    assert!(seen.reason(0).contains("cell 1: not valid UTF-8 or UTF-16 text; save the file as UTF-8"), "{seen:?}");
}
