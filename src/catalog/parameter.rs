//! One parameter of a model: its type, its range, and how a value is parsed and validated.

use serde_json::Value;

use super::{ImageSource, SpecError};
use crate::text::sanitize_line;

/// One parameter of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The API's name: `safety_tolerance`.
    pub name: String,
    /// Type and range.
    pub kind: ParameterKind,
    /// Whether a submit without it is refused.
    pub required: bool,
    /// What the API takes when it is absent; `None` is "the server chooses".
    pub default: Option<Value>,
    /// The number outside of the range that means "the server chooses": 0 for the size of FLUX.2.
    pub automatic: Option<i64>,
    /// One short line for the form.
    pub help: String,
}

/// Type and range of a parameter. Bounds are inclusive.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterKind {
    /// A whole number; `step` counts from zero.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
        /// Multiples of it only.
        step: i64,
    },
    /// A number.
    Number {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
    },
    /// Yes or no.
    Boolean,
    /// One of these words.
    Choice(Vec<String>),
    /// `W:H` with the ratio between two bounds.
    Ratio {
        /// Narrowest, width and height.
        min: (u32, u32),
        /// Widest, width and height.
        max: (u32, u32),
    },
    /// Any text of at most that many bytes.
    Text {
        /// Bytes.
        max: usize,
    },
    /// One image: a file, an https URL or base64.
    Image,
    /// Several images.
    Images {
        /// At least.
        min: usize,
        /// At most.
        max: usize,
    },
}

impl Parameter {
    /// The range as a short text: `64..4096 step 16`, `jpeg|png|webp`, `9:21..21:9`.
    pub fn range(&self) -> String {
        match &self.kind {
            ParameterKind::Integer { min, max, step } => {
                let step = if *step > 1 { format!(" step {step}") } else { String::new() };
                let automatic = self.automatic.map(|value| format!(", {value} = automatic")).unwrap_or_default();
                format!("{min}..{max}{step}{automatic}")
            }
            ParameterKind::Number { min, max } => format!("{min}..{max}"),
            ParameterKind::Boolean => "true|false".to_owned(),
            ParameterKind::Choice(choices) => choices.join("|"),
            ParameterKind::Ratio { min, max } => format!("{}:{}..{}:{}", min.0, min.1, max.0, max.1),
            ParameterKind::Text { max } => format!("text, at most {max} bytes"),
            ParameterKind::Image => "file, https URL or base64".to_owned(),
            ParameterKind::Images { min, max } => format!("{min} to {max} files, https URLs or base64"),
        }
    }

    /// Parses typed text. Several images are separated by commas or lines; a comma within a URL is written `%2C`.
    pub fn parse(&self, text: &str) -> Result<Value, SpecError> {
        let text = text.trim();
        let value = match &self.kind {
            ParameterKind::Integer { .. } | ParameterKind::Number { .. } => {
                match (text.parse::<i64>(), text.parse::<f64>()) {
                    (Ok(whole), _) => Value::from(whole),
                    (_, Ok(number)) if number.is_finite() => Value::from(number),
                    _ => {
                        return Err(self.problem(format!(
                            "'{}' is not a number; {}",
                            sanitize_line(text, 40),
                            self.range()
                        )));
                    }
                }
            }
            ParameterKind::Boolean => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Value::Bool(true),
                "false" | "no" | "off" | "0" => Value::Bool(false),
                _ => return Err(self.problem(format!("'{}' is neither true nor false", sanitize_line(text, 40)))),
            },
            ParameterKind::Images { .. } if !text.starts_with("data:") => text
                .split([',', '\n'])
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(Value::from)
                .collect::<Vec<Value>>()
                .into(),
            _ => Value::from(text),
        };
        self.check(&value, false)
    }

    /// The value as it is sent (whole numbers as integers, a single image of a list as a list), or what is wrong with it.
    pub fn check(&self, value: &Value, from_shared_store: bool) -> Result<Value, SpecError> {
        match &self.kind {
            ParameterKind::Integer { min, max, step } => self.check_integer(value, *min, *max, *step),
            ParameterKind::Number { min, max } => match value.as_f64() {
                Some(number) if (*min..=*max).contains(&number) => Ok(value.clone()),
                Some(number) => Err(self.problem(format!("{number} is out of range; {}", self.range()))),
                None => Err(self.wrong_type(value, "a number")),
            },
            ParameterKind::Boolean if value.is_boolean() => Ok(value.clone()),
            ParameterKind::Boolean => Err(self.wrong_type(value, "true or false")),
            ParameterKind::Choice(choices) => match value.as_str() {
                Some(word) if choices.iter().any(|choice| choice == word) => Ok(value.clone()),
                Some(word) => {
                    Err(self.problem(format!("'{}' is not one of {}", sanitize_line(word, 40), choices.join(", "))))
                }
                None => Err(self.wrong_type(value, &format!("one of {}", choices.join(", ")))),
            },
            ParameterKind::Ratio { min, max } => self.check_ratio(value, *min, *max),
            ParameterKind::Text { max } => match value.as_str() {
                Some(text) if text.len() <= *max => Ok(value.clone()),
                Some(text) => Err(self.problem(format!("is {} bytes long; at most {max}", text.len()))),
                None => Err(self.wrong_type(value, "text")),
            },
            ParameterKind::Image => self.check_image(value, from_shared_store).map(|()| value.clone()),
            ParameterKind::Images { min, max } => {
                let images = match value {
                    Value::Array(images) => images.clone(),
                    one => vec![one.clone()],
                };
                if !(*min..=*max).contains(&images.len()) {
                    return Err(self.problem(format!("{} images; {min} to {max} are taken", images.len())));
                }
                images.iter().try_for_each(|image| self.check_image(image, from_shared_store))?;
                Ok(Value::Array(images))
            }
        }
    }

    fn check_integer(&self, value: &Value, min: i64, max: i64, step: i64) -> Result<Value, SpecError> {
        // Firestore and spreadsheets hand whole numbers over as 28.0.
        let whole = value.as_i64().or_else(|| {
            value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 9.1e15).map(|number| number as i64)
        });
        let Some(whole) = whole else {
            return Err(match value {
                Value::Number(number) if number.is_f64() => {
                    self.problem(format!("{number} is not a whole number; {}", self.range()))
                }
                Value::Number(number) => self.problem(format!("{number} is out of range; {}", self.range())),
                other => self.wrong_type(other, "a whole number"),
            });
        };
        if self.automatic == Some(whole) {
            return Ok(Value::from(whole));
        }
        if !(min..=max).contains(&whole) {
            return Err(self.problem(format!("{whole} is out of range; {}", self.range())));
        }
        if step > 1 && whole % step != 0 {
            let below = whole - whole.rem_euclid(step);
            let near: Vec<String> = [below, below + step]
                .iter()
                .filter(|near| (min..=max).contains(near))
                .map(ToString::to_string)
                .collect();
            return Err(self.problem(format!("{whole} is not a multiple of {step}; near: {}", near.join(", "))));
        }
        Ok(Value::from(whole))
    }

    fn check_ratio(&self, value: &Value, min: (u32, u32), max: (u32, u32)) -> Result<Value, SpecError> {
        let Some(text) = value.as_str() else { return Err(self.wrong_type(value, "a ratio such as 16:9")) };
        let Some((width, height)) = parse_ratio(text) else {
            return Err(self.problem(format!("'{}' is not a ratio such as 16:9", sanitize_line(text, 40))));
        };
        let narrower = |left: (u32, u32), right: (u32, u32)| {
            u64::from(left.0) * u64::from(right.1) < u64::from(right.0) * u64::from(left.1)
        };
        if narrower((width, height), min) || narrower(max, (width, height)) {
            return Err(self.problem(format!("{width}:{height} is out of range; {}", self.range())));
        }
        Ok(Value::from(format!("{width}:{height}")))
    }

    fn check_image(&self, value: &Value, from_shared_store: bool) -> Result<(), SpecError> {
        let Some(text) = value.as_str() else { return Err(self.wrong_type(value, "a file, an https URL or base64")) };
        ImageSource::parse(text, from_shared_store).map(|_| ()).map_err(|error| self.problem(error.0))
    }

    fn wrong_type(&self, value: &Value, right: &str) -> SpecError {
        let is = match value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.problem(format!("is {is}; it must be {right}"))
    }

    fn problem(&self, message: impl Into<String>) -> SpecError {
        SpecError { parameter: self.name.clone(), message: message.into() }
    }
}

/// `16:9` as two numbers from 1 to 10000.
pub(super) fn parse_ratio(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.trim().split_once(':')?;
    let side = |text: &str| {
        let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|side| digits && (1..=10_000).contains(side))
    };
    Some((side(width)?, side(height)?))
}
