//! Words a catalog error as the API does (the error list of a Python server's validation).

use serde_json::{Map, Value, json};

use crate::catalog::{Model, ParameterKind, SpecError};

/// One entry of the list under `detail`.
pub(super) fn detail(model: &Model, body: &Map<String, Value>, problem: &SpecError) -> Value {
    let name = problem.parameter.as_str();
    let entry = |kind: &str, message: &str| json!({"type": kind, "loc": ["body", name], "msg": message});
    let Some(value) = body.get(name) else { return entry("missing", "Field required") };
    let mut entry = match model.parameter(name).map(|parameter| &parameter.kind) {
        None if name != "prompt" => entry("extra_forbidden", "Extra inputs are not permitted"),
        Some(ParameterKind::Integer { min, max, step }) => match value.as_f64() {
            None => entry("int_type", "Input should be a valid integer"),
            Some(number) if number.fract() != 0.0 => {
                entry("int_from_float", "Input should be a valid integer, got a number with a fractional part")
            }
            Some(number) => bounds(name, number, (*min as f64, json!(min)), (*max as f64, json!(max)))
                .or_else(|| (number % *step as f64 != 0.0).then(|| multiple(name, *step)))
                .unwrap_or_else(|| other(name, problem)),
        },
        Some(ParameterKind::Number { min, max }) => match value.as_f64() {
            None => entry("float_type", "Input should be a valid number"),
            Some(number) => {
                bounds(name, number, (*min, json!(min)), (*max, json!(max))).unwrap_or_else(|| other(name, problem))
            }
        },
        Some(ParameterKind::Boolean) => entry("bool_type", "Input should be a valid boolean"),
        Some(ParameterKind::Choice(choices)) => {
            let (last, rest) = choices.split_last().map_or((None, &[][..]), |(last, rest)| (Some(last), rest));
            let rest: Vec<String> = rest.iter().map(|choice| format!("'{choice}'")).collect();
            let expected = match last {
                Some(last) if rest.is_empty() => format!("'{last}'"),
                Some(last) => format!("{} or '{last}'", rest.join(", ")),
                None => String::new(),
            };
            json!({
                "type": "enum", "loc": ["body", name], "msg": format!("Input should be {expected}"),
                "ctx": {"expected": expected}
            })
        }
        _ => other(name, problem),
    };
    // Images are not sent back.
    if value.as_str().is_none_or(|text| text.len() <= 200)
        && let Some(entry) = entry.as_object_mut()
    {
        entry.insert("input".to_owned(), value.clone());
    }
    entry
}

fn bounds(name: &str, number: f64, (min, shown_min): (f64, Value), (max, shown_max): (f64, Value)) -> Option<Value> {
    if number < min {
        let message = format!("Input should be greater than or equal to {shown_min}");
        Some(json!({"type": "greater_than_equal", "loc": ["body", name], "msg": message, "ctx": {"ge": shown_min}}))
    } else if number > max {
        let message = format!("Input should be less than or equal to {shown_max}");
        Some(json!({"type": "less_than_equal", "loc": ["body", name], "msg": message, "ctx": {"le": shown_max}}))
    } else {
        None
    }
}

fn multiple(name: &str, step: i64) -> Value {
    let message = format!("Input should be a multiple of {step}");
    json!({"type": "multiple_of", "loc": ["body", name], "msg": message, "ctx": {"multiple_of": step}})
}

fn other(name: &str, problem: &SpecError) -> Value {
    json!({"type": "value_error", "loc": ["body", name], "msg": format!("Value error, {}", problem.message)})
}
