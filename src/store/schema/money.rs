//! Amounts of money in documents: finite, not negative, at most a million dollars for one charge, and exact.

use rust_decimal::Decimal;
use serde_json::{Number, Value};

use crate::costs::{MAX_CHARGE_USD, Usd};
use crate::text::sanitize_line;

/// Decimal places that every sum keeps exactly.
const DECIMALS: i32 = 24;

/// More digits than a decimal holds exactly.
const DIGITS: usize = 28;

/// The amount in a field. Errors: why it is not valid, without the field's name.
pub(super) fn parse_amount(value: &Value) -> Result<Usd, String> {
    match value {
        // The shortest decimal of a double is what was written; a sum keeps 24 of its decimals.
        Value::Number(number) => parse(&number.to_string(), true),
        Value::String(text) => parse(text, false),
        // The form of a double that JSON lacks.
        Value::Object(map) if map.contains_key("$double") => Err("is not finite".to_owned()),
        other => Err(format!("is {}; expected a number of dollars", kind(other))),
    }
}

/// The amount, exact, or rounded to the decimals that sums keep. Errors: why it is not valid.
fn parse(text: &str, round: bool) -> Result<Usd, String> {
    let text = text.trim();
    let shown = || sanitize_line(text, 40);
    if text.starts_with('-') {
        return Err(format!("is {}; a charge cannot be negative", shown()));
    }
    let invalid = || format!("'{}' is not a valid amount in dollars (example: 0.025)", shown());
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| invalid())?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !are_digits(whole) || !are_digits(fraction) || text.len() > 400 {
        return Err(invalid());
    }
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0').trim_end_matches('0');
    if digits.is_empty() {
        return Ok(Usd::ZERO);
    }
    let trailing = all.len() - all.trim_end_matches('0').len();
    let scale = i32::try_from(fraction.len()).unwrap_or(i32::MAX) - i32::try_from(trailing).unwrap_or(0);
    let scale = scale.saturating_sub(exponent);
    if round && scale > DECIMALS {
        let dropped = usize::try_from(scale - DECIMALS).unwrap_or(usize::MAX);
        let kept = digits.len().saturating_sub(dropped);
        let up = dropped <= digits.len() && digits.as_bytes()[kept] >= b'5';
        let number = digits[..kept].parse().unwrap_or(0_i128) + i128::from(up);
        return Decimal::try_from_i128_with_scale(number, DECIMALS.unsigned_abs()).map(Usd::new).map_err(|_| invalid());
    }
    if scale > DECIMALS || digits.len() > DIGITS {
        return Err(format!("is {}; more than {DECIMALS} decimal places", shown()));
    }
    let too_large = || format!("is {}; exceeds the limit of {MAX_CHARGE_USD} dollars for one charge", shown());
    if scale < -8 {
        return Err(too_large());
    }
    let number: i128 = digits.parse().map_err(|_| invalid())?;
    let amount = if scale >= 0 {
        Decimal::try_from_i128_with_scale(number, scale.unsigned_abs()).map_err(|_| invalid())?
    } else {
        let shifted = number.checked_mul(10_i128.pow(scale.unsigned_abs())).ok_or_else(too_large)?;
        Decimal::try_from_i128_with_scale(shifted, 0).map_err(|_| too_large())?
    };
    if amount > Decimal::from(MAX_CHARGE_USD) {
        return Err(too_large());
    }
    Ok(Usd::new(amount))
}

/// The amount as a number of a document, which is the nearest binary fraction.
pub(super) fn number(amount: Usd) -> Value {
    let nearest: f64 = amount.to_string().parse().unwrap_or(0.0);
    Number::from_f64(nearest).map_or(Value::Null, Value::Number)
}

/// The type of a value, for error messages.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_amounts_are_accepted() {
        for (text, expected) in [
            ("0.025", "0.025"),
            ("5e-06", "0.000005"),
            ("5.0003452102343246e-06", "0.0000050003452102343246"),
            ("1", "1"),
            ("+1.50", "1.5"),
            ("0.000000000000000000000001", "0.000000000000000000000001"),
            ("0.0000000000000000000000010000", "0.000000000000000000000001"),
            ("1e3", "1000"),
            ("0e999", "0"),
            ("0", "0"),
            (".5", "0.5"),
            (" 2. ", "2"),
        ] {
            assert_eq!(parse(text, false).map(|amount| amount.to_string()), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn other_amounts_are_rejected() {
        for text in [
            "",
            " ",
            ".",
            "-",
            "-0.01",
            "-0",
            "NaN",
            "nan",
            "inf",
            "Infinity",
            "1e400",
            "1e2147483648",
            "$1",
            "1,5",
            "1_0",
            "0x1",
            "1e",
            "1e+-2",
            "0.0000000000000000000000001",
            "1e-25",
            "123456789.123456789012345678901",
            "1000000.01",
            "9223372036854775808",
            "1e9",
            "1 2",
            "१",
        ] {
            assert!(parse(text, false).is_err(), "{text}: {:?}", parse(text, false));
        }
        let tiny = |amount: f64| parse_amount(&Value::from(amount)).map(|amount| amount.to_string()).unwrap();
        assert_eq!(tiny(1.234_567_890_123_456_7e-12), "0.000000000001234567890123");
        assert_eq!((tiny(6e-25).as_str(), tiny(1e-300).as_str()), ("0.000000000000000000000001", "0"));
        for value in [Value::Null, Value::Bool(true), Value::Array(vec![]), Value::from(-0.5), Value::from(-1)] {
            assert!(parse_amount(&value).is_err(), "{value}");
        }
    }
}
