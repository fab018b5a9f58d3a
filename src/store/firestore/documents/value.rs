//! Firestore's typed values: constructors, accessors, and the form of times and amounts.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use firestore::gcloud_sdk::google::firestore::v1::MapValue;
pub(crate) use firestore::gcloud_sdk::google::firestore::v1::Value;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::prost_types::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::costs::Usd;

/// Parts of a dollar in one unit of a sum.
const PICO: i64 = 1_000_000_000_000;

/// The fields of a document or of a map.
pub(crate) type Fields = HashMap<String, Value>;

fn value(of: ValueType) -> Value {
    Value { value_type: Some(of) }
}

pub(crate) fn text(text: impl Into<String>) -> Value {
    value(ValueType::StringValue(text.into()))
}

pub(crate) fn integer(number: i64) -> Value {
    value(ValueType::IntegerValue(number))
}

pub(crate) fn double(number: f64) -> Value {
    value(ValueType::DoubleValue(number))
}

pub(crate) fn boolean(yes: bool) -> Value {
    value(ValueType::BooleanValue(yes))
}

pub(crate) fn time(at: DateTime<Utc>) -> Value {
    value(ValueType::TimestampValue(timestamp(at)))
}

pub(crate) fn map(fields: Fields) -> Value {
    value(ValueType::MapValue(MapValue { fields }))
}

pub(crate) fn list(values: Vec<Value>) -> Value {
    use firestore::gcloud_sdk::google::firestore::v1::ArrayValue;
    value(ValueType::ArrayValue(ArrayValue { values }))
}

pub(crate) fn bytes(bytes: Vec<u8>) -> Value {
    value(ValueType::BytesValue(bytes))
}

pub(crate) fn reference(name: impl Into<String>) -> Value {
    value(ValueType::ReferenceValue(name.into()))
}

/// The field's content; `None` where it is absent or null.
pub(crate) fn content<'a>(fields: &'a Fields, name: &str) -> Option<&'a ValueType> {
    match fields.get(name)?.value_type.as_ref()? {
        ValueType::NullValue(_) => None,
        other => Some(other),
    }
}

pub(crate) fn integer_of(fields: &Fields, name: &str) -> Option<i64> {
    match content(fields, name)? {
        ValueType::IntegerValue(number) => Some(*number),
        _ => None,
    }
}

pub(crate) fn text_of<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    match content(fields, name)? {
        ValueType::StringValue(text) => Some(text),
        _ => None,
    }
}

pub(crate) fn map_of<'a>(fields: &'a Fields, name: &str) -> Option<&'a Fields> {
    match content(fields, name)? {
        ValueType::MapValue(map) => Some(&map.fields),
        _ => None,
    }
}

pub(crate) fn time_of(fields: &Fields, name: &str) -> Option<DateTime<Utc>> {
    match content(fields, name)? {
        ValueType::TimestampValue(at) => instant(at),
        _ => None,
    }
}

/// The type of a value that JSON lacks.
pub(crate) fn kind(of: &ValueType) -> &'static str {
    match of {
        ValueType::NullValue(_) => "null",
        ValueType::BooleanValue(_) => "true or false",
        ValueType::IntegerValue(_) | ValueType::DoubleValue(_) => "a number",
        ValueType::TimestampValue(_) => "a timestamp",
        ValueType::StringValue(_) => "text",
        ValueType::BytesValue(_) => "bytes",
        ValueType::ReferenceValue(_) => "a reference",
        ValueType::GeoPointValue(_) => "a place",
        ValueType::ArrayValue(_) => "a list",
        ValueType::MapValue(_) => "a map",
        _ => "of a kind that documents do not have",
    }
}

/// Firestore keeps microseconds; what is finer is cut off.
pub(crate) fn timestamp(at: DateTime<Utc>) -> Timestamp {
    let nanos = i32::try_from(at.timestamp_subsec_micros().min(999_999) * 1_000).unwrap_or(0);
    Timestamp { seconds: at.timestamp(), nanos }
}

pub(crate) fn instant(at: &Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(at.seconds, u32::try_from(at.nanos).ok()?)
}

/// Nanoseconds since 1970, the form in which an update time is a job's revision. Round trips exactly until the year 2554.
pub(crate) fn nanoseconds(at: &Timestamp) -> u64 {
    let seconds = u64::try_from(at.seconds).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(at.nanos).unwrap_or(0))
}

/// The update time behind a revision.
pub(crate) fn from_nanoseconds(nanoseconds: u64) -> Timestamp {
    Timestamp {
        seconds: i64::try_from(nanoseconds / 1_000_000_000).unwrap_or(i64::MAX),
        nanos: i32::try_from(nanoseconds % 1_000_000_000).unwrap_or(0),
    }
}

/// The amount in whole 1e-12 dollars, and the rest in whole 1e-24 dollars. Digits after the 24th are cut off.
pub(crate) fn to_pico(amount: Usd) -> (i64, i64) {
    let pico = Decimal::from(PICO);
    let whole = amount.decimal().checked_mul(pico).map_or(Decimal::MAX, |scaled| scaled.trunc());
    let rest = amount.decimal().checked_mul(pico).map_or(Decimal::ZERO, |scaled| (scaled - scaled.trunc()) * pico);
    (whole.to_i64().unwrap_or(i64::MAX), rest.trunc().to_i64().unwrap_or(0))
}

/// The amount of those parts.
pub(crate) fn from_pico(pico: i64, rest: i64) -> Usd {
    Usd::new(Decimal::new(pico, 12)) + Usd::new(Decimal::new(rest, 24))
}

/// A field's name in a path: Firestore requires backticks around anything but a plain identifier.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revision_round_trips_as_update_time() {
        for (seconds, nanos) in [(0, 0), (1_795_392_000, 123_456_000), (1_795_392_000, 999_999_999)] {
            let at = Timestamp { seconds, nanos };
            assert_eq!(from_nanoseconds(nanoseconds(&at)), at);
        }
    }

    #[test]
    fn amount_in_parts_comes_back_exactly() {
        for text in ["0", "0.04", "0.0000050003452102343246", "1234567.890000000001", "0.000000000000000000000001"] {
            let usd: Usd = text.parse().unwrap();
            let (pico, rest) = to_pico(usd);
            assert_eq!(from_pico(pico, rest), usd, "{text}");
        }
    }

    #[test]
    fn quoted_name_cannot_escape_its_path() {
        assert_eq!(quoted("a`.b\\c"), "`a\\`.b\\\\c`");
    }
}
