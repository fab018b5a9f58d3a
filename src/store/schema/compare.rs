//! Owns the question whether two documents say the same. Must not know where they come from.

use serde_json::Value;

use super::Fields;
use crate::text::sanitize_line;

/// Where they differ, in one line: `its cost_usd is 0.03, the file says 0.025`. Both in the form of an essence.
pub fn difference(stored: &Fields, given: &Fields) -> Option<String> {
    let name = stored.keys().chain(given.keys()).find(|name| stored.get(*name) != given.get(*name))?;
    let (left, right) = (stored.get(name), given.get(name));
    if let (Some(Value::Object(stored)), Some(Value::Object(given))) = (left, right)
        && let Some(inner) = difference(stored, given)
    {
        // The field inside says more than the map.
        return Some(inner.replacen("its ", &format!("its {}.", sanitize_line(name, 40)), 1));
    }
    let shown = |value: Option<&Value>| match value {
        None => "nothing".to_owned(),
        Some(Value::Object(_)) => "a map".to_owned(),
        Some(other) => sanitize_line(&other.to_string(), 40),
    };
    Some(format!("its {} is {}, the file says {}", sanitize_line(name, 40), shown(left), shown(right)))
}

/// The value with numbers in one form: 28 and 28.0 are the same, absent and null are.
pub(super) fn canonical(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(number) if number.fract() == 0.0 && number.abs() < 9.1e15 => Value::from(number as i64),
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(canonical).collect(),
        Value::Object(map) => Value::Object(canonical_fields(map)),
        other => other.clone(),
    }
}

/// The same for all fields.
pub(super) fn canonical_fields(fields: &Fields) -> Fields {
    let told = fields.iter().filter(|(_, value)| !value.is_null());
    told.map(|(name, value)| (name.clone(), canonical(value))).collect()
}
