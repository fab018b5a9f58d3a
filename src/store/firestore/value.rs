//! Owns the small words for Firestore's typed values: how one is made and how one is read. Must not know a field's name.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use firestore::gcloud_sdk::google::firestore::v1::MapValue;
pub(super) use firestore::gcloud_sdk::google::firestore::v1::Value;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::prost_types::Timestamp;
use serde_json::Number;

/// The fields of a document or of a map.
pub(super) type Fields = HashMap<String, Value>;

fn value(of: ValueType) -> Value {
    Value { value_type: Some(of) }
}

pub(super) fn text(text: impl Into<String>) -> Value {
    value(ValueType::StringValue(text.into()))
}

pub(super) fn integer(number: i64) -> Value {
    value(ValueType::IntegerValue(number))
}

pub(super) fn double(number: f64) -> Value {
    value(ValueType::DoubleValue(number))
}

pub(super) fn boolean(yes: bool) -> Value {
    value(ValueType::BooleanValue(yes))
}

pub(super) fn time(at: DateTime<Utc>) -> Value {
    value(ValueType::TimestampValue(timestamp(at)))
}

pub(super) fn map(fields: Fields) -> Value {
    value(ValueType::MapValue(MapValue { fields }))
}

pub(super) fn list(values: Vec<Value>) -> Value {
    use firestore::gcloud_sdk::google::firestore::v1::ArrayValue;
    value(ValueType::ArrayValue(ArrayValue { values }))
}

pub(super) fn reference(name: impl Into<String>) -> Value {
    value(ValueType::ReferenceValue(name.into()))
}

/// The field's content; `None` where it is absent or null.
pub(super) fn content<'a>(fields: &'a Fields, name: &str) -> Option<&'a ValueType> {
    match fields.get(name)?.value_type.as_ref()? {
        ValueType::NullValue(_) => None,
        other => Some(other),
    }
}

pub(super) fn text_of<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    match content(fields, name)? {
        ValueType::StringValue(text) => Some(text),
        _ => None,
    }
}

pub(super) fn integer_of(fields: &Fields, name: &str) -> Option<i64> {
    match content(fields, name)? {
        ValueType::IntegerValue(number) => Some(*number),
        _ => None,
    }
}

pub(super) fn map_of<'a>(fields: &'a Fields, name: &str) -> Option<&'a Fields> {
    match content(fields, name)? {
        ValueType::MapValue(map) => Some(&map.fields),
        _ => None,
    }
}

pub(super) fn time_of(fields: &Fields, name: &str) -> Option<DateTime<Utc>> {
    match content(fields, name)? {
        ValueType::TimestampValue(at) => instant(at),
        _ => None,
    }
}

/// What a value is, for a person who has to mend a document.
pub(super) fn kind(of: &ValueType) -> &'static str {
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
pub(super) fn timestamp(at: DateTime<Utc>) -> Timestamp {
    let nanos = i32::try_from(at.timestamp_subsec_micros().min(999_999) * 1_000).unwrap_or(0);
    Timestamp { seconds: at.timestamp(), nanos }
}

pub(super) fn instant(at: &Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(at.seconds, u32::try_from(at.nanos).ok()?)
}

/// Nanoseconds since 1970, the form in which an update time is a job's revision. Round trips exactly until the year 2554.
pub(super) fn nanoseconds(at: &Timestamp) -> u64 {
    let seconds = u64::try_from(at.seconds).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(at.nanos).unwrap_or(0))
}

/// The update time behind a revision.
pub(super) fn of_nanoseconds(nanoseconds: u64) -> Timestamp {
    Timestamp {
        seconds: i64::try_from(nanoseconds / 1_000_000_000).unwrap_or(i64::MAX),
        nanos: i32::try_from(nanoseconds % 1_000_000_000).unwrap_or(0),
    }
}

/// The value as JSON, for comparing: whole doubles become integers, what JSON has no word for becomes text.
pub(super) fn to_json(of: &Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match &of.value_type {
        None | Some(ValueType::NullValue(_)) => Json::Null,
        Some(ValueType::BooleanValue(yes)) => Json::Bool(*yes),
        Some(ValueType::IntegerValue(number)) => Json::from(*number),
        Some(ValueType::DoubleValue(number)) if number.fract() == 0.0 && number.abs() < 9.1e15 => {
            Json::from(*number as i64)
        }
        Some(ValueType::DoubleValue(number)) => {
            Number::from_f64(*number).map_or_else(|| Json::from(number.to_string()), Json::Number)
        }
        Some(ValueType::StringValue(text)) => Json::from(text.as_str()),
        Some(ValueType::ArrayValue(list)) => list.values.iter().map(to_json).collect(),
        Some(ValueType::MapValue(map)) => {
            let sorted: BTreeMap<_, _> =
                map.fields.iter().map(|(name, value)| (name.clone(), to_json(value))).collect();
            Json::Object(sorted.into_iter().collect())
        }
        Some(other) => Json::from(format!("{other:?}")),
    }
}

/// A field's name as it stands in a path: Firestore wants anything but a plain word in backticks.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_an_update_time() {
        for (seconds, nanos) in [(0, 0), (1_795_392_000, 123_456_000), (1_795_392_000, 999_999_999)] {
            let at = Timestamp { seconds, nanos };
            assert_eq!(of_nanoseconds(nanoseconds(&at)), at);
        }
    }

    #[test]
    fn whole_doubles_and_integers_are_the_same_wish() {
        assert_eq!(to_json(&double(28.0)), to_json(&integer(28)));
        assert_ne!(to_json(&double(28.5)), to_json(&integer(28)));
    }

    #[test]
    fn a_strange_name_cannot_leave_its_path() {
        assert_eq!(quoted("a`.b\\c"), "`a\\`.b\\\\c`");
    }
}
