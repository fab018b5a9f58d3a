//! Strict JSON objects: no key twice (the last would win silently), and the exact digits of money.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use crate::text::sanitize_line;

/// The field whose digits count.
const MONEY: &str = "cost_usd";

/// The fields of the object. Errors: one line that names the column.
pub fn parse(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str::<TopLevel>(text) {
        Ok(TopLevel(fields)) => Ok(fields),
        Err(error) if error.is_data() && !text.trim_ascii_start().starts_with('{') => Err(expected_object(text)),
        Err(error) => Err(describe(&error, text)),
    }
}

/// The value of one field of a top-level object.
pub fn parse_field(name: &str, raw: &RawValue) -> Result<Value, String> {
    let text = raw.get();
    if name == MONEY && is_number(text) {
        return Ok(Value::from(text));
    }
    serde_json::from_str::<Strict>(text).map(|Strict(value)| value).map_err(|error| describe(&error, text))
}

/// What is wrong with a comma that separates documents outside a list.
pub fn comma_behind(column: usize) -> String {
    format!("invalid JSON at column {column}: a comma between documents: remove it, or write a list ([…])")
}

/// What is wrong at the byte `offset` of a line, of which `skipped` bytes in front are not known.
pub fn syntax_error(message: &str, line: &[u8], offset: usize, skipped: usize) -> String {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    // The parser stands on or in the word that it did not expect.
    let offset = offset.min(line.len());
    let begin = line[..offset].iter().rposition(|byte| !is_word(byte)).map_or(0, |before| before + 1);
    let word: Vec<u8> = line[begin..].iter().take_while(|byte| is_word(byte)).take(12).copied().collect();
    let word = String::from_utf8_lossy(&word).into_owned();
    let column = |offset: usize| skipped + line[..offset].iter().filter(|byte| **byte & 0xc0 != 0x80).count() + 1;
    match word.trim_start_matches('-').to_ascii_lowercase().as_str() {
        "nan" | "infinity" | "inf" => {
            let column = column(begin);
            format!("invalid JSON at column {column}: {word} is not a JSON number; write null or a finite number")
        }
        _ => format!("invalid JSON at column {}: {}", column(offset), sanitize_line(message, 120)),
    }
}

/// The parser's message without its position.
pub fn message_of(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.split(" at line ").next().unwrap_or_default().to_owned()
}

pub fn duplicate_key(name: &str) -> String {
    format!("key {} appears twice", sanitize_line(name, 40))
}

fn expected_object(text: &str) -> String {
    let found = match text.trim_ascii_start().bytes().next() {
        Some(b'[') => "a list",
        Some(b'"') => "text",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    };
    format!("expected a JSON object, found {found}")
}

fn describe(error: &serde_json::Error, text: &str) -> String {
    let message = message_of(error);
    if error.is_data() {
        return message;
    }
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    syntax_error(&message, line.as_bytes(), error.column().saturating_sub(1), 0)
}

fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// The fields of an object, with the digits of money as text.
struct TopLevel(Map<String, Value>);

impl<'de> Deserialize<'de> for TopLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = TopLevel;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<TopLevel, A::Error> {
                let mut fields = Map::new();
                while let Some(name) = entries.next_key::<String>()? {
                    let value = if name == MONEY {
                        let raw = entries.next_value::<&RawValue>()?;
                        parse_field(&name, raw).map_err(A::Error::custom)?
                    } else {
                        entries.next_value_seed(StrictValue)?
                    };
                    if fields.contains_key(&name) {
                        return Err(A::Error::custom(duplicate_key(&name)));
                    }
                    fields.insert(name, value);
                }
                Ok(TopLevel(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        StrictValue.deserialize(deserializer).map(Self)
    }
}

#[derive(Clone, Copy)]
struct StrictValue;

impl<'de> DeserializeSeed<'de> for StrictValue {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self)?;
            if map.contains_key(&name) {
                return Err(A::Error::custom(duplicate_key(&name)));
            }
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_keeps_the_digits_of_the_file() {
        for (text, money) in [
            (r#"{"cost_usd": 0.100000000000000000000001}"#, "0.100000000000000000000001"),
            (r#"{"a": "\"cost_usd\": 1", "details": {"cost_usd": 2}, "cost_usd" : 5e-06 , "b": 3}"#, "5e-06"),
            (r#"{"a": "cost_usd", "cost_usd":-1}"#, "-1"),
            (r#"{"cost_us\u0064": 0.10}"#, "0.10"),
            (r#"{"cost_usd": 1e400}"#, "1e400"),
        ] {
            assert_eq!(parse(text).unwrap()["cost_usd"], money, "{text}");
        }
    }

    #[test]
    fn duplicate_key_is_rejected_at_any_depth() {
        for text in [r#"{"cost_usd": 1, "cost_usd": 1}"#, r#"{"details": {"cost_usd": 1, "cost_usd": 1}}"#] {
            assert_eq!(parse(text).unwrap_err(), "key cost_usd appears twice", "{text}");
        }
        assert!(parse(r#"{"prompt": "a", "\u0070rompt": "b"}"#).unwrap_err().contains("prompt appears twice"));
    }

    #[test]
    fn error_names_its_column() {
        for (text, expected) in [
            (r#"{"cost": NaN}"#, "invalid JSON at column 10: NaN is not a JSON number; write null or a finite number"),
            (
                r#"{"ö": -Infinity}"#,
                "invalid JSON at column 7: -Infinity is not a JSON number; write null or a finite number",
            ),
            (
                r#"{"a": [1, Infinity]}"#,
                "invalid JSON at column 11: Infinity is not a JSON number; write null or a finite number",
            ),
            ("7", "expected a JSON object, found a number"),
            ("[1]", "expected a JSON object, found a list"),
            (r#"{"a": 1,}"#, "invalid JSON at column 9: trailing comma"),
        ] {
            assert_eq!(parse(text).unwrap_err(), expected, "{text}");
        }
        for text in ["{\"a\": 1e400}", "{\"a\": \"\\ud800\"}", "{oops", "{\"a\": 1", "{}{}", "\u{0}"] {
            assert!(parse(text).unwrap_err().starts_with("invalid JSON at column "), "{text}: {:?}", parse(text));
        }
    }
}
