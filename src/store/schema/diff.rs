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
    let texts = [left, right].map(|value| value.filter(|value| !value.is_object()).map(Value::to_string));
    let skipped = match &texts {
        [Some(left), Some(right)] => shared_start(left, right),
        _ => 0,
    };
    let shown = |value: Option<&Value>, text: &Option<String>| match (value, text) {
        (None, _) => "absent".to_owned(),
        (Some(_), None) => "a map".to_owned(),
        (Some(_), Some(text)) => {
            let from = text.char_indices().nth(skipped).map_or(text.len(), |(at, _)| at);
            let mark = if skipped > 0 { "…" } else { "" };
            format!("{mark}{}", sanitize_line(&text[from..], SHOWN))
        }
    };
    let [stored, given] = [shown(left, &texts[0]), shown(right, &texts[1])];
    Some(format!("{} is {stored} in the store and {given} in the file", sanitize_line(name, 40)))
}

/// Characters of a value that are shown.
const SHOWN: usize = 40;

/// How many characters to leave out so that the first difference is shown, with some of what precedes it.
fn shared_start(left: &str, right: &str) -> usize {
    let same = left.chars().zip(right.chars()).take_while(|(left, right)| left == right).count();
    if same + 8 < SHOWN { 0 } else { same - 12 }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_difference_of_a_text_is_shown() {
        let fields = |prompt: &str| Fields::from_iter([("prompt".to_owned(), Value::from(prompt))]);
        let long = "a fox in the snow of a long winter night, ";
        let line =
            difference(&fields(&format!("{long}oil on canvas")), &fields(&format!("{long}oil on wood"))).unwrap();
        assert_eq!(line, "prompt is …ght, oil on canvas\" in the store and …ght, oil on wood\" in the file");
        let line = difference(&fields("a fox"), &fields("an owl")).unwrap();
        assert_eq!(line, "prompt is \"a fox\" in the store and \"an owl\" in the file");
    }
}
