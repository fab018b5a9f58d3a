//! Firestore's typed values as JSON, and back, without loss: a type that JSON lacks becomes a map with one marked key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::r#type::LatLng;
use serde_json::{Map, Number, Value as Json};

use crate::store::firestore::documents::value;
use crate::store::firestore::documents::value::{Fields, Value};
use crate::store::schema;
use crate::store::schema::{format_time, parse_time};

/// The two fields that are times in the shared schema: plain text in files.
const TIMES: [&str; 2] = ["createdAt", "timestamp"];

const TIME: &str = "$timestamp";
pub(super) const BYTES: &str = "$bytes";
const REFERENCE: &str = "$reference";
const GEO_POINT: &str = "$geoPoint";
/// The mark of a geo point in files of earlier versions.
const GEO_POINT_BEFORE: &str = "$place";
const DOUBLE: &str = "$double";

/// The fields of a document as JSON.
pub(crate) fn to_json(fields: &Fields) -> schema::Fields {
    let field = |(name, value): (&String, &Value)| {
        let json = match &value.value_type {
            Some(ValueType::TimestampValue(at)) if TIMES.contains(&name.as_str()) => {
                value::instant(at).map_or(Json::Null, |at| format_time(at).into())
            }
            _ => value_to_json(value),
        };
        (name.clone(), json)
    };
    fields.iter().map(field).collect()
}

fn marked(mark: &str, of: Json) -> Json {
    Json::Object(Map::from_iter([(mark.to_owned(), of)]))
}

fn value_to_json(of: &Value) -> Json {
    match &of.value_type {
        None | Some(ValueType::NullValue(_)) => Json::Null,
        Some(ValueType::BooleanValue(yes)) => Json::Bool(*yes),
        Some(ValueType::IntegerValue(number)) => Json::from(*number),
        Some(ValueType::DoubleValue(number)) => {
            Number::from_f64(*number).map_or_else(|| marked(DOUBLE, number.to_string().into()), Json::Number)
        }
        Some(ValueType::StringValue(text)) => Json::from(text.as_str()),
        Some(ValueType::ArrayValue(list)) => list.values.iter().map(value_to_json).collect(),
        Some(ValueType::MapValue(map)) => {
            Json::Object(map.fields.iter().map(|(name, value)| (name.clone(), value_to_json(value))).collect())
        }
        Some(ValueType::TimestampValue(at)) => {
            marked(TIME, value::instant(at).map_or(Json::Null, |at| format_time(at).into()))
        }
        Some(ValueType::BytesValue(bytes)) => marked(BYTES, STANDARD.encode(bytes).into()),
        Some(ValueType::ReferenceValue(name)) => marked(REFERENCE, name.as_str().into()),
        Some(ValueType::GeoPointValue(place)) => marked(GEO_POINT, Json::from(vec![place.latitude, place.longitude])),
        Some(other) => Json::from(value::kind(other)),
    }
}

/// JSON fields with Firestore's types.
pub(crate) fn from_json(fields: &schema::Fields) -> Fields {
    let write = |(name, json): (&String, &Json)| {
        let time = json.as_str().filter(|_| TIMES.contains(&name.as_str())).and_then(parse_time);
        (name.clone(), time.map_or_else(|| value_from_json(json), value::time))
    };
    fields.iter().map(write).collect()
}

fn value_from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value { value_type: Some(ValueType::NullValue(0)) },
        Json::Bool(yes) => value::boolean(*yes),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => value::integer(integer),
            None => value::double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => value::text(text),
        Json::Array(items) => value::list(items.iter().map(value_from_json).collect()),
        Json::Object(map) => {
            let special = map.iter().next().filter(|_| map.len() == 1).and_then(|(mark, of)| unmarked(mark, of));
            special.unwrap_or_else(|| {
                value::map(map.iter().map(|(name, of)| (name.clone(), value_from_json(of))).collect())
            })
        }
    }
}

fn unmarked(mark: &str, of: &Json) -> Option<Value> {
    let value_type = match mark {
        TIME => return Some(value::time(parse_time(of.as_str()?)?)),
        BYTES => ValueType::BytesValue(STANDARD.decode(of.as_str()?).ok()?),
        REFERENCE => return Some(value::reference(of.as_str()?)),
        DOUBLE => ValueType::DoubleValue(of.as_str()?.parse().ok()?),
        GEO_POINT | GEO_POINT_BEFORE => {
            let [latitude, longitude] = of.as_array()?.as_slice() else { return None };
            ValueType::GeoPointValue(LatLng { latitude: latitude.as_f64()?, longitude: longitude.as_f64()? })
        }
        _ => return None,
    };
    Some(Value { value_type: Some(value_type) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_round_trips() {
        let at = "2026-11-22T12:00:00.123456Z".parse().unwrap();
        let kinds = [
            value::text("a"),
            value::integer(28),
            value::double(28.0),
            value::double(5e-6),
            value::double(f64::INFINITY),
            value::boolean(true),
            value::time(at),
            value::reference("projects/p/databases/(default)/documents/jobs/a"),
            Value { value_type: Some(ValueType::NullValue(0)) },
            Value { value_type: Some(ValueType::BytesValue(vec![0, 255, 7])) },
            Value { value_type: Some(ValueType::GeoPointValue(LatLng { latitude: 1.5, longitude: -2.0 })) },
            value::map(Fields::from([("timestamp".to_owned(), value::time(at))])),
        ];
        let all = value::list(kinds.to_vec());
        let fields = Fields::from([
            ("createdAt".to_owned(), value::time(at)),
            ("all".to_owned(), all),
            ("one".to_owned(), value::map(Fields::from([("x".to_owned(), value::integer(1))]))),
        ]);
        let converted = to_json(&fields);
        assert_eq!(converted["createdAt"], "2026-11-22T12:00:00.123456Z");
        assert_eq!(from_json(&serde_json::from_str(&Json::Object(converted).to_string()).unwrap()), fields);
    }
}
