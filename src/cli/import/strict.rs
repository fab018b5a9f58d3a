//! Owns the reading of one JSON object in which no name stands twice (of two amounts the last would win in silence) and no digit of
//! money gets lost on the way through a binary fraction. Must not judge a value.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};

use crate::store::schema::Fields;
use crate::text::sanitize_line;

/// The fields of the object. Errors: one clean line.
pub fn object(bytes: &[u8]) -> Result<Fields, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
    match serde_json::from_str::<Strict>(text) {
        Ok(Strict(Value::Object(mut fields))) => {
            if fields.get(MONEY).is_some_and(Value::is_number)
                && let Some(digits) = digits_of_money(text)
            {
                fields.insert(MONEY.to_owned(), digits.into());
            }
            Ok(fields)
        }
        Ok(_) => Err("is not a JSON object".to_owned()),
        Err(why) => Err(format!("is not a JSON object: {}", sanitize_line(&why.to_string(), 120))),
    }
}

/// The field whose digits count.
const MONEY: &str = "cost_usd";

/// The number of that field of the object, as it is written. `text` is sound JSON.
fn digits_of_money(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let (mut depth, mut index) = (0, 0);
    while let Some(byte) = bytes.get(index) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let begin = index + 1;
                index = begin;
                while bytes.get(index).is_some_and(|byte| *byte != b'"') {
                    index += if bytes[index] == b'\\' { 2 } else { 1 };
                }
                let behind = text.get(index + 1..)?.trim_start();
                if depth == 1
                    && text.get(begin..index) == Some(MONEY)
                    && let Some(value) = behind.strip_prefix(':')
                {
                    let value = value.trim_start();
                    let end = value.find(|letter: char| !matches!(letter, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'));
                    return Some(&value[..end.unwrap_or(value.len())]);
                }
            }
            _ => {}
        }
        index += 1;
    }
    None
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reader.deserialize(deserializer).map(Self)
    }
}

#[derive(Clone, Copy)]
struct Reader;

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, yes: bool) -> Result<Value, E> {
        Ok(Value::Bool(yes))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("a number out of range"))
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
                return Err(A::Error::custom(format!("it names {} twice", sanitize_line(&name, 40))));
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
    fn the_digits_of_money_are_those_of_the_file() {
        for (text, money) in [
            (r#"{"cost_usd": 0.100000000000000000000001}"#, "0.100000000000000000000001"),
            (r#"{"a": "\"cost_usd\": 1", "details": {"cost_usd": 2}, "cost_usd" : 5e-06 , "b": 3}"#, "5e-06"),
            (r#"{"a": "cost_usd", "cost_usd":-1}"#, "-1"),
        ] {
            assert_eq!(object(text.as_bytes()).unwrap()["cost_usd"], money, "{text}");
        }
        assert!(object(br#"{"cost_usd": 1, "cost_usd": 1}"#).unwrap_err().contains("cost_usd twice"));
        assert!(object(br#"{"details": {"model": 1, "model": 1}}"#).is_err());
        assert!(object(b"{\"cost_usd\": 1e400}").is_err());
    }
}
