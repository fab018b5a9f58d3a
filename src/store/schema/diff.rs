//! The comparison of two documents of the same id.

use serde_json::Value;

use super::Fields;
use crate::text::sanitize_line;

/// The first difference, in one line: `cost_usd is 0.03 in the store and 0.025 in the file`. Both in canonical form.
pub fn difference(stored: &Fields, given: &Fields) -> Option<String> {
    let name = stored.keys().chain(given.keys()).find(|name| stored.get(*name) != given.get(*name))?;
    let (left, right) = (stored.get(name), given.get(name));
    if let (Some(Value::Object(stored)), Some(Value::Object(given))) = (left, right)
        && let Some(inner) = difference(stored, given)
    {
        return Some(format!("{}.{inner}", sanitize_line(name, 40)));
    }
    let shown = |value: Option<&Value>| match value {
        None => "absent".to_owned(),
        Some(Value::Object(_)) => "a map".to_owned(),
        Some(other) => sanitize_line(&other.to_string(), 40),
    };
    Some(format!("{} is {} in the store and {} in the file", sanitize_line(name, 40), shown(left), shown(right)))
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
    let present = fields.iter().filter(|(_, value)| !value.is_null());
    present.map(|(name, value)| (name.clone(), canonical(value))).collect()
}
